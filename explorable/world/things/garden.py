"""Tree, flower, ball, balloon."""

from __future__ import annotations

import math

from ..canvas import Pen, oval, smooth
from ..light import shade
from .animals import brightness, edge, inset, skin
from .base import CREAM, INK, LEAF, WOOD, thing

GOLD = (244, 184, 48)


@thing(width=44, height=60, painted=("crown",))
def tree(pen: Pen) -> None:
    """An old round tree: brown trunk with roots, a crown like a cloud in three tones."""
    pen.start_part("trunk")
    trunk = smooth(((-8, 0.5), (-4.6, 3), (-4, 14), (-5, 26), (5, 26), (4, 14), (4.6, 3), (8, 0.5), (0, 0.8)))
    pen.polygon(trunk, shade(WOOD, -0.35))
    pen.polygon(inset(trunk, 1.0, 2.2), WOOD, in_mask=False)
    pen.start_part("crown")
    puffs = ((-12.6, 27.0, 9.2), (12.6, 27.0, 9.2), (0.0, 25.0, 9.0), (-12.9, 39.0, 9.0), (12.9, 39.0, 9.0),
             (-7.0, 50.0, 9.6), (7.4, 49.0, 9.8), (0.0, 40.0, 14.0))
    for x, y, r in puffs:
        pen.ellipse(x, y, r, r, edge(pen))
    for x, y, r in puffs:
        pen.ellipse(x, y, r - 1.2, r - 1.2, pen.paint(-0.22), in_mask=False)
    for x, y, r in ((-12.0, 30.0, 7.0), (9.6, 30.4, 6.6), (-1, 31, 7), (-11.6, 40, 8), (9.8, 41, 8), (-6.4, 50.4, 8),
            (5.6, 50.2, 7.4), (-1, 42, 10)):
        pen.ellipse(x, y, r, r, pen.paint(), in_mask=False)
    light = pen.paint(0.14 if brightness(pen.colour) < 70 else 0.24)
    for x, y, r in ((-8.0, 52.0, 5.4), (-3.4, 50.6, 3.8), (-14, 41.4, 5), (-10.2, 39.4, 3.6), (-14, 31, 3.6),
            (5.4, 44, 4), (8.6, 45.6, 4.4)):
        pen.ellipse(x, y, r, r * 0.86, light, in_mask=False)


@thing(width=28, height=50, painted=("petals",))
def flower(pen: Pen) -> None:
    """One big bloom: eight round petals, a golden centre, a green stem with two leaves."""
    green = shade(LEAF, -0.35)
    pen.start_part("stem")
    pen.line(((0, 1.4), (0.6, 14), (0, 30)), 2.8, green)
    pen.start_part("leaves")
    for side, low in ((-1, 3.5), (1, 6.5)):
        leaf = smooth(((0, low), (side * 5, low + 1.6), (side * 10, low + 6), (side * 12, low + 11.4),
                (side * 6, low + 9), (side * 1.6, low + 4.6)))
        pen.polygon(leaf, green)
        pen.polygon(inset(leaf, 0.9), LEAF, in_mask=False)
    pen.start_part("petals")
    for k in (0, 2, 4, 6, 1, 3, 5, 7):
        turn = 22.5 + 45 * k
        c, s = math.cos(math.radians(turn)), math.sin(math.radians(turn))
        skin(pen, oval(8.2 * c, 36 + 8.2 * s, 5.7, 4.9, turn), 0.12 if k % 2 else 0.0, 0.0, 1.0)
    pen.start_part("centre")
    pen.ellipse(0, 36, 5.6, 5.6, shade(GOLD, -0.42))
    pen.ellipse(0, 36, 4.5, 4.5, GOLD)
    pen.ellipse(-1.2, 37.4, 2.0, 1.6, shade(GOLD, 0.45), 30)


@thing(width=28, height=28, painted=("body",))
def ball(pen: Pen) -> None:
    """A rubber ball: a broad pale band (grey on white paint) slung round it, shaded below, a highlight above."""
    pen.start_part("body")
    skin(pen, oval(0, 14, 13.9, 13.9), 0, 4)
    pen.start_part("stripe")
    band = smooth(((-12.9, 12), (-6, 9.2), (2, 10.4), (9, 15), (11.6, 20.6), (8.4, 23.8), (4, 19), (-3, 16.4),
            (-12.4, 18.6)))
    pen.polygon(band, edge(pen))
    pen.polygon(inset(band, 0.9), pen.paint(-0.28) if brightness(pen.colour) > 215 else CREAM, in_mask=False)
    pen.start_part("body")
    pen.ellipse(-4.4, 22, 3.6, 2.2, pen.paint(0.5), 28)


@thing(width=28, height=56, painted=("body",), foot=8)
def balloon(pen: Pen) -> None:
    """A balloon that floats: a shining drop of paint, a knot, a long string."""
    sway = ((0, 20), (1.4, 15.5), (0.6, 11), (-1.2, 6.5), (-0.4, 1.2))
    pen.start_part("string")
    pen.line(sway, 2.2, INK if brightness(pen.colour) > 70 else (96, 92, 104))
    pen.line(sway, 1.1, CREAM, in_mask=False)
    pen.start_part("body")
    pen.polygon(((-3.6, 18.4), (3.6, 18.4), (0, 24)), edge(pen))
    skin(pen, smooth(((0, 20.8), (-5.5, 24.2), (-12.2, 33), (-13.8, 42), (-9.6, 52), (0, 55.8), (9.6, 52),
            (13.8, 42), (12.2, 33), (5.5, 24.2))),
         0, 4)
    pen.ellipse(-6.2, 46.6, 2.6, 4.6, pen.paint(0.55), -24)
    pen.ellipse(-8.4, 39, 1.2, 1.6, pen.paint(0.45))
