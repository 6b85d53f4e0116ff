"""What JupyterLab shows of a saved notebook: still images without a kernel, the explorable again after a reload.

Lab shows widgets in trusted notebooks alone. One is trusted after `jupyter trust`, which `make lab` runs, or if it is
saved when all its cells were run.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from lab import lab, run_cell, stop_kernels
from playwright.sync_api import Locator, Page, expect
from strip_views import VIEW

from explorable.widgets.core.still import WIDTH

pytestmark = [pytest.mark.browser, pytest.mark.slow]

NOTEBOOK = Path(__file__).parents[2] / "notebooks/00-studio.ipynb"
SAVE = "() => window.jupyterapp.commands.execute('docmanager:save')"


@pytest.fixture(scope="module")
def saved(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """Yield a folder with the first notebook as it is committed, trusted and not, and the address of its Lab."""
    root, patch = tmp_path_factory.mktemp("saved"), pytest.MonkeyPatch()
    patch.setenv("JUPYTER_DATA_DIR", str(root / "data"))  # where signatures are stored
    for name in ("trusted", "untrusted"):
        notebook = nbformat.read(NOTEBOOK, 4)
        notebook.metadata.title = name  # signatures are of contents
        nbformat.write(notebook, root / f"{name}.ipynb")
    subprocess.run([sys.executable, "-m", "jupyter", "trust", str(root / "trusted.ipynb")], check=True)
    with lab(root) as address:
        yield root, address
    patch.undo()
    shutil.rmtree(root / "data")


def open_notebook(page: Page, address: str, name: str) -> Locator:
    """Open a notebook and return its first code cell."""
    stop_kernels(address)
    page.goto(f"{address}/lab/tree/{name}.ipynb?reset")
    cell = page.locator(".jp-CodeCell").first
    expect(cell.locator(".jp-OutputArea-child").first).to_be_visible()
    return cell


def still_of(cell: Locator) -> Locator:
    return cell.locator(f'img[width="{WIDTH}"]')


def run_and_save(page: Page, cell: Locator) -> None:
    run_cell(page, 1)
    expect(cell.locator(".ex-thumb").last).to_be_visible()
    expect(cell.locator(".ex-explorable")).to_be_visible()
    before = still_of(cell).get_attribute("src")
    expect(still_of(cell)).not_to_have_attribute("src", before or "")  # painted again, of the finished image
    expect(still_of(cell)).to_be_hidden()
    page.evaluate(SAVE)


@pytest.mark.parametrize("name", ["trusted", "untrusted"])
def test_a_committed_notebook_opens_with_its_still(saved: tuple[Path, str], page: Page, name: str):
    cell = open_notebook(page, saved[1], name)
    expect(still_of(cell)).to_be_visible()
    expect(cell).to_contain_text("Studio(")
    assert "not found" not in cell.inner_text()


def test_after_a_reload_a_trusted_notebook_shows_the_explorable_again(saved: tuple[Path, str], page: Page):
    root, address = saved
    cell = open_notebook(page, address, "trusted")
    run_and_save(page, cell)
    outputs = nbformat.read(root / "trusted.ipynb", 4).cells[1].outputs
    assert [VIEW in output.data for output in outputs] == [True, False]
    assert "image/png" in outputs[1].data
    page.reload()
    expect(cell.locator(".ex-explorable .ex-thumb").last).to_be_visible()
    expect(still_of(cell)).to_be_hidden()
    caption, slider = cell.locator(".ex-caption"), cell.locator(".ex-slider")
    slider.focus()
    slider.press("Home")
    expect(caption).to_contain_text("step 0 of")


def test_after_a_reload_a_notebook_that_is_not_trusted_shows_the_still(saved: tuple[Path, str], page: Page):
    cell = open_notebook(page, saved[1], "untrusted")
    run_and_save(page, cell)
    page.reload()
    expect(still_of(cell)).to_be_visible()
    assert cell.locator(".ex-explorable").count() == 0
