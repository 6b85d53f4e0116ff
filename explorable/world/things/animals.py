"""Cat, dog, lion, rabbit. Cat and rabbit face the viewer, dog and lion face right.

A shape is drawn three times, each time smaller: its rim in an edge tone, its shaded side, and its colour. So a white
cat stays visible on snow and a black one at night.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

from ..canvas import POINT, Pen, oval, smooth
from ..light import RGB
from .base import CREAM, INK, thing

ROSE = (238, 150, 160)  # noses, tongues, the insides of ears
WHITE = (252, 252, 250)  # eyes
EYE = (228, 240, 150)  # a cat's eyes
AMBER = (250, 214, 110)  # a lion's eyes


def brightness(colour: RGB) -> float:
    """Return the perceived brightness of a colour, 0 to 255."""
    return 0.30 * colour[0] + 0.59 * colour[1] + 0.11 * colour[2]


def edge(pen: Pen) -> RGB:
    """Return the tone of a thing's outline: darker than its colour, or lighter if that is nearly black."""
    return pen.paint(0.30) if brightness(pen.colour) < 70 else pen.paint(-0.42)


@lru_cache(maxsize=4096)
def inset(points: tuple[POINT, ...], rim: float, shade: float = 0.0) -> tuple[POINT, ...]:
    """Return an outline moved inwards by `rim`, and by up to `shade` more where it faces down and right."""
    n = len(points)
    turn = sum(points[i - 1][0] * points[i][1] - points[i][0] * points[i - 1][1] for i in range(n))
    sign = 1 if turn > 0 else -1
    out = []
    for i, (x, y) in enumerate(points):
        (x0, y0), (x1, y1) = points[i - 1], points[(i + 1) % n]
        length = math.hypot(x1 - x0, y1 - y0) or 1.0
        nx, ny = sign * (y1 - y0) / length, sign * (x0 - x1) / length  # points outwards
        move = rim + shade * max(0.0, 0.5 * nx - 0.85 * ny)
        out.append((x - nx * move, y - ny * move))
    return tuple(out)


def skin(pen: Pen, points: Sequence[POINT], tone: float = 0.0, shade: float = 0.0, rim: float = 1.1) -> None:
    """Fill an outline: an edge of `rim` units, and a darker side of up to `shade` units."""
    outline = tuple(points)
    pen.polygon(outline, edge(pen))
    if shade:
        pen.polygon(inset(outline, rim), pen.paint(tone - 0.20), in_mask=False)
    pen.polygon(inset(outline, rim, shade), pen.paint(tone), in_mask=False)


def fuse(pen: Pen, *limbs: tuple[str, float, tuple[POINT, ...]]) -> None:
    """Fill limbs (part, shade, outline), all edges first, so that no edge separates a leg from the body."""
    for part, _, outline in limbs:
        pen.start_part(part)
        pen.polygon(outline, edge(pen))
    for part, shade, outline in limbs:
        pen.start_part(part)
        if shade:
            pen.polygon(inset(outline, 1.1), pen.paint(-0.20))
        pen.polygon(inset(outline, 1.1, shade), pen.paint())


def stroke(pen: Pen, points: Sequence[POINT], width: float, tone: float = 0.0) -> None:
    """Draw a thick line with an edge, such as a tail."""
    pen.line(points, width, edge(pen))
    pen.line(points, width - 2.2, pen.paint(tone), in_mask=False)


def eyes(pen: Pen, spots: Sequence[POINT], rx: float, ry: float, white: RGB, pupil: float, look: float = 0.0) -> None:
    """Draw round eyes: a dark ring, a pale ball, a pupil `pupil` wide and a highlight."""
    for x, y in spots:
        pen.ellipse(x, y, rx + 0.7, ry + 0.7, INK)
        pen.ellipse(x, y, rx, ry, white)
        pen.ellipse(x + look, y - 0.2, pupil, ry * 0.82, INK)
        pen.ellipse(x + look - 0.5, y + ry * 0.4, 0.8, 0.8, WHITE)


