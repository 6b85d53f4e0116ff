"""Take screenshots of a notebook's explorable in JupyterLab, light and dark, wide and narrow.

    python tests/browser/shoot.py FOLDER [NOTEBOOK]

Writes NAME.png, NAME-dark.png, NAME-narrow.png and NAME-dark-narrow.png, where NAME is the notebook's name without its
number.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

from lab import browser, lab, open_and_run

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
THEMES = {"": "JupyterLab Light", "-dark": "JupyterLab Dark"}
NARROW = {"width": 720, "height": 1500}  # half of a laptop's screen wide, and as high as the page


def shoot(chromium: str, notebook: Path, folder: Path) -> None:
    """Take two screenshots in each theme, after the recording has played."""
    for ending, theme in THEMES.items():
        settings = {"@jupyterlab/apputils-extension/themes": {"theme": theme}}
        with (tempfile.TemporaryDirectory() as root, lab(Path(shutil.copy(notebook, root)).parent, settings) as address,
              browser(chromium, device_scale_factor=1.5) as context):
            page = context.new_page()
            open_and_run(page, address, notebook.name)
            page.evaluate("() => window.jupyterapp.shell.collapseLeft()")
            page.wait_for_selector(".ex-panel canvas", timeout=180_000)
            page.wait_for_selector(".ex-status.ex-busy", state="detached", timeout=180_000)  # the preview is replaced
            page.wait_for_timeout(5000)  # the recording has played
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
    shoot(chromium, NOTEBOOKS / (sys.argv[2] if len(sys.argv) > 2 else "00-studio.ipynb"), Path(sys.argv[1]))


if __name__ == "__main__":
    main()
