"""Recordings: the values at chosen points of one run, as labelled arrays."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import Any

import numpy as np
import torch
import xarray as xr
from torch import Tensor, nn

from .dispatcher import Hook, HookContext, Phase
from .labelled_array import LabelledArray
from .points import IMAGE_SIZE, UnknownPointError, as_grid
from .step_range import StepRange, in_step_range


@dataclass
class PointBuffer:
    """The recorded values of one point: one for each step, or their sum if only the mean is needed."""

    axes: tuple[str, ...]
    branches: tuple[str, ...]
    steps: list[tuple[int, float] | None] = field(default_factory=list)
    values: list[Tensor] = field(default_factory=list)


class Recording(Hook, Mapping[str, xr.DataArray]):
    """One run's recording. recording["up.0.skip"] is an array; so is recording["up.*.skip"], with an axis `layer`.

    Of a run that an exception ended, it has what there was until then: each point has the steps that passed it.
    interrupted_at says where that was; None: the run was completed. planned_bytes: size of the complete recording;
    nbytes: its size now. reduced: axes of which the mean is kept. on_begin: called with the recording when the run
    begins.
    """

    def __init__(self, names: frozenset[str], steps: StepRange, reduced: tuple[str, ...],
                 tokens: dict[str, tuple[str, ...]], phase: Phase = Phase.AFTER_EDITS,
                 image_size: tuple[int, int] = IMAGE_SIZE, planned_bytes: int = 0,
                 on_begin: Callable[[Recording], None] | None = None):
        self.names, self.steps, self.reduced, self.tokens, self.phase = names, steps, reduced, tokens, phase
        self.image_size, self.planned_bytes, self.on_begin = image_size, planned_bytes, on_begin
        self.buffers: dict[str, PointBuffer] = {}
        self.second_buffers: dict[str, PointBuffer] = {}  # where each branch is an evaluation of its own: the second's
        self.nbytes, self.is_finished = 0, False
        self.interrupted_at: str | None = None

    @property
    def pending_bytes(self) -> int:
        """Bytes that the run, while it is under way, will still add."""
        return 0 if self.is_finished else max(0, self.planned_bytes - self.nbytes)

    def begin(self) -> None:
        on_begin, self.on_begin = self.on_begin, None  # kept, it would tie the recording to its recorder in a cycle
        if on_begin:
            on_begin(self)

    def matches(self, name: str) -> bool:
        return name in self.names

    def __call__(self, value: Tensor, context: HookContext) -> Tensor:
        """Record a copy of the value. Of the two evaluations of a step by Heun's method, the first is recorded."""
        if context.evaluation == 0 and in_step_range(self.steps, context.step):
            axes, shape = as_grid(context.axes, value.shape[1:], self.image_size)
            buffer = self.buffers.setdefault(context.name, PointBuffer(axes, context.branches))
            if buffer.branches != context.branches:
                buffer = self.second_buffers.setdefault(context.name, PointBuffer(axes, context.branches))
            grid = value.detach().reshape(len(value), *shape)
            reduced = [1 + i for i, axis in enumerate(axes) if axis in self.reduced]
            own = grid.mean(reduced) if reduced else grid
            self._append(buffer, own.clone() if own is grid and grid.device.type == "cpu" else own.cpu(), context)
        return value

    def end(self, interrupted: bool, context: HookContext) -> None:
        self.is_finished = True
        if interrupted:
            self.interrupted_at = "before or after its steps" if context.step is None else f"in step {context.step}"

    def _append(self, buffer: PointBuffer, copy: Tensor, context: HookContext) -> None:
        if context.step is None or context.t is None:  # once an image; a large batch comes in parts
            buffer.values = [torch.cat([*buffer.values, copy])]
            buffer.steps = [None]
            self.nbytes += copy.nbytes
            return
        buffer.steps.append((context.step, context.t))
        if "step" in self.reduced:
            wide = copy.to(torch.promote_types(copy.dtype, torch.float32))  # a long sum in half precision loses its end
            self.nbytes += 0 if buffer.values else wide.nbytes
            buffer.values = [buffer.values[0].add_(wide) if buffer.values else wide.clone()]
        else:
            buffer.values.append(copy)
            self.nbytes += copy.nbytes

    def __getitem__(self, pattern: str) -> xr.DataArray:
        """Return one point's values; or, on an axis `layer`, those of all points that a pattern matches.

        Raises:
            UnknownPointError: nothing of that name was recorded.
        """
        return LabelledArray.of(self.array(pattern) if pattern in self.buffers else select_layers(self, pattern))

    def __iter__(self) -> Iterator[str]:
        return iter(self.buffers)

    def __len__(self) -> int:
        return len(self.buffers)

    def array(self, name: str) -> xr.DataArray:
        """Return (step, branch, batch, ...the point's axes). Without the first three where the point has none or one:
        no steps, one branch, a batch of one. y and x are in pixels of the image; tokens are labelled by their words.

        What is kept in half precision is returned as float32, twice `nbytes`, so that sums over it are right."""
        buffer = self.buffers[name]
        stack, buffer = self._stack(buffer), replace(buffer)
        if name in self.second_buffers:  # of a run that was interrupted, it may lack the last step
            second = self.second_buffers[name]
            stack, buffer.steps = join_branches(stack, self._stack(second)), buffer.steps[:len(second.steps)]
            buffer.branches += second.branches
        if buffer.branches[-1] == "uncond":  # "cond" comes last, whatever the order of the pipeline's batch
            stack, buffer.branches = stack.flip(1), buffer.branches[::-1]
        axes, coords = [a for a in buffer.axes if a not in self.reduced], self._run_coords(buffer)
        for axis, length in zip(axes, stack.shape[3:], strict=True):
            coords |= self._axis_coords(axis, length)
        array = xr.DataArray(stack.numpy(), dims=["step", "branch", "batch", *axes], coords=coords, name=name)
        has_axis = {"step": buffer.steps[0] is not None and "step" not in self.reduced,
                    "branch": buffer.branches != ("",), "batch": array.sizes["batch"] > 1}
        return to_single_precision(array.isel({axis: 0 for axis, there in has_axis.items() if not there}, drop=True)
                                   .assign_coords(layer=name))

    def _stack(self, buffer: PointBuffer) -> Tensor:
        """Return (step, branch, batch, ...) of what one buffer holds."""
        stack = torch.stack(buffer.values)
        if "step" in self.reduced:
            stack = stack / len(buffer.steps)  # 1 for what comes once an image
        stack = stack.float() if stack.dtype is torch.bfloat16 else stack  # which numpy does not have
        return stack.unflatten(1, (len(buffer.branches), -1))

    def _run_coords(self, buffer: PointBuffer) -> dict[str, Any]:
        """Labels of the axes step and branch."""
        steps = [s for s in buffer.steps if s is not None]
        if not steps or "step" in self.reduced:
            return {"branch": list(buffer.branches)}
        return {"step": [k for k, _ in steps], "t": ("step", [t for _, t in steps]), "branch": list(buffer.branches)}

    def _axis_coords(self, axis: str, length: int) -> dict[str, Any]:
        """Labels of one of the point's own axes."""
        if axis in ("y", "x"):
            return {axis: (np.arange(length) + 0.5) * self.image_size[axis == "x"] / length}
        if axis != "token" or not all(self.tokens.values()):  # the prompts of a batch have different words
            return {axis: range(length)}
        branches = list(self.tokens.items())  # the prompt's words label the axis; the other branch's stand beside them
        return {"token": list(branches[-1][1]), **{f"token_{b}": ("token", list(names)) for b, names in branches[:-1]}}

    def __repr__(self) -> str:
        interrupted = f", interrupted {self.interrupted_at}" if self.interrupted_at else ""
        return f"Recording({len(self)} points, {self.nbytes / 1e6:.1f} MB{interrupted})"


