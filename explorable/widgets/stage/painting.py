"""Painting what a stage shows with Pillow, where there is no page: the counterpart of layers.js and panel.js.

A `Snapshot` is a stage at one moment; `paint_panel` and `paint_thumbnail` make Pillow images of it. Colours are those
of light pages.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageDraw

from ..core.palette import colour
from .diagram_painting import paint_diagram
from .layers import FRAME, MAX_UINT16

if TYPE_CHECKING:
    from .stage import Stage

HEAT = ((4, 4, 22), (81, 18, 106), (182, 54, 90), (247, 138, 24), (252, 253, 170))  # as in layers.js, dark to light
TYPES = {"image": "u1", "heatmap": "u1", "points": "<u2", "arrows": "<u2", "diagram": "<f4"}  # of the bytes
EMPTY = (242, 242, 242)  # a panel without a layer
MANY_POINTS = 100  # more than this are drawn partly transparent
SMOOTH = 2  # shapes are drawn this many times larger, since Pillow does not smooth their edges


@dataclass(frozen=True)
class Snapshot:
    """A stage at one moment: its traits of the same names. buffers: the bytes of each layer by name."""

    layers: tuple[Mapping[str, Any], ...]
    buffers: Mapping[str, bytes]
    captions: tuple[str, ...]
    axes: tuple[Mapping[str, Any], ...]
    panels: tuple[Mapping[str, Any], ...]
    columns: int
    thumbnails: str
    frame: int
    selection: Mapping[str, int]
    layer: str
    opacity: float

    @classmethod
    def of(cls, stage: Stage) -> Snapshot:
        """Take a snapshot. A recording that is being sent is awaited."""
        with stage.showing:
            buffers = {spec["name"]: data for spec, data in zip(stage.layers, stage.buffers, strict=True)}
            return cls(tuple(stage.layers), buffers, tuple(stage.captions), tuple(stage.axes), tuple(stage.panels),
                       stage.columns, stage.thumbnails, stage.frame, dict(stage.selection), stage.layer, stage.opacity)

    @property
    def position(self) -> dict[str, int]:
        """The shown position along all axes."""
        return {**self.selection, FRAME: self.frame}

    def spec(self, name: str) -> Mapping[str, Any]:
        """Return the description of a layer."""
        return next(spec for spec in self.layers if spec["name"] == name)

    def shown_layers(self, panel: Mapping[str, Any]) -> list[str]:
        """Return the names of the layers that a panel shows, the lowest first."""
        if panel["layer_axis"]:
            count = len(next(axis["labels"] for axis in self.axes if axis["name"] == panel["layer_axis"]))
            chosen = self.position[panel["layer_axis"]]
            return [name for k, name in enumerate(panel["layers"]) if k >= count or k == chosen]
        return [self._chosen_layer(panel)] if panel["switchable"] else list(panel["layers"])

    def _chosen_layer(self, panel: Mapping[str, Any]) -> str:
        """Return the layer of a switchable panel that is shown: the chosen one, or that in its place."""
        first = next(each for each in self.panels if each["switchable"])["layers"]
        place = first.index(self.layer) if self.layer in first else 0
        return self.layer if self.layer in panel["layers"] else panel["layers"][min(place, len(panel["layers"]) - 1)]

    def ratio(self, panel: Mapping[str, Any]) -> float:
        """Return a panel's width / height."""
        if panel["ratio"] is not None:
            return float(panel["ratio"])
        for spec in map(self.spec, panel["layers"]):
            if spec["kind"] == "diagram":
                return float(spec["ratio"])
            if spec["kind"] in ("image", "heatmap"):
                height, width = spec["shape"][-3:-1] if spec["kind"] == "image" else spec["shape"][-2:]
                return width / height
        extents = [spec["extent"] for spec in map(self.spec, panel["layers"]) if "extent" in spec]
        left, right, bottom, top = extents[0] if extents else (0, 1, 0, 1)
        return (right - left) / (top - bottom)

    def title(self, panel: Mapping[str, Any]) -> str:
        """Return a panel's title; where layers take turns, with the name of the shown one."""
        return f"{panel['title']}{self.spec(self.shown_layers(panel)[0])['label'] if panel['layer_axis'] else ''}"

    def frame_of(self, name: str, position: Mapping[str, int]) -> np.ndarray:
        """Return a layer's frame at a position along the axes, as it was sent, see TYPES."""
        return self.array(name)[self._index(self.spec(name), position)]

    def array(self, name: str) -> np.ndarray:
        """Return all frames of a layer, with one leading dimension for each of its axes."""
        spec = self.spec(name)
        return np.frombuffer(self.buffers[name], TYPES[spec["kind"]]).reshape(spec["shape"])

    def _index(self, spec: Mapping[str, Any], position: Mapping[str, int]) -> tuple[int, ...]:
        at = dict(position)
        if spec["frame_indices"] is not None:
            at[FRAME] = spec["frame_indices"][min(at[FRAME], len(spec["frame_indices"]) - 1)]
        lengths = zip(spec["axes"], spec["shape"], strict=False)
        return tuple(min(at.get(axis, 0), length - 1) for axis, length in lengths)


