"""Cabin, house, castle."""

from __future__ import annotations

from ..canvas import POINT, Pen, rounded
from .base import STONE, WOOD, thing

DARK = (64, 58, 70)  # the cabin's roof
SLATE = (132, 130, 144)  # the house's roof
CONE = (92, 88, 116)  # the castle's roofs
BRICK = (166, 112, 98)
BRONZE = (232, 186, 92)
FLAG = (244, 206, 110)


def tone(colour: tuple[int, int, int], by: float) -> tuple[int, int, int]:
    """Return a material's colour, `by` times as bright."""
    r, g, b = (min(255, round(c * by)) for c in colour)
    return r, g, b


def window(pen: Pen, x: float, y: float, w: float, h: float) -> None:
    """Draw a window with its lower left corner at (x, y): a dark frame, two panes, a pale sill."""
    pen.start_part("walls")
    pen.box(x - 1.3, y - 1.3, x + w + 1.3, y + h + 1.3, pen.paint(-0.48))
    pen.box(x - 2, y - 2.4, x + w + 2, y - 1, pen.paint(0.45))
    pen.start_part("windows")
    pen.glass(x, y, x + w / 2 - 0.5, y + h)
    pen.glass(x + w / 2 + 0.5, y, x + w, y + h)


def chimney(pen: Pen, x0: float, x1: float, bottom: float, top: float) -> None:
    """Draw a brick chimney with a wider stone rim."""
    pen.start_part("chimney")
    pen.box(x0, bottom, x1, top, BRICK)
    pen.box((x0 + x1) / 2 + 1, bottom, x1, top, tone(BRICK, 0.8))
    pen.box(x0 - 1, top - 2.6, x1 + 1, top, STONE)


@thing(width=54, height=46, painted=("walls",))
def cabin(pen: Pen) -> None:
    """A log cabin: low and wide, round logs up to the gable, a steep dark roof, a chimney."""
    chimney(pen, 13, 20, 20, 44)
    pen.start_part("walls")
    for k in range(6):  # log ends stick out at both corners
        y = 1.6 + 3.1 * k
        pen.box(-25, y - 1.6, 25, y + 1.5, pen.paint(-0.3), 1.5)
    pen.polygon(((-22, 0), (-22, 19), (0, 43), (22, 19), (22, 0)), pen.paint())
    for y, half in ((5.2, 22), (10.4, 22), (15.6, 22), (20.8, 20.4), (26, 15.6), (31.2, 10.8)):
        pen.box(-half, y - 1.5, half, y, pen.paint(-0.28))
        pen.box(-half, y - 2.9, half, y - 1.5, pen.paint(0.3))
    pen.start_part("roof")
    pen.polygon(((-27, 14), (-27, 18.6), (0, 46), (27, 18.6), (27, 14), (0, 40)), DARK)
    pen.polygon(((-27, 17.4), (-27, 18.6), (0, 46), (27, 18.6), (27, 17.4), (0, 44.4)), tone(DARK, 1.6))
    pen.start_part("door")
    pen.box(-5.4, 0, 5.4, 16.4, tone(WOOD, 0.55), 0.8)
    pen.box(-4, 0, 4, 15, WOOD)
    pen.ellipse(2.2, 7, 1.1, 1.1, BRONZE)
    window(pen, -18, 6.4, 8, 8)
    window(pen, 10, 6.4, 8, 8)
    pen.start_part("walls")
    pen.ellipse(0, 26.4, 5, 5, pen.paint(-0.48))
    pen.start_part("windows")
    pen.glass(-3.6, 22.8, 3.6, 30, 3.6)
    if pen.cozy:
        pen.smoke(16.5, 44)


