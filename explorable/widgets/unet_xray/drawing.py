"""The U: where each part of a U-Net stands in its diagram, from the parts alone.

The down path is the left column, the up path the right one, the middle between their lower ends. A level's last down
block and its first up block are in one row, so that a skip is a straight bridge between them, and what comes from below
rises to the same block: the backbone.

Lengths are in rows; `draw_u` returns fractions of the panel.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass

from ...analysis.unet_activations import UNetPart
from ..stage.diagram import Box, Element, Path

RATIO = 1.1  # width / height of the diagram
TILE = 0.7  # side of a block
LEVEL_GAP = 0.5  # between two levels, beside the gap between two rows
MARGIN = 0.12
THICKEST = 0.42  # band
LABEL_GAP = 0.14  # between a block and its name
LABEL_RISE = 0.43  # of a name above a bridge
MIDDLE_RISE = 0.25  # of the middle's name above the arrow to it
SIZE_FALL = 0.36  # of a level's size below it
SCALE_WIDTH = 2.4


@dataclass(frozen=True)
class Drawing:
    """A diagram in fractions of its panel: see stage/diagram.py. elements: in the order of the parts."""

    elements: tuple[Element, ...]
    arrows: tuple[Path, ...]
    texts: tuple[tuple[str, float, float, str], ...]
    scale_box: Box
    thickness: float
    ratio: float = RATIO


def draw_u(parts: Mapping[str, UNetPart]) -> Drawing:
    """Draw the parts of a U-Net, in their order of execution."""
    return _Drawer(parts).drawing()


class _Drawer:
    """Positions of the blocks: `at` has the centre of each, in rows from the upper left corner."""

    def __init__(self, parts: Mapping[str, UNetPart]):
        self.parts = parts
        self.middle = next((name for name, part in parts.items() if part.kind == "middle"), None)
        self.down = self._by_level("conv_in", "down")
        self.up = self._by_level("up")
        out = [name for name, part in parts.items() if part.kind == "prediction"]
        levels = sorted({*self.down, *self.up})
        columns = {level: (self.down.get(level, []), self.up.get(level, []) + (out if level == levels[0] else []))
                   for level in levels}
        rows = {level: max(map(len, both)) for level, both in columns.items()}
        rows[levels[0]] = max(rows[levels[0]], 1 + max(map(len, (columns[levels[0]][0], self.up.get(levels[0], [])))))
        self.height = 2 * MARGIN + sum(rows.values()) + LEVEL_GAP * len(levels) + 1  # the scale has the upper row
        self.width = RATIO * self.height
        self.left, self.right = MARGIN + TILE / 2, self.width - MARGIN - TILE / 2
        self.at: dict[str, tuple[float, float]] = {}
        self.bottom: dict[int, float] = {}  # the lowest row of each level
        y = MARGIN + 0.5
        for level in levels:
            self.bottom[level] = y + rows[level] - 1
            down, up = columns[level]
            self.at |= {name: (self.left, self.bottom[level] - k) for k, name in enumerate(reversed(down))}
            self.at |= {name: (self.right, self.bottom[level] - k) for k, name in enumerate(up)}
            y += rows[level] + LEVEL_GAP
        if self.middle:
            self.at[self.middle] = (self.width / 2, y)
        self.down_order = [name for level in levels for name in self.down.get(level, [])]
        self.up_order = [*(name for level in reversed(levels) for name in self.up.get(level, [])), *out]

    def _by_level(self, *kinds: str) -> dict[int, list[str]]:
        found: dict[int, list[str]] = {}
        for name, part in self.parts.items():
            if part.kind in kinds:
                found.setdefault(part.level, []).append(name)
        return found

    def drawing(self) -> Drawing:
        bands = {self._target(part): name for name, part in self.parts.items() if part.kind == "backbone"}
        sources = [*([self.middle] if self.middle else []), *self.up_order]
        paths = {bands.get(to, ""): self._path(source, to) for source, to in itertools.pairwise(sources)
                 if to in bands}
        thin = [self._path(source, to) for source, to in itertools.pairwise(sources) if to not in bands]
        down = [*self.down_order, *([self.middle] if self.middle else [])]
        thin += [self._path(source, to) for source, to in itertools.pairwise(down)]
        x, y = self.at[self.down_order[0]]
        thin.append(((x, y - TILE / 2 - 0.35), (x, y - TILE / 2)))
        elements = tuple(self._element(name, part, paths.get(name, ())) for name, part in self.parts.items())
        sides = {part.level: part.side for part in self.parts.values() if part.kind in ("down", "up")}
        texts = [(f"{side} × {side}", *self._share((self.width / 2, self.bottom[level] + SIZE_FALL)), "center")
                 for level, side in sides.items()]
        texts.append(("noisy latent", *self._share((MARGIN, y - TILE / 2 - 0.5)), "left"))
        start = ((self.width - SCALE_WIDTH) / 2, MARGIN)
        return Drawing(elements, tuple(self._path_share(path) for path in thin), tuple(texts),
                       (*self._share(start), SCALE_WIDTH / self.width, 1 / self.height), THICKEST / self.height)

    def _target(self, part: UNetPart) -> str:
        """The up block that a skip or a backbone enters."""
        return self.up[part.level][part.block or 0]

    def _path(self, source: str, to: str) -> Path:
        """From the edge of one block to the edge of another, along the U."""
        (x0, y0), (x1, y1) = self.at[source], self.at[to]
        half = TILE / 2
        if x0 == x1:
            sign = 1 if y1 > y0 else -1
            return ((x0, y0 + sign * half), (x1, y1 - sign * half))
        if to == self.middle:  # down, and to the right
            return ((x0, y0 + half), (x0, y1), (x1 - half, y1))
        return ((x0 + half, y0), (x1, y0), (x1, y1 + half))  # to the right, and up

    def _element(self, name: str, part: UNetPart, path: Path) -> Element:
        text = f"{part.channels} × {part.side} × {part.side}"
        if part.kind == "skip":
            return self._bridge(name, part, text)
        if part.kind == "backbone":
            (_, low), (x, high) = path[-2:]  # its last part rises to the block
            box = (x - TILE / 2, high, TILE, low - high)
            label_at = (x - TILE / 2 - LABEL_GAP, high + min(0.4, (low - high) / 2))
            return Element(part.point, text, self._box_share(box), name, self._path_share(path),
                           "" if part.block else name, self._share(label_at), "right", "plain")
        x, y = self.at[name]
        is_left, is_middle = x == self.left, name == self.middle
        rise = MIDDLE_RISE if is_middle else LABEL_RISE if self._has_bridge(y) else 0.0  # above what ends at the block
        label_at = (x + (TILE / 2 + LABEL_GAP) * (1 if is_left else -1), y - rise)
        return Element(part.point, text, self._box_share((x - TILE / 2, y - TILE / 2, TILE, TILE)), name, (), name,
                       self._share(label_at), "left" if is_left else "right")

    def _bridge(self, name: str, part: UNetPart, text: str) -> Element:
        x, y = self.at[self._target(part)]
        has_block = any(at == (self.left, y) for at in self.at.values())
        start = self.left + TILE / 2 if has_block else self.left  # without one it leaves the line between two blocks
        end = x - TILE / 2
        return Element(part.point, text, self._box_share((start, y - THICKEST / 2, end - start, THICKEST)), name,
                       self._path_share(((start, y), (end, y))), name, self._share(((start + end) / 2, y - LABEL_RISE)))

    def _has_bridge(self, y: float) -> bool:
        return any(part.kind == "skip" and self.at[self._target(part)][1] == y for part in self.parts.values())

    # ---- from rows to fractions ------------------------------------------------------------------------------------

    def _share(self, at: tuple[float, float]) -> tuple[float, float]:
        return at[0] / self.width, at[1] / self.height

    def _path_share(self, path: Path) -> Path:
        return tuple(self._share(corner) for corner in path)

    def _box_share(self, box: Box) -> Box:
        x, y, width, height = box
        return (*self._share((x, y)), width / self.width, height / self.height)
