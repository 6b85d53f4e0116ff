"""2-D data distributions, each sampled as (count, 2) points from a seed.

The named ones are standardized as noise and scaled latents are: mean 0, and a variance of 1 averaged over both axes.
Two moons, eight Gaussians, the spiral and the checkerboard are the customary examples of flow papers. A drawing stays
where it is drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from .checks import MAX_POINTS, Array, check_choice, check_integer, check_points

MAX_LETTERS = 12  # more letters are illegible in a few hundred points


def two_moons(count: int, seed: int) -> Array:
    """Two interleaved half circles."""
    rng, moon = _make_rng(count, seed), np.arange(count) % 2
    angle = np.pi * rng.random(count)
    x = np.where(moon, 1 - np.cos(angle), np.cos(angle))
    y = np.where(moon, 0.5 - np.sin(angle), np.sin(angle))
    return standardize(np.stack([x, y], axis=1) + 0.05 * rng.standard_normal((count, 2)))


def eight_gaussians(count: int, seed: int) -> Array:
    """Eight Gaussians on a circle."""
    rng, angle = _make_rng(count, seed), np.pi / 4 * np.arange(count)
    return standardize(np.stack([np.cos(angle), np.sin(angle)], axis=1) + 0.1 * rng.standard_normal((count, 2)))


def spiral(count: int, seed: int) -> Array:
    """A spiral arm of one and a half turns, with points evenly distributed along its length."""
    rng = _make_rng(count, seed)
    angle = 3 * np.pi * np.sqrt(rng.uniform(0.02, 1, count))
    arm = angle[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return standardize(arm + 0.2 * rng.standard_normal((count, 2)))


def checkerboard(count: int, seed: int) -> Array:
    """The eight dark squares of a 4 x 4 board."""
    rng, square = _make_rng(count, seed), np.arange(count) % 8
    row = square // 2
    corner = np.stack([2 * (square % 2) + row % 2, row], axis=1)
    return standardize(corner + rng.random((count, 2)))


def word_points(count: int, seed: int, text: str = "flow") -> Array:
    """A short text in Pillow's default font.

    Raises:
        ValueError: the text is blank, has more than 12 letters, or a letter that the font lacks.
    """
    rng, text, font = _make_rng(count, seed), " ".join(text.split()), ImageFont.load_default(size=64)
    if len(text) > MAX_LETTERS:
        raise ValueError(f"{text!r} has {len(text)} letters: write at most {MAX_LETTERS}")
    missing = bytes(font.getmask("\uffff"))  # the box drawn for every letter that the font lacks
    for letter in text:
        if bytes(font.getmask(letter)) == missing:
            raise ValueError(f"{letter!r} cannot be drawn: Pillow's default font has basic Latin letters only")
    page = Image.new("L", (64 * MAX_LETTERS, 128))
    ImageDraw.Draw(page).text((16, 16), text, fill=255, font=font)
    ink = np.argwhere(np.asarray(page) > 127)
    if len(ink) == 0:
        raise ValueError(f"{text!r} has no visible letters: write a word")
    chosen = ink[rng.choice(len(ink), count, replace=len(ink) < count)] + rng.random((count, 2))
    return standardize(chosen[:, ::-1] * [1, -1])  # rows run down the page, y runs up


DISTRIBUTIONS: dict[str, Callable[[int, int], Array]] = {
    "two moons": two_moons, "eight gaussians": eight_gaussians, "spiral": spiral, "checkerboard": checkerboard,
    "word": word_points}


def check_drawing(points: Iterable[object] | Array) -> Array:
    """Return hand-drawn points as an (n, 2) float64 array, where they were drawn.

    Raises:
        ValueError: no points, too many, or not pairs of numbers.
    """
    points = check_points("drawing", points)
    if len(points) > MAX_POINTS:
        raise ValueError(f"drawing has {len(points)} points: draw at most {MAX_POINTS}")
    return points


def sample_distribution(distribution: str | Array, count: int = 256, seed: int = 0) -> Array:
    """Return points (count, 2) of a named distribution, or a drawing's own points.

    Raises:
        ValueError: an unknown name, or an invalid drawing, count or seed.
    """
    if isinstance(distribution, str):
        return check_choice("distribution", distribution, DISTRIBUTIONS)(count, seed)
    return check_drawing(distribution)


def standardize(points: Array) -> Array:
    """Centre points and scale both axes alike, to a variance of 1 averaged over the axes."""
    points = points - points.mean(axis=0)
    return points / np.sqrt(points.var(axis=0).mean())


def _make_rng(count: int, seed: int) -> np.random.Generator:
    check_integer("count", count, range(2, MAX_POINTS + 1), f"from 2 to {MAX_POINTS}")
    return np.random.default_rng(check_integer("seed", seed, range(2**63), "from 0"))
