"""A still image of an explorable, for readers without a kernel: GitHub, nbconvert, a notebook that is only opened.

    question
    settings
    images of the stage, with what is on the slider   |  caption and score: beside a single image, below several
    the frames of the recording, in thumbnails

It is painted with Pillow from the stage's own layers, so that it needs no page. display.py puts it into the notebook.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from ..stage.painting import Snapshot, paint_panel, paint_thumbnail
from .lettering import NORMAL, font, shortened, wrapped
from .palette import COLOURS, THEME

WIDTH = 741  # pixels; display.py finds stills on a page by this width
MARGIN, GAP, LINE = 16, 10, 1.35  # pixels; the height of a line of text in its size
SINGLE, HIGHEST = 320, 330  # pixels: the width of a single panel; the height of several
THUMBNAILS = 12  # frames that are shown in thumbnails, at most
BIG, SMALL = 19, 12  # sizes of text, beside NORMAL
TEXT, SOFT, STRONG = THEME["text"][1], THEME["soft"][1], COLOURS["image"][0]
MAX_BYTES = 150_000


@dataclass(frozen=True)
class Texts:
    """The texts of an explorable. settings: one line. position: what the stage shows. caption, score: its verdict."""

    question: str
    settings: str
    position: str
    caption: str
    score: str


def still_png(snapshot: Snapshot, texts: Texts) -> bytes:
    """Return a still as a PNG of WIDTH pixels and at most MAX_BYTES."""
    image = paint_still(snapshot, texts)
    for colours in (256, 128, 64, 32, 16):
        file = io.BytesIO()
        image.quantize(colours, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE).save(file, "PNG", optimize=True)
        if file.tell() <= MAX_BYTES:
            break
    return file.getvalue()


def paint_still(snapshot: Snapshot, texts: Texts) -> Image.Image:
    """Return a still of WIDTH pixels, as high as it needs to be."""
    sheet = Sheet()
    sheet.write(texts.question, BIG)
    sheet.write(texts.settings, SMALL, SOFT)
    sheet.y += GAP / 2
    if len(snapshot.panels) == 1 and snapshot.captions:
        top = sheet.y
        below = _paint_single(sheet, snapshot, texts.position)
        sheet.y, sheet.left = top, MARGIN + SINGLE + 2 * GAP
        _write_verdict(sheet, texts)
        sheet.y, sheet.left = max(sheet.y, below), MARGIN
    else:
        if snapshot.captions:
            _paint_grid(sheet, snapshot)
            sheet.write(texts.position, SMALL, SOFT)
        _write_verdict(sheet, texts)
    _paint_thumbnails(sheet, snapshot)
    return sheet.cropped()


class Sheet:
    """White paper that is written on from top to bottom. y: where the next thing goes; left: where lines begin."""

    def __init__(self) -> None:
        self._image = Image.new("RGB", (WIDTH, 2000), "white")
        self._draw = ImageDraw.Draw(self._image)
        self.left, self.y = MARGIN, float(MARGIN)

    def write(self, text: str, size: int, fill: str = TEXT) -> None:
        """Write a text in as many lines as it needs."""
        for line in wrapped(text, size, WIDTH - MARGIN - self.left):
            self._draw.text((self.left, self.y), line, fill=fill, font=font(size))
            self.y += size * LINE

    def title(self, text: str, x: float, width: float) -> None:
        """Write one line at x, cut to a width, without moving on."""
        self._draw.text((x, self.y), shortened(text, SMALL, width), fill=TEXT, font=font(SMALL))

    def paste(self, image: Image.Image, x: float, y: float | None = None) -> None:
        """Put an image at x, without moving on."""
        self._image.paste(image, (round(x), round(self.y if y is None else y)))

    def cropped(self) -> Image.Image:
        """Return what is written on."""
        return self._image.crop((0, 0, WIDTH, min(round(self.y) + MARGIN, self._image.height)))


def _write_verdict(sheet: Sheet, texts: Texts) -> None:
    sheet.write(texts.caption, NORMAL)
    sheet.y += GAP / 2 if texts.score else 0
    sheet.write(texts.score, NORMAL, STRONG)
    sheet.y += GAP / 2


def _paint_single(sheet: Sheet, snapshot: Snapshot, position: str) -> float:
    """Paint the one panel, and what the slider says below it. Returns where that ends."""
    panel = paint_panel(snapshot, snapshot.panels[0], SINGLE)
    sheet.paste(panel, MARGIN)
    y = sheet.y + panel.height + GAP / 2
    for line in wrapped(position, SMALL, SINGLE):
        sheet._draw.text((MARGIN, y), line, fill=SOFT, font=font(SMALL))
        y += SMALL * LINE
    return y + GAP / 2


def _paint_grid(sheet: Sheet, snapshot: Snapshot) -> None:
    """Paint several panels in the stage's grid, as large as there is room for."""
    areas = grid_areas(snapshot.panels, snapshot.columns or len(snapshot.panels))
    columns = max(column + across for column, _, across, _ in areas)
    unit, tops, heights = _row_heights(snapshot, areas, (WIDTH - 2 * MARGIN - (columns - 1) * GAP) / columns)
    start = sheet.y
    for panel, (column, row, across, _) in zip(snapshot.panels, areas, strict=True):
        width = across * unit + (across - 1) * GAP
        x, sheet.y = MARGIN + column * (unit + GAP), start + tops[row]
        if title := snapshot.title(panel):
            sheet.title(title, x, width)
        sheet.paste(paint_panel(snapshot, panel, round(width)), x, sheet.y + _title_height(snapshot))
    sheet.y = start + sum(heights) + GAP / 2


