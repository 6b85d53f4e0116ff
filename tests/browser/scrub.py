"""How long from moving the step slider until the picture is painted? Real mouse moves, in JupyterLab, in Chromium.

    python tests/browser/scrub.py

Prints the median and the 95th percentile of 60 moves, the first time over (frames are unpacked as they are first
shown) and again. From the event's own time stamp to the first task after the frame that shows it.
"""

from __future__ import annotations

import shutil
import statistics
import sys
import tempfile
from pathlib import Path

from lab import browser, lab, open_and_run
from playwright.sync_api import Page

MOVES = 60
# After an input event the stage has drawn already. The next frame's callback runs before painting, and a message
# posted from there arrives after it.
LISTEN = """() => {
  window.scrubbed = [];
  const slider = document.querySelector(".ex-slider");
  slider.addEventListener("input", (event) => requestAnimationFrame(() => {
    const after = new MessageChannel();
    after.port1.onmessage = () => window.scrubbed.push(performance.now() - event.timeStamp);
    after.port2.postMessage(null);
  }));
}"""


def percentile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, round(share * (len(values) - 1)))]


def drag(page: Page) -> list[float]:
    """Drag the slider to and fro; milliseconds of each move that changed the frame."""
    page.evaluate("() => { window.scrubbed.length = 0 }")
    slider = page.locator(".ex-slider").first
    slider.scroll_into_view_if_needed()
    box = slider.bounding_box()
    assert box
    middle, left, width = box["y"] + box["height"] / 2, box["x"] + 8, box["width"] - 16
    page.mouse.move(left + width, middle)
    page.mouse.down()
    for k in range(MOVES):
        page.mouse.move(left + width * abs((k % 40) - 20) / 20, middle)
        page.wait_for_timeout(20)
    page.mouse.up()
    page.wait_for_timeout(300)
    return page.evaluate("() => window.scrubbed")


def measure(chromium: str, notebook: Path) -> dict[str, list[float]]:
    """Milliseconds of each move: of the first drag and of the second."""
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(notebook, folder)
        with lab(Path(folder)) as address, browser(chromium) as context:
            page = context.new_page()
            open_and_run(page, address, notebook.name)
            page.wait_for_selector(".ex-thumb", timeout=180_000)
            page.wait_for_timeout(4000)  # the arrival has played
            page.evaluate(LISTEN)
            return {"first": drag(page), "again": drag(page)}


def main() -> None:
    chromium = shutil.which("chromium") or sys.exit("no chromium on PATH")
    notebook = Path(__file__).parents[2] / "notebooks" / "00-studio.ipynb"
    for name, times in measure(chromium, notebook).items():
        middle, late = statistics.median(times), percentile(times, 0.95)
        print(f"{name}: {len(times)} moves, p50 {middle:.1f} ms, p95 {late:.1f} ms")


if __name__ == "__main__":
    main()
