"""Notebooks as they are committed: questions come before answers, and readers without a kernel see still images."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from strip_views import VIEW, strip

from explorable import EXPLORABLES
from explorable.widgets.core.still import MAX_BYTES, WIDTH

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))
ANSWERS = json.loads((Path(__file__).parent / "notebook_answers.json").read_text("utf-8"))
LESSON = ("00-studio", "01-noise-trajectory", "02-classifier-guidance", "03-guidance-scale", "04-latent-space",
          "05-unet-xray", "06-token-attention", "07-word-space", "08-flow-paths", "09-patch-transformer", "10-learning",
          "11-systems", "12-story", "13-quiz", "14-cheatsheet", "20-your-own-pipeline")  # in their order
MAX_WORDS = 1000
FOLDED = re.compile(r"(?s)<details>.*?</details>|```.*?```")
ASKS = "**Predict, then check", "## Predict, then check"


def questions(path: Path) -> Iterator[tuple[nbformat.NotebookNode, str]]:
    """Yield the cells that ask with `ex.Predict`, and what they ask."""
    for cell in nbformat.read(path, 4).cells:
        if cell.cell_type == "code" and "ex.Predict(" in cell.source:
            for node in ast.walk(ast.parse(cell.source)):
                if isinstance(node, ast.Call) and ast.unparse(node.func) == "ex.Predict":
                    yield cell, ast.literal_eval(node.args[0])


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_what_is_to_be_predicted_is_asked_with_predict(path: Path):
    cells = nbformat.read(path, 4).cells
    asked = [k for k, cell in enumerate(cells) if cell.cell_type == "markdown" and any(a in cell.source for a in ASKS)]
    assert all("ex.Predict(" in cells[k + 1].source for k in asked)
    assert not any(cell.metadata.get("jupyter", {}).get("outputs_hidden") for cell in cells)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_saved_question_gives_no_answer_away(path: Path):
    """Its saved output is the question alone."""
    for cell, question in questions(path):
        assert [list(output.get("data", {})) for output in cell.outputs] == [["text/plain"]], cell.id
        assert cell.outputs[0].data["text/plain"].removeprefix("Predict(")[1:].startswith(question[:40]), cell.id


def test_every_question_has_a_scripted_answer_and_is_asked_once():
    """nbval answers them from this file, and checks whether each answer is as right as it says (Makefile)."""
    asked = [question for path in NOTEBOOKS for _, question in questions(path)]
    assert len(asked) == len(set(asked)) and set(asked) == set(ANSWERS)
    assert {answer["is_right"] for answer in ANSWERS.values()} == {True, False}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_displayed_explorable_has_a_still_image(path: Path):
    """One that a cell's output names as "Studio(…)" is followed by its still."""
    for cell in nbformat.read(path, 4).cells:
        shown = [output for output in cell.get("outputs", ()) if "data" in output]
        for k, output in enumerate(shown):
            if output.data.get("text/plain", "").split("(")[0] in EXPLORABLES:
                still = shown[k + 1] if k + 1 < len(shown) else output
                assert still.get("metadata", {}).get("image/png", {}).get("width") == WIDTH, (
                    f"cell {cell.id} has no still image of its explorable: run the notebook again, `make notebooks`")
                assert len(still.data["image/png"]) <= MAX_BYTES * 1.4, cell.id  # base64 and its line ends


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_no_output_refers_to_a_kernel_that_is_gone(path: Path):
    assert not strip(nbformat.read(path, 4)), f"run: python tests/strip_views.py notebooks/{path.name}"


def test_stripping_leaves_everything_else():
    text, image = {"text/plain": "Studio()", VIEW: {"model_id": "a"}}, {"image/png": "iVBORw0KGgo="}
    outputs = [nbformat.v4.new_output("display_data", data) for data in (text, image)]
    cell = nbformat.v4.new_code_cell("ex.Studio()", outputs=outputs)
    notebook = nbformat.v4.new_notebook(cells=[cell], metadata={"widgets": {}, "title": "A"})
    assert strip(notebook) and not strip(notebook)
    assert [output.data for output in cell.outputs] == [{"text/plain": "Studio()"}, image]
    assert notebook.metadata == {"title": "A"}


def prose(path: Path) -> str:
    """Return the text of a notebook without what is folded and without code."""
    cells = nbformat.read(path, 4).cells
    return FOLDED.sub("", "\n".join(cell.source for cell in cells if cell.cell_type == "markdown"))


def links(path: Path) -> set[str]:
    """Return the stems of the notebooks that a notebook links to."""
    text = "\n".join(cell.source for cell in nbformat.read(path, 4).cells if cell.cell_type == "markdown")
    return set(re.findall(r"\]\(([\w-]+)\.ipynb\)", text))


def test_each_notebook_has_its_place_in_the_lesson():
    assert {path.stem for path in NOTEBOOKS} <= {"index", *LESSON}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_is_short(path: Path):
    assert len(prose(path).split()) <= MAX_WORDS, "shorten it, or fold mathematics in <details>"


@pytest.mark.parametrize("path", [path for path in NOTEBOOKS if path.stem != "index"], ids=lambda path: path.stem)
def test_it_links_to_its_neighbours_and_to_the_contents(path: Path):
    k = LESSON.index(path.stem)
    assert {"index", *LESSON[max(k - 1, 0) : k], *LESSON[k + 1 : k + 2]} <= links(path)


def test_the_contents_have_every_notebook_with_a_picture_of_its_own():
    path = next(path for path in NOTEBOOKS if path.stem == "index")
    pictures = {name.removesuffix(".jpg"): data for cell in nbformat.read(path, 4).cells
                for name, data in cell.get("attachments", {}).items()}
    assert links(path) == set(LESSON) == set(pictures)
    assert len({str(data) for data in pictures.values()}) == len(LESSON)
    assert path.stat().st_size < 300_000


def test_the_notes_for_teachers_have_every_notebook():
    notes = (Path(__file__).parents[1] / "notebooks" / "TEACHING.md").read_text("utf-8")
    assert set(LESSON) <= set(re.findall(r"\]\(([\w-]+)\.ipynb\)", notes))
