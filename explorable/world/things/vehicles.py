"""Car, sports car, truck, bus, boat. They face right."""

from __future__ import annotations

from collections.abc import Sequence

from ..canvas import POINT, RGB, Pen, oval
from .base import INK, LAMP, METAL, RUBBER, WOOD, thing

BRAKE = (206, 58, 52)  # tail lamps
SAIL = (252, 248, 238)
SAIL_SHADE = (208, 214, 226)


def wheel(pen: Pen, x: float, r: float) -> None:
    """Draw a tyre with its hub, standing on the ground at x."""
    pen.ellipse(x, r, r, r, RUBBER)
    pen.ellipse(x, r, r * 0.54, r * 0.54, METAL)
    pen.ellipse(x, r, r * 0.2, r * 0.2, INK)


def arch(pen: Pen, x: float, r: float) -> None:
    """Draw the wheel arch around a wheel of radius r at x."""
    pen.polygon([(u, max(v, 4.0)) for u, v in oval(x, r, r + 1.4, r + 1.4)], pen.paint(-0.5))


def shrink(points: Sequence[POINT], by: float) -> tuple[POINT, ...]:
    """Return a polygon scaled so that each side of its bounding box moves inwards by `by`."""
    xs, ys = zip(*points, strict=True)
    mx, my = (min(xs) + max(xs)) / 2, (min(ys) + max(ys)) / 2
    kx, ky = 1 - 2 * by / (max(xs) - min(xs)), 1 - 2 * by / (max(ys) - min(ys))
    return tuple((mx + kx * (x - mx), my + ky * (y - my)) for x, y in points)


def shell(pen: Pen, points: Sequence[POINT], colour: RGB, by: float = 1.0) -> None:
    """Fill a smooth panel of bodywork inside a darker rim, which keeps it visible on snow."""
    pen.blob(points, pen.paint(-0.32))
    pen.blob(shrink(points, by), colour)


@thing(width=56, height=28, painted=("body",))
def car(pen: Pen) -> None:
    """A friendly hatchback: high round cabin, two windows, short bonnet."""
    pen.start_part("body")
    shell(pen, ((-19, 12), (-16.5, 21), (-11, 26.6), (-2, 27.8), (7, 26.4), (13.5, 20.5), (18, 12)),
          pen.paint(0.12))
    shell(pen, ((-27.4, 8), (-26.5, 15), (-18, 17.4), (8, 17.4), (21, 16), (27, 11.5), (27, 6), (20, 3.6),
                (-20, 3.6)), pen.paint())
    pen.box(-25.5, 4.2, 25.5, 7.6, pen.paint(-0.24), 2)
    pen.line(((-23, 14.6), (18, 14.6)), 1.7, pen.paint(0.36))
    pen.box(-4, 10.6, 0.5, 12.2, pen.paint(-0.4), 0.8)
    arch(pen, -16, 6.6)
    arch(pen, 16, 6.6)
    pen.start_part("windows")
    pen.pane(((-15.6, 16.8), (-13.4, 21.6), (-9.6, 24.6), (-1.8, 25.4), (-1.8, 16.8)))
    pen.pane(((1.0, 16.8), (1.0, 25.2), (6, 24), (10.4, 20.6), (13.2, 16.8)))
    pen.start_part("lights")
    pen.ellipse(25.2, 11.6, 2.4, 2.4, LAMP, glows=True)
    pen.box(-27.6, 10, -25, 14, BRAKE, 1)
    pen.start_part("wheels")
    wheel(pen, -16, 6.6)
    wheel(pen, 16, 6.6)


@thing(width=62, height=20, painted=("body",))
def sports_car(pen: Pen) -> None:
    """A racer: low and long, a wedge for a nose, a wing behind, one swept window, big wheels."""
    pen.start_part("body")
    pen.polygon(((-29, 11), (-27.5, 17), (-23.5, 17), (-24, 11)), pen.paint(-0.45))
    shell(pen, ((-20, 10), (-14, 16.5), (-6, 19.6), (2, 18.6), (13, 11)), pen.paint(0.12))
    shell(pen, ((-29.2, 6.5), (-28.6, 11.6), (-19, 14), (-6, 13.4), (8, 13.6), (18, 13.6), (26, 9.2),
                (28.9, 5), (26, 2.8), (-26, 2.8)), pen.paint())
    pen.box(-27, 3, 28, 5.6, pen.paint(-0.26), 1.2)
    pen.polygon(((-9, 9.4), (8, 10.6), (8, 8), (-9, 6.6)), pen.paint(0.40))
    pen.box(-31, 16, -20, 19.2, pen.paint(-0.32), 1.2)
    pen.box(-30.4, 17.2, -20.6, 18.8, pen.paint(0.2), 0.8)
    arch(pen, -17.5, 6.4)
    arch(pen, 17.5, 6.4)
    pen.start_part("windows")
    pen.pane(((-13.4, 13.2), (-9.6, 16.4), (-5.6, 17.8), (1.6, 17), (9.4, 13.2)))
    pen.start_part("lights")
    pen.polygon(((22.4, 9.6), (25, 9.2), (29, 5.6), (25.2, 6)), LAMP, glows=True)
    pen.start_part("wheels")
    wheel(pen, -17.5, 6.6)
    wheel(pen, 17.5, 6.6)