def whiskers(pen: Pen, x: float, y: float, near: float, far: float) -> None:
    """Draw two whiskers on either side of x, light on a dark coat and dark on a light one."""
    colour = pen.paint(-0.6) if brightness(pen.colour) > 125 else CREAM
    for side in (-1, 1):
        for rise in (1.6, -1.8):
            pen.line(((x + side * near, y + rise * 0.4), (x + side * far, y + rise)), 1.0, colour)


@thing(width=38, height=42, painted=("body", "head", "ears", "legs", "tail"))
def cat(pen: Pen) -> None:
    """A cat that sits and looks at us: big head, pointed ears, whiskers, tail curled up at its side."""
    pen.start_part("tail")
    stroke(pen, ((6, 3.5), (11, 3.8), (14.4, 7), (15.6, 12), (14.6, 16.5), (15.6, 20.4)), 6.2)
    pen.start_part("body")
    skin(pen, smooth(((-14.5, 5), (-12, 13), (-8, 19), (2, 19), (6, 13), (8.5, 5), (6, 0.7), (-12, 0.7))), 0, 3)
    pen.start_part("legs")
    for x in (-6.4, 0.4):
        skin(pen, smooth(((x - 3, 12), (x - 3.6, 3), (x - 2.6, 0.5), (x + 2.6, 0.5), (x + 3.6, 3),
                (x + 3, 12))), 0.12)
    pen.start_part("ears")
    for side in (-1, 1):
        x = -3 + side * 9
        skin(pen, ((x - side * 7, 33), (x + side * 3.2, 42), (x + side * 4.5, 26)), 0, 0, 1.9)
        pen.polygon(((x - side * 2.2, 34), (x + side * 2.2, 38), (x + side * 2.6, 31)), ROSE)
    pen.start_part("head")
    skin(pen, smooth(((-18.2, 22), (-15, 31), (-8, 35.6), (2, 35.6), (9, 31), (12.2, 22), (6, 14.6), (-3, 13),
            (-12, 14.6))),
         0, 2.6)
    for x, low in ((-7, 31.4), (-3, 30.2), (1, 31.4)):
        pen.line(((x, low), (x * 1.05, 33.6)), 1.7, pen.paint(0.28 if brightness(pen.colour) < 70 else -0.30))
    pen.start_part("face")
    whiskers(pen, -3, 19, 7, 15.2)
    pen.ellipse(-5.6, 18.4, 3.6, 3.0, CREAM)
    pen.ellipse(-0.4, 18.4, 3.6, 3.0, CREAM)
    pen.polygon(((-5, 21.6), (-1, 21.6), (-3, 18.8)), (226, 110, 128))
    pen.line(((-3, 19), (-3, 17)), 0.9, INK)
    eyes(pen, ((-9.4, 25.2), (3.4, 25.2)), 3.0, 3.4, EYE, 1.5)


