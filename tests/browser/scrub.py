"""How long does it take from a mouse movement until the frame is painted, and what is sent to the kernel meanwhile?

In JupyterLab, in Chromium, with real mouse movements.

    python tests/browser/scrub.py [NOTEBOOK …]

For the first explorable of each notebook (default: all) and each axis of its stage: the median and 95th percentile of
60 movements, the first time (frames are unpacked when they are first shown) and again. The first axis is moved by its
slider, the others (word, layer, head, …) by pointing at their values. Times are from the event's time stamp to the
first task after the frame that shows it. Targets: p50 12 ms, p95 33 ms, nothing sent to the kernel. Before each series
of moves the page is quiet: the end of a drag is sent, its step is marked in the chart, and a second later the page
sends that chart as SVG, for saved pages.
"""

from __future__ import annotations

import shutil
import statistics
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import nbformat
from lab import browser, lab, open_and_run
from playwright.sync_api import Locator, Page, WebSocket

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
MOVES = 60
MAX_SECONDS = 600  # until an explorable is idle
QUIET_SECONDS = 3  # without a message to the kernel
# The stage draws within the input event, and on entering a value. The callback of the next frame runs before painting,
# and a message posted by it arrives after painting.
LISTEN = """() => {
  window.scrubbed = [];
  const time = (event) => requestAnimationFrame(() => {
    const after = new MessageChannel();
    after.port1.onmessage = () => window.scrubbed.push(performance.now() - event.timeStamp);
    after.port2.postMessage(null);
  });
  const stage = document.querySelector(".ex-stage");
  stage.addEventListener("input", time);
  stage.addEventListener("mouseenter", (event) => event.target.classList.contains("ex-chip") && time(event), true);
}"""


def percentile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, round(share * (len(values) - 1)))]


def sent_to_kernels(page: Page) -> list[int]:
    """Collect the bytes of each message that the page sends to a kernel from now on."""
    sent: list[int] = []

    def on_websocket(socket: WebSocket) -> None:
        if "/channels" in socket.url:
            socket.on("framesent", lambda payload: sent.append(len(payload)))

    page.on("websocket", on_websocket)
    return sent


def move(page: Page, positions: list[tuple[float, float]], sent: list[int], press: bool,
         ) -> tuple[list[float], list[int]]:
    """Move the mouse through positions, with or without its button pressed.

    Returns the milliseconds of each movement that changed the frame, and the messages sent meanwhile. Messages sent
    after the last movement do not count.
    """
    page.mouse.move(*positions[0])
    wait_until_idle(page, sent)
    page.evaluate("() => { window.scrubbed.length = 0 }")
    before = len(sent)
    if press:
        page.mouse.down()
    for k in range(MOVES):
        page.mouse.move(*positions[k % len(positions)])
        page.wait_for_timeout(20)
    during = sent[before:]
    if press:
        page.mouse.up()
    page.wait_for_timeout(500)
    return page.evaluate("() => window.scrubbed"), during


def middle(target: Locator) -> tuple[float, float]:
    box = target.bounding_box()
    assert box
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def along(slider: Locator) -> list[tuple[float, float]]:
    """Return positions from the slider's end to its beginning and back."""
    slider.scroll_into_view_if_needed()
    box = slider.bounding_box()
    assert box
    left, width, y = box["x"] + 8, box["width"] - 16, box["y"] + box["height"] / 2
    return [(left + width * abs(k - 20) / 20, y) for k in range(40)]


def over(axis: Locator) -> list[tuple[float, float]]:
    """Return positions from the first value to the last and back."""
    axis.scroll_into_view_if_needed()
    positions = [middle(chip) for chip in axis.locator(".ex-chip").all()]
    return [*positions, *positions[-2:0:-1]]


def wait_until_idle(page: Page, sent: list[int]) -> None:
    """Wait until the first explorable neither computes nor plays, and the page has sent nothing for QUIET_SECONDS."""
    before, quiet = ("", 0), 0
    for _ in range(MAX_SECONDS):
        page.wait_for_timeout(1000)
        caption = page.locator(".ex-caption").first.inner_text() if page.locator(".ex-caption").count() else ""
        now = caption, len(sent)
        quiet = quiet + 1 if caption and now == before and page.locator(".ex-moving").count() == 0 else 0
        if quiet == QUIET_SECONDS:
            return
        before = now
    raise RuntimeError(f"the explorable is not idle after {MAX_SECONDS} s")


def measure(chromium: str, notebook: Path) -> Iterator[tuple[str, list[float], list[int]]]:
    """Yield for each axis, twice: its name, milliseconds of each movement, bytes of each message sent."""
    with tempfile.TemporaryDirectory() as folder:
        opening = nbformat.read(notebook, 4)  # only up to the explorable: later cells would compute meanwhile
        first = next(k for k, cell in enumerate(opening.cells) if cell.cell_type == "code")
        del opening.cells[first + 1 :]
        nbformat.write(opening, Path(folder) / notebook.name)
        with lab(Path(folder)) as address, browser(chromium) as context:
            page = context.new_page()
            sent = sent_to_kernels(page)
            open_and_run(page, address, notebook.name)
            wait_until_idle(page, sent)
            page.evaluate(LISTEN)
            stage = page.locator(".ex-stage").first
            for time in ("first", "again"):
                yield f"step, {time}", *move(page, along(stage.locator(".ex-slider")), sent, press=True)
                for axis in stage.locator(".ex-axis").all():
                    yield f"{axis.get_attribute('data-axis')}, {time}", *move(page, over(axis), sent, press=False)


def main() -> None:
    chromium = shutil.which("chromium") or sys.exit("no chromium on PATH")
    for name in sys.argv[1:] or sorted(path.name for path in NOTEBOOKS.glob("*.ipynb")):
        for what, times, sent in measure(chromium, NOTEBOOKS / name):
            print(f"{name}, {what}: {len(times)} moves, p50 {statistics.median(times):.1f} ms, "
                  f"p95 {percentile(times, 0.95):.1f} ms; {len(sent)} messages, {sum(sent)} bytes to the kernel")


if __name__ == "__main__":
    main()
