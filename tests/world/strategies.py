"""Shared by the tests of the drawing world: scenes for hypothesis, and things drawn alone."""

from __future__ import annotations

import importlib
import random
from contextlib import contextmanager
from dataclasses import replace
from unittest.mock import patch

import numpy as np
from hypothesis import strategies as st

from explorable.world import (
    COLOURS,
    KINDS,
    PLACES,
    RELATIONS,
    SIDES,
    TIMES,
    Drawing,
    Group,
    Scene,
    draw,
    sample_scene,
)

LESSON = (
    "a golden retriever",
    "a majestic lion at sunset",
    "a red sports car on a mountain road",
    "a cozy cabin in snowy mountains",
    "a magical forest at twilight",
)
BUILDINGS = ("cabin", "house", "castle")
FLIPPED = {"left of": "right of", "right of": "left of", "in front of": "behind", "behind": "in front of"}

seeds = st.integers(0, 2**31 - 1)
rngs = seeds.map(random.Random)
draw_module = importlib.import_module("explorable.world.draw")  # the name `draw` in the package is the function


def sampled(allow_held_out: bool = True) -> st.SearchStrategy[Scene]:
    """Scenes as in the training data."""
    return seeds.map(lambda seed: sample_scene(random.Random(seed), allow_held_out))


@st.composite
def scenes(draw, number: int | None = None, count: int | None = None) -> Scene:
    """Complete scenes of every form in the training data, shrinking to a plain one."""
    number = draw(st.integers(0, 2)) if number is None else number
    kinds = draw(st.lists(st.sampled_from(KINDS), min_size=number, max_size=number, unique=True))
    colours = st.sampled_from(tuple(COLOURS))
    groups = [Group(k, draw(colours), draw(st.sampled_from(("medium", "small", "big")))) for k in kinds]
    moods = [None, "magical", *(["cozy"] if set(kinds) & set(BUILDINGS) else [])]
    mood = draw(st.sampled_from([*moods, "majestic"] if number == 1 and count is None else moods))
    relation = None
    if number == 1:
        many = 1 if mood == "majestic" else draw(st.integers(1, 3)) if count is None else count
        side = (
            "centre" if many > 1 or mood == "majestic" else draw(st.sampled_from(("centre", "left", "right")))
        )
        groups[0] = replace(
            groups[0], count=many, side=side, size="big" if mood == "majestic" else groups[0].size
        )
    elif number == 2:
        relation = draw(st.sampled_from(RELATIONS))
    return Scene(
        tuple(groups),
        relation,
        draw(st.sampled_from(PLACES)),
        draw(st.sampled_from(TIMES)),
        mood,
        draw(seeds),
    )


@st.composite
def partial_scenes(draw) -> Scene:
    """Scenes with open attributes, as captions have. They are never empty."""
    scene = draw(scenes())
    groups = tuple(
        replace(g, colour=draw(st.sampled_from((None, g.colour))), side=draw(st.sampled_from((None, g.side))))
        for g in scene.groups
    )
    return replace(
        scene,
        groups=groups,
        relation=draw(st.sampled_from((None, scene.relation))),
        place=draw(st.sampled_from((None, scene.place))) if groups else scene.place,
        time=draw(st.sampled_from((None, scene.time))),
    )


def caption_content(scene: Scene) -> Scene:
    """Return a scene with only what a caption can state: no seed, no order of two things, no centre.

    A majestic thing is big without the word.
    """
    groups = tuple(
        replace(
            g, side=None if g.side == "centre" else g.side, size="big" if scene.mood == "majestic" else g.size
        )
        for g in scene.groups
    )
    relation = scene.relation
    if len(groups) == 2 and groups[0].kind > groups[1].kind:
        groups, relation = groups[::-1], FLIPPED.get(relation or "")
    return replace(scene, groups=groups, relation=relation, seed=0)


@contextmanager
def only(kind: str, index: int):
    """Make `draw` leave out every thing but one; everything else is drawn as usual."""
    real = draw_module._draw_thing

    def draw_thing(canvas, group, i, at, cozy):
        if (group.kind, i) == (kind, index):
            real(canvas, group, i, at, cozy)

    with patch.object(draw_module, "_draw_thing", draw_thing):
        yield


def alone(scene: Scene, kind: str, index: int) -> np.ndarray:
    """Return the mask that a thing would have with nothing in front of it, sparks included."""
    with only(kind, index):
        return draw(replace(scene, mood=None if scene.mood == "magical" else scene.mood)).masks[
            f"{kind}.{index}"
        ]


def items(scene: Scene) -> list[tuple[str, int]]:
    """Return (kind, number) of every single thing."""
    return [(g.kind, i) for g in scene.groups for i in range(g.count)]


def bare(drawing: Drawing, name: str) -> np.ndarray:
    """Return a thing's mask without its smoke, which may rise above it."""
    mask = drawing.masks[name].copy()
    for part, pixels in drawing.masks.items():
        if part.startswith(f"{name}.") and part.endswith(".smoke"):
            mask &= ~pixels
    return mask


def same_masks(a: Drawing, b: Drawing) -> bool:
    return a.masks.keys() == b.masks.keys() and all(np.array_equal(a.masks[k], b.masks[k]) for k in a.masks)


__all__ = [
    "BUILDINGS",
    "FLIPPED",
    "LESSON",
    "SIDES",
    "alone",
    "bare",
    "caption_content",
    "items",
    "only",
    "partial_scenes",
    "rngs",
    "same_masks",
    "sampled",
    "scenes",
    "seeds",
]
