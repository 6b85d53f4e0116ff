"""The layout that CONTRIBUTING promises: short files, and the same file names in every explorable's folder."""

from __future__ import annotations

from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "explorable"
SOURCES = sorted(path for ending in ("*.py", "*.js", "*.css") for path in PACKAGE.rglob(ending))
MAX_LINES = 300
PARTS = {"compute", "view", "controls", "figure", "widget"}
FOLDERS = sorted(path.parent for path in (PACKAGE / "widgets").glob("*/widget.py"))


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_file_is_read_in_one_sitting(path: Path):
    assert len(path.read_text("utf-8").splitlines()) <= MAX_LINES, "split it where a reader would look for its parts"


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: path.name)
def test_an_explorable_has_the_files_that_every_explorable_has(folder: Path):
    names = {path.stem for path in folder.glob("*.py")} - {"__init__"}
    assert {"compute", "view", "controls", "widget"} <= names
    assert len(names - PARTS) <= 1, "at most one file beside the five that every explorable has"
    assert "ipywidgets" not in (folder / "compute.py").read_text("utf-8")
