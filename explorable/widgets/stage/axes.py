"""The further axes of a stage: what can be chosen along each, and what stands beside a choice. Plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Fader:
    """A fader beside each choice of an axis. Its value is in `Stage.faders`, where the page and Python set it.

    keys: of each choice's fader in `Stage.faders`; choices with the same key have the same value, and "" means no
    fader. title: what a fader multiplies, for screen readers. low, high, step: its range; a larger value extends it.
    """

    keys: tuple[str, ...]
    title: str
    low: float = 0.0
    high: float = 4.0
    step: float = 0.25


@dataclass(frozen=True)
class Axis:
    """A further axis to choose along.

    title: the axis's name on the page. labels, tooltips: one per position ("" for no tooltip). thumbnail_layer: an
    image or heatmap layer along this axis of which each choice shows a thumbnail; "" for none. counts: the number of
    choices there are for each position along the axis named `counts_along`, if these differ: the others are hidden.
    share_layer: a heatmap along this axis of which each choice shows the mean over the image, as a percentage; each
    choice then has a row of its own, with a fader if `fader` is given. share_title: what the percentage is. rows_title:
    above the rows. ranked: the choices that a brushed region ranks (`Panel.ranks`); (): all. in_diagram: the choices
    are the elements of a diagram (diagram.py), and have no row of their own.
    """

    name: str
    title: str
    labels: tuple[str, ...]
    tooltips: tuple[str, ...] = ()
    thumbnail_layer: str = ""
    counts_along: str = ""
    counts: tuple[int, ...] = ()
    share_layer: str = ""
    share_title: str = ""
    rows_title: str = ""
    fader: Fader | None = None
    ranked: tuple[int, ...] = ()
    in_diagram: bool = False

    def spec(self) -> dict[str, Any]:
        """Return the description that is sent to the page."""
        return {"name": self.name, "title": self.title, "labels": list(self.labels), "tooltips": list(self.tooltips),
                "thumbnail_layer": self.thumbnail_layer, "counts_along": self.counts_along, "counts": list(self.counts),
                "share_layer": self.share_layer, "share_title": self.share_title, "rows_title": self.rows_title,
                "ranked": list(self.ranked),
                "in_diagram": self.in_diagram,
                "fader": None if self.fader is None else vars(self.fader) | {"keys": list(self.fader.keys)}}


def count_along(axis: Mapping[str, Any], selection: Mapping[str, int]) -> int:
    """Return how many choices there are along an axis, given its `spec`, at a selection along the others."""
    if not axis["counts_along"]:
        return len(axis["labels"])
    return axis["counts"][selection.get(axis["counts_along"], 0)]
