"""The exam marks what it says it marks: checked on true drawings, wrong drawings and hand-made verdicts."""

from dataclasses import replace

import numpy as np
import pytest

from explorable.analysis.verdict import Detection, Verdict, matches_scene
from explorable.measure import exam
from explorable.measure.registry import MEASURES, measure
from explorable.measure.statistics import bootstrap
from explorable.measure.table import Table
from explorable.world import held_out, parse

SAID = parse("a red car to the left of two blue cats on a beach at night").scene
RIGHT = Verdict({"car": Detection(1, "red", "left", "left of"), "cat": Detection(2, "blue", "right", "right of")},
                "beach", "night", None)


def test_a_right_verdict_bears_out_the_prompt():
    assert matches_scene(RIGHT, SAID)
    assert matches_scene(replace(RIGHT, mood="magical"), SAID)  # the prompt says nothing of it


@pytest.mark.parametrize("wrong", [
    replace(RIGHT, place="meadow"),
    replace(RIGHT, time="day"),
    replace(RIGHT, things={"car": RIGHT.things["car"]}),
    replace(RIGHT, things=RIGHT.things | {"dog": Detection(1, "red", "left", "behind")}),
    replace(RIGHT, things=RIGHT.things | {"cat": Detection(3, "blue", "right", "right of")}),
    replace(RIGHT, things=RIGHT.things | {"cat": Detection(2, "red", "right", "right of")}),
    replace(RIGHT, things=RIGHT.things | {"car": Detection(1, "red", "right", "right of")}),
])
def test_every_single_error_fails_it(wrong):
    assert not matches_scene(wrong, SAID)


@pytest.mark.parametrize("task", exam.TASKS)
@pytest.mark.parametrize("unseen", [False, True])
def test_questions_are_forty_different_ones_of_the_right_sort(task, unseen):
    asked = exam.questions(task, unseen)
    assert len({q.prompt for q in asked}) == exam.PROMPTS
    assert all(held_out(q.said) == unseen for q in asked)
    assert asked == exam.questions(task, unseen)


def test_a_perfect_painter_passes_and_shuffled_prompts_do_not():
    asked = [q for task in exam.TASKS for q in exam.questions(task, False, 10)]
    right = exam.grade(asked, (0,), exam.true_drawings)
    others = [replace(q, prompt=p.prompt) for q, p in zip(asked, asked[1:] + asked[:1], strict=True)]
    wrong = exam.grade(others, (0,), exam.true_drawings)
    assert right.mean() > 0.9
    assert wrong.mean() < 0.1


def test_the_interval_holds_the_mean_and_narrows_with_more_prompts():
    rng = np.random.default_rng(0)
    few, many = rng.random((10, 4)) < 0.7, rng.random((1000, 4)) < 0.7
    for passed in (few, many):
        low, high = bootstrap(passed)
        assert low <= passed.mean() <= high
    assert np.ptp(bootstrap(many)) < np.ptp(bootstrap(few)) / 4


def test_every_measure_named_is_there_and_an_unknown_one_is_named():
    import importlib

    for where, _ in MEASURES.values():
        module, _, function = where.partition(":")
        assert callable(getattr(importlib.import_module(f"explorable.measure.{module}"), function))
    with pytest.raises(ValueError, match="exam"):
        measure("exams")


def test_a_table_prints_as_markdown():
    text = Table("T", [{"a": "x", "b": 1.5}], ["note"]).as_markdown()
    assert "| a | b |" in text and "| x | 1.5 |" in text and "note" in text
