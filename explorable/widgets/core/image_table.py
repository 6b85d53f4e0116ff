"""A table of images as one image, with labelled columns and rows, and the layers that choose one of its cells."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ..stage.layers import Images, Layer, Points

CELL, TOP, MARGIN = 64, 26, 16  # pixels: of an image, of the margin for the columns' labels, around the rows' labels
LINE = 2  # pixels between two images
FONT_SIZE = 18
STRIP, INK = (97, 97, 97), (255, 255, 255)  # of the margins: readable on light and on dark pages
MARK = np.array([-0.36, 0.36])  # of the chosen cell, from its centre, in cells


@dataclass(frozen=True)
class ImageTable:
    """The labels of a table of images, and where its cells are.

    corner: what the columns are, written above the rows' labels.
    """

    corner: str
    columns: tuple[str, ...]
    rows: tuple[str, ...]

    @functools.cached_property
    def left(self) -> int:
        """The margin for the rows' labels."""
        font = ImageFont.load_default(size=FONT_SIZE)
        return MARGIN + round(max(font.getlength(text) for text in (self.corner, *self.rows)))

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.left + len(self.columns) * CELL, TOP + len(self.rows) * CELL

    def draw(self, images: np.ndarray) -> np.ndarray:
        """Draw images (rows, columns, y, x, rgb) uint8 side by side: (height, width, 3) uint8."""
        page = Image.new("RGB", self.size, STRIP)
        draw, font = ImageDraw.Draw(page), ImageFont.load_default(size=FONT_SIZE)
        for k, text in enumerate((self.corner, *self.columns)):
            draw.text((self.left / 2 if k == 0 else self.left + (k - 0.5) * CELL, TOP / 2), text, INK, font, "mm")
        for j, text in enumerate(self.rows):
            draw.text((self.left / 2, TOP + (j + 0.5) * CELL), text, INK, font, "mm")
            for k in range(len(self.columns)):
                image = Image.fromarray(images[j, k]).resize((CELL, CELL), Image.Resampling.BOX)
                page.paste(image, (self.left + k * CELL, TOP + j * CELL))
        for k in range(len(self.columns) + 1):  # lines between the images
            draw.line([(self.left + k * CELL, 0), (self.left + k * CELL, page.height)], STRIP, LINE)
        for j in range(len(self.rows) + 1):
            draw.line([(0, TOP + j * CELL), (page.width, TOP + j * CELL)], STRIP, LINE)
        return np.asarray(page)

    def layers(self, name: str, label: str, images: np.ndarray, row_axis: str) -> list[Layer]:
        """Return the layers of a panel that shows the table, where a click chooses a cell and a ring marks the chosen.

        The stage's frames are the columns, and its axis `row_axis` the rows. images: as for `draw`.
        """
        (width, height), counts = self.size, (len(self.columns), len(self.rows))
        extent = (0.0, float(width), 0.0, float(height))
        column, row = np.meshgrid(np.arange(counts[0]), np.arange(counts[1]), indexing="ij")
        centres = np.stack([self.left + (column + 0.5) * CELL, height - TOP - (row + 0.5) * CELL], axis=-1)
        return [Images(name, label, self.draw(images), axes=()),
                Points(f"{name} cells", "cells", centres.reshape(-1, 2), axes=(), extent=extent, size=0.0,
                       target_frames=column.ravel().tolist(), target_axis=row_axis,
                       target_choices=row.ravel().tolist()),
                Points(f"{name} choice", "the chosen cell", (centres + MARK * CELL)[:, :, None],
                       axes=("frame", row_axis), extent=extent, colours=("guidance",), highlighted=(0,), size=9.0)]

    def cell_at(self, x: float, y: float) -> tuple[int, int]:
        """Return the column and the row nearest to a position, in fractions of width and height from the upper left."""
        width, height = self.size
        column, row = int((x * width - self.left) // CELL), int((y * height - TOP) // CELL)
        return min(max(column, 0), len(self.columns) - 1), min(max(row, 0), len(self.rows) - 1)