def join_branches(first: Tensor, second: Tensor) -> Tensor:
    """Return two branches (step, 1, batch, ...) as one array of the steps that both have. Where the text of one is
    shorter than the other's, it is padded with NaN."""
    steps = min(len(first), len(second))
    longest = [max(pair) for pair in zip(first.shape[3:], second.shape[3:], strict=True)]
    padded = []
    for stack in (first[:steps], second[:steps]):
        missing = [side for n, longer in zip(stack.shape[3:], longest, strict=True) for side in (longer - n, 0)]
        padded.append(nn.functional.pad(stack, missing[::-1], value=float("nan")) if any(missing) else stack)
    return torch.cat(padded, 1)


def to_single_precision(array: xr.DataArray) -> xr.DataArray:
    """Return an array as float32 where it is float16, in which xarray would sum. Files keep it in half precision."""
    if array.dtype != np.float16:
        return array
    wide = array.astype(np.float32)
    wide.encoding["dtype"] = array.dtype
    return wide


def select_layers(recorded: Mapping[str, xr.DataArray], pattern: str) -> xr.DataArray:
    """Return the array of that name; or those of all names that a pattern matches, on an axis `layer`.

    Raises:
        UnknownPointError: nothing of that name was recorded.
    """
    names = [name for name in recorded if fnmatchcase(name, pattern)]
    if not names:
        raise UnknownPointError(f"nothing is recorded at {pattern!r}; "
                                f"recorded points: {', '.join(recorded) or 'none'}")
    return recorded[pattern] if names == [pattern] else stack_layers([recorded[name] for name in names])


