"""Prompts whose scenes are known: six tasks after GenEval (Ghosh et al. 2023), the lesson's, and coloured things."""

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


def _one(rng: random.Random) -> Scene:
    return Scene((Group(rng.choice(KINDS)),), place=rng.choice(PLACES), time=rng.choice((None, *TIMES)))


def _two(rng: random.Random) -> Scene:
    a, b = rng.sample(KINDS, 2)
    return Scene((Group(a), Group(b)), place=rng.choice((None, *PLACES)))


def _counting(rng: random.Random) -> Scene:
    group = Group(rng.choice(KINDS), rng.choice((None, *COLOURS)), count=rng.choice((2, 3)))
    return Scene((group,), place=rng.choice((None, *PLACES)))


def _colours(rng: random.Random) -> Scene:
    return Scene((Group(rng.choice(KINDS), rng.choice(tuple(COLOURS))),), time=rng.choice((None, *TIMES)))


def _position(rng: random.Random) -> Scene:
    a, b = rng.sample(KINDS, 2)
    return Scene((Group(a), Group(b)), relation=rng.choice(RELATIONS), place=rng.choice((None, *PLACES)))


def _binding(rng: random.Random) -> Scene:
    a, b = rng.sample(KINDS, 2)
    one, other = rng.sample(tuple(COLOURS), 2)
    return Scene((Group(a, one), Group(b, other)))


def _coloured_thing(rng: random.Random) -> Scene:
    return Scene((Group(rng.choice(KINDS), rng.choice(tuple(COLOURS))),), place=rng.choice(PLACES))


TASKS: dict[str, Callable[[random.Random], Scene]] = {
    "one thing": _one, "two things": _two, "counting": _counting, "colours": _colours, "position": _position,
    "binding": _binding,
}


def task_prompts(task: str, unseen: bool, count: int) -> list[Prompt]:
    """Return `count` different prompts of a task. unseen: each with a held-out combination."""
    return _different_prompts(TASKS[task], random.Random(f"exam {task} {unseen}"), count, unseen)


def all_task_prompts(count: int) -> list[Prompt]:
    """Return `count` prompts of each task, all of combinations that occurred in training."""
    return [prompt for task in TASKS for prompt in task_prompts(task, False, count)]


def coloured_things(count: int) -> list[Prompt]:
    """Return `count` prompts of one coloured thing in a place, all of combinations that occurred in training."""
    return _different_prompts(_coloured_thing, random.Random("silence"), count, False)


def _different_prompts(scene_of: Callable[[random.Random], Scene], rng: random.Random, count: int, unseen: bool,
                       ) -> list[Prompt]:
    found: dict[str, Prompt] = {}
    while len(found) < count:
        scene = scene_of(rng)
        if held_out(scene) == unseen:
            text = write_caption(scene, rng, everything=True)
            found.setdefault(text, Prompt(text, parse(text).scene))
    return list(found.values())
