"""Attach hooks to a pipeline within a `with` block.

An attachment acts on that pipeline and in that thread alone. Leaving the block, also by an exception, removes exactly
what the block added.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Protocol

from .dispatcher import Hook, HookDispatcher
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


def attached_to(pipe: object) -> tuple[Attachment, ...]:
    """Return all that is attached to a pipeline now, in the order of attachment."""
    return tuple(attachment for owner, attachment in _ATTACHED.get() if owner is pipe)


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
    return HookDispatcher(hooks)
