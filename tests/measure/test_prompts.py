"""The exam's prompts: different ones, of the right split, whose scenes are known."""

from __future__ import annotations

import pytest

from explorable.measure.exam import PROMPTS
from explorable.measure.prompts import LESSON_PROMPTS, TASKS, all_task_prompts, coloured_things, task_prompts
from explorable.world import held_out, parse


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("unseen", [False, True])
def test_a_task_has_forty_different_prompts_of_each_split(task, unseen):
    prompts = task_prompts(task, unseen, PROMPTS)
    assert len({p.text for p in prompts}) == PROMPTS
    assert all(held_out(p.scene) == unseen for p in prompts)
    assert prompts == task_prompts(task, unseen, PROMPTS), "the same in every call"


def test_all_tasks_have_their_share():
    assert [p.text for p in all_task_prompts(2)] == [p.text for task in TASKS for p in task_prompts(task, False, 2)]


def test_a_coloured_thing_stands_in_a_place():
    for text, scene in coloured_things(20):
        assert len(scene.groups) == 1 and scene.groups[0].colour and scene.place and not held_out(scene)
        assert parse(text).scene == scene


def test_the_lessons_prompts_can_be_parsed():
    assert all(parse(text).scene for text in LESSON_PROMPTS)
