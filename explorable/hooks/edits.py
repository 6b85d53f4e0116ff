"""Edits: functions that take the place of a value at a point.

An edit is called as edit(x, at): x holds the rows of one branch, (rows, ...) with the axes after them that `at.axes`
names (where a table of points has y and x, some networks have one row of places), and `at` says where the run is. It
returns x or something of the same shape, dtype and device.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from .dispatcher import At, Here, Plan, Turn, Visitor, attached, attached_to
from .step_range import Span, check_span, within

Edit = Callable[[Tensor, At], Any]


class EditError(ValueError):
    """An edit that gave back what cannot take a value's place: names the point, the step and what came."""


@dataclass(frozen=True, kw_only=True)
class When:
    """When an edit acts: on which steps (slice or (first, after the last); None: all) and which branch (None: both)."""

    steps: Span = None
    branch: str | None = None

    def __post_init__(self) -> None:
        check_span(self.steps)
        if self.branch not in (None, "cond", "uncond"):
            raise ValueError(f"branch is {self.branch!r}: choose 'cond', 'uncond', or None for both")

    def now(self, at: At) -> bool:
        if self.branch and not at.branch:
            raise EditError(f"{at.name} has no branches, and this edit is for {self.branch!r} alone: leave branch out")
        return within(self.steps, at.step) and self.branch in (None, at.branch)

    def __call__(self, x: Tensor, at: At) -> Tensor:
        return self.change(x, at) if self.now(at) else x

    def change(self, x: Tensor, at: At) -> Tensor:
        """What takes the place of x, where the edit acts."""
        raise NotImplementedError


@dataclass(frozen=True)
class Scale(When):
    """Multiply by `by`: 0 silences a skip or a stage of the backbone, 2 doubles it."""

    by: float

    def change(self, x: Tensor, at: At) -> Tensor:
        return x * self.by


@dataclass(frozen=True)
class Ablate(When):
    """Put zeros in place of the value; or, with `heads`, in place of these heads of attention weights."""

    heads: tuple[int, ...] | None = None

    def change(self, x: Tensor, at: At) -> Tensor:
        if self.heads is None:
            return torch.zeros_like(x)
        if "head" not in at.axes:
            raise EditError(f"{at.name} has no heads to take away: its axes are {', '.join(at.axes)}")
        count = x.shape[1 + at.axes.index("head")]
        if not all(-count <= h < count for h in self.heads):
            raise EditError(f"heads {self.heads} of {at.name}: it has heads 0 to {count - 1}")
        return x.index_fill(1 + at.axes.index("head"), torch.tensor(self.heads, device=x.device), 0.0)


@dataclass(frozen=True)
class Replace(When):
    """Put another value in its place: a tensor or an array that broadcasts to it, as one patched in from a take."""

    value: Any

    def change(self, x: Tensor, at: At) -> Tensor:
        return patch(self.value, x, at)


@dataclass(frozen=True)
class Swap(When):
    """Put in what another run had at this point, step and branch: an activation patched from one run to another.

    take: that other run, or a tape of it, with this point recorded over all steps, and as many of them.
    """

    take: Any

    def change(self, x: Tensor, at: At) -> Tensor:
        return patch(had(self.take, at), x, at)


def had(take: Any, at: At) -> xr.DataArray:
    """What a recorded run had at the same point, step and branch.

    Raises:
        LookupError: it was not kept, or is of another noise time.
    """
    where = f"{at.name} at step {at.step}, branch {at.branch!r},"
    whole = "record this point whole, over all steps, in a run with as many steps and the same guidance"
    if at.evaluation:
        raise LookupError(f"{where} is asked for in Heun's second look, and only the first is kept: take euler")
    try:
        array = take[at.name]
        array = array if at.step is None else array.sel(step=at.step)
        array = array if not at.branch else array.sel(branch=at.branch)
    except (KeyError, ValueError) as error:
        raise LookupError(f"{where} is not in the recording: {whole}") from error
    if at.t is not None and not math.isclose(float(array.t), at.t, abs_tol=1e-9):
        raise LookupError(f"{where} was recorded at t = {float(array.t):.3g}, and this is t = {at.t:.3g}: {whole}")
    return array