def paint_panel(snapshot: Snapshot, panel: Mapping[str, Any], width: int) -> Image.Image:
    """Return what a panel shows, `width` pixels wide."""
    canvas = Image.new("RGB", (width, max(round(width / snapshot.ratio(panel)), 1)), EMPTY)
    for k, name in enumerate(snapshot.shown_layers(panel)):
        PAINTERS[snapshot.spec(name)["kind"]](canvas, snapshot, name, snapshot.position, k > 0)
    return canvas


def paint_thumbnail(snapshot: Snapshot, name: str, frame: int, width: int) -> Image.Image:
    """Return a frame of an image or heatmap layer, `width` pixels wide."""
    picture = _picture(snapshot, name, {**snapshot.position, FRAME: frame})
    return picture.resize((width, max(round(width * picture.height / picture.width), 1)), Image.Resampling.LANCZOS)


def heat(levels: np.ndarray) -> np.ndarray:
    """Return the colours (…, 3) of levels from 0 to 255."""
    table = np.array(HEAT, float)
    at = levels / 255 * (len(table) - 1)
    low = np.minimum(at.astype(int), len(table) - 2)
    return np.rint(table[low] + (at - low)[..., None] * (table[low + 1] - table[low])).astype(np.uint8)


def _picture(snapshot: Snapshot, name: str, position: Mapping[str, int]) -> Image.Image:
    frame = snapshot.frame_of(name, position)
    return Image.fromarray(frame if snapshot.spec(name)["kind"] == "image" else heat(frame))


def _paint_image(canvas: Image.Image, snapshot: Snapshot, name: str, position: Mapping[str, int], over: bool) -> None:
    canvas.paste(_picture(snapshot, name, position).resize(canvas.size, Image.Resampling.BICUBIC))


def _paint_heatmap(canvas: Image.Image, snapshot: Snapshot, name: str, position: Mapping[str, int],
                   over: bool) -> None:
    """Alone, each position is a square; over an image, it is smooth and partly transparent."""
    filter = Image.Resampling.BICUBIC if over else Image.Resampling.NEAREST
    picture = _picture(snapshot, name, position).resize(canvas.size, filter)
    canvas.paste(Image.blend(canvas, picture, snapshot.opacity) if over else picture)


