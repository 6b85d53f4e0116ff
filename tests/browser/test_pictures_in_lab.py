"""The reader's own picture in JupyterLab: a file larger than a message may be, and one that is no picture."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import nbformat
import numpy as np
import pytest
from lab import browser, console_errors, lab, open_and_run
from PIL import Image
from playwright.sync_api import Page, expect

pytestmark = [pytest.mark.browser, pytest.mark.slow]

CELL = "import explorable as ex\n\nex.LatentSpace(mode='noise')"
MESSAGE_LIMIT = 10 * 2**20  # bytes that Jupyter's server accepts in one message


@pytest.fixture
def page(chromium: str, tmp_path: Path) -> Iterator[Page]:
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(CELL)])
    notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(notebook, tmp_path / "own.ipynb")
    with lab(tmp_path) as address, browser(chromium) as context:
        page = context.new_page()
        page.set_default_timeout(120_000)
        open_and_run(page, address, "own.ipynb")
        expect(page.locator(".ex-explorable .ex-caption").first).to_contain_text("signal to noise", timeout=180_000)
        yield page


def test_a_large_picture_is_sent_smaller_and_what_is_no_picture_is_refused(page: Page, tmp_path: Path):
    errors = console_errors(page)
    noise = np.random.default_rng(0).integers(0, 256, (2400, 2400, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "large.png")
    assert (tmp_path / "large.png").stat().st_size > MESSAGE_LIMIT
    (tmp_path / "no-picture.png").write_bytes(b"x" * 5_000_000)
    chosen = page.locator(".ex-explorable input[type=file]").first
    status, dropdown = page.locator(".ex-explorable .ex-status").first, page.locator(".ex-explorable select").first
    chosen.set_input_files(tmp_path / "no-picture.png")
    expect(status).to_contain_text("The file no-picture.png is damaged, no picture, or too large")
    chosen.set_input_files(tmp_path / "large.png")
    expect(dropdown.locator("option:checked")).to_have_text("large.png")
    expect(status).to_have_text("")
    assert errors == []
