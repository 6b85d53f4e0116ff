"""Prompts whose scenes are known: six tasks after GenEval (Ghosh et al. 2023), a lesson's five, and coloured things."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import NamedTuple

from ..world import COLOURS, KINDS, PLACES, RELATIONS, TIMES, Group, Scene, held_out, parse, write_caption

LESSON_PROMPTS = ("a golden retriever", "a majestic lion at sunset", "a red sports car on a mountain road",
                  "a cozy cabin in snowy mountains", "a magical forest at twilight")


class Prompt(NamedTuple):
    """A prompt, and the scene that it describes."""

    text: str
    scene: Scene


ALL_COLOURS = tuple(COLOURS)

TASKS: dict[str, Callable[[random.Random], Scene]] = {
    "one thing": lambda rng: Scene((Group(rng.choice(KINDS)),), place=rng.choice(PLACES),
                                   time=rng.choice((None, *TIMES))),
    "two things": lambda rng: Scene(_two_things(rng), place=rng.choice((None, *PLACES))),
    "counting": lambda rng: Scene((Group(rng.choice(KINDS), rng.choice((None, *COLOURS)), count=rng.choice((2, 3))),),
                                  place=rng.choice((None, *PLACES))),
    "colours": lambda rng: Scene((Group(rng.choice(KINDS), rng.choice(ALL_COLOURS)),), time=rng.choice((None, *TIMES))),
    "position": lambda rng: Scene(_two_things(rng), relation=rng.choice(RELATIONS), place=rng.choice((None, *PLACES))),
    "binding": lambda rng: Scene(tuple(map(Group, rng.sample(KINDS, 2), rng.sample(ALL_COLOURS, 2)))),
}


def _two_things(rng: random.Random) -> tuple[Group, ...]:
    return tuple(map(Group, rng.sample(KINDS, 2)))


def task_prompts(task: str, unseen: bool, count: int) -> list[Prompt]:
    """Return `count` different prompts of a task. unseen: each with a held-out combination."""
    return _different_prompts(TASKS[task], random.Random(f"exam {task} {unseen}"), count, unseen)


def all_task_prompts(count: int) -> list[Prompt]:
    """Return `count` prompts of each task, all of combinations that occurred in training."""
    return [prompt for task in TASKS for prompt in task_prompts(task, False, count)]


def coloured_things(count: int) -> list[Prompt]:
    """Return `count` prompts that each describe one coloured thing in a place, in combinations seen in training."""
    return _different_prompts(
        lambda rng: Scene((Group(rng.choice(KINDS), rng.choice(ALL_COLOURS)),), place=rng.choice(PLACES)),
        random.Random("silence"), count, False)


def _different_prompts(scene_of: Callable[[random.Random], Scene], rng: random.Random, count: int, unseen: bool,
                       ) -> list[Prompt]:
    found: dict[str, Prompt] = {}
    while len(found) < count:
        scene = scene_of(rng)
        if held_out(scene) == unseen:
            text = write_caption(scene, rng, everything=True)
            found.setdefault(text, Prompt(text, parse(text).scene))
    return list(found.values())
