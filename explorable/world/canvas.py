"""An anti-aliased canvas that remembers, for every pixel, which part of the scene it shows.

Everything is drawn twice: in colour on a sheet four times as wide as the picture, which is
then averaged down, and as a number on a second sheet of the same size. What is drawn later
covers what is below on both, so the masks are exactly what can be seen.

`Canvas` speaks picture pixels (0 to 128, y down). `Pen` speaks a thing's own units: its
middle at x = 0, its foot at y = 0, y up, one unit a pixel at medium size.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw

from .light import RGB, Light, shade

SIZE = 128  # pixels a side
OVER = 4  # sub-pixels a side of a pixel
POINT = tuple[float, float]


@lru_cache(maxsize=4096)
def smooth(points: tuple[POINT, ...]) -> tuple[POINT, ...]:
    """A closed Catmull-Rom curve through `points`, as many short straight pieces."""
    n = len(points)
    out = []
    for i in range(n):
        p0, p1, p2, p3 = (points[(i + k) % n] for k in (-1, 0, 1, 2))
        for step in range(6):
            t = step / 6
            out.append(tuple(
                b + 0.5 * t * (c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a)))
                for a, b, c, d in zip(p0, p1, p2, p3, strict=True)
            ))
    return tuple(out)  # type: ignore[arg-type]


@lru_cache(maxsize=4096)
def oval(x: float, y: float, rx: float, ry: float, tilt: float = 0.0) -> tuple[POINT, ...]:
    """An ellipse as a polygon; `tilt` in degrees, anticlockwise where y points up."""
    c, s = math.cos(math.radians(tilt)), math.sin(math.radians(tilt))
    n = 12 if max(rx, ry) < 4 else 28
    ring = [(rx * math.cos(2 * math.pi * k / n), ry * math.sin(2 * math.pi * k / n)) for k in range(n)]
    return tuple((x + c * u - s * v, y + s * u + c * v) for u, v in ring)


@lru_cache(maxsize=4096)
def rounded(x0: float, y0: float, x1: float, y1: float, radius: float) -> tuple[POINT, ...]:
    """A box with rounded corners, as a polygon."""
    r = min(radius, abs(x1 - x0) / 2, abs(y1 - y0) / 2)
    corners = ((x1 - r, y1 - r, 0), (x0 + r, y1 - r, 90), (x0 + r, y0 + r, 180), (x1 - r, y0 + r, 270))
    return tuple(
        (cx + r * math.cos(math.radians(start + 30 * k)), cy + r * math.sin(math.radians(start + 30 * k)))
        for cx, cy, start in corners for k in range(4)
    )


class Canvas:
    """A sheet of 128 x 128 pixels under one light, with a mask for every part named on it."""

    def __init__(self, light: Light, masks: bool = True):
        self.light = light
        big = (SIZE * OVER, SIZE * OVER)
        self._sheet = Image.new("RGB", big)
        self._solid = ImageDraw.Draw(self._sheet)
        self._veil = ImageDraw.Draw(self._sheet, "RGBA")  # mixes instead of covering
        self._ids = Image.new("L", big) if masks else None
        self._mark = ImageDraw.Draw(self._ids) if self._ids else None
        self.names = [""]
        self._id = 0

    def part(self, name: str) -> None:
        """Everything drawn from here on belongs to `name` ("sky", "car.0.wheels")."""
        if name not in self.names:
            self.names.append(name)
        self._id = self.names.index(name)

    def backdrop(self, colours: Sequence[RGB], bottom: float) -> None:
        """An upright gradient through `colours` from the top edge down to y = `bottom`."""
        rows = round(bottom * OVER)
        stops = np.linspace(0, 1, len(colours))
        at = np.linspace(0, 1, rows)
        column = np.stack([np.interp(at, stops, [c[k] for c in colours]) for k in range(3)], -1)
        strip = Image.fromarray(np.round(column).astype(np.uint8)[:, None]).resize((SIZE * OVER, rows))
        self._sheet.paste(strip, (0, 0))
        if self._mark:
            self._mark.rectangle((0, 0, SIZE * OVER, rows), fill=self._id)

    def polygon(self, points: Sequence[POINT], colour: RGB, *, alpha: float = 1.0, glows: bool = False,
                claims: bool = True) -> None:
        """Fill a polygon given in picture pixels.

        alpha:  below 1 the colour is mixed with what is there, and the mask is left alone.
        glows:  the shape makes its own light: the time of day does not dim it.
        claims: False draws colour only: the mask below stays (shadows, shading, haze).
        """
        flat = [(x * OVER, y * OVER) for x, y in points]
        rgb = colour if glows else self.light.on(colour)
        if alpha < 1:
            self._veil.polygon(flat, fill=(*rgb, round(255 * alpha)))
            return
        self._solid.polygon(flat, fill=rgb)
        if claims and self._mark:
            self._mark.polygon(flat, fill=self._id)

    def ellipse(self, x: float, y: float, rx: float, ry: float, colour: RGB, **how) -> None:
        self.polygon(oval(x, y, rx, ry), colour, **how)

    def halo(self, x: float, y: float, radius: float, colour: RGB, strength: float = 0.5) -> None:
        """A soft glow that fades outward. Light only: it claims no mask."""
        for k in range(6, 0, -1):
            self.ellipse(x, y, radius * k / 6, radius * k / 6, colour, alpha=strength / 5, glows=True)

    def image(self) -> np.ndarray:
        """The picture, (128, 128, 3) uint8."""
        return np.asarray(self._sheet.reduce(OVER))

    def masks(self) -> dict[str, np.ndarray]:
        """A boolean (128, 128) mask for every part that can be seen: who owns each pixel's middle."""
        if self._ids is None:
            return {}
        ids = np.asarray(self._ids)[OVER // 2 :: OVER, OVER // 2 :: OVER]
        return {self.names[i]: ids == i for i in np.unique(ids) if i}


class Pen:
    """Draws one thing on a canvas in the thing's own units, and in its own paint."""

    def __init__(self, canvas: Canvas, name: str, x: float, y: float, scale: float, colour: RGB,
                 flip: bool = False, cozy: bool = False):
        self.canvas, self.name, self.x, self.y, self.scale = canvas, name, x, y, scale
        self.colour = colour
        self.way = -1 if flip else 1  # things look to the right unless flipped
        self.cozy = cozy  # windows are lit and chimneys smoke

    def paint(self, amount: float = 0.0) -> RGB:
        """The thing's own colour, lighter (> 0) or darker (< 0)."""
        return shade(self.colour, amount)

    def part(self, name: str) -> None:
        """What follows is drawn as this part: "wheels" of car.0 is "car.0.wheels"."""
        self.canvas.part(f"{self.name}.{name}")

    def _place(self, points: Sequence[POINT]) -> list[POINT]:
        k, w = self.scale, self.scale * self.way
        return [(self.x + w * u, self.y - k * v) for u, v in points]

    def polygon(self, points: Sequence[POINT], colour: RGB, **how) -> None:
        self.canvas.polygon(self._place(points), colour, **how)

    def blob(self, points: Sequence[POINT], colour: RGB, **how) -> None:
        """A smooth closed curve through `points`."""
        self.polygon(smooth(tuple(points)), colour, **how)

    def ellipse(self, x: float, y: float, rx: float, ry: float, colour: RGB, tilt: float = 0.0, **how) -> None:
        self.polygon(oval(x, y, rx, ry, tilt), colour, **how)

    def box(self, x0: float, y0: float, x1: float, y1: float, colour: RGB, radius: float = 0.0, **how) -> None:
        corners = rounded(x0, y0, x1, y1, radius) if radius else ((x0, y0), (x1, y0), (x1, y1), (x0, y1))
        self.polygon(corners, colour, **how)

    def line(self, points: Sequence[POINT], width: float, colour: RGB, **how) -> None:
        """A line of `width` units with round joints and ends."""
        for (x0, y0), (x1, y1) in itertools.pairwise(points):
            long = math.hypot(x1 - x0, y1 - y0) or 1.0
            nx, ny = -(y1 - y0) / long * width / 2, (x1 - x0) / long * width / 2
            self.polygon(((x0 + nx, y0 + ny), (x1 + nx, y1 + ny), (x1 - nx, y1 - ny), (x0 - nx, y0 - ny)),
                         colour, **how)
        for x, y in points:
            self.ellipse(x, y, width / 2, width / 2, colour, **how)

    def glass(self, x0: float, y0: float, x1: float, y1: float, radius: float = 0.0) -> None:
        """A window pane: sky-blue by day, warm and shining when the scene is cozy."""
        if self.cozy:
            self.box(x0, y0, x1, y1, (255, 214, 110), radius, glows=True)
        else:
            self.box(x0, y0, x1, y1, (164, 204, 226), radius)

    def smoke(self, x: float, y: float) -> None:
        """Smoke from a chimney at (x, y): soft balls that grow as they rise. Its own part."""
        self.part("smoke")
        for k, (dx, dy) in enumerate(((0.5, 3), (2.5, 8), (5.5, 12.5), (9.5, 16))):
            self.ellipse(x + dx, y + dy, 2.2 + k, 2.0 + 0.8 * k, (236, 236, 240))
