"""A take: what one run had at the points asked for, as labelled arrays."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from .dispatcher import Here, Turn
from .points import SIDES, UnknownPointError, named
from .step_range import Span, within

PICTURE = SIDES[0]  # pixels a side: y and x of every map are given in pixels of the picture


@dataclass
class Kept:
    """What is kept of one point: a value for each step, or their sum where only the mean is asked for."""

    axes: tuple[str, ...]
    branches: tuple[str, ...]
    steps: list[tuple[int, float] | None] = field(default_factory=list)
    values: list[Tensor] = field(default_factory=list)


class Take(Mapping[str, xr.DataArray]):
    """One run's recording. take["up.0.skip"] is an array; so is take["up.*.skip"], with an axis `layer`.

    Of a run that an error or an interrupt ended, it has what there was until then, of its last step as far as that
    went: each point has the steps that it came by. `broke_off` says where that was; None: it did not.
    promised: bytes that a whole run will keep. held: those that there are.
    """

    def __init__(self, names: frozenset[str], steps: Span, without: tuple[str, ...],
                 tokens: dict[str, tuple[str, ...]], turn: Turn = Turn.AFTER, picture: tuple[int, int] = SIDES,
                 promised: int = 0):
        self.asked, self.steps, self.without, self.tokens, self.turn = names, steps, without, tokens, turn
        self.picture = picture
        self.kept: dict[str, Kept] = {}
        self.promised, self.held, self.over = promised, 0, False
        self.broke_off: str | None = None

    @property
    def owed(self) -> int:
        """Bytes that the run, while it is on, will keep beside those that it holds."""
        return 0 if self.over else max(0, self.promised - self.held)

    def wants(self, name: str) -> bool:
        return name in self.asked

    def visit(self, name: str, value: Tensor, axes: str, here: Here) -> Tensor:
        """Keep a copy. Of Heun's two looks in a step, the first is kept."""
        if here.evaluation == 0 and within(self.steps, here.step):
            names, shape = named(axes, tuple(value.shape[1:]), self.picture)
            kept = self.kept.setdefault(name, Kept(names, here.branches))
            seen = value.detach().reshape(len(value), *shape)
            gone = [1 + i for i, axis in enumerate(names) if axis in self.without]
            self._keep(kept, (seen.mean(gone) if gone else seen.clone()).cpu(), here)
        return value

    def end(self, broke_off: bool, here: Here) -> None:
        """The run is over."""
        self.over = True
        if broke_off:
            self.broke_off = "before or after its steps" if here.step is None else f"in step {here.step}"

    def _keep(self, kept: Kept, copy: Tensor, here: Here) -> None:
        if here.step is None or here.t is None:  # once a picture; of many, some at a time
            kept.values = [torch.cat([*kept.values, copy])]
            kept.steps = [None]
            self.held += copy.nbytes
            return
        kept.steps.append((here.step, here.t))
        if "step" in self.without:
            wide = copy.to(torch.promote_types(copy.dtype, torch.float32))  # halves would lose a long sum's end
            self.held += 0 if kept.values else wide.nbytes
            kept.values = [kept.values[0].add_(wide) if kept.values else wide.clone()]
        else:
            kept.values.append(copy)
            self.held += copy.nbytes

    def __getitem__(self, pattern: str) -> xr.DataArray:
        """One point's values, or on an axis `layer` those of all that a pattern picks (see `joined`).

        Raises:
            UnknownPointError: the recording has nothing of that name.
        """
        return self.array(pattern) if pattern in self.kept else picked(self, pattern)

    def __iter__(self) -> Iterator[str]:
        return iter(self.kept)

    def __len__(self) -> int:
        return len(self.kept)

    def array(self, name: str) -> xr.DataArray:
        """(step, branch, picture, ...the point's axes): what has length one of these three for want of more is left
        out. Places are y and x, in pixels of the picture; tokens are labelled by their words."""
        kept = self.kept[name]
        stack = torch.stack(kept.values)
        if "step" in self.without:
            stack = stack / len(kept.steps)  # of what comes once a picture there is one
        stack = stack.float() if stack.dtype is torch.bfloat16 else stack  # which numpy does not know
        stack = stack.unflatten(1, (len(kept.branches), -1))  # (step, branch, picture, ...)
        axes, coords = [a for a in kept.axes if a not in self.without], self._coords(kept)
        for axis, length in zip(axes, stack.shape[3:], strict=True):
            coords |= self._labels(axis, length)
        array = xr.DataArray(stack.numpy(), dims=["step", "branch", "picture", *axes], coords=coords, name=name)
        single = [d for d, here in (("step", kept.steps[0] is not None and "step" not in self.without),
                                    ("branch", kept.branches != ("",)), ("picture", array.sizes["picture"] > 1))
                  if not here]
        return array.isel({d: 0 for d in single}, drop=True).assign_coords(layer=name)

    def _coords(self, kept: Kept) -> dict[str, Any]:
        timed = [s for s in kept.steps if s is not None]
        if not timed or "step" in self.without:
            return {"branch": list(kept.branches)}
        return {"step": [k for k, _ in timed], "t": ("step", [t for _, t in timed]), "branch": list(kept.branches)}

    def _labels(self, axis: str, length: int) -> dict[str, Any]:
        if axis in ("y", "x"):
            return {axis: (np.arange(length) + 0.5) * self.picture[axis == "x"] / length}
        if axis != "token" or not all(self.tokens.values()):  # the prompts of a batch say different things
            return {axis: range(length)}
        branches = list(self.tokens.items())  # the prompt's words label the axis; beside them, the other branch's
        return {"token": list(branches[-1][1]), **{f"token_{b}": ("token", list(names)) for b, names in branches[:-1]}}

    def __repr__(self) -> str:
        broken = f", broke off {self.broke_off}" if self.broke_off else ""
        return f"Take({len(self.kept)} points, {self.held / 1e6:.1f} MB{broken})"


