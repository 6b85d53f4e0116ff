"""An anti-aliased canvas that records which part of the scene each pixel shows.

Every shape is drawn twice at four times the image's resolution: in colour on one sheet, which is averaged down at
the end, and as the number of its part on a second sheet. Later shapes cover earlier ones on both sheets, so the
masks are exactly the visible pixels.

`Canvas` uses image pixels (0 to 128, y down). `Pen` uses a thing's own units: x = 0 at its centre, y = 0 at its
foot, y up, one unit a pixel at medium size.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw

from .light import RGB, Light, shade

SIZE = 128  # pixels on each side
SUPERSAMPLING = 4  # sub-pixels on each side of a pixel
POINT = tuple[float, float]


@lru_cache(maxsize=4096)
def smooth(points: tuple[POINT, ...]) -> tuple[POINT, ...]:
    """Return a closed Catmull-Rom curve through `points`, as a polygon."""
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
    """Return an ellipse as a polygon; `tilt` in degrees, anticlockwise where y points up."""
    c, s = math.cos(math.radians(tilt)), math.sin(math.radians(tilt))
    n = 12 if max(rx, ry) < 4 else 28
    ring = [(rx * math.cos(2 * math.pi * k / n), ry * math.sin(2 * math.pi * k / n)) for k in range(n)]
    return tuple((x + c * u - s * v, y + s * u + c * v) for u, v in ring)


@lru_cache(maxsize=4096)
def rounded(x0: float, y0: float, x1: float, y1: float, radius: float) -> tuple[POINT, ...]:
    """Return a box with rounded corners, as a polygon."""
    r = min(radius, abs(x1 - x0) / 2, abs(y1 - y0) / 2)
    corners = ((x1 - r, y1 - r, 0), (x0 + r, y1 - r, 90), (x0 + r, y0 + r, 180), (x1 - r, y0 + r, 270))
    return tuple(
        (cx + r * math.cos(math.radians(start + 30 * k)), cy + r * math.sin(math.radians(start + 30 * k)))
        for cx, cy, start in corners for k in range(4)
    )


def _box_corners(x0: float, y0: float, x1: float, y1: float, radius: float) -> Sequence[POINT]:
    return rounded(x0, y0, x1, y1, radius) if radius else ((x0, y0), (x1, y0), (x1, y1), (x0, y1))


class Canvas:
    """A canvas of 128 x 128 pixels in one light, with a mask for every named part."""

    def __init__(self, light: Light, masks: bool = True):
        self.light = light
        size = (SIZE * SUPERSAMPLING, SIZE * SUPERSAMPLING)
        self._sheet = Image.new("RGB", size)
        self._opaque = ImageDraw.Draw(self._sheet)
        self._blended = ImageDraw.Draw(self._sheet, "RGBA")  # mixes with what is below
        self._part_ids = Image.new("L", size) if masks else None
        self._mask_draw = ImageDraw.Draw(self._part_ids) if self._part_ids else None
        self.part_names = [""]
        self._part_id = 0

    def start_part(self, name: str) -> None:
        """Assign everything drawn from here on to the part `name` ("sky", "car.0.wheels")."""
        if name not in self.part_names:
            self.part_names.append(name)
        self._part_id = self.part_names.index(name)

    def backdrop(self, colours: Sequence[RGB], bottom: float) -> None:
        """Draw a vertical gradient through `colours` from the top edge down to y = `bottom`."""
        rows = round(bottom * SUPERSAMPLING)
        stops = np.linspace(0, 1, len(colours))
        heights = np.linspace(0, 1, rows)
        column = np.stack([np.interp(heights, stops, [c[k] for c in colours]) for k in range(3)], -1)
        strip = Image.fromarray(np.round(column).astype(np.uint8)[:, None]).resize((SIZE * SUPERSAMPLING, rows))
        self._sheet.paste(strip, (0, 0))
        if self._mask_draw:
            self._mask_draw.rectangle((0, 0, SIZE * SUPERSAMPLING, rows), fill=self._part_id)

    def polygon(self, points: Sequence[POINT], colour: RGB, *, alpha: float = 1.0, glows: bool = False,
                in_mask: bool = True) -> None:
        """Fill a polygon given in image pixels.

        Args:
            alpha: below 1, the colour is blended with what is below and the mask does not change.
            glows: the shape emits light, so the time of day does not dim it.
            in_mask: False draws colour only and keeps the mask below (shadows, shading, haze).
        """
        corners = [(x * SUPERSAMPLING, y * SUPERSAMPLING) for x, y in points]
        rgb = colour if glows else self.light.on(colour)
        if alpha < 1:
            self._blended.polygon(corners, fill=(*rgb, round(255 * alpha)))
            return
        self._opaque.polygon(corners, fill=rgb)
        if in_mask and self._mask_draw:
            self._mask_draw.polygon(corners, fill=self._part_id)

    def ellipse(self, x: float, y: float, rx: float, ry: float, colour: RGB, **how) -> None:
        self.polygon(oval(x, y, rx, ry), colour, **how)

    def halo(self, x: float, y: float, radius: float, colour: RGB, strength: float = 0.5) -> None:
        """Draw a soft glow that fades outward, without a mask."""
        for k in range(6, 0, -1):
            self.ellipse(x, y, radius * k / 6, radius * k / 6, colour, alpha=strength / 5, glows=True)

    def image(self) -> np.ndarray:
        """Return the image, (128, 128, 3) uint8."""
        return np.asarray(self._sheet.reduce(SUPERSAMPLING))

    def masks(self) -> dict[str, np.ndarray]:
        """Return a boolean (128, 128) mask for every visible part, sampled at the centre of each pixel."""
        if self._part_ids is None:
            return {}
        ids = np.asarray(self._part_ids)[SUPERSAMPLING // 2 :: SUPERSAMPLING, SUPERSAMPLING // 2 :: SUPERSAMPLING]
        return {self.part_names[i]: ids == i for i in np.unique(ids) if i}


class Pen:
    """Draws one thing on a canvas, in the thing's own units and colour."""

    def __init__(self, canvas: Canvas, name: str, x: float, y: float, scale: float, colour: RGB,
                 flip: bool = False, cozy: bool = False):
        self.canvas, self.name, self.x, self.y, self.scale = canvas, name, x, y, scale
        self.colour = colour
        self.direction = -1 if flip else 1  # things face right unless flipped
        self.cozy = cozy  # windows are lit and chimneys smoke

    def paint(self, amount: float = 0.0) -> RGB:
        """Return the thing's colour, lighter (> 0) or darker (< 0)."""
        return shade(self.colour, amount)

    def start_part(self, name: str) -> None:
        """Assign all further drawing to a part of the thing: "wheels" of car.0 is "car.0.wheels"."""
        self.canvas.start_part(f"{self.name}.{name}")

    def _to_canvas(self, points: Sequence[POINT]) -> list[POINT]:
        k, w = self.scale, self.scale * self.direction
        return [(self.x + w * u, self.y - k * v) for u, v in points]

    def polygon(self, points: Sequence[POINT], colour: RGB, **how) -> None:
        self.canvas.polygon(self._to_canvas(points), colour, **how)

    def blob(self, points: Sequence[POINT], colour: RGB, **how) -> None:
        """Fill a smooth closed curve through `points`."""
        self.polygon(smooth(tuple(points)), colour, **how)

    def ellipse(self, x: float, y: float, rx: float, ry: float, colour: RGB, tilt: float = 0.0, **how) -> None:
        self.polygon(oval(x, y, rx, ry, tilt), colour, **how)

    def box(self, x0: float, y0: float, x1: float, y1: float, colour: RGB, radius: float = 0.0, **how) -> None:
        self.polygon(_box_corners(x0, y0, x1, y1, radius), colour, **how)

    def line(self, points: Sequence[POINT], width: float, colour: RGB, **how) -> None:
        """Draw a line `width` units wide, with round joints and ends."""
        for (x0, y0), (x1, y1) in itertools.pairwise(points):
            length = math.hypot(x1 - x0, y1 - y0) or 1.0
            nx, ny = -(y1 - y0) / length * width / 2, (x1 - x0) / length * width / 2
            self.polygon(((x0 + nx, y0 + ny), (x1 + nx, y1 + ny), (x1 - nx, y1 - ny), (x0 - nx, y0 - ny)),
                         colour, **how)
        for x, y in points:
            self.ellipse(x, y, width / 2, width / 2, colour, **how)

    def pane(self, points: Sequence[POINT]) -> None:
        """Draw a window pane: pale blue, or lit in a cozy scene."""
        self.polygon(points, (255, 214, 110) if self.cozy else (164, 204, 226), glows=self.cozy)

    def glass(self, x0: float, y0: float, x1: float, y1: float, radius: float = 0.0) -> None:
        """Draw a rectangular window pane."""
        self.pane(_box_corners(x0, y0, x1, y1, radius))

    def smoke(self, x: float, y: float) -> None:
        """Draw smoke from a chimney at (x, y), as the part "smoke"."""
        self.start_part("smoke")
        for k, (dx, dy) in enumerate(((0.5, 3), (2.5, 8), (5.5, 12.5), (9.5, 16))):
            self.ellipse(x + dx, y + dy, 2.2 + k, 2.0 + 0.8 * k, (236, 236, 240))
