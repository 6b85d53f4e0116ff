"""A diagram as a layer of the stage: boxes with images in them, arrows, and bands as thick as their numbers are large.

    boxes = [Element("down.0.0", "down.0.0: 96 × 16 × 16", tile="down.0.0", box=(0.0, 0.2, 0.1, 0.1)), …]
    Diagram("u", "The U-Net", norms, elements=boxes, selects="part", axes=("frame", "run"))

Positions are fractions of the panel's width and height, from its upper left corner. Each element can be chosen by mouse
and keyboard (diagram.js), which sets the position along the axis `selects`; nothing is sent to the kernel for it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from .layers import Layer

Box = tuple[float, float, float, float]  # left, top, width, height
Path = tuple[tuple[float, float], ...]  # corners of a line; an arrow's head is at the last


@dataclass(frozen=True)
class Element:
    """A part of a diagram: a box, or a band if it has a path.

    name: identifies it. text: what it is, after its name and number. box: of a box, or where the pointer finds a band.
    tile: the image layer that is painted in the box. label: painted beside a box or above a band; align: whether
    `label_at` is its "left" end, its "right" end or its "center". path: of a band. colour: of a band, from the palette.
    """

    name: str
    text: str
    box: Box
    tile: str = ""
    path: Path = ()
    label: str = ""
    label_at: tuple[float, float] = (0.0, 0.0)
    align: str = "center"
    colour: str = "other"

    def spec(self) -> dict[str, Any]:
        """Return the description that is sent to the page."""
        return {"name": self.name, "text": self.text, "box": list(self.box), "tile": self.tile, "label": self.label,
                "path": [list(corner) for corner in self.path], "label_at": list(self.label_at), "align": self.align,
                "colour": self.colour}


@dataclass(frozen=True, eq=False)
class Diagram(Layer):
    """A number for each element, 0 or greater: (…, elements) float.

    selects: the axis of which each position is one of the elements, in order. quantity: what the numbers are, such as
    "norm". high: the number at which a band is thickest, the same for all frames and bands; None: `scale_end` of the
    largest number of a band. arrows: thin lines without a number. texts: (text, x, y, align). scale_box: where the
    scale is painted. thickness: of the thickest band, as a fraction of the panel's height. ratio: width / height.
    """

    kind: ClassVar[str] = "diagram"
    frame_ndim: ClassVar[int] = 1
    frame_shape: ClassVar[str] = "elements), numbers from 0"

    elements: tuple[Element, ...] = ()
    selects: str = ""
    quantity: str = ""
    high: float | None = None
    arrows: tuple[Path, ...] = ()
    texts: tuple[tuple[str, float, float, str], ...] = ()
    scale_box: Box = (0.0, 0.0, 0.0, 0.0)
    thickness: float = 0.08
    ratio: float = 1.0

    def validate(self, axis_lengths: dict[str, int]) -> None:
        """Check the numbers, and that each element is a position along `selects`. Raises ValueError."""
        super().validate(axis_lengths)
        if axis_lengths.get(self.selects) != len(self.elements):
            raise ValueError(f"layer {self.name!r} has {len(self.elements)} elements and selects {self.selects!r}: "
                             "give an axis of that name with as many labels")

    def _is_valid(self) -> bool:
        return bool(super()._is_valid() and (self.frames >= 0).all() and self.frames.shape[-1] == len(self.elements))

    def end(self) -> float:
        """Return the number at which a band is thickest."""
        if self.high is not None:
            return self.high
        bands = [k for k, element in enumerate(self.elements) if element.path]
        return scale_end(float(self.frames[..., bands].max()) if bands and self.frames.size else 0.0)

    def spec(self) -> dict[str, Any]:
        return {**super().spec(), "elements": [element.spec() for element in self.elements], "selects": self.selects,
                "quantity": self.quantity, "high": self.end(), "arrows": [[list(c) for c in a] for a in self.arrows],
                "texts": [list(text) for text in self.texts], "scale_box": list(self.scale_box),
                "thickness": self.thickness, "ratio": self.ratio}

    def data(self) -> bytes:
        return np.ascontiguousarray(self.frames, "<f4").tobytes()


def scale_end(largest: float) -> float:
    """Return a round number for the end of a scale: the largest one or above, 1, 2, 4, 5 or 8 times a power of 10."""
    if largest <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(largest))
    return next(k * power for k in (1, 2, 4, 5, 8, 10) if k * power >= largest * (1 - 1e-9))