@thing(width=50, height=42, painted=("body", "head", "ears", "legs", "tail"))
def dog(pen: Pen) -> None:
    """A friendly retriever: side on, tail up, its head with long muzzle and hanging ears turned half to us."""
    pen.start_part("tail")
    skin(pen, smooth(((-14, 20), (-20, 24), (-24.4, 32), (-23, 39), (-18.6, 37), (-15.6, 31), (-11, 26))))
    pen.start_part("legs")
    for x in (-11.0, 8.0):  # the far pair
        skin(pen, smooth(((x - 3.4, 15), (x - 3, 1), (x - 1, 0.6), (x + 3.4, 0.6), (x + 3.4, 3), (x + 3, 15))), -0.22)
    trunk = ((-19, 21), (-15, 26), (-6, 25.6), (4, 29), (12, 26), (14.4, 19), (12.4, 16.6), (12.6, 13),
            (8, 10.6), (-4, 13.4),
             (-13, 11), (-18.6, 14))
    hind = ((-19, 18), (-15, 21), (-11.4, 17), (-13, 9), (-12.2, 3), (-12.6, 0.6), (-19, 0.6), (-19.2, 4), (-20, 9.6))
    front = ((-0.6, 18), (-0.4, 3), (0.6, 0.6), (6.6, 0.6), (6.8, 3.4), (5.4, 8), (6.6, 18), (3, 21))
    fuse(pen, ("body", 3.4, smooth(trunk)), ("legs", 0, smooth(hind)), ("legs", 0, smooth(front)))
    pen.start_part("ears")
    skin(pen, smooth(((18, 38), (21.5, 37.6), (24, 32), (23.4, 26.6), (20, 28))), -0.3)
    pen.start_part("head")
    skin(pen, smooth(((1.4, 31), (4, 38.6), (11, 41.8), (18, 39.4), (21, 33), (19, 26), (14, 21.4), (6, 22.4))), 0, 2)
    pen.start_part("face")
    pen.polygon(smooth(((11, 26), (13.5, 30.2), (18, 30.6), (23, 30), (24.8, 27), (23, 23), (17, 20.6),
            (12.4, 22))), edge(pen))
    pen.polygon(smooth(((12, 26), (14, 29.4), (18, 29.8), (22.8, 29), (24, 27), (22.4, 23.8), (17, 21.6),
            (13, 22.8))), CREAM)
    pen.ellipse(18.4, 22.2, 2.4, 3.0, ROSE)
    pen.line(((14.5, 24.4), (18, 23.6), (22.4, 25.2)), 1.2, INK)
    pen.ellipse(21.6, 28.6, 3.2, 2.5, INK, -8)
    pen.ellipse(20.8, 29.5, 1.0, 0.6, WHITE)
    eyes(pen, ((10.4, 33), (17.6, 33.4)), 2.2, 2.6, WHITE, 1.6, 0.4)
    pen.start_part("ears")
    skin(pen, smooth(((3, 39), (7.4, 38.6), (7.6, 31), (6.4, 23), (2, 20.2), (-2.2, 23.4), (-1.6, 32))), -0.3)


