"""The cheat sheet quotes what was measured, computes its images, and fits one page."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import explorable as ex
from explorable.__main__ import app
from explorable.measure.cheatsheet import committed, page, write_cheatsheet
from explorable.measure.cheatsheet.ideas import IDEAS
from explorable.measure.cheatsheet.systems import SYSTEMS
from explorable.zoo import model_names

NOTEBOOKS = Path(__file__).parents[3] / "notebooks"
TABLE = """# Page

Accuracy of two models

| model | right % |
| --- | --- |
| one | 90 |
| two | 80 |

a note
"""


@pytest.fixture(scope="module")
def html() -> str:
    return page.cheatsheet()


def test_figures_are_read_from_the_row_that_is_meant(tmp_path, monkeypatch):
    (tmp_path / "page.md").write_text(TABLE)
    monkeypatch.setattr(committed, "FOLDER", tmp_path)
    committed.page_tables.cache_clear()
    assert committed.figure("page.md", "Accuracy", "right %", model="two") == "80"
    for title, column, model in (("Accuracy", "right %", "three"), ("Accuracy", "wrong %", "two"),
                                 ("Speed", "right %", "two")):
        with pytest.raises(LookupError, match=r"page\.md"):
            committed.figure("page.md", title, column, model=model)
    committed.page_tables.cache_clear()


@pytest.mark.parametrize("idea", IDEAS, ids=lambda idea: idea.name)
def test_an_idea_has_a_measured_figure_a_computed_image_and_a_notebook(idea):
    assert re.search(r"\d", idea.measured())
    image = idea.thumbnail(ex.load())
    assert image.ndim == 3 and image.shape[2] == 3 and image.dtype == np.uint8 and image.std() > 10
    assert (NOTEBOOKS / idea.notebook).exists()


def test_images_that_are_compared_differ():
    """Of the sheet's pairs: a word, a skip and a guidance scale change the image."""
    ideas = {idea.name: idea.thumbnail(ex.load()) for idea in IDEAS}
    for name in ("Text encoder", "U-Net and skips", "Classifier-free guidance", "Classifier guidance"):
        image = ideas[name].astype(int)
        assert np.abs(image[:, :128] - image[:, -128:]).mean() > 5, name


def test_the_page_needs_no_network_and_says_what_is_unknown(html: str):
    assert "http" not in html and html.count("<img") == len(IDEAS) == html.count("data:image/webp")
    assert html.count("not disclosed") == sum(list(s.values()).count("not disclosed") for s in SYSTEMS) > 3
    assert all(s["its mirror here"] in (*model_names(), "–") for s in SYSTEMS)


@pytest.mark.browser
def test_it_is_printed_on_one_page(chromium: str, html: str):
    pdf = page._print(html.encode(), chromium)
    assert pdf.startswith(b"%PDF") and len(re.findall(rb"/Type\s*/Page\b", pdf)) == 1


def test_a_file_is_written_by_the_command(tmp_path, monkeypatch):
    monkeypatch.setattr(page, "cheatsheet", lambda: "<!doctype html>")
    path = tmp_path / "sheet.html"
    done = CliRunner().invoke(app, ["cheatsheet", str(path)])
    assert done.exit_code == 0 and path.read_text() == "<!doctype html>"
    for name, message in (("sheet.txt", "neither .html nor .pdf"), ("sheet.pdf", "no Chromium or Chrome")):
        monkeypatch.setattr(page.shutil, "which", lambda name: None)
        with pytest.raises(ValueError, match=message):
            write_cheatsheet(tmp_path / name)
        assert not (tmp_path / name).exists()
