"""The exam grades what it says it grades: checked on right drawings, wrong drawings and hand-made verdicts."""

from dataclasses import replace

import pytest

from explorable.analysis.verdict import Detection, Verdict, matches_scene
from explorable.measure import exam
from explorable.measure.generation import drawn
from explorable.measure.prompts import LESSON_PROMPTS, TASKS, task_prompts
from explorable.world import parse

SCENE = parse("a red car to the left of two blue cats on a beach at night").scene
RIGHT = Verdict({"car": Detection(1, "red", "left", "left of"), "cat": Detection(2, "blue", "right", "right of")},
                "beach", "night", None)


def test_a_right_verdict_passes():
    assert matches_scene(RIGHT, SCENE)
    assert matches_scene(replace(RIGHT, mood="magical"), SCENE)  # the prompt does not mention a mood


@pytest.mark.parametrize("wrong", [
    replace(RIGHT, place="meadow"),
    replace(RIGHT, time="day"),
    replace(RIGHT, things={"car": RIGHT.things["car"]}),
    replace(RIGHT, things=RIGHT.things | {"dog": Detection(1, "red", "left", "behind")}),
    replace(RIGHT, things=RIGHT.things | {"cat": Detection(3, "blue", "right", "right of")}),
    replace(RIGHT, things=RIGHT.things | {"cat": Detection(2, "red", "right", "right of")}),
    replace(RIGHT, things=RIGHT.things | {"car": Detection(1, "red", "right", "right of")}),
])
def test_every_single_error_fails(wrong):
    assert not matches_scene(wrong, SCENE)


def test_drawings_pass_and_drawings_of_other_prompts_do_not():
    prompts = [p for task in TASKS for p in task_prompts(task, False, 10)]
    right = exam.grade(prompts, (0,), drawn)
    others = [p._replace(text=other.text) for p, other in zip(prompts, prompts[1:] + prompts[:1], strict=True)]
    wrong = exam.grade(others, (0,), drawn)
    assert right.mean() > 0.9
    assert wrong.mean() < 0.1


def test_the_table_has_a_row_for_each_task_and_one_for_all(tiny):
    tiny("exam")
    table = exam.exam(steps=1, guidance=1.0, prompts=1)
    assert [row["task"] for row in table.rows] == [*TASKS, "all"]
    assert len({tuple(row) for row in table.rows}) == 1, "the same columns in each"
    assert "1 prompts x 4 seeds" in table.title and table.as_markdown()


def test_the_lesson_counts_seeds(tiny):
    tiny("exam")
    rows = exam.lesson(steps=1, guidance=1.0).rows
    assert [row["prompt"] for row in rows] == list(LESSON_PROMPTS) and all(" of 4" in row["right"] for row in rows)
