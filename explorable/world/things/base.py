"""The type of a thing, and the registry of drawing functions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ..canvas import Pen

# Colours of materials, which do not change with the colour of a thing.
INK = (34, 32, 44)  # eyes, noses, thin dark details
RUBBER = (44, 44, 52)  # tyres
METAL = (206, 210, 216)  # hubs, bumpers
LAMP = (255, 232, 150)
STONE = (172, 170, 172)
WOOD = (140, 94, 58)
LEAF = (86, 158, 74)
CREAM = (250, 240, 222)


@dataclass(frozen=True)
class Thing:
    """A kind of thing.

    Args:
        width, height: its bounding box at medium size, in pixels: x from -width/2 to width/2, y from 0 (the foot) to
            height. Only smoke may rise above it.
        painted: the parts in the thing's colour, to which "red" in "a red car" refers.
        foot: height of its base above the ground in pixels, for a floating balloon.
    """

    name: str
    width: float
    height: float
    painted: tuple[str, ...]
    draw: Callable[[Pen], None]
    foot: float = 0.0


THINGS: dict[str, Thing] = {}


def thing(width: float, height: float, painted: tuple[str, ...], foot: float = 0.0):
    """Register a drawing function under its name, with spaces for underscores."""

    def register(draw: Callable[[Pen], None]) -> Callable[[Pen], None]:
        name = draw.__name__.replace("_", " ")
        THINGS[name] = Thing(name, width, height, painted, draw, foot)
        return draw

    return register
