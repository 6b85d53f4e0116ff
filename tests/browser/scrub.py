"""How long from a movement until the picture is painted, and what is told to the kernel meanwhile? Real mouse moves, in
JupyterLab, in Chromium.

    python tests/browser/scrub.py [NOTEBOOK …]

For each notebook's first explorable (all of them without a name) and each axis of its stage: the median and the 95th
percentile of 60 moves, the first time over (frames are unpacked as they are first shown) and again. The first axis is
moved by its slider, the others (word, layer, head, …) by pointing at their choices. From the event's own time stamp to
the first task after the frame that shows it. It must reach: p50 12 ms, p95 33 ms, nothing sent to the kernel.
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
PATIENCE = 600  # seconds until an explorable has come to rest
# At an input event the stage has drawn already, and at entering a choice it draws at once. The next frame's callback
# runs before painting, and a message posted from there arrives after it.
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
    """The bytes of each message that the page sends to a kernel, from now on."""
    sent: list[int] = []

    def hear(socket: WebSocket) -> None:
        if "/channels" in socket.url:
            socket.on("framesent", lambda payload: sent.append(len(payload)))

    page.on("websocket", hear)
    return sent


def move(page: Page, places: list[tuple[float, float]], sent: list[int], held: bool) -> tuple[list[float], list[int]]:
    """Lead the mouse through places, 60 of them, its button held down or not; milliseconds of each move that changed
    what is shown, and the messages sent meanwhile. What is told once the hand has come to rest is not counted."""
    page.mouse.move(*places[0])
    page.wait_for_timeout(500)
    page.evaluate("() => { window.scrubbed.length = 0 }")
    before = len(sent)
    if held:
        page.mouse.down()
    for k in range(MOVES):
        page.mouse.move(*places[k % len(places)])
        page.wait_for_timeout(20)
    told = sent[before:]
    if held:
        page.mouse.up()
    page.wait_for_timeout(500)
    return page.evaluate("() => window.scrubbed"), told


def middle(target: Locator) -> tuple[float, float]:
    box = target.bounding_box()
    assert box
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def along(slider: Locator) -> list[tuple[float, float]]:
    """From the slider's end to its beginning and back."""
    slider.scroll_into_view_if_needed()
    box = slider.bounding_box()
    assert box
    left, width, y = box["x"] + 8, box["width"] - 16, box["y"] + box["height"] / 2
    return [(left + width * abs(k - 20) / 20, y) for k in range(40)]


def over(axis: Locator) -> list[tuple[float, float]]:
    """From the first choice to the last and back."""
    axis.scroll_into_view_if_needed()
    places = [middle(chip) for chip in axis.locator(".ex-chip").all()]
    return [*places, *places[-2:0:-1]]


def at_rest(page: Page) -> None:
    """Wait until the first explorable computes and plays no more."""
    told = ""
    for _ in range(PATIENCE):
        page.wait_for_timeout(1000)
        now = page.locator(".ex-caption").first.inner_text() if page.locator(".ex-caption").count() else ""
        if now and now == told and page.locator(".ex-moving").count() == 0:
            return
        told = now
    raise RuntimeError(f"the explorable has not come to rest after {PATIENCE} s")


def measure(chromium: str, notebook: Path) -> Iterator[tuple[str, list[float], list[int]]]:
    """For each axis, the first time and again: its name, milliseconds of each move, bytes of each message sent."""
    with tempfile.TemporaryDirectory() as folder:
        opening = nbformat.read(notebook, 4)  # up to the explorable: what comes after would compute meanwhile
        first = next(k for k, cell in enumerate(opening.cells) if cell.cell_type == "code")
        del opening.cells[first + 1 :]
        nbformat.write(opening, Path(folder) / notebook.name)
        with lab(Path(folder)) as address, browser(chromium) as context:
            page = context.new_page()
            sent = sent_to_kernels(page)
            open_and_run(page, address, notebook.name)
            at_rest(page)
            page.evaluate(LISTEN)
            stage = page.locator(".ex-stage").first
            for time in ("first", "again"):
                yield f"step, {time}", *move(page, along(stage.locator(".ex-slider")), sent, held=True)
                for axis in stage.locator(".ex-axis").all():
                    yield f"{axis.get_attribute('data-axis')}, {time}", *move(page, over(axis), sent, held=False)


def main() -> None:
    chromium = shutil.which("chromium") or sys.exit("no chromium on PATH")
    for name in sys.argv[1:] or sorted(path.name for path in NOTEBOOKS.glob("*.ipynb")):
        for what, times, sent in measure(chromium, NOTEBOOKS / name):
            print(f"{name}, {what}: {len(times)} moves, p50 {statistics.median(times):.1f} ms, "
                  f"p95 {percentile(times, 0.95):.1f} ms; {len(sent)} messages, {sum(sent)} bytes to the kernel")


if __name__ == "__main__":
    main()
