"""Argument checks that this package and its explorable share."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

MAX_POINTS = 2048  # an optimal assignment takes cubic time, and a drag needs an immediate result
MAX_COORDINATE = 1e6


def check_choice(name: str, value: object, choices: Mapping[str, Any]) -> Any:
    """Return the entry of `choices` under the key `value`.

    Raises:
        ValueError: there is no such key; the message lists the choices.
    """
    if not isinstance(value, str) or value not in choices:
        raise ValueError(f"{name} is {value!r}: choose one of {', '.join(choices)}")
    return choices[value]


def check_integer(name: str, value: object, allowed: Container[int], range_text: str) -> int:
    """Return `value` as an int.

    Raises:
        ValueError: not an integer in `allowed`; the message gives the range as `range_text`.
    """
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value not in allowed:
        raise ValueError(f"{name} is {value!r}: choose a whole number {range_text}")
    return int(value)


def check_points(name: str, points: Iterable[object] | Array) -> Array:
    """Return 2-D points as an (n, 2) float64 array.

    Raises:
        ValueError: no points, another shape, or a coordinate that is not finite or too large.
    """
    try:
        array = np.asarray(points, dtype=np.float64)
    except (TypeError, ValueError):
        raise ValueError(f"{name} must be pairs of numbers, x and y") from None
    if array.size == 0:
        raise ValueError(f"{name} is empty: give at least one point")
    if array.ndim != 2 or array.shape[1] != 2:
        raise ValueError(f"{name} must be pairs of numbers, x and y, of shape (n, 2), not {array.shape}")
    if not (np.abs(array) < MAX_COORDINATE).all():  # false for NaN too
        raise ValueError(
            f"{name}: every coordinate must be a number between -{MAX_COORDINATE:.0f} and {MAX_COORDINATE:.0f}")
    return array
