"""Predict: no answer before the reader has one, a check that can say no, and a score that can be collected."""

from __future__ import annotations

import json
import threading

import ipywidgets as ipw
import numpy as np
import pandas as pd
import pytest
from plotly import graph_objects as go

import explorable as ex
from explorable.widgets.core.chart import Chart
from explorable.widgets.core.layout import descendants
from explorable.widgets.predict.prediction import SCRIPT
from explorable.widgets.predict.shown import as_widget

MASK = np.zeros((8, 8), bool)
MASK[2:4, 5:7] = True
IMAGE = np.zeros((8, 8, 3), np.uint8)
KINDS = {
    "choices": ({"choices": ["more", "less"]}, "more", "more", "less"),
    "within": ({"number": (0, 10), "within": 0.5, "unit": "s"}, 4.0, 4.5, 4.6),
    "factor": ({"number": (1, 100), "factor": 2}, 10.0, 20.0, 4.9),
    "order": ({"order": ["a", "b", "c"]}, ["b", "a", "c"], ("b", "a", "c"), ("a", "b", "c")),
    "position": ({"image": IMAGE}, MASK, (2, 6), (6, 2)),
}


@pytest.fixture(autouse=True)
def no_predictions():
    ex.predictions().clear()
    yield
    ex.predictions().clear()


def answered(question: ex.Predict, answer, confidence: str = "certain") -> ex.Predict:
    question.answer, question.confidence = answer, confidence
    question.check()
    question.wait()
    return question


def texts(widget: ipw.Widget) -> str:
    return " ".join(str(w.value) for w in descendants(widget) if isinstance(w, (ipw.HTML, ipw.Label)))


@pytest.mark.parametrize("name", KINDS)
def test_an_answer_is_compared_with_the_computed_one(name: str):
    arguments, true, right, wrong = KINDS[name]
    assert answered(ex.Predict("One?", lambda: ex.Reveal(true), **arguments), right).is_right is True
    assert answered(ex.Predict("Two?", lambda: ex.Reveal(true), **arguments), wrong).is_right is False
    assert [p.is_right for p in ex.predictions()] == [True, False]


@pytest.mark.parametrize("name", KINDS)
def test_nothing_is_computed_and_nothing_shown_before_there_is_an_answer(name: str):
    arguments, true, right, _ = KINDS[name]
    calls = []

    def reveal() -> ex.Reveal:
        calls.append(1)
        return ex.Reveal(true, "The secret explanation.", show="the secret evidence")

    question = ex.Predict("Which?", reveal, **arguments)
    for set_next in (lambda: setattr(question, "answer", right), lambda: None):
        with pytest.raises(ValueError, match="set `answer` and `confidence` first"):
            question.check()
        set_next()
    assert not calls and "secret" not in texts(question) and question._button.disabled
    question.confidence = "a guess"
    assert not question._button.disabled
    question._button.click()
    question.wait()
    assert calls == [1] and "secret explanation" in texts(question) and "secret evidence" in texts(question)


def test_the_first_answer_counts_and_a_checked_question_is_over():
    question = answered(ex.Predict("Which?", lambda: ex.Reveal("b"), choices=["a", "b"]), "a")
    assert question._control.disabled and question._button.disabled
    with pytest.raises(ValueError, match="run the cell again"):
        question.check()
    answered(ex.Predict("Which?", lambda: ex.Reveal("b"), choices=["a", "b"]), "b")
    assert [p.is_right for p in ex.predictions()] == [False]


def test_the_controls_set_the_answer():
    choice = ex.Predict("1", lambda: ex.Reveal("b"), choices=["a", "b"])
    choice._control.value = "b"
    number = ex.Predict("2", lambda: ex.Reveal(1), number=(1, 100), factor=2)
    assert number.answer == 10.0
    number._control.children[0].value = 20.0
    order = ex.Predict("3", lambda: ex.Reveal("ab"), order=["a", "b", "c"])
    down = [w for w in descendants(order._control) if getattr(w, "description", "") == "↓"]
    down[0].click()
    position = ex.Predict("4", lambda: ex.Reveal(MASK), image=IMAGE)
    stage, boxes = position._control.children
    stage.pointer = {"panel": "image", "kind": "click", "x": 0.7, "y": 0.3}
    assert (choice.answer, number.answer, order.answer, position.answer) == ("b", 20.0, ("b", "a", "c"), (2, 5))
    assert [box.value for box in boxes.children] == [2, 5]
    assert [spec["name"] for spec in stage.layers] == ["image", "point"]


