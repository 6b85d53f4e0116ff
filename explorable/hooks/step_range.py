"""Ranges of steps, as recordings and edits take them."""

from __future__ import annotations

from numbers import Integral

StepRange = tuple[int, int | None] | slice | None


def in_step_range(steps: StepRange, step: int | None) -> bool:
    """Whether a step is in the range. None is all steps; what has no step (text encoder, decoder) is in every range."""
    if steps is None or step is None:
        return True
    if not isinstance(steps, slice):
        steps = slice(*steps)
    first, stop, stride = steps.start or 0, steps.stop, steps.step or 1
    return first <= step and (stop is None or step < stop) and (step - first) % stride == 0


def check_step_range(steps: StepRange) -> StepRange:
    """Return the range.

    Raises:
        ValueError: it is neither a slice nor a pair of numbers from 0 on.
    """
    parts = (steps.start, steps.stop, steps.step) if isinstance(steps, slice) else steps
    if steps is None or (isinstance(parts, tuple) and len(parts) in (2, 3)
                         and all(n is None or (isinstance(n, Integral) and int(n) >= 0) for n in parts)):
        return steps
    raise ValueError(f"steps is {steps!r}: give slice(first, after the last) or a pair of them, counted from 0")
