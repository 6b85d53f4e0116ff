"""Hook points: named activations of a network that can be recorded and edited.

A network calls `hook_point` inline, where the value is computed. While no dispatcher is active that costs one read of
a variable, about a twentieth of a microsecond; package `hooks` has the dispatcher. A point is named by its path in the
network: "up.0.skip", "down.1.0.cross.weights", "blocks.3.joint.weights".
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from torch import Tensor, nn


class Dispatcher(Protocol):
    """Receives the hook points of one run and passes them on to recorders and edits."""

    def set_step(self, step: int | None, t: float | None, evaluation: int = 0) -> None:
        """Set the sampling step and its noise time: None before and after the sampling. evaluation: 1 in Heun's second
        evaluation of a step."""

    def set_branches(self, branches: tuple[str, ...]) -> None:
        """Set the equal parts of the batch: ("uncond", "cond"), or ("",) where there is only one."""

    def is_hooked(self, name: str) -> bool:
        """Return whether this point is recorded or edited. Called where the value would not be computed otherwise."""

    def is_edited(self, name: str) -> bool:
        """Return whether this point is edited. Called where a faster kernel gives the same result unless it is."""

    def dispatch(self, name: str, x: Tensor, axes: str) -> Tensor:
        """Record or edit a value, whose axes after the batch are named; the result replaces it."""

    def end(self, interrupted: bool) -> None:
        """End the run. interrupted: by an error or a KeyboardInterrupt."""


class _Active(threading.local):
    """The dispatcher of the run in this thread."""

    dispatcher: Dispatcher | None = None


ACTIVE = _Active()


@contextmanager
def dispatching_to(dispatcher: Dispatcher | None) -> Iterator[None]:
    """Send the hook points of this thread to `dispatcher` within a `with`; None: to none."""
    before, ACTIVE.dispatcher = ACTIVE.dispatcher, dispatcher
    interrupted = True
    try:
        yield
        interrupted = False
    finally:
        ACTIVE.dispatcher = before
        if dispatcher is not None:
            dispatcher.end(interrupted)


def hook_point(name: str, x: Tensor, axes: str) -> Tensor:
    """Return x, or what an edit replaces it by. axes: the names of all axes but the batch, separated by spaces."""
    dispatcher = ACTIVE.dispatcher
    return x if dispatcher is None else dispatcher.dispatch(name, x, axes)


def is_hooked(name: str) -> bool:
    """Return whether this point is recorded or edited."""
    return ACTIVE.dispatcher is not None and ACTIVE.dispatcher.is_hooked(name)


def is_edited(name: str) -> bool:
    """Return whether this point is edited."""
    return ACTIVE.dispatcher is not None and ACTIVE.dispatcher.is_edited(name)


def set_step(step: int | None, t: float | None, evaluation: int = 0) -> None:
    """Tell the active dispatcher the sampling step: None before and after the sampling."""
    if ACTIVE.dispatcher is not None:
        ACTIVE.dispatcher.set_step(step, t, evaluation)


def set_branches(*branches: str) -> None:
    """Tell the active dispatcher which branches the batch holds, in order: "uncond" and "cond", or "" for one."""
    if ACTIVE.dispatcher is not None:
        ACTIVE.dispatcher.set_branches(branches)


class HookedModule(nn.Module):
    """A module whose points' names begin with its path in the network, `point_prefix`. position_axis: the axis that its
    sequences run along, "position" of an image or "token"."""

    point_prefix = ""
    position_axis = "position"

    def hook(self, name: str, x: Tensor, axes: str) -> Tensor:
        """Call `hook_point` with the name below this module's prefix."""
        return hook_point(self.point_prefix + name, x, axes)

    def residual(self, x: Tensor, added: Tensor, axes: str) -> Tensor:
        """Return x + added. Points: added (ablate it to remove the module) and out, the sum."""
        return self.hook("out", x + self.hook("added", added, axes), axes)


def set_point_names(root: nn.Module, prefix: str = "", position_axis: str = "position") -> None:
    """Set the point prefix of every HookedModule below `root`: `prefix`, then its name among root's modules, in which
    "cross_attn" is short "cross" and "self_attn" "self"."""
    for name, module in root.named_modules():
        if isinstance(module, HookedModule):
            module.point_prefix = f"{prefix}{name.replace('_attn', '')}." if name else prefix
            module.position_axis = position_axis
