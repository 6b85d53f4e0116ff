"""Edits: functions that replace the value at a point.

An edit is called as edit(x, context). x contains the rows of one branch, (rows, ...), and `context.axes` names the
axes after the first (some networks have one axis `position` where a table of points has y and x). It returns a tensor
of x's shape, dtype and device.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from fnmatch import fnmatchcase
from typing import Any

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from .attachments import RunPlan, attached, attached_to, check_pipeline
from .dispatcher import Hook, HookContext, Phase
from .step_range import StepRange, check_step_range, in_step_range

Edit = Callable[[Tensor, HookContext], Any]


class EditError(ValueError):
    """An edit that cannot be made, or returned what cannot replace the value: names the point, the step and why."""


@dataclass(frozen=True, kw_only=True)
class StepEdit:
    """Base of edits that act on some steps or one branch.

    steps: a slice or (first, after the last); None: all. branch: "cond" or "uncond"; None: both. Edits of a class are
    equal where all their values are; a subclass that has arrays is declared with eq=False, which keeps this comparison.
    """

    steps: StepRange = None
    branch: str | None = None

    def __post_init__(self) -> None:
        check_step_range(self.steps)
        if self.branch not in (None, "cond", "uncond"):
            raise ValueError(f"branch is {self.branch!r}: choose 'cond', 'uncond', or None for both")

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and all(
            _is_same(getattr(self, field.name), getattr(other, field.name)) for field in fields(self))

    def __hash__(self) -> int:
        return hash((type(self), self.branch))  # arrays and slices have no hash

    def is_active(self, context: HookContext) -> bool:
        """Whether the edit acts on this step and branch."""
        if self.branch and not context.branch:
            raise EditError(f"{context.name} has no branches, and this edit is for {self.branch!r} only: "
                            "leave out branch=")
        return in_step_range(self.steps, context.step) and self.branch in (None, context.branch)

    def __call__(self, x: Tensor, context: HookContext) -> Tensor:
        return self.apply(x, context) if self.is_active(context) else x

    def apply(self, x: Tensor, context: HookContext) -> Tensor:
        """Return the replacement for x where the edit is active."""
        raise NotImplementedError


def _is_same(one: Any, other: Any) -> bool:
    """Whether two values of an edit are the same: arrays, whose `==` is no truth value, by their elements."""
    if one is other:
        return True
    if isinstance(one, Tensor) and isinstance(other, Tensor):
        return one.dtype == other.dtype and torch.equal(one.cpu(), other.cpu())
    if hasattr(one, "shape") or hasattr(other, "shape"):
        return type(one) is type(other) and np.array_equal(np.asarray(one), np.asarray(other))
    try:
        return bool(one == other)
    except ValueError:  # two recordings, or lists of arrays
        return False


@dataclass(frozen=True)
class Scale(StepEdit):
    """Multiply by `factor`: 0 removes a skip or a part of the backbone, 2 doubles it."""

    factor: float

    def apply(self, x: Tensor, context: HookContext) -> Tensor:
        return x * self.factor


@dataclass(frozen=True)
class Ablate(StepEdit):
    """Replace the value by zeros; with `heads`, only these heads of attention weights."""

    heads: tuple[int, ...] | None = None

    def apply(self, x: Tensor, context: HookContext) -> Tensor:
        if self.heads is None:
            return torch.zeros_like(x)
        if "head" not in context.axes:
            raise EditError(f"{context.name} has no heads to ablate: its axes are {', '.join(context.axes)}")
        axis = 1 + context.axes.index("head")
        count = x.shape[axis]
        if not all(-count <= h < count for h in self.heads):
            raise EditError(f"heads {self.heads} of {context.name}: it has heads 0 to {count - 1}")
        return x.index_fill(axis, torch.tensor(self.heads, dtype=torch.long, device=x.device), 0.0)


@dataclass(frozen=True, eq=False)
class Replace(StepEdit):
    """Replace the value by another: a tensor or an array that broadcasts to it, such as a recorded one."""

    value: Any

    def apply(self, x: Tensor, context: HookContext) -> Tensor:
        return fit_to(self.value, x, context)


@dataclass(frozen=True, eq=False)
class PatchFrom(StepEdit):
    """Replace the value by the one that another run had at this point, step and branch (activation patching).

    recording: that other run, or a recorder of it, with this point recorded over all steps, and as many of them.
    """

    recording: Any

    def apply(self, x: Tensor, context: HookContext) -> Tensor:
        return fit_to(recorded_value(self.recording, context), x, context)


def recorded_value(recording: Any, context: HookContext) -> xr.DataArray:
    """Return the value of a recorded run at the same point, step and branch.

    Raises:
        LookupError: it was not recorded, or at another noise time.
    """
    where = f"{context.name} at step {context.step}, branch {context.branch!r},"
    advice = "record this point without reduce=, over all steps, in a run with as many steps and the same guidance"
    if context.evaluation:
        raise LookupError(f"{where} is needed in the second evaluation of a step by Heun's method, and recordings "
                          "keep the first only: use the sampler 'euler'")
    try:
        array = recording[context.name]
        array = array if context.step is None else array.sel(step=context.step)
        array = array if not context.branch else array.sel(branch=context.branch)
    except (KeyError, ValueError) as error:
        raise LookupError(f"{where} is not in the recording: {advice}") from error
    if context.t is not None and not math.isclose(float(array.t), context.t, abs_tol=1e-9):
        raise LookupError(f"{where} was recorded at t = {float(array.t):.3g}, and this is t = {context.t:.3g}: "
                          f"{advice}")
    return array


def fit_to(value: Any, x: Tensor, context: HookContext) -> Tensor:
    """Return `value` as a tensor of x's shape, dtype, device and memory layout. Axes y and x may stand for an axis of
    positions."""
    new = torch.as_tensor(value if isinstance(value, Tensor) else np.asarray(value), dtype=x.dtype, device=x.device)
    k = len(context.axes) - context.axes.index("position") if "position" in context.axes else 0  # from the end
    if k and new.dim() > k and new.shape[-k - 1] * new.shape[-k] == x.shape[-k]:
        new = new.flatten(-k - 1, -k)
    try:
        return torch.empty_like(x).copy_(new.expand_as(x))  # in x's memory layout, which decides on rounding
    except RuntimeError as error:
        raise EditError(f"a value of shape {tuple(new.shape)} does not broadcast to {context.name}, which has the "
                        f"shape {tuple(x.shape)}") from error


class Edits(Hook):
    """What a `with ex.edit(...)` attaches: an edit, or several in a row, for each name or pattern."""

    phase = Phase.EDIT

    def __init__(self, edits: Mapping[str, Edit | Iterable[Edit]], tokens: Mapping[str, tuple[str, ...]] | None = None):
        self.edits = {pattern: tuple(e) if isinstance(e, Iterable) else (e,) for pattern, e in edits.items()}
        self.tokens = tokens or {}

    def hook_for(self, plan: RunPlan) -> Edits:
        return Edits(self.edits, plan.tokens)

    def matches(self, name: str) -> bool:
        return any(fnmatchcase(name, pattern) for pattern in self.edits)

    def __call__(self, value: Tensor, context: HookContext) -> Tensor:
        """Edit a copy of each branch, so that an edit may write into its x."""
        parts = []
        edits = [e for pattern, group in self.edits.items() if fnmatchcase(context.name, pattern) for e in group]
        for branch, part in zip(context.branches, value.chunk(len(context.branches)), strict=True):
            own = replace(context, branch=branch, tokens=self.tokens.get(branch) or list(self.tokens.values())[-1])
            x = part.clone()
            for edit in edits:
                x = check_edited(edit(x, own), part, own)
            parts.append(x)
        return torch.cat(parts)


def check_edited(new: Any, old: Tensor, context: HookContext) -> Tensor:
    """Check that the value returned by an edit can replace the original, and return it.

    Raises:
        EditError: it is no tensor, of another shape, dtype or device, or not finite.
    """
    where = f"the edit of {context.name}" + ("" if context.step is None else f" at step {context.step}")
    if not isinstance(new, Tensor):
        raise EditError(f"{where} returned {type(new).__name__}: return the tensor, changed or not")
    for attribute in ("shape", "dtype", "device"):
        got, expected = (getattr(x, attribute) for x in (new, old))
        if got != expected:
            got, expected = (tuple(v) if attribute == "shape" else v for v in (got, expected))
            raise EditError(f"{where} returned the {attribute} {got}; it must be {expected}, as that of its input")
    if not torch.isfinite(new).all():
        raise EditError(f"{where} returned {int((~torch.isfinite(new)).sum())} values that are NaN or infinite")
    return new


def edited_points(pipe: Any) -> tuple[str, ...]:
    """Return the names and patterns of the points that are edited now, in the order of attachment."""
    return tuple(dict.fromkeys(p for a in attached_to(pipe) if isinstance(a, Edits) for p in a.edits))


@contextmanager
def edit(pipe: Any, edits: Mapping[str, Edit | Iterable[Edit]]) -> Iterator[Edits]:
    """Within this `with` block, `pipe` samples with these edits. Recordings are taken after edits.

    Args:
        edits: by the name of a point or a pattern, one edit or several in a row.

    Raises:
        TypeError: `pipe` is no pipeline of this package, or was not opened.
        UnknownPointError: a name or pattern that matches nothing.
        EditError: while sampling, when an edit returns what cannot replace the value.
    """
    check_pipeline(pipe)
    pipe.points().match(edits)
    attachment = Edits(edits)
    with attached(pipe, attachment):
        yield attachment
