"""Bootstrap intervals (Efron 1979), and the table cells that show them."""

from __future__ import annotations

import numpy as np


def resample(count: int, draws: int = 2000) -> np.ndarray:
    """Return the indices of bootstrap samples, (draws, count). They are the same in every call."""
    return np.random.default_rng(0).integers(0, count, (draws, count))


def central_range(values: np.ndarray) -> tuple[float, float]:
    """Return the range that contains the central 95% of the values."""
    low, high = np.percentile(values, (2.5, 97.5))
    return float(low), float(high)


def bootstrap(values: np.ndarray) -> tuple[float, float]:
    """Return the 95% interval of a mean. The rows are resampled, each with all its values."""
    rows = values.reshape(len(values), -1).mean(1)
    return central_range(rows[resample(len(rows))].mean(1))


def paired_difference(one: np.ndarray, other: np.ndarray) -> tuple[float, float, float]:
    """Return by how many percentage points `one` passes more often than `other`, and the 95% interval.

    Both are (prompts, seeds), of the same prompts and seeds; prompts are resampled.
    """
    gap = one.astype(float) - other.astype(float)
    low, high = bootstrap(gap)
    return 100 * float(gap.mean()), 100 * low, 100 * high


def percent(passed: np.ndarray | list[float] | list[bool]) -> float:
    """Return a mean in percent, rounded for a table."""
    return round(100 * float(np.mean(passed)), 1)


def interval_text(values: np.ndarray, digits: int = 2, scale: int = 1) -> str:
    """Return the 95% interval of a mean, times `scale`, as text: "0.41 to 0.46"."""
    low, high = bootstrap(values)
    return f"{scale * low:.{digits}f} to {scale * high:.{digits}f}"


def parse_interval(text: str) -> tuple[float, float]:
    """Return the two ends of an interval that `interval_text` has written.

    Raises:
        ValueError: it is no such text.
    """
    low, separator, high = text.partition(" to ")
    if not separator:
        raise ValueError(f"{text!r} is not an interval, such as '0.41 to 0.46'")
    return float(low), float(high)


def percent_cells(passed: np.ndarray, name: str, interval: str) -> dict[str, object]:
    """Return two cells of a table, called `name` and `interval`: how many percent passed, and the 95% interval."""
    return {name: percent(passed), interval: interval_text(passed, 0, 100)}
