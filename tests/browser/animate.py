"""Record the Studio in use as an animated WebP: the moving image in README.

    python tests/browser/animate.py FILE.webp

Opens notebook 00 in JupyterLab, types another prompt, waits for its image, and scrubs through the steps.
"""

from __future__ import annotations

import io
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from lab import browser, lab, open_and_run
from PIL import Image
from playwright.sync_api import Locator, Page

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "00-studio.ipynb"
PROMPT = "a cozy cabin in snowy mountains"
WIDTH = 840  # pixels of the animation
QUALITY = 60
MAX_BYTES = 3_000_000

Frame = tuple[Image.Image, int]  # an image and how long it is shown, in milliseconds


def frame(widget: Locator, milliseconds: int) -> Frame:
    """One screenshot of the explorable."""
    image = Image.open(io.BytesIO(widget.screenshot())).convert("RGB")
    return image.resize((WIDTH, round(image.height * WIDTH / image.width)), Image.Resampling.LANCZOS), milliseconds


def frames(page: Page) -> Iterator[Frame]:
    """The whole scene: the first image, a new prompt as it is typed, its preview and result, and scrubbing."""
    widget = page.locator(".ex-explorable").first
    yield frame(widget, 1200)
    prompt = widget.locator("input[type=text]").first
    prompt.fill("")
    for end in range(0, len(PROMPT), 6):
        prompt.fill(PROMPT[: end + 6])
        yield frame(widget, 120)
    prompt.press("Enter")
    for _ in range(14):
        page.wait_for_timeout(60)
        yield frame(widget, 160)
    page.wait_for_selector(".ex-status.ex-busy", state="detached", timeout=120_000)
    page.wait_for_timeout(4000)  # the recording has played
    slider = widget.locator(".ex-slider")
    slider.focus()
    slider.press("Home")
    for _ in range(20):
        yield frame(widget, 140)
        slider.press("ArrowRight")
    yield frame(widget, 2000)


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    chromium = shutil.which("chromium") or sys.exit("no chromium on PATH")
    with (tempfile.TemporaryDirectory() as root, lab(Path(shutil.copy(NOTEBOOK, root)).parent) as address,
          browser(chromium) as context):
        page = context.new_page()
        open_and_run(page, address, NOTEBOOK.name)
        page.evaluate("() => window.jupyterapp.shell.collapseLeft()")
        page.wait_for_selector(".ex-panel canvas", timeout=180_000)
        page.wait_for_selector(".ex-status.ex-busy", state="detached", timeout=180_000)
        page.wait_for_timeout(4000)
        images, durations = zip(*frames(page), strict=True)
    target = Path(sys.argv[1])
    height = max(image.height for image in images)
    padded = [Image.new("RGB", (WIDTH, height), image.getpixel((0, image.height - 1))) for image in images]
    for page_image, image in zip(padded, images, strict=True):
        page_image.paste(image)
    padded[0].save(target, save_all=True, append_images=padded[1:], duration=list(durations), loop=0, quality=QUALITY,
                   method=6)
    size = target.stat().st_size
    print(f"wrote {target}: {len(padded)} frames, {size / 1e6:.2f} MB")
    if size > MAX_BYTES:
        sys.exit(f"larger than {MAX_BYTES / 1e6:g} MB: lower QUALITY or WIDTH")


if __name__ == "__main__":
    main()
