"""Tapes: what a run had at the points asked for, kept step by step.

    with ex.record(pipe, "*.cross.weights", steps=slice(5, 15), reduce="mean:head") as tape:
        pipe("a red car at night")
    tape["*.cross.weights"]     # xarray: (layer, step, branch, y, x, token)

A tape keeps one take for each run within the `with`; asked by a name, it answers from the last.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psutil
import xarray as xr

from .listening import Plan, Turn, Visitor, attached
from .points import Point
from .span import Span, check_span, within
from .take import Take

SHARE = 0.5  # of the memory that is free: the most that one take may fill


class MemoryRefusedError(ValueError):
    """A recording that would not fit: says how large it would be, and what would make it fit."""


class Tape:
    """Takes of all runs within a `with ex.record(...)`, the last one last."""

    def __init__(self, patterns: tuple[str, ...], steps: Span = None, reduce: str = "", before: bool = False):
        self.patterns, self.steps, self.without = patterns, check_span(steps), axes_of(reduce)
        self.turn = Turn.BEFORE if before else Turn.AFTER
        self.takes: list[Take] = []

    def begin(self, plan: Plan) -> Take:
        """A run begins: see that what is asked for is there, and fits into memory."""
        names = plan.points.match(self.patterns)
        for axis in self.without:
            if axis != "step" and not any(axis in plan.points[n].axes for n in names):
                known = sorted({a for n in names for a in plan.points[n].axes} | {"step"})
                raise ValueError(f"reduce names {axis!r}, which these points do not have; they have {', '.join(known)}")
        steps = sum(within(self.steps, k) for k in range(plan.first, plan.steps))
        refuse_too_much(plan, [plan.points[n] for n in names], steps, self.without)
        return Take(frozenset(names), self.steps, self.without, plan.tokens, self.turn, plan.picture)

    def begun(self, visitor: Visitor) -> None:
        """The run is on: keep its take."""
        assert isinstance(visitor, Take)
        self.takes.append(visitor)

    @property
    def last(self) -> Take:
        """The take of the last run.

        Raises:
            LookupError: nothing has run yet.
        """
        if not self.takes:
            raise LookupError("nothing is recorded yet: let the pipeline draw within the `with`")
        return self.takes[-1]

    def __getitem__(self, pattern: str) -> xr.DataArray:
        return self.last[pattern]

    def __repr__(self) -> str:
        return f"Tape({', '.join(map(repr, self.patterns))}, takes={len(self.takes)})"


def refuse_too_much(plan: Plan, points: list[Point], steps: int, without: tuple[str, ...]) -> None:
    """Raise MemoryRefusedError where a take of these points would fill more than its share of the free memory."""

    def size(steps: int, *more: str) -> float:
        return plan.prompts * sum(p.bytes(steps, (*without, *more)) for p in points) / 1e6

    room = SHARE * psutil.virtual_memory().available / 1e6
    if size(steps) <= room:
        return
    fitting = int(steps * room / size(steps))
    ways = [f"steps=slice(0, {fitting})"] if fitting else []
    ways += [f'reduce="mean:step" ({size(steps, "step"):,.0f} MB)'] if size(steps, "step") <= room else []
    ways += ["fewer points"] if len(points) > 1 else []
    raise MemoryRefusedError(f"this recording would keep {size(steps):,.0f} MB, and {room:,.0f} MB may be taken here; "
                             f"what would fit: {', or '.join(ways) or 'nothing of it'}")


def axes_of(reduce: str) -> tuple[str, ...]:
    """"mean:head,step" as ("head", "step"); "" as none.

    Raises:
        ValueError: it is not of that form.
    """
    if not isinstance(reduce, str) or (reduce and not reduce.startswith("mean:")):
        raise ValueError(f"reduce is {reduce!r}: write 'mean:' and the axes, as in 'mean:head' or 'mean:head,step'")
    return tuple(axis.strip() for axis in reduce.removeprefix("mean:").split(",") if axis.strip())


@contextmanager
def record(pipe: Any, *patterns: str, steps: Span = None, reduce: str = "", before: bool = False) -> Iterator[Tape]:
    """Within this `with`, keep what `pipe` has at the points that the patterns pick.

    Args:
        steps: which steps, slice(first, after the last); None: all.
        reduce: "mean:head" or "mean:head,step": axes of which only the mean is kept. Of steps it is gathered as the
            run goes, so memory does not grow with them.
        before: keep what there was before edits, and not after.

    Raises:
        UnknownPointError: a name or pattern that matches nothing.
        MemoryRefusedError: when a run begins whose recording would not fit.
    """
    pipe.points().match(patterns)
    tape = Tape(patterns, steps, reduce, before)
    with attached(pipe, tape):
        yield tape