@thing(width=58, height=48, painted=("body", "head", "ears", "legs", "tail"))
def lion(pen: Pen) -> None:
    """A lion in its pride: a great dark mane all round a face that looks at us, four strong legs, a tufted tail.

    The mane is another tone than the paint (darker, or lighter on black), so it is not a painted part.
    """
    dark = brightness(pen.colour) < 70
    mane, inner = (pen.paint(0.26), pen.paint(0.40)) if dark else (pen.paint(-0.56), pen.paint(-0.38))
    pen.start_part("tail")
    stroke(pen, ((-20, 24), (-24.5, 25), (-26, 30), (-24, 35), (-24.5, 38)), 4.4)
    pen.blob(((-27, 37), (-28.6, 42), (-24, 47), (-20.6, 42), (-22, 37)), mane)
    pen.start_part("legs")
    for x in (-12.0, 17.0):  # the far pair
        skin(pen, smooth(((x - 3.6, 15), (x - 3.6, 1), (x - 2, 0.6), (x + 4.2, 0.6), (x + 4.4, 3),
                (x + 3.6, 15))), -0.22)
    trunk = ((-24, 22), (-20, 29), (-8, 28.4), (4, 31), (14, 26), (16, 14), (6, 9.5), (-7, 12.4), (-19, 10),
            (-24, 14))
    hind = ((-24, 20), (-19, 23), (-14, 18), (-15.8, 10), (-14.6, 4), (-15, 0.6), (-23, 0.6), (-23.2, 4), (-25, 10))
    front = ((3, 18), (3.2, 3), (4.4, 0.6), (12.2, 0.6), (12.6, 4), (11, 8), (11.6, 18))
    fuse(pen, ("body", 3.6, smooth(trunk)), ("legs", 0, smooth(hind)), ("legs", 0, smooth(front)))
    pen.start_part("mane")
    tips = [(10.6 + (18.2 - 2.6 * (k % 2)) * math.sin(math.pi * k / 11),
            27.6 + (20.0 - 2.8 * (k % 2)) * math.cos(math.pi * k / 11))
            for k in range(22)]
    pen.blob(tips, mane)
    pen.blob([(10.6 + (x - 10.6) * 0.80, 27.6 + (y - 27.6) * 0.80) for x, y in tips[1:] + tips[:1]], inner,
            in_mask=False)
    pen.start_part("ears")
    for x in (1.6, 19.6):
        skin(pen, oval(x, 38, 4.2, 4.2))
        pen.ellipse(x, 37.6, 1.9, 1.9, ROSE)
    pen.start_part("head")
    skin(pen, smooth(((-0.8, 30), (3, 37), (10.6, 39.4), (18.2, 37), (22, 30), (19, 20), (10.6, 15.4),
            (2.2, 20))), 0.06, 2)
    pen.start_part("face")
    pen.ellipse(10.6, 18, 4.2, 3.2, CREAM)
    pen.ellipse(7.2, 21.8, 4.6, 3.8, CREAM)
    pen.ellipse(14.0, 21.8, 4.6, 3.8, CREAM)
    pen.line(((6.4, 20.2), (8.4, 18.7), (10.6, 20.2), (12.8, 18.7), (14.8, 20.2)), 1.2, INK)
    pen.blob(((6.8, 27), (10.6, 27.6), (14.4, 27), (12.6, 23.6), (10.6, 22.4), (8.6, 23.6)), INK)
    eyes(pen, ((4.8, 29.8), (16.4, 29.8)), 2.3, 2.6, AMBER, 1.5)
    pen.line(((2.4, 34.2), (6.8, 34.0)), 1.6, mane)
    pen.line(((18.8, 34.2), (14.4, 34.0)), 1.6, mane)


@thing(width=32, height=46, painted=("body", "head", "ears", "legs", "tail"))
def rabbit(pen: Pen) -> None:
    """A rabbit that sits up and faces us: two very long ears, round belly, big feet, cotton tail."""
    pen.start_part("tail")
    skin(pen, oval(11.5, 6.2, 4.2, 4.2), 0.5)
    pen.start_part("body")
    skin(pen, oval(-0.5, 10.6, 11.4, 10.6), 0, 2.6)
    pen.ellipse(-0.8, 10, 6.4, 7.4, pen.paint(0.34))
    pen.start_part("legs")
    for x in (-8.0, 7.0):
        skin(pen, oval(x, 3.3, 6.2, 3.3), 0.10)
    for side in (-1, 1):
        skin(pen, oval(-0.5 + side * 5, 12.6, 2.7, 4.6, side * -24), 0.10)
    pen.start_part("ears")
    for side in (-1, 1):
        x = -0.5 + side * 5.4
        skin(pen, oval(x, 35.6, 4.1, 10.2, side * -7))
        pen.ellipse(x, 35.2, 2.0, 7.6, ROSE, side * -7)
    pen.start_part("head")
    skin(pen, smooth(((-11.4, 21), (-9, 27.4), (-0.5, 31), (8, 27.4), (10.4, 21), (6, 15.8), (-0.5, 14.6),
            (-7, 15.8))), 0, 2)
    pen.start_part("face")
    pen.ellipse(-2.6, 18.8, 3.0, 2.5, CREAM)
    pen.ellipse(1.6, 18.8, 3.0, 2.5, CREAM)
    pen.box(-2.1, 15.4, 1.1, 18, WHITE, 0.5)
    pen.blob(((-2.7, 21.6), (1.7, 21.6), (-0.5, 19.2)), (226, 110, 128))
    eyes(pen, ((-6.2, 23.4), (5.2, 23.4)), 2.0, 2.6, WHITE, 1.6)
