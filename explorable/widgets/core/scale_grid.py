"""Images at many scales with several seeds each, as a stage shows them: an overview to choose from, and one of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ..stage.layers import Axis, Images, Layer, Panel, Points

SEEDS = 4  # per scale
MISSING, PREVIEW, DONE = 0, 1, 2  # states of an image
GREY = 128  # of a missing one
CELL, LEFT, TOP = 64, 52, 26  # pixels of the overview: of an image, and of the margins for labels
STRIP, INK = (97, 97, 97), (255, 255, 255)  # of the margins: readable on light and on dark pages

Interest = Callable[[], tuple[float, int]]
"""Returns the scale and the seed that the user looks at now."""


def seed_block(seed: int) -> tuple[int, ...]:
    """Return the four seeds of the grid that contains a seed. Choosing another of them keeps the grid."""
    first = seed - seed % SEEDS
    return tuple(range(first, first + SEEDS))


def by_interest(scales: tuple[float, ...], scale: float) -> list[float]:
    """Sort scales by their distance from one, on a logarithmic axis that includes 0."""
    return sorted(scales, key=lambda w: abs(math.log1p(w) - math.log1p(scale)))


def counts_text(scales: Sequence[float], counts: Sequence[float]) -> str:
    """Put counts by scale in words, neighbours with the same count together: none at 0 to 3, 1 at 10."""
    parts = []
    for count, group in groupby(zip(scales, counts, strict=True), key=lambda pair: int(pair[1])):
        alike = [f"{scale:g}" for scale, _ in group]
        parts.append(f"{count or 'none'} at {' to '.join(dict.fromkeys((alike[0], alike[-1])))}")
    return ", ".join(parts)


def overview(images: np.ndarray, seeds: Sequence[int], labels: Sequence[str]) -> np.ndarray:
    """Draw images (scale, seed, y, x, 3) uint8 side by side, one column a scale and one row a seed: (y, x, 3) uint8.

    labels: the name of the scale, and each scale as text.
    """
    page = Image.new("RGB", (LEFT + len(images) * CELL, TOP + len(seeds) * CELL), STRIP)
    draw, font = ImageDraw.Draw(page), ImageFont.load_default(size=18)
    for k, text in enumerate(labels):
        draw.text((LEFT / 2 if k == 0 else LEFT + (k - 0.5) * CELL, TOP / 2), text, INK, font, "mm")
    for j, seed in enumerate(seeds):
        text = str(seed) if seed < 10_000 else f"…{seed % 1000:03d}"
        draw.text((LEFT / 2, TOP + (j + 0.5) * CELL), text, INK, font, "mm")
        for k in range(len(images)):
            image = Image.fromarray(images[k, j]).resize((CELL, CELL), Image.Resampling.BOX)
            page.paste(image, (LEFT + k * CELL, TOP + j * CELL))
    return np.asarray(page)


def cell_at(scales: Sequence[float], seeds: Sequence[int], x: float, y: float) -> tuple[float, int]:
    """Return the scale and the seed of the cell at a position of the overview, in fractions of its width and height."""
    column = int((x * (LEFT + len(scales) * CELL) - LEFT) // CELL)
    row = int((y * (TOP + len(seeds) * CELL) - TOP) // CELL)
    return scales[min(max(column, 0), len(scales) - 1)], seeds[min(max(row, 0), len(seeds) - 1)]


def grid_recording(images: np.ndarray, seeds: Sequence[int], labels: Sequence[str], captions: Sequence[str],
                   file_name: str) -> dict[str, Any]:
    """Return the arguments of `Stage.show`: the overview, and one image along the scales (frames) and seeds.

    images, seeds, labels: see `overview`. captions: of each scale.
    """
    scales = len(images)
    height, width = TOP + len(seeds) * CELL, LEFT + scales * CELL
    extent = (0.0, width, 0.0, height)
    centres = np.array([[[LEFT + (k + 0.5) * CELL, height - TOP - (j + 0.5) * CELL] for j in range(len(seeds))]
                        for k in range(scales)])  # (scale, seed, 2)
    layers: list[Layer] = [
        Images("image", "The chosen image", images, axes=("frame", "seed")),
        Images("grid", "Every scale and seed", overview(images, seeds, labels), axes=()),
        Points("cells", "Cells", centres.reshape(-1, 2), axes=(), extent=extent, size=0.0,
               target_frames=[k for k in range(scales) for _ in seeds]),
        Points("chosen", "The chosen cell", (centres + np.array([-0.36, 0.36]) * CELL)[:, :, None],
               axes=("frame", "seed"), extent=extent, colours=("guidance",), highlighted=(0,), size=9.0)]
    panels = [Panel("image", ("image",), "the chosen image", grid_area=(3, 1, 1, 1)),
              Panel("grid", ("grid", "cells", "chosen"), "a row per seed, a column per scale: click an image",
                    grid_area=(1, 1, 2, 1), interaction="click")]
    axis = Axis("seed", "seed", tuple(map(str, seeds)))
    return {"layers": layers, "captions": list(captions), "axes": (axis,), "panels": panels, "columns": 3,
            "file_name": file_name}