def patch(value: Any, x: Tensor, at: At) -> Tensor:
    """`value` as a tensor of x's shape, dtype and device. A square of y and x may stand for a row of places."""
    new = torch.as_tensor(value if isinstance(value, Tensor) else np.asarray(value), dtype=x.dtype, device=x.device)
    k = len(at.axes) - at.axes.index("place") if "place" in at.axes else 0  # places lie k axes from the end
    if k and new.dim() > k and new.shape[-k - 1] * new.shape[-k] == x.shape[-k]:
        new = new.flatten(-k - 1, -k)
    try:
        return torch.empty_like(x).copy_(new.expand_as(x))  # in x's own order of memory, which decides on rounding
    except RuntimeError as error:
        raise EditError(f"a value of shape {tuple(new.shape)} does not fit into {at.name}, which is "
                        f"{tuple(x.shape)}") from error


class Edits:
    """What a `with ex.edit(...)` attaches: an edit, or several in a row, for each name or pattern."""

    def __init__(self, what: dict[str, Edit | Iterable[Edit]]):
        self.what = {pattern: tuple(e) if isinstance(e, Iterable) else (e,) for pattern, e in what.items()}

    def begin(self, plan: Plan) -> Editing:
        return Editing(self.what, plan.tokens)

    def begun(self, visitor: Visitor) -> None:
        """Nothing is kept of a run."""


class Editing:
    """Edits in one run."""

    turn = Turn.EDIT

    def __init__(self, what: dict[str, tuple[Edit, ...]], tokens: dict[str, tuple[str, ...]]):
        self.what, self.tokens = what, tokens

    def wants(self, name: str) -> bool:
        return any(fnmatchcase(name, pattern) for pattern in self.what)

    def visit(self, name: str, value: Tensor, axes: str, here: Here) -> Tensor:
        """Each branch by itself, and as a copy: an edit that writes into its x spoils nothing else."""
        parts = []
        for branch, part in zip(here.branches, value.chunk(len(here.branches)), strict=True):
            tokens = self.tokens.get(branch) or list(self.tokens.values())[-1]
            at = At(name, here.step, here.t, branch, tokens, tuple(axes.split()), here.evaluation)
            x = part.clone()
            for pattern, edits in self.what.items():
                if fnmatchcase(name, pattern):
                    for one in edits:
                        x = checked(one(x, at), part, at)
            parts.append(x)
        return torch.cat(parts)

    def end(self, broke_off: bool, here: Here) -> None: ...


def checked(new: Any, old: Tensor, at: At) -> Tensor:
    """What an edit gave back, if it can take the value's place."""
    where = f"the edit of {at.name}" + ("" if at.step is None else f" at step {at.step}")
    if not isinstance(new, Tensor):
        raise EditError(f"{where} gave back {type(new).__name__}: return the tensor, changed or not")
    for what in ("shape", "dtype", "device"):
        if getattr(new, what) != getattr(old, what):
            said, wanted = (str(tuple(v) if what == "shape" else v) for v in (getattr(new, what), getattr(old, what)))
            raise EditError(f"{where} gave back the {what} {said}; it must be {wanted}, as it came")
    if not torch.isfinite(new).all():
        raise EditError(f"{where} gave back {int((~torch.isfinite(new)).sum())} values that are no numbers "
                        "(NaN or infinite)")
    return new


def edited(pipe: Any) -> tuple[str, ...]:
    """The names and patterns of points that are edited here and now, in the order in which they came."""
    return tuple(dict.fromkeys(p for a in attached_to(pipe) if isinstance(a, Edits) for p in a.what))


@contextmanager
def edit(pipe: Any, what: dict[str, Edit | Iterable[Edit]]) -> Iterator[Edits]:
    """Within this `with`, pictures of `pipe` are made with these edits. Edits act before recordings.

    Raises:
        UnknownPointError: a name or pattern that matches nothing.
        EditError: while sampling, when an edit gives back what does not fit.
    """
    pipe.points().match(what)
    edits = Edits(what)
    with attached(pipe, edits):
        yield edits