def picked(recorded: Mapping[str, xr.DataArray], pattern: str) -> xr.DataArray:
    """The array of that name; or all that a pattern picks, on an axis `layer`.

    Raises:
        UnknownPointError: the recording has nothing of that name.
    """
    found = [name for name in recorded if fnmatchcase(name, pattern)]
    if not found:
        raise UnknownPointError(f"nothing is recorded of {pattern!r}; there is {', '.join(recorded) or 'no recording'}")
    return recorded[pattern] if found == [pattern] else joined([recorded[name] for name in found])


def joined(arrays: list[xr.DataArray]) -> xr.DataArray:
    """Arrays of several points on one axis, `layer`. Coarse maps are repeated up to the finest; where a layer has
    fewer heads or channels than another, NaN fills up, which xarray's means leave out."""
    finest = {axis: max((a[axis] for a in arrays if axis in a.dims), key=len, default=None) for axis in ("y", "x")}
    if len({a.dims for a in arrays}) > 1:
        raise ValueError("these points have different axes, and make no one array: " +
                         "; ".join(f"{a.layer.item()} ({', '.join(map(str, a.dims))})" for a in arrays))
    most = max(arrays, key=lambda a: tuple(a.sizes[axis] for axis in a.dims if axis not in finest))
    if all(_begins(a, most, [axis for axis in a.dims if axis not in finest]) for a in arrays):
        return _laid_out(arrays, most, finest)
    fine = []
    for a in arrays:
        for axis, places in finest.items():
            if axis in a.dims and places is not None and a.sizes[axis] < len(places):
                a = a.isel({axis: np.arange(len(places)) * a.sizes[axis] // len(places)})
                a = a.assign_coords({axis: places.values})
        fine.append(a)
    return xr.concat(fine, dim="layer", join="outer").rename(None)


def _begins(one: xr.DataArray, other: xr.DataArray, axes: list[Hashable]) -> bool:
    """Whether along these axes one array is labelled as another is from its beginning."""
    return set(one.coords) == set(other.coords) and one.dtype == other.dtype and one.dtype.kind == "f" and all(
        np.array_equal(one[axis], other[axis][: one.sizes[axis]]) for axis in axes)


def _laid_out(arrays: list[xr.DataArray], most: xr.DataArray, finest: Mapping[str, Any]) -> xr.DataArray:
    """The same as xarray's concat of them, in one piece of memory: nothing is copied twice."""
    sizes = {axis: most.sizes[axis] if finest.get(str(axis)) is None else len(finest[str(axis)])
             for axis in most.dims}
    whole = all(a.sizes[axis] == n for a in arrays for axis, n in sizes.items() if axis not in finest)
    found = np.empty((len(arrays), *sizes.values()), most.dtype)
    if not whole:
        found[:] = np.nan
    for to, a in zip(found, arrays, strict=True):
        values = a.values
        for k, axis in enumerate(a.dims):
            if axis in finest and a.sizes[axis] < sizes[axis]:
                values = values.take(np.arange(sizes[axis]) * a.sizes[axis] // sizes[axis], k)
        to[tuple(slice(n) for n in values.shape)] = values
    coords = {name: c for name, c in most.coords.items() if name not in finest and name != "layer"}
    coords |= {axis: places.values for axis, places in finest.items() if places is not None}
    return xr.DataArray(found, dims=("layer", *most.dims), coords={"layer": [a.layer.item() for a in arrays], **coords})
