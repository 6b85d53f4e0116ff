"""What items are made of: the shipped pipeline, short runs, scenes with their captions, all cached."""

from __future__ import annotations

import functools
import random
from dataclasses import replace

import numpy as np

from ....pipeline import Pipeline, load
from ....run import Run
from ....world import COLOURS, PLACES, Group, Scene, draw
from ....world.draw import Drawing

STEPS = 8  # of a run: enough to see what is asked, and fast
THINGS = ("car", "boat", "cat", "dog", "house", "tree", "balloon")
LETTERS = ("A", "B", "C", "D")


@functools.cache
def pipeline() -> Pipeline:
    """Return the shipped pipeline that items are about, loaded once."""
    return load("unet-flow")


@functools.lru_cache(maxsize=64)
def short_run(prompt: str, seed: int, guidance: float = 4.0) -> Run:
    """Return a run of `STEPS` steps."""
    return pipeline()(prompt, steps=STEPS, seed=seed, guidance=guidance)


@functools.lru_cache(maxsize=64)
def drawing_of(scene: Scene) -> Drawing:
    """Return a scene, drawn."""
    return draw(scene)


def random_scene(rng: random.Random) -> tuple[Scene, str]:
    """Return a scene with one thing by day, and its caption."""
    thing, colour, place = rng.choice(THINGS), rng.choice(sorted(COLOURS)), rng.choice(PLACES[:7])
    scene = Scene((Group(thing, colour, "big"),), place=place, time="day", seed=rng.randrange(1000))
    preposition = {"mountain road": "on a", "beach": "on a", "snowy mountains": "in the"}.get(place, "in a")
    return scene, f"a big {colour} {thing} {preposition} {place}"


def recoloured(scene: Scene, colour: str) -> Scene:
    """Return a scene whose thing has another colour."""
    return replace(scene, groups=(replace(scene.groups[0], colour=colour),))


def tenths(rng: random.Random, low: float, high: float) -> float:
    """Return a random number with one decimal."""
    return rng.randint(round(10 * low), round(10 * high)) / 10


def rms(a: np.ndarray, b: np.ndarray) -> float:
    """Return the root mean square difference of two images, in 8-bit levels, or of other arrays."""
    return float(np.sqrt(np.square(a.astype(float) - b.astype(float)).mean()))
