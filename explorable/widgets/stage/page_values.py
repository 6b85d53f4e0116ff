"""The values that the page sends to a stage. A saved notebook, or a script in the page, may send anything."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from .axes import count_along

MAX_POINTS = 10_000  # of a stroke


def check_page_values(stage: Any, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values that the page may set. Numbers out of range are clamped; what is no such number, names
    nothing on the stage, or is not for the page to set is left out."""
    checked = {name: CHECKS[name](stage, value) for name, value in values.items() if name in CHECKS}
    return {name: value for name, value in checked.items() if value is not None}


def clamp_index(value: Any, count: int) -> int | None:
    """Return an index from 0 to count - 1, or None for what is no number."""
    return None if _number(value) is None else int(min(max(value, 0), max(count - 1, 0)))


def _number(value: Any, low: float = -math.inf, high: float = math.inf) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) < math.inf:  # also of NaN
        return None
    return min(max(value, low), high)


def _layer(stage: Any, value: Any) -> str | None:
    return value if value in [spec["name"] for spec in stage.layers] else None


def _selection(stage: Any, value: Any) -> dict[str, int] | None:
    if not isinstance(value, dict):
        return None
    indices = {axis["name"]: clamp_index(value.get(axis["name"]), len(axis["labels"])) for axis in stage.axes}
    found = {name: stage.selection.get(name, 0) if index is None else index for name, index in indices.items()}
    return {axis["name"]: min(found[axis["name"]], count_along(axis, found) - 1) for axis in stage.axes}


def _region(stage: Any, value: Any) -> list[float] | None:
    """Check a region: left, top, right and bottom from 0 to 1, or [] for none."""
    if not isinstance(value, list) or len(value) not in (0, 4):
        return None
    checked = [number for v in value if (number := _number(v, 0, 1)) is not None]
    return checked if len(checked) == len(value) else None


def _faders(stage: Any, value: Any) -> dict[str, float] | None:
    """Check the values of faders, within the range of their axis; one that Python set beyond its end extends it."""
    if not isinstance(value, dict):
        return None
    ranges = {key: (axis["fader"]["low"], max(axis["fader"]["high"], stage.faders.get(key, 0)))
              for axis in stage.axes if axis["fader"] for key in axis["fader"]["keys"] if key}
    found = {key: _number(value[key], *ends) for key, ends in ranges.items() if key in value}
    return {**stage.faders, **{key: number for key, number in found.items() if number is not None}}


def _pointer(stage: Any, value: Any) -> dict[str, Any] | None:
    """Check a gesture: of a panel that has this interaction, with all positions from 0 to 1."""
    kinds = {panel["name"]: panel.get("interaction") for panel in stage.panels}
    if not isinstance(value, dict) or not isinstance(value.get("panel"), str) or not value.get("kind") or (
            kinds.get(value["panel"]) != value["kind"] or value["kind"] == "brush"):  # a brushed region is no gesture
        return None
    points = value.get("points", []) if value["kind"] == "draw" else []
    if not isinstance(points, list) or not all(isinstance(p, list) and len(p) == 2 for p in points):
        return None
    strokes = (v for p in points[:MAX_POINTS] for v in p)
    positions = [_number(v, 0, 1) for v in (value.get("x"), value.get("y"), *strokes)]
    if None in positions:
        return None
    checked = {"panel": value["panel"], "kind": value["kind"], "x": positions[0], "y": positions[1]}
    if value["kind"] == "draw":
        rest = positions[2:]
        checked["points"] = [list(pair) for pair in zip(rest[::2], rest[1::2], strict=True)]
    if value["kind"] == "drag":
        checked["done"] = value.get("done") is True
    return checked | {"count": clamp_index(value.get("count"), 2**53) or 0}


CHECKS = {
    "frame": lambda stage, value: clamp_index(value, len(stage.captions)),
    "layer": _layer,
    "selection": _selection,
    "pointer": _pointer,
    "region": _region,
    "faders": _faders,
    "opacity": lambda stage, value: _number(value, 0, 1),
    "dark": lambda stage, value: value if isinstance(value, bool) else None,
}
