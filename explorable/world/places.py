"""The eight places, each with a sky, a background and ground to stand on.

Every place has its horizon near y = 66 and open ground from y = 84 down, so that any thing fits into any place. Each
element has a name and so a mask.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from .canvas import SIZE, Canvas
from .light import RGB, mix

HORIZON = 66.0
PLACE_PAINTERS: dict[str, Callable[[Canvas, random.Random], None]] = {}
SNOW = (240, 244, 250)
GRASS = (122, 184, 84)


def place(painter: Callable[[Canvas, random.Random], None]) -> Callable[[Canvas, random.Random], None]:
    """Register a painting function under its function name, with spaces for underscores."""
    PLACE_PAINTERS[painter.__name__.replace("_", " ")] = painter
    return painter


def paint_place(canvas: Canvas, name: str, rng: random.Random) -> None:
    """Paint the sky and the place `name` over the whole canvas."""
    _sky(canvas, rng)
    PLACE_PAINTERS[name](canvas, rng)


def _sky(canvas: Canvas, rng: random.Random) -> None:
    light = canvas.light
    canvas.start_part("sky")
    canvas.backdrop(light.sky, HORIZON + 20)
    if light.stars:
        canvas.start_part("stars")
        for k in range(12):
            x, y = 6 + (k * 47) % 118 + rng.uniform(-4, 4), 5 + (k * 29) % 44 + rng.uniform(-2, 2)
            canvas.ellipse(x, y, 0.9, 0.9, (246, 246, 226), glows=True)
    side = rng.choice((-1, 1))
    if light.name == "sunset":
        x, y, r = 64 + side * rng.uniform(24, 34), 50.0, 10.0
    else:
        x, y, r = 64 + side * rng.uniform(38, 46), 18.0, 8.0 if light.name == "day" else 7.0
    canvas.start_part("sun" if light.name in ("day", "sunset") else "moon")
    canvas.halo(x, y, r * 2.2, light.sun, 0.4)
    canvas.ellipse(x, y, r, r, light.sun, glows=True)
    if light.name == "twilight":  # the sky covers part of the moon, which leaves a crescent
        canvas.start_part("sky")
        canvas.ellipse(x + 3.2, y - 1.5, r - 0.6, r - 0.6, mix(light.sky[0], light.sky[1], 0.5), glows=True)
    if light.name == "day":
        canvas.start_part("clouds")
        _cloud(canvas, 64 - side * rng.uniform(22, 44), rng.uniform(14, 24))
        _cloud(canvas, 64 - side * rng.uniform(-20, 4), rng.uniform(28, 36), 0.7)


def _cloud(canvas: Canvas, x: float, y: float, k: float = 1.0) -> None:
    for dx, dy, rx, ry in ((-8, 1, 8, 4.5), (0, -2, 9, 6.5), (9, 1, 8, 4.5)):
        canvas.ellipse(x + dx * k, y + dy * k, rx * k, ry * k, (250, 252, 255))


def _ground(canvas: Canvas, name: str, colour: RGB, top: float, wave: float, rng: random.Random) -> None:
    """Paint ground from a wavy line near y = `top` to the bottom edge, lighter along its crest."""
    canvas.start_part(name)
    a, b = rng.uniform(-wave, wave), rng.uniform(-wave, wave)
    line = [(0, top + a), (32, top + (a + b) / 2 - wave / 2), (64, top + b), (96, top - a / 2), (SIZE, top - b)]
    canvas.polygon([*line, (SIZE, SIZE), (0, SIZE)], colour)
    near = [(x, y + 22) for x, y in line]
    canvas.polygon([*near, (SIZE, SIZE), (0, SIZE)], mix(colour, (20, 24, 40), 0.10))


def _peaks(canvas: Canvas, rng: random.Random, rock: RGB, snow: float) -> None:
    """Paint three mountains with lit and shaded flanks; `snow` is the white share of each."""
    base = HORIZON + 8
    order = ((20, 34), (106, 38), (64, 46))
    for x0, h0 in order:
        x, h = x0 + rng.uniform(-7, 7), h0 + rng.uniform(-4, 4)
        half, top = h * 0.95, base - h
        canvas.start_part("mountains")
        canvas.polygon([(x - half, base), (x, top), (x + half, base)], rock)
        canvas.polygon([(x, top), (x + half, base), (x + half * 0.15, base)], mix(rock, (30, 30, 60), 0.28))
        canvas.start_part("mountains.snow")
        d, w = h * snow, half * snow
        canvas.polygon([(x - w, top + d), (x, top), (x + w, top + d), (x + w * 0.45, top + d * 0.82),
                        (x, top + d * 1.12), (x - w * 0.4, top + d * 0.8)], SNOW)
        canvas.polygon([(x, top), (x + w, top + d), (x + w * 0.45, top + d * 0.82), (x + w * 0.12, top + d)],
                       (198, 210, 232))


def _fir(canvas: Canvas, x: float, foot: float, h: float, green: RGB, white: bool = False) -> None:
    """Paint a fir: a trunk and three stacked cones, the upper ones covered in snow if `white`."""
    canvas.polygon([(x - h * 0.05, foot), (x + h * 0.05, foot), (x + h * 0.05, foot - h * 0.2),
                    (x - h * 0.05, foot - h * 0.2)], (96, 66, 48))
    for k, (w, lo, hi) in enumerate(((0.30, 0.12, 0.56), (0.24, 0.38, 0.78), (0.17, 0.62, 1.0))):
        canvas.polygon([(x - h * w, foot - h * lo), (x + h * w, foot - h * lo), (x, foot - h * hi)],
                       mix(green, (255, 255, 255), 0.62) if white and k else mix(green, (255, 255, 200), 0.07 * k))


@place
def mountain_road(canvas: Canvas, rng: random.Random) -> None:
    _peaks(canvas, rng, mix((128, 134, 156), canvas.light.haze, 0.15), 0.34)
    _ground(canvas, "hills", (108, 168, 88), 70, 3, rng)
    canvas.start_part("road")
    far = 64 + rng.uniform(-10, 10)
    bend = rng.uniform(-10, 10)
    canvas.polygon([(far - 3, 70), (far + 3, 70), (64 + bend + 30, 90), (SIZE + 8, SIZE), (-8, SIZE),
                    (64 + bend - 30, 90)], (118, 118, 128))
    canvas.polygon([(far - 0.5, 73), (far + 0.5, 73), (64 + bend + 1.4, 84), (64 + bend - 1.4, 84)], (244, 240, 226))
    canvas.polygon([(64 + bend * 0.7 - 1.6, 90), (64 + bend * 0.7 + 1.6, 90), (67, 104), (61, 104)], (244, 240, 226))
    canvas.polygon([(60.5, 110), (67.5, 110), (69, SIZE), (59, SIZE)], (244, 240, 226))


@place
def meadow(canvas: Canvas, rng: random.Random) -> None:
    canvas.start_part("hills")
    for x, h in ((26.0, 14), (98.0, 17)):
        green = mix((96, 164, 96), canvas.light.haze, 0.25)
        canvas.ellipse(x + rng.uniform(-8, 8), 76, 50, h + rng.uniform(-2, 2), green)
    _ground(canvas, "meadow", GRASS, 73, 3, rng)
    for k in range(9):
        x, y = 8 + (k * 41) % 116 + rng.uniform(-4, 4), 84 + (k * 17) % 40
        canvas.polygon([(x - 2.4, y), (x - 3.2, y - 4), (x - 0.8, y - 1.4), (x, y - 5), (x + 0.8, y - 1.4),
                        (x + 3.2, y - 4), (x + 2.4, y)], (84, 148, 64))


@place
def beach(canvas: Canvas, rng: random.Random) -> None:
    canvas.start_part("sea")
    canvas.polygon([(0, HORIZON - 4), (SIZE, HORIZON - 4), (SIZE, 92), (0, 92)], (58, 142, 196))
    canvas.polygon([(0, HORIZON + 8), (SIZE, HORIZON + 8), (SIZE, 92), (0, 92)], (84, 176, 208))
    _ground(canvas, "sand", (238, 214, 160), 84, 2.5, rng)
    canvas.start_part("sea")
    a = rng.uniform(-2, 2)
    canvas.polygon([(0, 82 + a), (40, 80), (84, 83), (SIZE, 80 - a), (SIZE, 84 - a), (84, 87), (40, 84), (0, 86 + a)],
                   (240, 248, 250))


@place
def forest(canvas: Canvas, rng: random.Random) -> None:
    canvas.start_part("forest")
    canvas.polygon([(0, 40), (SIZE, 40), (SIZE, 84), (0, 84)], mix((52, 104, 76), canvas.light.haze, 0.30))
    for k in range(7):
        green = mix((48, 108, 76), canvas.light.haze, 0.14)
        _fir(canvas, k * 21.5 + rng.uniform(-3, 3), 78, rng.uniform(44, 54), green)
    _ground(canvas, "forest.floor", (92, 132, 74), 77, 2, rng)
    canvas.start_part("forest")
    for x in (4, 26, 101, 124):
        _fir(canvas, x + rng.uniform(-3, 3), 86 + rng.uniform(-1, 3), rng.uniform(66, 76), (38, 96, 62))


@place
def snowy_mountains(canvas: Canvas, rng: random.Random) -> None:
    _peaks(canvas, rng, mix((132, 146, 178), canvas.light.haze, 0.15), 0.62)
    _ground(canvas, "snow", SNOW, 71, 3, rng)
    canvas.start_part("firs")
    for x, h in ((9, 26), (24, 20), (108, 22), (121, 28)):
        _fir(canvas, x + rng.uniform(-2, 2), 80 + rng.uniform(-1, 2), h, (70, 120, 104), white=True)


@place
def city(canvas: Canvas, rng: random.Random) -> None:
    canvas.start_part("city")
    lit = canvas.light.name in ("twilight", "night")
    walls = ((124, 136, 168), (150, 132, 150), (108, 124, 150), (160, 150, 156))
    for k, h in enumerate((40, 30, 52, 34, 46)):
        x, top = -2 + k * 26.8, 80 - h + rng.uniform(-5, 5)
        canvas.polygon([(x, 82), (x, top), (x + 24, top), (x + 24, 82)], mix(walls[k % 4], canvas.light.haze, 0.2))
        for row in range(int((76 - top) // 11)):
            for u in (x + 3.5, x + 13.5):
                v = top + 5 + row * 11
                canvas.polygon([(u, v), (u + 7, v), (u + 7, v + 6), (u, v + 6)],
                               (255, 216, 120) if lit else (206, 224, 238), glows=lit)
    canvas.start_part("street")
    canvas.polygon([(0, 80), (SIZE, 80), (SIZE, SIZE), (0, SIZE)], (190, 188, 192))
    canvas.polygon([(0, 92), (SIZE, 92), (SIZE, SIZE), (0, SIZE)], (122, 122, 134))
    for x in (8, 52, 96):
        canvas.polygon([(x, 119), (x + 24, 119), (x + 24, 122), (x, 122)], (238, 236, 226))


@place
def desert(canvas: Canvas, rng: random.Random) -> None:
    canvas.start_part("dunes")
    for x, h in ((30.0, 16), (100.0, 20)):
        ochre = mix((222, 158, 92), canvas.light.haze, 0.2)
        canvas.ellipse(x + rng.uniform(-8, 8), 78, 54, h + rng.uniform(-2, 2), ochre)
    _ground(canvas, "desert", (236, 190, 118), 74, 3, rng)
    canvas.start_part("cactus")
    for x, foot, h in ((13.0, 84, 26), (115.0, 80, 20)):
        x, green = x + rng.uniform(-4, 4), (76, 140, 88)
        w = h * 0.11
        for a, b, lo, hi in ((0, 0, 0, 1), (-2.6, -1.2, 0.42, 0.75), (1.2, 2.6, 0.3, 0.62)):
            canvas.polygon([(x + a * w - w, foot - lo * h), (x + b * w + w, foot - lo * h),
                            (x + b * w + w, foot - (lo + 0.14) * h), (x + a * w - w, foot - (lo + 0.14) * h)], green)
            u = x + (a if a else b) * w if abs(a) > abs(b) else x + b * w
            canvas.polygon([(u - w, foot - lo * h), (u + w, foot - lo * h), (u + w * 0.8, foot - hi * h),
                            (u - w * 0.8, foot - hi * h)], green)


@place
def lake(canvas: Canvas, rng: random.Random) -> None:
    canvas.start_part("hills")
    for x, h in ((22.0, 24), (70.0, 18), (112.0, 26)):
        green = mix((92, 148, 116), canvas.light.haze, 0.35)
        canvas.ellipse(x + rng.uniform(-6, 6), 66, 36, h + rng.uniform(-3, 3), green)
    canvas.start_part("lake")
    canvas.polygon([(0, 64), (SIZE, 64), (SIZE, 96), (0, 96)], mix((74, 140, 190), canvas.light.sky[1], 0.3))
    for k in range(5):
        x, y = (k * 53) % 104 + rng.uniform(0, 12), 69 + k * 4
        canvas.polygon([(x, y), (x + 22, y), (x + 20, y + 1.5), (x + 2, y + 1.5)], (196, 224, 240))
    _ground(canvas, "shore", (134, 176, 92), 92, 2.5, rng)
