"""Call hooks at the named points that one run passes, in a fixed order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextvars import ContextVar
from dataclasses import dataclass, replace
from enum import IntEnum

from torch import Tensor


@dataclass(frozen=True)
class HookContext:
    """The position of a run and the properties of the current point, passed to hooks.

    step, t: the step, from 0, and its noise time; both None before and after the sampling. branches: what the batch
    contains, in equal parts and in order: ("uncond", "cond"), or ("",) where the run has one branch. evaluation: 1 in
    the second evaluation of a step by Heun's method, else 0. name: of the point. axes: of the value, after the batch.

    An edit is called for each branch separately. For it, branch is "cond", "uncond" or "", and tokens are the names
    of that branch's tokens, empty if the prompts of the batch have different tokens.
    """

    step: int | None = None
    t: float | None = None
    branches: tuple[str, ...] = ("",)
    evaluation: int = 0
    name: str = ""
    axes: tuple[str, ...] = ()
    branch: str = ""
    tokens: tuple[str, ...] = ()


class Phase(IntEnum):
    """The order in which the hooks of a point are called."""

    BEFORE_EDITS = 0
    EDIT = 1
    AFTER_EDITS = 2


class Hook:
    """Base class of hooks, which are called at points of one run. Subclasses implement `matches` and `__call__`."""

    phase = Phase.AFTER_EDITS

    def matches(self, name: str) -> bool:
        """Whether the hook is to be called at this point."""
        raise NotImplementedError

    def begin(self) -> None:
        """Called once, when every hook of the run has accepted it."""

    def __call__(self, value: Tensor, context: HookContext) -> Tensor:
        """Return the value, (branches * rows, ...), or the one that replaces it."""
        raise NotImplementedError

    def end(self, interrupted: bool, context: HookContext) -> None:
        """Called once, after the run. interrupted: an exception ended it, at `context`."""


# The attachments of the hooks that are being called now: a pipeline that a hook calls samples without them.
DISPATCHING: ContextVar[tuple[object, ...]] = ContextVar("dispatching", default=())


class HookDispatcher:
    """Call the hooks of one run. The pipeline moves `context` along; networks call `dispatch` through their points.

    attachments: what made the hooks. passes: by point, how often its hooks were called.
    """

    def __init__(self, hooks: Sequence[Hook] = (), attachments: Sequence[object] = ()):
        self.context = HookContext()
        self.attachments, self.passes = tuple(attachments), Counter[str]()
        self.hooks = sorted(hooks, key=lambda hook: hook.phase)  # stable: within a phase, in the order of attachment
        self._matching: dict[str, tuple[Hook, ...]] = {}
        self._dispatching = False  # what a hook computes itself calls no hooks
        for hook in hooks:
            hook.begin()

    def set_step(self, step: int | None, t: float | None, evaluation: int = 0) -> None:
        """Move to a step; None before and after the sampling."""
        self.context = HookContext(step, t, self.context.branches, evaluation)

    def set_branches(self, branches: tuple[str, ...]) -> None:
        """Set the branches that the batch contains from here on."""
        self.context = replace(self.context, branches=branches)

    def matching(self, name: str) -> tuple[Hook, ...]:
        """The hooks of a point, looked up once a run."""
        if name not in self._matching:
            self._matching[name] = tuple(hook for hook in self.hooks if hook.matches(name))
        return self._matching[name]

    @property
    def is_dispatching(self) -> bool:
        """Whether a hook is being called now."""
        return self._dispatching

    def is_hooked(self, name: str) -> bool:
        """Whether a hook is called at this point."""
        return not self._dispatching and bool(self.matching(name))

    def is_edited(self, name: str) -> bool:
        """Whether an edit may replace the value at this point."""
        return not self._dispatching and any(hook.phase is Phase.EDIT for hook in self.matching(name))

    def dispatch(self, name: str, value: Tensor, axes: str) -> Tensor:
        """Call the hooks of a point one after another, and return what the last of them returns."""
        hooks = () if self._dispatching else self.matching(name)
        if not hooks:
            return value
        self._dispatching = True
        self.passes[name] += 1
        token = DISPATCHING.set((*DISPATCHING.get(), *self.attachments))
        context = replace(self.context, name=name, axes=tuple(axes.split()))
        try:
            for hook in hooks:
                value = hook(value, context)
        finally:
            self._dispatching = False
            DISPATCHING.reset(token)
        return value

    def end(self, interrupted: bool) -> None:
        """Tell every hook that the run is over."""
        for hook in self.hooks:
            hook.end(interrupted, self.context)
