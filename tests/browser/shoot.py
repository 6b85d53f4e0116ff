"""Take screenshots of a notebook's explorable in JupyterLab, light and dark, wide and narrow.

    python tests/browser/shoot.py FOLDER [NOTEBOOK]
    python tests/browser/shoot.py .github/images --gallery [Studio …]

The first writes NAME.png, NAME-dark.png, NAME-narrow.png and NAME-dark-narrow.png, where NAME is the notebook's name
without its number. The second writes NAME.png for every explorable, or for those that are named, without the page
around it: README's gallery.
"""

from __future__ import annotations

import io
import shutil
import sys
import tempfile
from pathlib import Path

from lab import browser, lab, open_and_run
from PIL import Image
from playwright.sync_api import Page

from explorable import EXPLORABLES

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
THEMES = {"": "JupyterLab Light", "-dark": "JupyterLab Dark"}
GALLERY_SIZE = (900, 760)  # pixels: width, and the height from which an image is cut off
NARROW = {"width": 720, "height": 1500}  # half of a laptop's screen wide, and as high as the page


def open_explorable(page: Page, address: str, notebook: str) -> None:
    """Run a notebook, and wait until its first explorable has its result and has played it."""
    open_and_run(page, address, notebook)
    page.evaluate("() => window.jupyterapp.shell.collapseLeft()")
    page.wait_for_selector(".ex-panel canvas", timeout=180_000)
    page.wait_for_selector(".ex-status.ex-busy", state="detached", timeout=180_000)
    page.wait_for_timeout(5000)


def shoot_gallery(chromium: str, folder: Path, names: list[str]) -> None:
    """Take a screenshot of each explorable alone, in the light theme."""
    for entry in (EXPLORABLES[name] for name in names or EXPLORABLES):
        with (tempfile.TemporaryDirectory() as root,
              lab(Path(shutil.copy(NOTEBOOKS / entry.notebook, root)).parent) as address, browser(chromium) as context):
            page = context.new_page()
            page.set_viewport_size({"width": 1280, "height": 1700})
            open_explorable(page, address, entry.notebook)
            page.locator(".ex-question").first.evaluate("question => question.scrollIntoView()")  # below the toolbar
            image = Image.open(io.BytesIO(page.locator(".ex-explorable").first.screenshot())).convert("RGB")
        width, max_height = GALLERY_SIZE
        image = image.resize((width, round(image.height * width / image.width)), Image.Resampling.LANCZOS)
        target = folder / f"{entry.notebook.partition('-')[2].removesuffix('.ipynb')}.png"
        image.crop((0, 0, width, min(image.height, max_height))).quantize(192).save(target, optimize=True)
        print(f"wrote {target}")


def shoot(chromium: str, notebook: Path, folder: Path) -> None:
    """Take two screenshots in each theme, after the recording has played."""
    for ending, theme in THEMES.items():
        settings = {"@jupyterlab/apputils-extension/themes": {"theme": theme}}
        with (tempfile.TemporaryDirectory() as root, lab(Path(shutil.copy(notebook, root)).parent, settings) as address,
              browser(chromium, device_scale_factor=1.5) as context):
            page = context.new_page()
            open_explorable(page, address, notebook.name)
            for width, size in (("", page.viewport_size), ("-narrow", NARROW)):
                page.set_viewport_size(size)
                page.wait_for_timeout(1500)
                page.evaluate("() => document.querySelector('.jp-Notebook .jp-Cell').scrollIntoView()")
                page.wait_for_timeout(500)
                target = folder / f"{notebook.stem.partition('-')[2]}{ending}{width}.png"
                page.screenshot(path=target)
                print(f"wrote {target}")


def main() -> None:
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    chromium = shutil.which("chromium") or sys.exit("no chromium on PATH")
    if "--gallery" in sys.argv:
        shoot_gallery(chromium, Path(sys.argv[1]), sys.argv[sys.argv.index("--gallery") + 1 :])
        return
    shoot(chromium, NOTEBOOKS / (sys.argv[2] if len(sys.argv) > 2 else "00-studio.ipynb"), Path(sys.argv[1]))


if __name__ == "__main__":
    main()
