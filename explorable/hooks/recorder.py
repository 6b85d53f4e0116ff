"""Tapes: what a run had at the points asked for, kept step by step.

    with ex.record(pipe, "*.cross.weights", steps=slice(5, 15), reduce="mean:head") as tape:
        pipe("a red car at night")
    tape["*.cross.weights"]     # xarray: (layer, step, branch, y, x, token)

A tape keeps one take for each run within the `with`; asked by a name, it answers from the last. A run that an error
or an interrupt ended leaves what it had until then as `tape.takes[-1]`; by a name it is not answered for.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from weakref import WeakValueDictionary

import psutil
import xarray as xr

from .dispatcher import Plan, Turn, Visitor, attached
from .points import Point
from .recording import Take
from .step_range import Span, check_span, within

SHARE = 0.5  # of the memory that is free: the most that all recordings under way may fill together
_BEGUN: WeakValueDictionary[int, Take] = WeakValueDictionary()  # in all threads: what they owe is free only for now
_ASKING = threading.Lock()


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
        steps = [k for k in range(plan.first, plan.steps) if within(self.steps, k)]
        points = [plan.points[n] for n in names]
        with _ASKING:
            size = refuse_too_much(plan, points, steps, self.without)
            take = Take(frozenset(names), self.steps, self.without, plan.tokens, self.turn, plan.picture, size)
            _BEGUN[id(take)] = take
        return take

    def begun(self, visitor: Visitor) -> None:
        """The run is on: keep its take."""
        assert isinstance(visitor, Take)
        self.takes.append(visitor)

    @property
    def last(self) -> Take:
        """The take of the last run.

        Raises:
            LookupError: nothing has run yet, or the last run broke off.
        """
        if not self.takes:
            raise LookupError("nothing is recorded yet: let the pipeline draw within the `with`")
        if self.takes[-1].broke_off:
            raise LookupError(f"the last run broke off {self.takes[-1].broke_off}, so there is no whole recording of "
                              "it: what there was until then is tape.takes[-1]")
        return self.takes[-1]

    def __getitem__(self, pattern: str) -> xr.DataArray:
        return self.last[pattern]

    def __repr__(self) -> str:
        return f"Tape({', '.join(map(repr, self.patterns))}, takes={len(self.takes)})"


def refuse_too_much(plan: Plan, points: list[Point], steps: list[int], without: tuple[str, ...]) -> int:
    """The bytes that a take of these points will keep.

    Raises:
        MemoryRefusedError: with what the other takes under way will still keep, it would be more than there is room
            for. Says how much, and what would fit.
    """

    def size(steps: int, *more: str) -> int:
        return plan.prompts * sum(p.bytes(steps, (*without, *more)) for p in points)

    owed = sum(take.owed for take in _BEGUN.values())
    room = SHARE * psutil.virtual_memory().available - owed
    if size(len(steps)) <= room:
        return size(len(steps))
    each = size(1) - size(0)
    fitting = int((room - size(0)) / each) if each else 0
    ways = [f"steps={_slice(steps[:fitting])}"] if fitting > 0 else []
    ways += [f'reduce="mean:step" ({size(1, "step") / 1e6:,.0f} MB)'] if size(1, "step") <= room else []
    ways += ["fewer points"] if len(points) > 1 else []
    ways += ["fewer recordings at once"] if owed else []
    beside = f"beside {owed / 1e6:,.0f} MB of other recordings, " if owed else ""
    raise MemoryRefusedError(f"this recording would keep {size(len(steps)) / 1e6:,.0f} MB, and {beside}"
                             f"{max(0.0, room) / 1e6:,.0f} MB may be taken here; "
                             f"what would fit: {', or '.join(ways) or 'nothing of it'}")


def _slice(steps: list[int]) -> str:
    """Steps that lie evenly, as one would write them."""
    stride = steps[1] - steps[0] if len(steps) > 1 else 1
    return f"slice({steps[0]}, {steps[-1] + 1}{f', {stride}' if stride > 1 else ''})"


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