@thing(width=46, height=56, painted=("walls",))
def house(pen: Pen) -> None:
    """A town house: tall, two storeys of smooth painted wall, four windows, a grey gable roof."""
    chimney(pen, 9.5, 15.5, 38, 54)
    pen.start_part("walls")
    pen.box(-20, 0, 20, 37, pen.paint(-0.3))
    pen.box(-18.8, 0, 18.8, 37, pen.paint())
    pen.box(14.4, 0, 18.8, 37, pen.paint(-0.16))
    pen.box(-20, 0, 20, 2.6, pen.paint(-0.36))
    pen.box(-20, 18.2, 20, 20.4, pen.paint(0.45))
    pen.box(-20, 34, 20, 36, pen.paint(-0.36))
    pen.start_part("roof")
    pen.polygon(((-23, 35), (-23, 37.4), (-2, 56), (2, 56), (23, 37.4), (23, 35)), tone(SLATE, 0.78))
    pen.polygon(((-20.6, 37.4), (-1.6, 54), (1.6, 54), (20.6, 37.4)), SLATE)
    pen.polygon(((-15, 42.4), (-13.2, 44), (13.2, 44), (15, 42.4)), tone(SLATE, 0.84))
    pen.polygon(((-8.6, 48), (-6.8, 49.6), (6.8, 49.6), (8.6, 48)), tone(SLATE, 0.84))
    pen.start_part("door")
    pen.box(-5, 0, 5, 15.8, pen.paint(0.6))
    pen.box(-3.7, 0, 3.7, 14.4, tone(WOOD, 0.72))
    pen.ellipse(2, 6.6, 1.1, 1.1, BRONZE)
    window(pen, -15.6, 6, 7.4, 8.4)
    window(pen, 8.2, 6, 7.4, 8.4)
    window(pen, -13.4, 23.6, 7.8, 8)
    window(pen, 5.6, 23.6, 7.8, 8)
    if pen.cozy:
        pen.smoke(12.5, 54)


def tower(pen: Pen, x: float, half: float, foot: float, top: float, tip: float) -> None:
    """Draw a round tower with a cone roof and a flag."""
    pen.start_part("flags")
    pen.box(x - 0.6, tip - 3, x + 0.6, tip + 6, tone(CONE, 0.6))
    pen.polygon(((x + 0.4, tip + 6), (x + 0.4, tip + 1), (x + 7, tip + 3.5)), FLAG)
    pen.start_part("towers")
    pen.box(x - half, foot, x + half, top, pen.paint(-0.3))
    pen.box(x - half + 1, foot, x + half * 0.3, top, pen.paint())
    pen.box(x - half + 1, foot, x - half * 0.35, top, pen.paint(0.22))
    pen.box(x - half - 1.4, top - 4, x + half + 1.4, top, pen.paint(-0.36))
    pen.box(x - half - 0.4, top - 3, x + half * 0.4, top - 0.6, pen.paint(0.1))
    pen.start_part("roofs")
    pen.polygon(((x - half - 1.6, top), (x + half + 1.6, top), (x, tip)), CONE)
    pen.polygon(((x - half - 1.6, top), (x - half * 0.3, top), (x, tip)), tone(CONE, 1.35))


def slit(pen: Pen, part: str, x: float, y: float, half: float = 1.6) -> None:
    """Draw a narrow round-topped window, centred at x with its foot at y."""
    pen.start_part(part)
    pen.box(x - half - 1, y - 1, x + half + 1, y + 8, pen.paint(-0.5), half + 1)
    pen.start_part("windows")
    pen.glass(x - half, y, x + half, y + 7, half)


def gateway(half: float, top: float) -> list[POINT]:
    """Return a doorway with a round arch, as a polygon."""
    return [(x, max(y, 0.0)) for x, y in rounded(-half, -2 * half, half, top, half)]


@thing(width=60, height=60, painted=("walls", "towers"))
def castle(pen: Pen) -> None:
    """A castle: stone walls with battlements, three round towers with cone roofs, gate, flags."""
    tower(pen, 0, 7.5, 20, 40, 54)
    slit(pen, "towers", 0, 29)
    pen.start_part("walls")
    for x in (-13.8, -6.9, 0, 6.9, 13.8):
        pen.box(x - 2.3, 24, x + 2.3, 28, pen.paint(-0.3))
        pen.box(x - 1.5, 24, x + 1.5, 27, pen.paint(0.16))
    pen.box(-18, 0, 18, 24.4, pen.paint())
    pen.box(-18, 21, 18, 23, pen.paint(-0.28))
    for x, y in ((-13, 15.6), (9.4, 16), (-13.4, 4), (9.6, 6)):
        pen.box(x, y, x + 4.2, y + 2.4, pen.paint(-0.18), 0.6)
    tower(pen, -21, 7, 0, 34, 49)
    tower(pen, 21, 7, 0, 34, 49)
    for x in (-21.6, 20.4):
        slit(pen, "towers", x, 20)
        slit(pen, "towers", x, 7)
    pen.start_part("gate")
    pen.polygon(gateway(7.4, 17), pen.paint(0.5))
    pen.polygon(gateway(6, 15.6), tone(WOOD, 0.5))
    for x in (-3.2, 0, 3.2):
        pen.box(x - 0.6, 0, x + 0.6, 14, tone(WOOD, 0.9))
