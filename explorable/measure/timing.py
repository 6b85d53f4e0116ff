"""Seconds of several ways to do one thing, in one run, taking turns: whatever slows the machine slows them all."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import numpy as np

Way = Callable[[int], object]  # a seed to whatever it makes


def turns(sides: dict[str, Way], repeats: int) -> dict[str, list[float]]:
    """Seconds of every turn, after one each that is not counted."""
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for seed in range(repeats + 1):
        for name, way in sides.items():
            start = time.perf_counter()
            way(seed)
            seconds[name].append(time.perf_counter() - start)
    return {name: times[1:] for name, times in seconds.items()}


def rows(seconds: dict[str, list[float]], what: str, against: str) -> list[dict[str, object]]:
    """The median of every side, the middle half, and how many times the first side's it is.

    what: the heading of the sides; against: of the last column.
    """
    first = statistics.median(next(iter(seconds.values())))
    found: list[dict[str, object]] = []
    for side, times in seconds.items():
        low, middle, high = np.percentile(times, (25, 50, 75))
        found.append({what: side, "seconds": float(f"{middle:.3g}"), "middle half": f"{low:.3g} to {high:.3g}",
                      against: round(float(middle / first), 3)})
    return found
