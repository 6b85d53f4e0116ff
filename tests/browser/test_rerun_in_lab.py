"""A cell that is run again in JupyterLab: its explorable replaces the one before, and nothing of that one is left."""

from __future__ import annotations

import json
from collections.abc import Iterator

import nbformat
import pytest
from lab import console_errors, lab, open_and_run, run_cell
from playwright.sync_api import Page, expect

pytestmark = [pytest.mark.browser, pytest.mark.slow]

RUNS = 3
STUDIO = "import explorable as ex\n\nstudio = ex.Studio(seed=2)\nstudio"
COUNT = """import gc, json, os, threading
import psutil
from ipywidgets.widgets.widget import _instances

studio.wait()
gc.collect()
threads = [thread.name for thread in threading.enumerate() if thread.name.startswith("explorable-")]
print(json.dumps({"models": len(_instances), "threads": len(threads), "finished": studio.result is not None,
                  "megabytes": psutil.Process().memory_info().rss / 1e6}))"""


@pytest.fixture(scope="module")
def address(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    root = tmp_path_factory.mktemp("rerun")
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code) for code in (STUDIO, COUNT)])
    notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(notebook, root / "rerun.ipynb")
    with lab(root) as address:
        yield address


def counted(page: Page) -> dict:
    """Run the second cell and return what it counts."""
    page.wait_for_timeout(4000)  # the still of the last result is painted, and what was replaced has ended
    run_cell(page, 1)
    output = page.locator(".jp-CodeCell").nth(1).locator(".jp-OutputArea-output")
    expect(output).to_contain_text("megabytes")
    return json.loads(output.inner_text())


def test_three_runs_of_a_cell_leave_as_much_as_one(page: Page, address: str):
    errors = console_errors(page)
    open_and_run(page, address, "rerun.ipynb")
    first = page.locator(".jp-CodeCell").first
    expect(first.locator(".ex-thumb").last).to_be_visible()
    for _ in range(2):  # what is made once a kernel
        run_cell(page, 0)
        once = counted(page)
    for _ in range(RUNS):
        run_cell(page, 0)  # at once after another: the one before still computes
    again = counted(page)
    assert once["finished"] and again["finished"]
    assert (again["models"], again["threads"]) == (once["models"], 0) and once["threads"] == 0
    assert again["megabytes"] < 1.1 * once["megabytes"]
    assert page.locator(".ex-explorable").count() == 1 and page.locator(".ex-stage").count() == 1
    expect(first.locator(".ex-thumb").last).to_be_visible()
    assert errors == []
