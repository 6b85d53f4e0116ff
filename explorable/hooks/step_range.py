"""Ranges of steps, as recordings and edits take them."""

from __future__ import annotations

from numbers import Integral

Span = tuple[int, int | None] | slice | None


def within(steps: Span, step: int | None) -> bool:
    """Is a step among those asked for? None asks for all; what has no step (text, decoder) is always among them."""
    if steps is None or step is None:
        return True
    if not isinstance(steps, slice):
        steps = slice(*steps)
    first, last, stride = steps.start or 0, steps.stop, steps.step or 1
    return first <= step and (last is None or step < last) and (step - first) % stride == 0


def check_span(steps: Span) -> Span:
    """The same range, or a ValueError in words."""
    parts = (steps.start, steps.stop, steps.step) if isinstance(steps, slice) else steps
    if steps is None or (isinstance(parts, tuple) and len(parts) in (2, 3)
                         and all(n is None or (isinstance(n, Integral) and int(n) >= 0) for n in parts)):
        return steps
    raise ValueError(f"steps is {steps!r}: give slice(first, after the last) or a pair of them, counted from 0")
