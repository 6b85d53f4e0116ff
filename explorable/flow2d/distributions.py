"""Point worlds: targets in the plane that a flow has to hit, each from a number of points and a seed.

All are centred and of unit spread, as noise is and as latents are scaled to be: the mean over both axes of the
variance is 1. Moons, heaps, spiral and board are those on which flows are customarily shown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from .checks import MOST, Array, known, plane, whole

LONGEST = 12  # letters of a word: more cannot be told apart in a few hundred points


def two_moons(count: int, seed: int) -> Array:
    """Two half circles, each with one end in the other."""
    rng, second = _dice(count, seed), np.arange(count) % 2
    angle = np.pi * rng.random(count)
    x = np.where(second, 1 - np.cos(angle), np.cos(angle))
    y = np.where(second, 0.5 - np.sin(angle), np.sin(angle))
    return unit(np.stack([x, y], axis=1) + 0.05 * rng.standard_normal((count, 2)))


def eight_gaussians(count: int, seed: int) -> Array:
    """Eight round heaps on a circle."""
    rng, angle = _dice(count, seed), np.pi / 4 * np.arange(count)
    return unit(np.stack([np.cos(angle), np.sin(angle)], axis=1) + 0.1 * rng.standard_normal((count, 2)))


def spiral(count: int, seed: int) -> Array:
    """One arm, one and a half turns, with points evenly along its length."""
    rng = _dice(count, seed)
    angle = 3 * np.pi * np.sqrt(rng.uniform(0.02, 1, count))
    arm = angle[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return unit(arm + 0.2 * rng.standard_normal((count, 2)))


def checkerboard(count: int, seed: int) -> Array:
    """The eight dark squares of a board of four by four."""
    rng, square = _dice(count, seed), np.arange(count) % 8
    row = square // 2
    corner = np.stack([2 * (square % 2) + row % 2, row], axis=1)
    return unit(corner + rng.random((count, 2)))


def word(count: int, seed: int, text: str = "flow") -> Array:
    """A short text, as Pillow's own font writes it.

    Raises:
        ValueError: nothing to see, more than 12 letters, or a letter that this font lacks.
    """
    rng, text, font = _dice(count, seed), " ".join(text.split()), ImageFont.load_default(size=64)
    if len(text) > LONGEST:
        raise ValueError(f"{text!r} has {len(text)} letters: write at most {LONGEST}")
    lacking = bytes(font.getmask("\uffff"))  # the box that stands for every letter it does not have
    for letter in text:
        if bytes(font.getmask(letter)) == lacking:
            raise ValueError(f"{letter!r} cannot be drawn: Pillow's own font has the plain Latin letters only")
    page = Image.new("L", (64 * LONGEST, 128))
    ImageDraw.Draw(page).text((16, 16), text, fill=255, font=font)
    ink = np.argwhere(np.asarray(page) > 127)
    if len(ink) == 0:
        raise ValueError(f"{text!r} leaves no ink on the page: write a word")
    chosen = ink[rng.choice(len(ink), count, replace=len(ink) < count)] + rng.random((count, 2))
    return unit(chosen[:, ::-1] * [1, -1])  # rows run down the page, y runs up


WORLDS: dict[str, Callable[[int, int], Array]] = {
    "two moons": two_moons, "eight gaussians": eight_gaussians, "spiral": spiral, "checkerboard": checkerboard,
    "word": word}


def drawn(points: Iterable[object] | Array) -> Array:
    """Points set by hand, any (n, 2) of them, centred and brought to unit spread; their shape stays as it is.

    Raises:
        ValueError: none, too many, no pairs of numbers, or all in one place, where there is no shape to bring out.
    """
    points = plane("the drawing", points)
    if len(points) > MOST:
        raise ValueError(f"the drawing has {len(points)} points: draw at most {MOST}")
    if np.ptp(points, axis=0).max() <= 1e-9 * np.abs(points).max():
        raise ValueError("the drawing is all in one place: draw at least two points apart from each other")
    return unit(points)


def world_points(world: str | Array, count: int = 256, seed: int = 0) -> Array:
    """The points of a world by its name, or of a drawing, which keeps its own number of points.

    Raises:
        ValueError: no such world, or a drawing that cannot be used.
    """
    return known("world", world, WORLDS)(count, seed) if isinstance(world, str) else drawn(world)


def unit(points: Array) -> Array:
    """Centred, with a mean variance of 1; not stretched, so one axis may have more of it than the other."""
    points = points - points.mean(axis=0)
    return points / np.sqrt(points.var(axis=0).mean())


def _dice(count: int, seed: int) -> np.random.Generator:
    whole("count", count, range(2, MOST + 1), f"from 2 to {MOST}")
    return np.random.default_rng(whole("seed", seed, range(2**63), "from 0 up"))
