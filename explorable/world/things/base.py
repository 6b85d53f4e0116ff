"""What a thing is, and the register that every drawing function signs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ..canvas import Pen

# Colours that belong to a material and not to a thing's paint.
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

    width, height: the box it fills at medium size, in pixels: x from -width/2 to width/2, y from 0 (its
        foot) to height. Nothing is drawn outside of it (smoke excepted, which may rise above).
    painted: the parts that wear the thing's colour, so that "red" in "a red car" means these pixels.
    foot:    how far above the ground it hovers, in pixels (a balloon floats).
    """

    name: str
    width: float
    height: float
    painted: tuple[str, ...]
    draw: Callable[[Pen], None]
    foot: float = 0.0


THINGS: dict[str, Thing] = {}


def thing(width: float, height: float, painted: tuple[str, ...], foot: float = 0.0):
    """Register a drawing function under its own name, underscores read as blanks."""

    def register(draw: Callable[[Pen], None]) -> Callable[[Pen], None]:
        name = draw.__name__.replace("_", " ")
        THINGS[name] = Thing(name, width, height, painted, draw, foot)
        return draw

    return register
