"""Points: the named places of a network that can be looked at and changed.

A network calls `point` inline, where the value is. Nobody listening costs a look at one variable, about a
twentieth of a microsecond; `hooks` is what listens. A name is the way to the place in the network:
"up.0.skip", "down.1.0.cross.weights", "blocks.3.joint.weights".
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from torch import Tensor, nn


class Listener(Protocol):
    """Who hears of the points of one run."""

    def set_step(self, step: int | None, t: float | None, evaluation: int = 0) -> None:
        """Where the run is now: None before and after the sampling. evaluation: 1 in Heun's second look."""

    def set_branches(self, branches: tuple[str, ...]) -> None:
        """What lies in the batch now, in equal parts: ("uncond", "cond"), or ("",) where there is but one."""

    def is_hooked(self, name: str) -> bool:
        """Is there anything to do at this point? Asked where a value would not be formed otherwise."""

    def is_edited(self, name: str) -> bool:
        """Will the value be replaced? Asked where a faster way gives the same result unless it is."""

    def dispatch(self, name: str, value: Tensor, axes: str) -> Tensor:
        """Look at a value, whose axes after the first (the batch) are named; what comes back takes its place."""

    def end(self, interrupted: bool) -> None:
        """The run is over. interrupted: an error or an interrupt ended it."""


class _Here(threading.local):
    """The listener of the run that this thread is in."""

    listener: Listener | None = None


HERE = _Here()


@contextmanager
def heard_by(listener: Listener | None) -> Iterator[None]:
    """Within this `with`, and in this thread, networks speak to `listener`; None: to nobody."""
    before, HERE.listener = HERE.listener, listener
    interrupted = True
    try:
        yield
        interrupted = False
    finally:
        HERE.listener = before
        if listener is not None:
            listener.end(interrupted)


def point(name: str, value: Tensor, axes: str) -> Tensor:
    """`value`, or what the listener makes of it. axes: the names of all but the batch axis, parted by spaces."""
    listener = HERE.listener
    return value if listener is None else listener.dispatch(name, value, axes)


def wanted(name: str) -> bool:
    """Does anybody listen at this point?"""
    return HERE.listener is not None and HERE.listener.is_hooked(name)


def changed(name: str) -> bool:
    """Does anybody change this point?"""
    return HERE.listener is not None and HERE.listener.is_edited(name)


class Named(nn.Module):
    """A module that knows its way from the root of its network, the beginning of its points' names; and what the rows
    of its values are: places of a picture, or tokens."""

    way = ""
    rows = "position"

    def sum(self, x: Tensor, added: Tensor, axes: str) -> Tensor:
        """A residual: x with what the module adds to it. Points: added, without which the module is not there; out."""
        return point(self.way + "out", x + point(self.way + "added", added, axes), axes)


def name_ways(root: nn.Module, prefix: str = "", rows: str = "position") -> None:
    """Tell every Named module below `root` its way (its name among root's modules, after `prefix`) and its rows."""
    for name, module in root.named_modules():
        if isinstance(module, Named):
            module.way, module.rows = f"{prefix}{name}." if name else prefix, rows
