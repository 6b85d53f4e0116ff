"""Ranges of steps, as recordings and edits take them."""

from __future__ import annotations

Span = tuple[int, int | None] | slice | None


def within(steps: Span, step: int | None) -> bool:
    """Is a step among those asked for? None asks for all; what has no step (text, decoder) is always among them."""
    if steps is None or step is None:
        return True
    first, last, stride = (steps.start or 0, steps.stop, steps.step or 1) if isinstance(steps, slice) else (*steps, 1)
    return first <= step and (last is None or step < last) and (step - first) % stride == 0


def check_span(steps: Span) -> Span:
    """The same range, or a ValueError in words."""
    numbers = (steps.start, steps.stop, steps.step) if isinstance(steps, slice) else () if steps is None else steps
    fits = isinstance(steps, slice) or len(numbers) in (0, 2)
    if not fits or not all(n is None or (isinstance(n, int) and n >= 0) for n in numbers):
        raise ValueError(f"steps is {steps!r}: give slice(first, after the last) or a pair of them, counted from 0")
    return steps
