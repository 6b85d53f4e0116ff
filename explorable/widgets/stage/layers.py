"""What a stage shows: layers of a recording along named axes, arranged in panels. Plain data; the page paints it.

    frame = the first axis of every stage, one caption per frame, moved by the slider and the play button
    other = further axes (word, head, level), each a row of choices

A layer spans some of the axes: its array has one leading dimension for each of `axes`, in that order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from .axes import Axis

FRAME = "frame"  # the name of the first axis
MAX_UINT16 = 65535  # positions are sent as uint16 fractions of their extent

Extent = tuple[float, float, float, float]  # left, right, bottom, top


@dataclass(frozen=True, eq=False)
class Layer:
    """Base class: an array of frames along some of the stage's axes. Use Images, Heatmap, Points, Arrows or Diagram.

    name: identifies the layer in code. label, note: its title and explanation on the page, one line each. axes: the
    names of the axes of the leading dimensions. frame_indices: for each frame of the stage, which of the layer's own
    frames it shows, if several frames show the same one; None: each shows its own. legend: of points and arrows, what
    each of their colours means, for the key below the panels; an empty text: it is not in the key.
    """

    kind: ClassVar[str]  # selects the painting function in layers.js
    frame_ndim: ClassVar[int]  # dimensions of one frame
    frame_shape: ClassVar[str]  # for error messages

    name: str
    label: str
    frames: np.ndarray
    note: str = ""
    axes: tuple[str, ...] = (FRAME,)
    frame_indices: Sequence[int] | None = None
    legend: tuple[str, ...] = ()

    def validate(self, axis_lengths: dict[str, int]) -> None:
        """Check that the frames match the axes of a stage.

        Raises:
            ValueError: they do not; says which layer, its shape and the expected one.
        """
        unknown = [name for name in self.axes if name not in axis_lengths]
        if unknown:
            raise ValueError(f"layer {self.name!r} spans {', '.join(unknown)}: this stage has "
                             f"{', '.join(axis_lengths)}")
        if self.frame_indices is not None:
            count = axis_lengths[FRAME]
            if len(self.frame_indices) != count or FRAME not in self.axes or min(self.frame_indices) < 0:
                raise ValueError(f"layer {self.name!r} has {len(self.frame_indices)} frame_indices: give one for each "
                                 f"of the stage's {count} frames, 0 or greater, and an axis {FRAME!r}")
            axis_lengths = {**axis_lengths, FRAME: max(self.frame_indices) + 1}
        leading = tuple(axis_lengths[name] for name in self.axes)
        shape, dtype = self.frames.shape, self.frames.dtype
        if shape[: len(leading)] != leading or len(shape) != len(leading) + self.frame_ndim or not self._is_valid():
            expected = ", ".join(map(str, leading))
            raise ValueError(f"layer {self.name!r} is {shape} {dtype}: it must be ({expected}, {self.frame_shape}")

    def _is_valid(self) -> bool:
        return bool(np.isfinite(self.frames).all())

    def spec(self) -> dict[str, Any]:
        """Return the description that the page needs to read the bytes."""
        return {"name": self.name, "label": self.label, "note": self.note, "kind": self.kind, "axes": list(self.axes),
                "shape": list(self.frames.shape), "frame_indices": _ints(self.frame_indices),
                "legend": list(self.legend)}

    def data(self) -> bytes:
        """Return the bytes that are sent to the page."""
        raise NotImplementedError


@dataclass(frozen=True, eq=False)
class Images(Layer):
    """RGB images: (…, height, width, 3) uint8."""

    kind: ClassVar[str] = "image"
    frame_ndim: ClassVar[int] = 3
    frame_shape: ClassVar[str] = "height, width, 3) uint8"

    def _is_valid(self) -> bool:
        return self.frames.dtype == np.uint8 and self.frames.shape[-1] == 3

    def data(self) -> bytes:
        return np.ascontiguousarray(self.frames).tobytes()


@dataclass(frozen=True, eq=False)
class Heatmap(Layer):
    """A number for each position: (…, height, width) float. Laid over an image, or shown by itself.

    low, high: the numbers at the two ends of the colour scale; None: taken from the data. unit: shown after a number.
    colour: its name in the palette (core/palette.py). peaks: for maps that are scaled to their maximum, the factor that
    takes them back, with an axis of length 1 or that of the frames for each of `axes`. Shares are computed with it.
    """

    kind: ClassVar[str] = "heatmap"
    frame_ndim: ClassVar[int] = 2
    frame_shape: ClassVar[str] = "height, width), finite numbers"

    low: float | None = 0.0
    high: float | None = None
    unit: str = ""
    colour: str = "word"
    peaks: np.ndarray | None = None

    def ends(self) -> tuple[float, float]:
        """Return the numbers at the two ends of the colour scale."""
        low = float(self.frames.min()) if self.low is None else self.low
        high = float(self.frames.max()) if self.high is None else self.high
        return low, high if high > low else low + 1.0

    def spec(self) -> dict[str, Any]:
        low, high = self.ends()
        found = {**super().spec(), "low": low, "high": high, "unit": self.unit, "colour": self.colour}
        if self.peaks is not None:
            found |= {"peaks": [float(f"{v:.4g}") for v in self.peaks.flat], "peak_shape": list(self.peaks.shape)}
        return found

    def data(self) -> bytes:
        low, high = self.ends()
        levels = np.empty(self.frames.shape, np.uint8)
        for k in range(len(levels)):  # frame by frame, to keep the float temporaries small
            levels[k] = np.rint(np.clip((self.frames[k] - low) / (high - low), 0, 1) * 255)
        return levels.tobytes()


@dataclass(frozen=True, eq=False)
class Points(Layer):
    """Moving points: (…, points, 2) float, x to the right and y up, within `extent`.

    groups: for each point the index of its colour in `colours`. trail: draw a line behind each point, through the
    earlier frames. highlighted: indices of points drawn large, with a ring. size: radius in thousandths of the panel's
    width. target_frames: for each point the frame that it stands for. Hovering over the point shows that frame, and in
    a panel with `interaction="click"` a click goes to the frame of the nearest point. target_choices: also the position
    along the axis named `target_axis` that each point stands for.
    """

    kind: ClassVar[str] = "points"
    frame_ndim: ClassVar[int] = 2
    frame_shape: ClassVar[str] = "points, 2), finite numbers"

    extent: Extent = (-1.0, 1.0, -1.0, 1.0)
    groups: Sequence[int] | None = None
    colours: tuple[str, ...] = ("image",)
    trail: bool = False
    highlighted: tuple[int, ...] = ()
    size: float = 8.0
    target_frames: Sequence[int] | None = None
    target_axis: str = ""
    target_choices: Sequence[int] | None = None

    def _is_valid(self) -> bool:
        return self.frames.shape[-1] == 2 and super()._is_valid()

    def spec(self) -> dict[str, Any]:
        return {**super().spec(), "extent": list(self.extent), "colours": list(self.colours), "trail": self.trail,
                "groups": _ints(self.groups), "highlighted": list(self.highlighted), "size": self.size,
                "target_frames": _ints(self.target_frames), "target_axis": self.target_axis,
                "target_choices": _ints(self.target_choices)}

    def data(self) -> bytes:
        return _quantize_positions(self.frames, self.extent)


@dataclass(frozen=True, eq=False)
class Arrows(Layer):
    """A vector field: (…, arrows, 4) float, from (x, y) to (x, y), within `extent`."""

    kind: ClassVar[str] = "arrows"
    frame_ndim: ClassVar[int] = 2
    frame_shape: ClassVar[str] = "arrows, 4), finite numbers"

    extent: Extent = (-1.0, 1.0, -1.0, 1.0)
    colour: str = "plain"

    def _is_valid(self) -> bool:
        return self.frames.shape[-1] == 4 and super()._is_valid()

    def spec(self) -> dict[str, Any]:
        return {**super().spec(), "extent": list(self.extent), "colour": self.colour}

    def data(self) -> bytes:
        return _quantize_positions(self.frames, self.extent)


def _quantize_positions(positions: np.ndarray, extent: Extent) -> bytes:
    """Encode positions as uint16, 0 at the left and bottom. Positions outside the extent are moved to its edge."""
    left, right, bottom, top = extent
    pairs = positions.reshape(*positions.shape[:-1], positions.shape[-1] // 2, 2)  # there may be no positions
    fractions = (pairs - [left, bottom]) / [right - left, top - bottom]
    return np.rint(np.clip(fractions, 0, 1) * MAX_UINT16).astype("<u2").tobytes()


def _ints(values: Sequence[int] | None) -> list[int] | None:
    return None if values is None else [int(value) for value in values]


@dataclass(frozen=True)
class Panel:
    """One canvas on the stage: layers on top of each other, the first at the bottom.

    layers: their names. switchable: only one of the layers is shown at a time, and the page has a switch for it. A
    further switchable panel has as many layers, and shows the one in the same place.
    title: shown above the canvas; titles: instead of it, one for each choice along the axis `titles_along`. grid_area:
    (column, row, columns, rows) in the stage's grid, counted from 1; None: in order. interaction: the pointer gesture
    that the panel reports to Python in `Stage.pointer`: "click", "drag" or "draw"; "brush": a region is brushed, which
    is in `Stage.region`; "": none. ranks: the axis whose choices a brushed region ranks, by the mean of the axis's
    share layer there, under `ranking_title`. ratio: width / height if no layer sets it. compact: on a narrow stage,
    four such panels share a line instead of two.
    """

    name: str
    layers: tuple[str, ...]
    title: str = ""
    switchable: bool = False
    grid_area: tuple[int, int, int, int] | None = None
    interaction: str = ""
    ratio: float | None = None
    compact: bool = False
    layer_axis: str = ""
    of_frame: int | None = None
    titles: tuple[str, ...] = ()
    titles_along: str = ""
    ranks: str = ""
    ranking_title: str = ""

    def spec(self) -> dict[str, Any]:
        """Return the description that is sent to the page."""
        return {"name": self.name, "layers": list(self.layers), "title": self.title, "switchable": self.switchable,
                "grid_area": _ints(self.grid_area), "interaction": self.interaction, "ratio": self.ratio,
                "compact": self.compact, "layer_axis": self.layer_axis, "of_frame": self.of_frame,
                "titles": list(self.titles), "titles_along": self.titles_along, "ranks": self.ranks,
                "ranking_title": self.ranking_title}


@dataclass(frozen=True)
class Recording:
    """Everything that is sent to the page at once. Validates that layers, axes and panels match.

    thumbnails: the layer of which the page shows thumbnails. columns: of the grid of panels; 0: one per panel.
    """

    layers: tuple[Layer, ...]
    captions: tuple[str, ...]
    axes: tuple[Axis, ...] = ()
    panels: tuple[Panel, ...] = ()
    thumbnails: str = ""
    columns: int = 0
    file_name: str = "image"

    def __post_init__(self) -> None:
        axis_lengths = {FRAME: len(self.captions), **{axis.name: len(axis.labels) for axis in self.axes}}
        layers = {layer.name: layer for layer in self.layers}
        for layer in self.layers:
            layer.validate(axis_lengths)
        for axis in self.axes:
            shown = layers.get(axis.thumbnail_layer)
            if axis.thumbnail_layer and not (isinstance(shown, Images | Heatmap) and axis.name in shown.axes):
                raise ValueError(f"axis {axis.name!r} has thumbnail_layer={axis.thumbnail_layer!r}: choose an image or "
                                 f"heatmap layer with an axis {axis.name!r}")
            shared = layers.get(axis.share_layer)
            if axis.share_layer and not (isinstance(shared, Heatmap) and axis.name in shared.axes):
                raise ValueError(f"axis {axis.name!r} has share_layer={axis.share_layer!r}: choose a heatmap layer "
                                 f"with an axis {axis.name!r}")
        for panel in self.panels:
            if panel.layer_axis and len(panel.layers) < axis_lengths.get(panel.layer_axis, len(panel.layers) + 1):
                raise ValueError(f"panel {panel.name!r} has {len(panel.layers)} layers and layer_axis="
                                 f"{panel.layer_axis!r}: give an axis of that name, and a layer for each position")
            unknown = [name for name in panel.layers if name not in layers]
            if unknown:
                raise ValueError(f"panel {panel.name!r} shows {', '.join(unknown)}: there are {', '.join(layers)}")
            with_shares = [axis.name for axis in self.axes if axis.share_layer]
            if panel.ranks and panel.ranks not in with_shares:
                raise ValueError(f"panel {panel.name!r} has ranks={panel.ranks!r}: choose an axis with a share_layer"
                                 f"{': ' if with_shares else ''}{', '.join(with_shares)}")
            if panel.titles_along and len(panel.titles) != axis_lengths.get(panel.titles_along):
                raise ValueError(f"panel {panel.name!r} has {len(panel.titles)} titles: give one for each of the "
                                 f"{axis_lengths.get(panel.titles_along, 0)} choices of axis {panel.titles_along!r}")