def _paint_points(canvas: Image.Image, snapshot: Snapshot, name: str, position: Mapping[str, int], over: bool) -> None:
    spec = snapshot.spec(name)
    frames = _trail(snapshot, name, position) if spec["trail"] else snapshot.frame_of(name, position)[None]
    count = spec["shape"][-2]
    groups = np.asarray(spec["groups"] if spec["groups"] is not None else [0] * count)
    for group, colour_name in enumerate(spec["colours"]):
        members = np.flatnonzero(groups == group)
        for draw, width in _shapes(canvas, colour_name, 0.25 if count > MANY_POINTS else 0.7):
            for i in members if len(frames) > 1 else ():
                line = _to_pixels(frames[:, i], draw)
                draw.line([*map(tuple, line)], fill=255, width=max(round(spec["size"] / 3000 * width), SMOOTH))
        for draw, width in _shapes(canvas, colour_name, 0.7 if count > MANY_POINTS else 1.0):
            for i in members:
                radius = spec["size"] / 1000 * width * (1.8 if i in spec["highlighted"] else 1)
                _circle(draw, _to_pixels(frames[-1, i], draw), radius, fill=255)
        marked = [i for i in members if i in spec["highlighted"]]
        for draw, width in _shapes(canvas, "outline", 1.0) if marked else ():
            for i in marked:
                _circle(draw, _to_pixels(frames[-1, i], draw), spec["size"] / 1000 * width * 1.8,
                        outline=255, width=max(round(spec["size"] / 3000 * width), round(1.5 * SMOOTH)))


def _trail(snapshot: Snapshot, name: str, position: Mapping[str, int]) -> np.ndarray:
    """Return the points of all frames up to the present one, (frames, points, 2), at the same other position."""
    axes = snapshot.spec(name)["axes"]
    if FRAME not in axes:
        return snapshot.frame_of(name, position)[None]
    return np.stack([snapshot.frame_of(name, {**position, FRAME: k}) for k in range(position[FRAME] + 1)])


def _paint_arrows(canvas: Image.Image, snapshot: Snapshot, name: str, position: Mapping[str, int], over: bool) -> None:
    spec = snapshot.spec(name)
    for draw, width in _shapes(canvas, spec["colour"], 0.6):
        pen = max(round(width / 500), SMOOTH)
        for ends in snapshot.frame_of(name, position).reshape(-1, 2, 2):
            (ax, ay), (bx, by) = _to_pixels(ends, draw)
            angle, side = math.atan2(by - ay, bx - ax), min(width / 70, math.hypot(bx - ax, by - ay) / 2)
            draw.line([(ax, ay), (bx, by)], fill=255, width=pen)
            for turn in (2.6, -2.6):
                tip = (bx + side * math.cos(angle + turn), by + side * math.sin(angle + turn))
                draw.line([(bx, by), tip], fill=255, width=pen)


def _shapes(canvas: Image.Image, colour_name: str, opacity: float) -> Any:
    """Yield a mask to draw shapes on, and its width; then lay them over the canvas in a colour of the palette."""
    mask = Image.new("L", (canvas.width * SMOOTH, canvas.height * SMOOTH))
    yield ImageDraw.Draw(mask), mask.width
    smooth = mask.resize(canvas.size, Image.Resampling.BOX).point(lambda v: round(v * opacity))
    canvas.paste(Image.new("RGB", canvas.size, colour(colour_name)), mask=smooth)


def _to_pixels(positions: np.ndarray, draw: ImageDraw.ImageDraw) -> np.ndarray:
    """Convert positions (…, 2) from uint16 fractions, y up, to pixels of what is drawn on, y down."""
    width, height = draw.im.size
    fractions = positions.astype(float) / MAX_UINT16
    return np.stack([fractions[..., 0] * width, (1 - fractions[..., 1]) * height], axis=-1)


def _circle(draw: ImageDraw.ImageDraw, centre: np.ndarray, radius: float, **style: Any) -> None:
    x, y = centre
    draw.ellipse((x - radius, y - radius, x + radius, y + radius), **style)


def _paint_diagram(canvas: Image.Image, snapshot: Snapshot, name: str, position: Mapping[str, int],
                   over: bool) -> None:
    def tile(layer: str) -> Image.Image:
        return _picture(snapshot, layer, position)

    paint_diagram(canvas, snapshot.spec(name), snapshot.frame_of(name, position), tile)


PAINTERS: dict[str, Callable[[Image.Image, Snapshot, str, Mapping[str, int], bool], None]] = {
    "image": _paint_image, "heatmap": _paint_heatmap, "points": _paint_points, "arrows": _paint_arrows,
    "diagram": _paint_diagram}