@thing(width=60, height=36, painted=("body", "box"))
def truck(pen: Pen) -> None:
    """A lorry: a great ribbed box behind, and before it a cab of its own with a short nose."""
    pen.start_part("body")
    pen.box(-29, 5, 14, 10, pen.paint(-0.45))
    pen.polygon(((11, 4), (11, 26), (13, 28), (22, 28), (26.4, 18.6), (29, 17.6), (30, 15.6), (30, 4)),
                pen.paint(-0.32))
    pen.polygon(((12.2, 5), (12.2, 25.6), (13.6, 26.8), (21.2, 26.8), (25.4, 17.6), (28, 16.6), (28.8, 15),
                 (28.8, 5)), pen.paint())
    pen.line(((13.4, 15.4), (27.2, 15.4)), 1.6, pen.paint(0.36))
    pen.box(12.2, 5, 28.8, 8, pen.paint(-0.24))
    pen.start_part("box")
    pen.box(-30, 8, 9, 36, pen.paint(-0.32), 1.6)
    pen.box(-28.8, 9.2, 7.8, 34.8, pen.paint(0.1), 1)
    pen.box(-28.8, 31.4, 7.8, 34.8, pen.paint(0.34), 1)
    pen.box(-28.8, 9.2, 7.8, 12.6, pen.paint(-0.14), 1)
    for x in (-20.2, -11, -1.8):
        pen.box(x - 0.8, 12.6, x + 0.8, 31.4, pen.paint(-0.16))
    pen.start_part("body")
    for x in (-20, 20.5):
        arch(pen, x, 6.2)
    pen.start_part("windows")
    pen.pane(((14.4, 17.8), (14.4, 24.8), (20.4, 24.8), (23.6, 17.8)))
    pen.start_part("lights")
    pen.box(27.2, 9.6, 30, 13.4, LAMP, 1.2, glows=True)
    pen.start_part("wheels")
    wheel(pen, -20, 6.4)
    wheel(pen, -5.5, 6.4)
    wheel(pen, 20.5, 6.4)


@thing(width=66, height=34, painted=("body",))
def bus(pen: Pen) -> None:
    """A town bus: a long tall box, a row of five windows, a tall door at the front."""
    pen.start_part("body")
    pen.box(-33, 4, 33, 34, pen.paint(-0.32), 5)
    pen.box(-31.8, 5, 31.8, 33, pen.paint(), 4.2)
    pen.box(-29, 30, 28, 32.4, pen.paint(0.36), 1.2)
    pen.box(-31.8, 5, 31.8, 8.4, pen.paint(-0.24), 2)
    pen.box(-31.8, 12.2, 16.6, 14.6, pen.paint(0.36))
    pen.box(-30.4, 17, 15.8, 28.6, pen.paint(-0.4), 1.6)
    arch(pen, -18.5, 5.8)
    arch(pen, 10, 5.8)
    pen.start_part("windows")
    for k in range(5):
        x = -29.2 + 9 * k
        pen.glass(x, 18, x + 7.6, 27.6, 1)
    pen.pane(((28, 17), (28, 28.6), (30.6, 28.6), (31.8, 26.6), (31.8, 17)))
    pen.start_part("door")
    pen.box(17.6, 5.4, 26.6, 28.6, pen.paint(-0.58), 1.2)
    pen.glass(18.8, 9, 21.5, 27.4, 0.6)
    pen.glass(22.7, 9, 25.4, 27.4, 0.6)
    pen.start_part("lights")
    pen.box(29.6, 9.4, 33, 13, LAMP, 1.4, glows=True)
    pen.box(-33, 9.4, -30.8, 13, BRAKE, 0.8)
    pen.start_part("wheels")
    wheel(pen, -18.5, 6)
    wheel(pen, 10, 6)


@thing(width=56, height=50, painted=("hull", "pennant"))
def boat(pen: Pen) -> None:
    """A sailing boat: deep painted hull, wooden mast, two white sails, a pennant at the top."""
    pen.start_part("mast")
    pen.box(-2.2, 12, 0.4, 50, WOOD, 0.6)
    pen.start_part("pennant")
    pen.polygon(((0.4, 50), (0.4, 43.4), (11, 46.7)), pen.paint())
    pen.start_part("sail")
    for by, colour in ((0.0, SAIL_SHADE), (1.3, SAIL)):
        pen.polygon(shrink(((-3.2, 46), (-8.4, 40.6), (-14.4, 33), (-19.6, 25.4), (-23.6, 18), (-14, 19.2),
                            (-3.2, 18.4)), by), colour)
        pen.polygon(shrink(((1.6, 42.4), (8.4, 37), (14.8, 30.2), (20, 23.6), (23.4, 18), (12, 19.2),
                            (1.6, 18.4)), by), colour)
    pen.polygon(((-4.6, 28), (-17.6, 26.4), (-19.6, 23.2), (-4.6, 24.4)), SAIL_SHADE)
    pen.start_part("hull")
    pen.polygon(((-28, 16), (-26, 9), (-22, 3), (-17, 0), (15, 0), (21, 4), (25.4, 10), (28, 17.6),
                 (22, 16)), pen.paint(-0.32))
    pen.polygon(((-26.2, 14), (-24.4, 8.6), (-20.8, 3.6), (-16.4, 1.2), (14.4, 1.2), (20, 5), (24, 10.6),
                 (25.6, 14)), pen.paint())
    pen.polygon(((-22, 5), (-20.8, 3.6), (-16.4, 1.2), (14.4, 1.2), (20, 5)), pen.paint(-0.24))
    pen.polygon(((-28, 16.6), (-27.2, 13), (26.4, 13), (28, 17.8), (22, 16.6)), pen.paint(0.42))
    for x in (-12, 0, 12):
        pen.ellipse(x, 8.9, 2.2, 2.2, pen.paint(-0.5))
        pen.ellipse(x, 8.9, 1.3, 1.3, pen.paint(0.6))
