"""Listening to one run: what is attached to a pipeline is asked at every point.

What a `with` attaches holds for that pipeline, in that thread, until the `with` is left: other threads and
other pipelines do not notice.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import TYPE_CHECKING, Protocol

from torch import Tensor

if TYPE_CHECKING:
    from .points import PointTable


@dataclass(frozen=True)
class Plan:
    """What is known of a run before it begins.

    points: all there are. steps: the sampler's, of which this run takes those from `first` on. prompts: rows of a
    branch. tokens: the names of the tokens of each branch that the network compares: {"uncond": (…), "cond": (…)}.
    picture: its sides in pixels, high and wide.
    """

    points: PointTable
    steps: int
    prompts: int
    tokens: dict[str, tuple[str, ...]]
    first: int = 0
    picture: tuple[int, int] = (128, 128)


@dataclass(frozen=True)
class Here:
    """Where a run is. step and t are None before and after the sampling; branches: what lies in the batch, in order
    ("uncond", "cond", or "" where there is but one); evaluation: 1 in the second look that Heun takes in a step."""

    step: int | None = None
    t: float | None = None
    branches: tuple[str, ...] = ("",)
    evaluation: int = 0


@dataclass(frozen=True)
class At:
    """What an edit is told.

    name: of the point. step: from 0; t: noise time (both None before and after the sampling). branch: "cond" or
    "uncond", or "" where a run has but one. tokens: the names of this branch's tokens. axes: of the value, after the
    rows. evaluation: 0, or 1 for the second look that Heun's method takes within a step.
    """

    name: str
    step: int | None
    t: float | None
    branch: str
    tokens: tuple[str, ...]
    axes: tuple[str, ...]
    evaluation: int = 0


class Turn(IntEnum):
    """The order in which those who listen at a point are asked."""

    BEFORE = 0
    EDIT = 1
    AFTER = 2


class Visitor(Protocol):
    """What is attached, for one run."""

    turn: Turn

    def wants(self, name: str) -> bool:
        """Is this point among its own?"""

    def visit(self, name: str, value: Tensor, axes: str, here: Here) -> Tensor:
        """Look at a value, (branches * rows, ...), and give it back, changed or not."""

    def end(self, broke_off: bool, here: Here) -> None:
        """The run is over. broke_off: an error or an interrupt ended it, here."""


class Attachment(Protocol):
    """What a `with` attaches."""

    def begin(self, plan: Plan) -> Visitor:
        """A run is about to begin. Raises where it must not."""

    def begun(self, visitor: Visitor) -> None:
        """It has: nobody has refused."""


_ATTACHED: ContextVar[tuple[tuple[object, Attachment], ...]] = ContextVar("attached", default=())


@contextmanager
def attached(pipe: object, what: Attachment) -> Iterator[None]:
    """Attach to a pipeline within a `with`. Leaving, however it comes, removes this and nothing else."""
    entry = (pipe, what)
    _ATTACHED.set((*_ATTACHED.get(), entry))
    try:
        yield
    finally:
        _ATTACHED.set(tuple(e for e in _ATTACHED.get() if e is not entry))


def attached_to(pipe: object) -> tuple[Attachment, ...]:
    """All that is attached to a pipeline here and now, in the order in which it came."""
    return tuple(what for who, what in _ATTACHED.get() if who is pipe)


class Listening:
    """The listener of one run. The pipeline moves `here` along; networks call `hear` through their points."""

    def __init__(self, attachments: tuple[Attachment, ...], plan: Plan):
        self.here = Here()
        self.visitors: list[Visitor] = []
        try:
            for attachment in attachments:
                self.visitors.append(attachment.begin(plan))
        except BaseException:
            self.end(broke_off=True)
            raise
        for attachment, visitor in zip(attachments, self.visitors, strict=True):
            attachment.begun(visitor)
        self.visitors.sort(key=lambda v: v.turn)  # stable: within a turn, in the order in which they came
        self._known: dict[str, tuple[Visitor, ...]] = {}
        self._asking = False  # while a visitor is at work, what it runs itself is not heard

    def move(self, step: int | None, t: float | None, evaluation: int = 0) -> None:
        self.here = Here(step, t, self.here.branches, evaluation)

    def among(self, branches: tuple[str, ...]) -> None:
        self.here = replace(self.here, branches=branches)

    def of(self, name: str) -> tuple[Visitor, ...]:
        """Who has to do with a point: found out once a run."""
        if name not in self._known:
            self._known[name] = tuple(v for v in self.visitors if v.wants(name))
        return self._known[name]

    def wants(self, name: str) -> bool:
        return not self._asking and bool(self.of(name))

    def changes(self, name: str) -> bool:
        return not self._asking and any(v.turn is Turn.EDIT for v in self.of(name))

    def end(self, broke_off: bool) -> None:
        for visitor in self.visitors:
            visitor.end(broke_off, self.here)

    def hear(self, name: str, value: Tensor, axes: str) -> Tensor:
        if self._asking:
            return value
        self._asking = True
        try:
            for visitor in self.of(name):
                value = visitor.visit(name, value, axes, self.here)
        finally:
            self._asking = False
        return value
