"""Record the values at chosen points of a run, step by step.

    with ex.record(pipe, "*.cross.weights", steps=slice(5, 15), reduce="mean:head") as recorder:
        pipe("a red car at night")
    recorder["*.cross.weights"]     # xarray: (layer, step, branch, y, x, token)

A recorder keeps one recording for each run within the `with` block; indexing it reads the last. A run that an exception
ended leaves what it had until then in `recorder.recordings[-1]`, and cannot be indexed by name.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from weakref import WeakValueDictionary

import psutil
import xarray as xr

from .attachments import RunPlan, attached, check_pipeline
from .dispatcher import Phase
from .points import Point
from .recording import Recording
from .step_range import StepRange, check_step_range, in_step_range

MEMORY_SHARE = 0.5  # of the free memory: what all recordings under way may fill together
_RECORDINGS: WeakValueDictionary[int, Recording] = WeakValueDictionary()  # of all threads: some still have to grow
_LOCK = threading.Lock()


class MemoryRefusedError(ValueError):
    """A recording that would not fit: the message says how large it would be, and what would fit."""


class Recorder:
    """The recordings of all runs within a `with ex.record(...)` block, in order."""

    def __init__(self, patterns: tuple[str, ...], steps: StepRange = None, reduce: str = "",
                 before_edits: bool = False):
        self.patterns, self.steps, self.reduced = patterns, check_step_range(steps), parse_reduce(reduce)
        self.phase = Phase.BEFORE_EDITS if before_edits else Phase.AFTER_EDITS
        self.recordings: list[Recording] = []

    def hook_for(self, plan: RunPlan) -> Recording:
        """Return the recording of one run, if its points are there and it fits into memory."""
        names = plan.points.match(self.patterns)
        points = [plan.points[name] for name in names]
        axes = {axis for point in points for axis in point.axes} | {"step"}
        for axis in self.reduced:
            if axis not in axes:
                raise ValueError(f"reduce names {axis!r}, which these points do not have; they have "
                                 f"{', '.join(sorted(axes))}")
        steps = [k for k in range(plan.first_step, plan.steps) if in_step_range(self.steps, k)]
        with _LOCK:
            size = check_memory(plan, points, steps, self.reduced)
            recording = Recording(frozenset(names), self.steps, self.reduced, plan.tokens, self.phase,
                                  plan.image_size, size, self.recordings.append)
            _RECORDINGS[id(recording)] = recording
        return recording

    @property
    def last(self) -> Recording:
        """The recording of the last run.

        Raises:
            LookupError: no run was recorded yet, or the last one was interrupted.
        """
        if not self.recordings:
            raise LookupError("nothing is recorded yet: call the pipeline within the `with` block")
        if self.recordings[-1].interrupted_at:
            raise LookupError(f"the last run was interrupted {self.recordings[-1].interrupted_at}, so its recording "
                              "is incomplete: recorder.recordings[-1] has what there was until then")
        return self.recordings[-1]

    def __getitem__(self, pattern: str) -> xr.DataArray:
        return self.last[pattern]

    def __repr__(self) -> str:
        return f"Recorder({', '.join(map(repr, self.patterns))}, recordings={len(self.recordings)})"


def check_memory(plan: RunPlan, points: list[Point], steps: list[int], reduced: tuple[str, ...]) -> int:
    """Return the bytes that a recording of these points will take.

    Raises:
        MemoryRefusedError: together with what the other recordings under way will still take, it would not fit. Says
            how large it would be, and what would fit.
    """

    def size(steps: int, *more: str) -> int:
        return plan.batch_size * sum(p.nbytes(steps, (*reduced, *more)) for p in points)

    pending = sum(recording.pending_bytes for recording in _RECORDINGS.values())
    free = MEMORY_SHARE * psutil.virtual_memory().available - pending
    if size(len(steps)) <= free:
        return size(len(steps))
    each = size(1) - size(0)
    fitting = int((free - size(0)) / each) if each else 0
    options = [f"steps={_slice_text(steps[:fitting])}"] if fitting > 0 else []
    options += [f'reduce="mean:step" ({size(1, "step") / 1e6:,.0f} MB)'] if size(1, "step") <= free else []
    options += ["fewer points"] if len(points) > 1 else []
    options += ["fewer recordings at once"] if pending else []
    beside = f"beside {pending / 1e6:,.0f} MB of other recordings, " if pending else ""
    raise MemoryRefusedError(f"this recording would take {size(len(steps)) / 1e6:,.0f} MB, and {beside}"
                             f"{max(0.0, free) / 1e6:,.0f} MB are free for it; "
                             f"what would fit: {', or '.join(options) or 'no part of it'}")


def _slice_text(steps: list[int]) -> str:
    """Evenly spaced steps as code."""
    stride = steps[1] - steps[0] if len(steps) > 1 else 1
    return f"slice({steps[0]}, {steps[-1] + 1}{f', {stride}' if stride > 1 else ''})"


def parse_reduce(reduce: str) -> tuple[str, ...]:
    """Return the axes of "mean:head,step", ("head", "step"); of "" none.

    Raises:
        ValueError: it is not of that form.
    """
    if not isinstance(reduce, str) or (reduce and not reduce.startswith("mean:")):
        raise ValueError(f"reduce is {reduce!r}: write 'mean:' and the axes, as in 'mean:head' or 'mean:head,step'")
    return tuple(axis.strip() for axis in reduce.removeprefix("mean:").split(",") if axis.strip())


@contextmanager
def record(pipe: Any, *patterns: str, steps: StepRange = None, reduce: str = "",
           before_edits: bool = False) -> Iterator[Recorder]:
    """Within this `with` block, record the values of `pipe` at all points that match the patterns.

    Args:
        steps: which steps, slice(first, after the last); None: all.
        reduce: "mean:head" or "mean:head,step": axes of which only the mean is kept. The mean over steps is
            accumulated during the run, so that memory does not grow with the steps.
        before_edits: record values before edits, not after.

    Raises:
        TypeError: `pipe` is no pipeline of this package, or was not opened.
        UnknownPointError: a name or pattern that matches nothing.
        MemoryRefusedError: when a run begins whose recording would not fit.
    """
    check_pipeline(pipe)
    pipe.points().match(patterns)
    recorder = Recorder(patterns, steps, reduce, before_edits)
    with attached(pipe, recorder):
        yield recorder