def _row_heights(snapshot: Snapshot, areas: Sequence[tuple[int, int, int, int]], unit: float,
                 ) -> tuple[float, list[float], list[float]]:
    """Return the width of a column, at most `unit`, the tops of the rows and their heights with a gap below."""
    rows = max(row + down for _, row, _, down in areas)

    def heights(unit: float) -> list[float]:
        needed = np.zeros(rows)
        ordered = sorted(zip(snapshot.panels, areas, strict=True), key=lambda pair: pair[1][3])
        for panel, (_, row, across, down) in ordered:
            height = (across * unit + (across - 1) * GAP) / snapshot.ratio(panel) + _title_height(snapshot) + GAP
            needed[row + down - 1] += max(height - needed[row : row + down].sum(), 0)
        return needed.tolist()

    while sum(heights(unit)) > HIGHEST and unit > 24:
        unit *= 0.95
    found = heights(unit)
    return unit, [sum(found[:k]) for k in range(rows)], found


def _title_height(snapshot: Snapshot) -> float:
    return SMALL * LINE + 2 if any(map(snapshot.title, snapshot.panels)) else 0


def grid_areas(panels: Sequence[Mapping[str, Any]], columns: int) -> list[tuple[int, int, int, int]]:
    """Return each panel's column, row, columns and rows, counted from 0; those without an area follow in order."""
    areas, free = [], 0
    for panel in panels:
        if panel["grid_area"] is not None:
            column, row, across, down = panel["grid_area"]
            areas.append((column - 1, row - 1, across, down))
        else:
            areas.append((free % columns, free // columns, 1, 1))
            free += 1
    return areas


def _paint_thumbnails(sheet: Sheet, snapshot: Snapshot) -> None:
    """Paint the strip of thumbnails: of the chosen layer, where one can be chosen."""
    name, count = snapshot.thumbnails, len(snapshot.captions)
    if not name or count < 2:
        return
    if any(panel["switchable"] for panel in snapshot.panels):
        name = snapshot.layer
    shown = sorted({round(k) for k in np.linspace(0, count - 1, min(count, THUMBNAILS))})
    width = (WIDTH - 2 * MARGIN - (THUMBNAILS - 1) * 4) / THUMBNAILS
    sheet.write(f"{snapshot.spec(name)['label']}, step by step", SMALL, SOFT)
    sheet.y += 2
    for k, frame in enumerate(shown):
        thumbnail = paint_thumbnail(snapshot, name, frame, round(width))
        sheet.paste(thumbnail, MARGIN + k * (width + 4))
    sheet.y += thumbnail.height
