"""What a stage shows: layers of a recording along named axes, laid out in panels. Plain data; the page draws it.

    step  = the first axis, one caption a frame, moved by the slider and the play button
    other = further axes (word, head, level), each a row of choices

A layer spans some of the axes: its array has one leading dimension for each, in that order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

FRAME = "frame"  # the name of the first axis, in every stage
FINE = 65535  # positions go to the page in so many parts of their extent
IDEAS = ("noise", "picture", "word", "guidance", "plain")  # one colour each, in every explorable


@dataclass(frozen=True)
class Axis:
    """A further axis to choose along: its name, what the page calls it, a label for each of its positions, and what is
    said of each where the pointer rests on it ("": nothing). shows: a layer of pictures or maps along this axis, of
    which each choice has a small one, where the reader is; "": none."""

    name: str
    title: str
    labels: tuple[str, ...]
    tips: tuple[str, ...] = ()
    shows: str = ""

    def spec(self) -> dict[str, Any]:
        """The description that the page gets."""
        return {"name": self.name, "title": self.title, "labels": list(self.labels), "tips": list(self.tips),
                "shows": self.shows}


@dataclass(frozen=True, eq=False)
class Layer:
    """Pictures: (…, height, width, 3) uint8.

    name: short, for code. label, note: what the page says of it, in one line each. axes: the names of the axes that
    the leading dimensions stand for. picks: where several frames of the stage show the same, for each of them the
    number of the one that it shows; None: each its own.
    """

    kind: ClassVar[str] = "picture"
    inner: ClassVar[int] = 3  # dimensions of one frame

    name: str
    label: str
    frames: np.ndarray
    note: str = ""
    axes: tuple[str, ...] = (FRAME,)
    picks: Sequence[int] | None = None

    def checked(self, lengths: dict[str, int]) -> None:
        """Refuse frames that do not fit the axes of a stage, {name: length}.

        Raises:
            ValueError: says which layer, what it is and what it must be.
        """
        unknown = [name for name in self.axes if name not in lengths]
        if unknown:
            raise ValueError(f"layer {self.name!r} spans {', '.join(unknown)}: this stage has {', '.join(lengths)}")
        if self.picks is not None:
            if len(self.picks) != lengths[FRAME] or FRAME not in self.axes or min(self.picks) < 0:
                raise ValueError(f"layer {self.name!r} picks for {len(self.picks)} frames: this stage has "
                                 f"{lengths[FRAME]}")
            lengths = {**lengths, FRAME: max(self.picks) + 1}
        want = tuple(lengths[name] for name in self.axes)
        shape, dtype = self.frames.shape, self.frames.dtype
        if shape[: len(want)] != want or len(shape) != len(want) + self.inner or not self._fits():
            lead = ", ".join(map(str, want))
            raise ValueError(f"layer {self.name!r} is {shape} {dtype}: it must be ({lead}, {self._must()}")

    def _fits(self) -> bool:
        return self.frames.dtype == np.uint8 and self.frames.shape[-1] == 3

    def _must(self) -> str:
        return "height, width, 3) uint8"

    def spec(self) -> dict[str, Any]:
        """What the page has to know to read the bytes. `kind` picks the painter."""
        return {"name": self.name, "label": self.label, "note": self.note, "kind": self.kind, "axes": list(self.axes),
                "shape": list(self.frames.shape), "picks": None if self.picks is None else [int(k) for k in self.picks]}

    def data(self) -> bytes:
        """The bytes that go to the page."""
        return np.ascontiguousarray(self.frames).tobytes()


@dataclass(frozen=True, eq=False)
class Map(Layer):
    """A number for each place: (…, height, width) float. Laid over a picture, or shown by itself.

    low, high: the numbers at the two ends of the colours; from the data where None. unit: said after a number.
    idea: whose colour it has, one of IDEAS.
    """

    kind: ClassVar[str] = "map"
    inner: ClassVar[int] = 2

    low: float | None = 0.0
    high: float | None = None
    unit: str = ""
    idea: str = "word"

    def _fits(self) -> bool:
        return bool(np.isfinite(self.frames).all())

    def _must(self) -> str:
        return "height, width), finite numbers"

    def ends(self) -> tuple[float, float]:
        """The numbers at the two ends of the colours."""
        low = float(self.frames.min()) if self.low is None else self.low
        high = float(self.frames.max()) if self.high is None else self.high
        return low, high if high > low else low + 1.0

    def spec(self) -> dict[str, Any]:
        low, high = self.ends()
        return {**super().spec(), "low": low, "high": high, "unit": self.unit, "idea": self.idea}

    def data(self) -> bytes:
        low, high = self.ends()
        found = np.empty(self.frames.shape, np.uint8)
        for k in range(len(found)):  # frame by frame: what is needed in between is small
            found[k] = np.rint(np.clip((self.frames[k] - low) / (high - low), 0, 1) * 255)
        return found.tobytes()


@dataclass(frozen=True, eq=False)
class Points(Layer):
    """Moving points: (…, points, 2) float, x to the right and y up, within extent (left, right, bottom, top).

    groups: for each point the number of its colour among `ideas`. trail: a line behind each point, along the frames.
    marks: the numbers of points drawn large, with a ring. size: of a point, in thousandths of the panel's width.
    leads: for each point the frame that it stands for: pointing at it shows that frame, and in a panel that reports
    clicks, a click goes to the frame of the nearest point. All of it in the page.
    """

    kind: ClassVar[str] = "points"
    inner: ClassVar[int] = 2

    extent: tuple[float, float, float, float] = (-1.0, 1.0, -1.0, 1.0)
    groups: Sequence[int] | None = None
    ideas: tuple[str, ...] = ("picture",)
    trail: bool = False
    marks: tuple[int, ...] = ()
    size: float = 8.0
    leads: Sequence[int] | None = None

    def _fits(self) -> bool:
        return self.frames.shape[-1] == 2 and bool(np.isfinite(self.frames).all())

    def _must(self) -> str:
        return "points, 2), finite numbers"

    def spec(self) -> dict[str, Any]:
        return {**super().spec(), "extent": list(self.extent), "ideas": list(self.ideas), "trail": self.trail,
                "groups": None if self.groups is None else [int(g) for g in self.groups],
                "marks": list(self.marks), "size": self.size,
                "leads": None if self.leads is None else [int(k) for k in self.leads]}

    def data(self) -> bytes:
        return _in_parts(self.frames, self.extent)


@dataclass(frozen=True, eq=False)
class Arrows(Layer):
    """A field: (…, arrows, 4) float, from (x, y) to (x, y), within extent (left, right, bottom, top)."""

    kind: ClassVar[str] = "arrows"
    inner: ClassVar[int] = 2

    extent: tuple[float, float, float, float] = (-1.0, 1.0, -1.0, 1.0)
    idea: str = "plain"

    def _fits(self) -> bool:
        return self.frames.shape[-1] == 4 and bool(np.isfinite(self.frames).all())

    def _must(self) -> str:
        return "arrows, 4), finite numbers"

    def spec(self) -> dict[str, Any]:
        return {**super().spec(), "extent": list(self.extent), "idea": self.idea}

    def data(self) -> bytes:
        return _in_parts(self.frames, self.extent)


def _in_parts(positions: np.ndarray, extent: tuple[float, float, float, float]) -> bytes:
    """Positions as uint16, 0 at the left and bottom; what lies outside is put on the edge."""
    left, right, bottom, top = extent
    pairs = positions.reshape(*positions.shape[:-1], positions.shape[-1] // 2, 2)  # there may be no positions
    parts = (pairs - [left, bottom]) / [right - left, top - bottom]
    return np.rint(np.clip(parts, 0, 1) * FINE).astype("<u2").tobytes()


@dataclass(frozen=True)
class Panel:
    """One picture on the stage: layers on top of each other, the first at the bottom.

    layers: their names. choose: only one of the layers is shown at a time, and the page has a switch for it.
    title: above it. at: (column, row, columns, rows) in the stage's grid, counted from 1; None: in order.
    reports: what the reader's hand does here and Python hears of, in `Stage.pointer`: "click", "drag", "brush",
    "draw", or "" for nothing. small: on a narrow stage, where panels stand two in a line, four of these do.
    """

    name: str
    layers: tuple[str, ...]
    title: str = ""
    choose: bool = False
    at: tuple[int, int, int, int] | None = None
    reports: str = ""
    ratio: float | None = None  # width / height where no layer sets it
    small: bool = False

    def spec(self) -> dict[str, Any]:
        """What the page has to know."""
        return {"name": self.name, "layers": list(self.layers), "title": self.title, "choose": self.choose,
                "at": None if self.at is None else list(self.at), "reports": self.reports, "ratio": self.ratio,
                "small": self.small}


@dataclass(frozen=True)
class Recording:
    """All that is sent to the page at once."""

    layers: tuple[Layer, ...]
    captions: tuple[str, ...]
    axes: tuple[Axis, ...] = ()
    panels: tuple[Panel, ...] = ()
    strip: str = ""
    columns: int = 0  # of the grid of panels; 0: as many as there are panels
    file_name: str = "picture"

    def __post_init__(self) -> None:
        lengths = {FRAME: len(self.captions), **{axis.name: len(axis.labels) for axis in self.axes}}
        names = [layer.name for layer in self.layers]
        for layer in self.layers:
            layer.checked(lengths)
        for axis in (a for a in self.axes if a.shows):
            shown = next((layer for layer in self.layers if layer.name == axis.shows), None)
            if shown is None or shown.kind not in ("picture", "map") or axis.name not in shown.axes:
                raise ValueError(f"axis {axis.name!r} shows {axis.shows!r}: that is no layer of pictures or maps "
                                 "along it")
        for panel in self.panels:
            strange = [name for name in panel.layers if name not in names]
            if strange:
                raise ValueError(f"panel {panel.name!r} shows {', '.join(strange)}: there are {', '.join(names)}")
