"""Painting a diagram with Pillow, as diagram.js paints it on a page, without the mark of what is chosen."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from PIL import Image, ImageColor, ImageDraw

from ..core.lettering import drawable, font
from ..core.palette import COLOURS, THEME

Path = Sequence[Sequence[float]]
FAINTEST, MIN_BAND, HEAD, LETTERS = 0.4, 1.5, 7, 11  # as in diagram.js; the last three in pixels


def paint_diagram(canvas: Image.Image, spec: Mapping[str, Any], numbers: np.ndarray,
                  tile: Callable[[str], Image.Image]) -> None:
    """Paint a diagram on a canvas, which it clears. numbers: of its elements. tile: the image of a layer."""
    canvas.paste((255, 255, 255), (0, 0, *canvas.size))
    draw, taken = ImageDraw.Draw(canvas), list[tuple[float, ...]]()
    pairs = [*zip(spec["elements"], map(float, numbers), strict=True)]
    for path in spec["arrows"]:
        draw.line(_corners(canvas, path), _light("soft"))
        _head(canvas, draw, path, "soft")
    for element, number in pairs:
        if element["path"]:
            share = min(max(number / spec["high"], 0), 1)
            width = max(share * spec["thickness"] * canvas.height, MIN_BAND)
            draw.line(_corners(canvas, element["path"]), _light(element["colour"], FAINTEST + (1 - FAINTEST) * share),
                      round(width), joint="curve")
            _head(canvas, draw, element["path"], "text")
    for element, _ in pairs:
        if not element["path"]:
            _box(canvas, draw, element, tile)
    for is_band in (True, False):
        for element, number in pairs:
            if element["label"] and bool(element["path"]) == is_band:
                text = f"{element['label']}: {_three_digits(number)}" if is_band else element["label"]
                _text(canvas, draw, text, element["label_at"], element["align"], taken)
    for text, x, y, align in spec["texts"]:
        _text(canvas, draw, text, (x, y), align, taken)


def _three_digits(number: float) -> str:
    """Return a number with three significant digits, without an exponent."""
    return f"{number:.0f}" if number >= 1000 else f"{number:.3g}"


def _light(name: str, opacity: float = 1.0) -> tuple[int, ...]:
    """Return a colour of light pages as it looks on white with some opacity."""
    text = COLOURS[name][0] if name in COLOURS else THEME[name][1]
    return tuple(round(255 + opacity * (value - 255)) for value in ImageColor.getrgb(text)[:3])


def _corners(canvas: Image.Image, path: Path) -> list[tuple[float, float]]:
    return [(x * canvas.width, y * canvas.height) for x, y in path]


def _head(canvas: Image.Image, draw: ImageDraw.ImageDraw, path: Path, colour: str) -> None:
    """A triangle at the end of a path."""
    (x0, y0), (x, y) = _corners(canvas, path[-2:])
    length = math.hypot(x - x0, y - y0) or 1.0
    dx, dy = HEAD * (x - x0) / length, HEAD * (y - y0) / length
    draw.polygon([(x, y), (x - dx - dy / 2, y - dy + dx / 2), (x - dx + dy / 2, y - dy - dx / 2)], _light(colour))


def _box(canvas: Image.Image, draw: ImageDraw.ImageDraw, element: Mapping[str, Any],
         tile: Callable[[str], Image.Image]) -> None:
    left, top, width, height = element["box"]
    (x0, y0), (x1, y1) = _corners(canvas, [(left, top), (left + width, top + height)])
    size = max(round(x1 - x0), 1), max(round(y1 - y0), 1)
    if element["tile"]:
        canvas.paste(tile(element["tile"]).resize(size, Image.Resampling.NEAREST), (round(x0), round(y0)))
    draw.rectangle((x0, y0, x1, y1), fill=None if element["tile"] else _light("raised"), outline=_light("line"))


def _text(canvas: Image.Image, draw: ImageDraw.ImageDraw, text: str, place: Sequence[float], align: str,
          taken: list[tuple[float, ...]]) -> None:
    """Text, unless another one is in its way: a small diagram shows fewer."""
    text, ((at, middle),) = drawable(text), _corners(canvas, [place])
    width = font(LETTERS).getlength(text)
    left = at - width * {"left": 0, "center": 0.5, "right": 1}[align]
    box = (left - 2, middle - LETTERS / 2, left + width + 2, middle + LETTERS / 2)
    if any(box[0] < b[2] and b[0] < box[2] and box[1] < b[3] and b[1] < box[3] for b in taken):
        return
    taken.append(box)
    draw.text((left, middle), text, _light("text"), font(LETTERS), anchor="lm")