def test_a_computation_that_fails_is_reported_and_may_be_tried_again():
    outcomes = iter([RuntimeError("no model"), ex.Reveal("c"), ex.Reveal("a")])

    def reveal() -> ex.Reveal:
        outcome = next(outcomes)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    question = ex.Predict("Which?", reveal, choices=["a", "b"])
    question.answer, question.confidence = "a", "certain"
    for error, text in ((RuntimeError, "no model"), (ValueError, "none of the choices")):
        question.check()
        with pytest.raises(error, match=text):
            question.wait()
        assert text in question._area.status.value and not question._button.disabled and not len(ex.predictions())
    assert answered(question, "a").is_right


@pytest.mark.parametrize(("arguments", "message"), [
    ({}, "none was given"),
    ({"choices": ["a", "b"], "order": ["a", "b"]}, "choices and order was given"),
    ({"choices": ["a"]}, "at least two"),
    ({"number": (3, 1), "within": 1}, "below the second"),
    ({"number": (0, 1)}, "give `within` or `factor`"),
    ({"number": (0, 1), "factor": 2}, "above 0"),
    ({"choices": ["a", "b"], "within": 1}, "belong to `number`"),
    ({"image": np.zeros((4, 4))}, r"\(y, x, 3\) uint8"),
])
def test_what_makes_no_question_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        ex.Predict("Which?", lambda: ex.Reveal("a"), **arguments)


def test_predictions_are_saved_and_gathered_in_one_file(tmp_path):
    path = tmp_path / "anna.json"
    answered(ex.Predict("One?", lambda: ex.Reveal("b"), choices=["a", "b"]), "a", "a guess")
    ex.predictions().save(path)
    ex.predictions().clear()  # another notebook
    answered(ex.Predict("Two?", lambda: ex.Reveal(2), number=(0, 9), within=1, unit="cats"), 2.5)
    ex.predictions().save(path)
    saved = json.loads(path.read_text())
    assert [(e["question"], e["given"], e["confidence"], e["true"], e["is_right"]) for e in saved] == [
        ("One?", "a", "a guess", "b", False), ("Two?", "2.5 cats", "certain", "2 cats", True)]
    assert list(ex.predictions().to_pandas().is_right) == [True]
    path.write_text("{}[")
    with pytest.raises(ValueError, match="something other than predictions"):
        ex.predictions().save(path)
    assert path.read_text() == "{}["


def test_the_score_tells_confidence_apart():
    for k, (answer, confidence) in enumerate([("a", "certain"), ("b", "certain"), ("b", "a guess")]):
        answered(ex.Predict(f"{k}?", lambda: ex.Reveal("a"), choices=["a", "b"]), answer, confidence)
    assert ex.predictions().score == "1 of 3 right; 0 of 1 as a guess; 1 of 2 when certain"
    assert "<script>" not in ex.predictions()._repr_html_()


def test_questions_and_answers_are_shown_as_text():
    nasty = "<img src=x onerror=alert(1)>"
    question = answered(ex.Predict(nasty, lambda: ex.Reveal(nasty, nasty, show=nasty), choices=[nasty, "b"]), nasty)
    assert "<img" not in texts(question) + ex.predictions()._repr_html_()


def test_evidence_of_each_kind_is_shown():
    table = pd.DataFrame({"a": [1.23456]})
    assert "1.23" in as_widget(table).value and "<table" in as_widget(table.a).value
    assert isinstance(as_widget(go.Figure()), Chart)
    assert as_widget(IMAGE).value.count("base64,") == as_widget([IMAGE, IMAGE]).value.count("base64,") == 1
    box = ipw.VBox()
    assert as_widget(box) is box


def test_a_scripted_answer_is_checked(monkeypatch, tmp_path):
    path = tmp_path / "answers.json"
    entry = {"answer": ["b", "a"], "confidence": "certain", "is_right": True}
    path.write_text(json.dumps({"Which?": entry}))
    monkeypatch.setenv(SCRIPT, str(path))
    assert ex.Predict("Which?", lambda: ex.Reveal(["b", "a"]), order=["a", "b"]).is_right
    with pytest.raises(AssertionError, match="not as scripted"):
        ex.Predict("Which?", lambda: ex.Reveal(["a", "b"]), order=["a", "b"])
    with pytest.raises(AssertionError, match="has no answer"):
        ex.Predict("Whither?", lambda: ex.Reveal(["a", "b"]), order=["a", "b"])
    with pytest.raises(RuntimeError, match="no model"):
        ex.Predict("Which?", lambda: (_ for _ in ()).throw(RuntimeError("no model")), order=["a", "b"])


def test_closing_leaves_no_widget_and_no_thread():
    before, threads = set(ipw.widgets.widget._instances), threading.active_count()
    question = answered(ex.Predict("Which?", lambda: ex.Reveal("a", "Because.", show=IMAGE), choices=["a", "b"]), "a")
    question.close()
    assert set(ipw.widgets.widget._instances) == before and threading.active_count() == threads
