"""Notebooks as they are committed: what a checking cell found is folded away until it is asked for."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from strip_views import VIEW, strip

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))
ASKS = "**Predict, then check", "## Predict, then check"


def folded(cell: nbformat.NotebookNode) -> bool:
    """Does Lab open with this cell's outputs folded away?"""
    return cell.cell_type == "code" and bool(cell.metadata.get("jupyter", {}).get("outputs_hidden"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_where_something_shall_be_predicted_the_answer_is_folded(path: Path):
    cells = nbformat.read(path, 4).cells
    asked = [k for k, cell in enumerate(cells) if cell.cell_type == "markdown" and any(a in cell.source for a in ASKS)]
    assert all(folded(cells[k + 1]) for k in asked)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_what_shows_of_a_folded_answer_gives_nothing_away(path: Path):
    """Lab shows the first line of what is folded: it must be a heading."""
    for cell in filter(folded, nbformat.read(path, 4).cells):
        assert cell.outputs and cell.outputs[0].output_type == "stream", cell.id
        first = cell.outputs[0].text.splitlines()[0]
        assert first.endswith((":", "?")) and f'print("{first}")' in cell.source, (cell.id, first)


def test_stripping_leaves_everything_else():
    text, image = {"text/plain": "Studio()", VIEW: {"model_id": "a"}}, {"image/png": "iVBORw0KGgo="}
    outputs = [nbformat.v4.new_output("display_data", data) for data in (text, image)]
    cell = nbformat.v4.new_code_cell("ex.Studio()", outputs=outputs)
    notebook = nbformat.v4.new_notebook(cells=[cell], metadata={"widgets": {}, "title": "A"})
    assert strip(notebook) and not strip(notebook)
    assert [output.data for output in cell.outputs] == [{"text/plain": "Studio()"}, image]
    assert notebook.metadata == {"title": "A"}
