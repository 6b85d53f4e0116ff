"""The values that the page sends to a stage. A saved notebook, or a script in the page, may send anything."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

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
    return {name: stage.selection.get(name, 0) if index is None else index for name, index in indices.items()}


def _pointer(stage: Any, value: Any) -> dict[str, Any] | None:
    """Check a gesture: of a panel that has this interaction, with all positions from 0 to 1."""
    kinds = {panel["name"]: panel.get("interaction") for panel in stage.panels}
    if not isinstance(value, dict) or not isinstance(value.get("panel"), str) or not value.get("kind") or (
            kinds.get(value["panel"]) != value["kind"]):
        return None
    names = ("x", "y", "x0", "y0") if value["kind"] == "brush" else ("x", "y")
    points = value.get("points", []) if value["kind"] == "draw" else []
    if not isinstance(points, list) or not all(isinstance(p, list) and len(p) == 2 for p in points):
        return None
    positions = [_number(v, 0, 1) for v in (*map(value.get, names), *(v for p in points[:MAX_POINTS] for v in p))]
    if None in positions:
        return None
    checked = {"panel": value["panel"], "kind": value["kind"], **dict(zip(names, positions, strict=False))}
    if value["kind"] == "draw":
        rest = positions[len(names):]
        checked["points"] = [list(pair) for pair in zip(rest[::2], rest[1::2], strict=True)]
    if value["kind"] in ("drag", "brush"):
        checked["done"] = value.get("done") is True
    return checked | {"count": clamp_index(value.get("count"), 2**53) or 0}


CHECKS = {
    "frame": lambda stage, value: clamp_index(value, len(stage.captions)),
    "layer": _layer,
    "selection": _selection,
    "pointer": _pointer,
    "opacity": lambda stage, value: _number(value, 0, 1),
    "dark": lambda stage, value: value if isinstance(value, bool) else None,
}