def stack_layers(arrays: list[xr.DataArray]) -> xr.DataArray:
    """Return the arrays of several points on one axis, `layer`. Coarse maps are repeated to the size of the finest.
    Where a layer has fewer heads or channels than another, it is padded with NaN, which xarray's means leave out."""
    finest = {axis: max((a[axis] for a in arrays if axis in a.dims), key=len, default=None) for axis in ("y", "x")}
    if len({a.dims for a in arrays}) > 1:
        raise ValueError("points with different axes cannot be put into one array: " +
                         "; ".join(f"{a.layer.item()} ({', '.join(map(str, a.dims))})" for a in arrays))
    largest = max(arrays, key=lambda a: tuple(a.sizes[axis] for axis in a.dims if axis not in finest))
    if all(_is_prefix(a, largest, [axis for axis in a.dims if axis not in finest]) for a in arrays):
        return _stack_in_place(arrays, largest, finest)
    fine = []
    for a in arrays:
        for axis, centres in finest.items():
            if axis in a.dims and centres is not None and a.sizes[axis] < len(centres):
                a = a.isel({axis: np.arange(len(centres)) * a.sizes[axis] // len(centres)})
                a = a.assign_coords({axis: centres.values})
        fine.append(a)
    return xr.concat(fine, dim="layer", join="outer").rename(None)


def _is_prefix(one: xr.DataArray, other: xr.DataArray, axes: list[Hashable]) -> bool:
    """Whether an array's labels along these axes are the first ones of another's."""
    return set(one.coords) == set(other.coords) and one.dtype == other.dtype and one.dtype.kind == "f" and all(
        np.array_equal(one[axis], other[axis][: one.sizes[axis]]) for axis in axes)


def _stack_in_place(arrays: list[xr.DataArray], largest: xr.DataArray, finest: Mapping[str, Any]) -> xr.DataArray:
    """Return the same as xarray's concat, written into one block of memory: nothing is copied twice."""
    sizes = {axis: largest.sizes[axis] if finest.get(str(axis)) is None else len(finest[str(axis)])
             for axis in largest.dims}
    is_full = all(a.sizes[axis] == n for a in arrays for axis, n in sizes.items() if axis not in finest)
    stacked = np.empty((len(arrays), *sizes.values()), largest.dtype)
    if not is_full:
        stacked[:] = np.nan
    for target, a in zip(stacked, arrays, strict=True):
        values = a.values
        for k, axis in enumerate(a.dims):
            if axis in finest and a.sizes[axis] < sizes[axis]:
                values = values.take(np.arange(sizes[axis]) * a.sizes[axis] // sizes[axis], k)
        target[tuple(slice(n) for n in values.shape)] = values
    coords = {name: c for name, c in largest.coords.items() if name not in finest and name != "layer"}
    coords |= {axis: centres.values for axis, centres in finest.items() if centres is not None}
    return xr.DataArray(stacked, dims=("layer", *largest.dims),
                        coords={"layer": [a.layer.item() for a in arrays], **coords})
