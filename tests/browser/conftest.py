"""One JupyterLab for all browser tests, which serves copies of the notebooks; a browser window for each test."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("playwright.sync_api", reason="the browser tests drive Chromium with playwright")

from lab import browser, lab, stop_kernels
from playwright.sync_api import Page, expect

TIMEOUT_MS = 120_000  # a busy machine is slow
NOTEBOOKS = Path(__file__).parents[2] / "notebooks"


@pytest.fixture(scope="session")
def address(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Yield the address of a Lab that serves copies of the notebooks."""
    root = tmp_path_factory.mktemp("lab")
    for notebook in NOTEBOOKS.glob("*.ipynb"):
        shutil.copy(notebook, root)
    with lab(root) as address:
        yield address


@pytest.fixture
def page(chromium: str, address: str) -> Iterator[Page]:
    """Yield an empty page. Kernels of earlier tests are stopped; what takes longer than TIMEOUT_MS fails."""
    stop_kernels(address)
    expect.set_options(timeout=TIMEOUT_MS)
    with browser(chromium) as context:
        page = context.new_page()
        page.set_default_timeout(TIMEOUT_MS)
        yield page
