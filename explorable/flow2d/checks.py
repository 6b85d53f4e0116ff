"""What is refused here, and in which words."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

MOST = 2048  # points; an assignment takes the cube of their number, and a drag must be answered at once
FAR = 1e6


def known(what: str, name: object, choices: Mapping[str, Any]) -> Any:
    """The entry of a table by its name.

    Raises:
        ValueError: no such name; the choices are given.
    """
    if not isinstance(name, str) or name not in choices:
        raise ValueError(f"{what} is {name!r}: choose one of {', '.join(choices)}")
    return choices[name]


def whole(what: str, number: object, allowed: Container[int], said: str) -> int:
    """A whole number in its range.

    Raises:
        ValueError: it is not; `said` gives the range in words.
    """
    if isinstance(number, bool) or not isinstance(number, (int, np.integer)) or number not in allowed:
        raise ValueError(f"{what} is {number!r}: choose a whole number {said}")
    return int(number)


def plane(what: str, points: Iterable[object] | Array) -> Array:
    """Points of the plane as (n, 2) float64.

    Raises:
        ValueError: none, of another shape, or with a coordinate that is no ordinary number.
    """
    try:
        array = np.asarray(points, dtype=np.float64)
    except (TypeError, ValueError):
        raise ValueError(f"{what} must be pairs of numbers, x and y") from None
    if array.size == 0:
        raise ValueError(f"{what}: there is no point at all, give at least one")
    if array.ndim != 2 or array.shape[1] != 2:
        raise ValueError(f"{what} must be pairs of numbers, x and y, of shape (n, 2), not {array.shape}")
    if not (np.abs(array) < FAR).all():  # false for NaN too
        raise ValueError(f"{what}: every coordinate must be a number between -{FAR:.0f} and {FAR:.0f}")
    return array
