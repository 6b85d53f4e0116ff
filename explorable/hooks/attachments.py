"""Attach hooks to a pipeline within a `with` block.

An attachment acts on that pipeline and in that thread alone. Leaving the block, also by an exception, removes exactly
what the block added. A pipeline that a hook calls samples without the attachments whose hooks are being called.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Protocol

from .dispatcher import DISPATCHING, Hook, HookDispatcher
from .points import IMAGE_SIZE, PointTable


@dataclass(frozen=True)
class RunPlan:
    """The properties of a run that are known before it begins.

    points: all that it passes. steps: the sampler's, of which this run takes those from `first_step` on. batch_size:
    rows of a branch. tokens: names of the tokens of each branch, {"uncond": (…), "cond": (…)}. image_size: height and
    width in pixels.
    """

    points: PointTable
    steps: int
    batch_size: int
    tokens: dict[str, tuple[str, ...]]
    first_step: int = 0
    image_size: tuple[int, int] = IMAGE_SIZE


class Attachment(Protocol):
    """Base class of what a `with` block attaches to a pipeline: it creates a hook for every run."""

    def hook_for(self, plan: RunPlan) -> Hook:
        """Return the hook for one run, or raise where the run must not begin."""


_ATTACHED: ContextVar[tuple[tuple[object, Attachment], ...]] = ContextVar("attached", default=())


@contextmanager
def attached(pipe: object, attachment: Attachment) -> Iterator[None]:
    """Attach to a pipeline within a `with` block."""
    entry = (pipe, attachment)
    _ATTACHED.set((*_ATTACHED.get(), entry))
    try:
        yield
    finally:
        _ATTACHED.set(tuple(e for e in _ATTACHED.get() if e is not entry))


def check_pipeline(pipe: object) -> None:
    """Refuse what has no hook points.

    Raises:
        TypeError: it is no pipeline of this package, such as a diffusers pipeline that was not opened.
    """
    if isinstance(pipe, type) or not hasattr(pipe, "points"):
        name = pipe.__name__ if isinstance(pipe, type) else type(pipe).__name__
        raise TypeError(f"{name} is no pipeline of explorable: open a diffusers pipeline with pipe = "
                        "ex.open(pipeline), or load one with pipe = ex.load(name)")


def all_attached() -> tuple[tuple[object, Attachment], ...]:
    """Return all pipelines with what is attached to them now, in the order of attachment."""
    return _ATTACHED.get()


def attached_to(pipe: object) -> tuple[Attachment, ...]:
    """Return all that acts on a pipeline now, in the order of attachment."""
    suspended = {id(attachment) for attachment in DISPATCHING.get()}
    return tuple(a for owner, a in _ATTACHED.get() if owner is pipe and id(a) not in suspended)


def dispatcher_for(attachments: Sequence[Attachment], plan: RunPlan) -> HookDispatcher:
    """Return a dispatcher with a hook of each attachment. If one of them refuses the run, the others are ended."""
    hooks: list[Hook] = []
    try:
        for attachment in attachments:
            hooks.append(attachment.hook_for(plan))
    except BaseException:
        dispatcher = HookDispatcher()
        for hook in hooks:
            hook.end(True, dispatcher.context)
        raise
    return HookDispatcher(hooks, attachments)
