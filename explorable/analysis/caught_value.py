"""The value at one point of a denoiser, with its gradient to the noisy latent."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any, NamedTuple

from torch import Tensor

from ..hooks import Hook, HookContext, RunPlan, edit
from ..hooks.attachments import attached
from ..pipeline import PipelineProtocol
from ..run.run import Run


class CaughtValue(NamedTuple):
    """The value at a point, (batch, ...), and the names of its axes after the batch."""

    value: Tensor
    axes: tuple[str, ...]


class _ValueReached(Exception):
    """The point is reached; the rest of the network need not run."""


class _ValueCatcher(Hook):
    """Keep the value at one point, with its gradient, and stop the network there."""

    def __init__(self, name: str):
        self.name = name
        self.caught: CaughtValue | None = None

    def hook_for(self, plan: RunPlan) -> Hook:
        return self

    def matches(self, name: str) -> bool:
        return name == self.name

    def __call__(self, value: Tensor, context: HookContext) -> Tensor:
        self.caught = CaughtValue(value, context.axes)
        raise _ValueReached


def catch_value(pipe: PipelineProtocol, run: Run, step: int, x: Tensor, point: str,
                edits: Mapping[str, Any] | None = None) -> CaughtValue:
    """Return the value at a point when the denoiser is evaluated at a step of a run on the latents x.

    Only the branch with the prompt is evaluated. Gradients flow to x if it requires one: call this where they are
    enabled, outside of inference mode.

    Args:
        x: latents (batch, channel, y, x). edits: apply here, as in `ex.edit`.

    Raises:
        RuntimeError: the denoiser did not reach the point.
    """
    catcher = _ValueCatcher(point)
    with attached(pipe, catcher), edit(pipe, dict(edits or {})), suppress(_ValueReached):
        pipe.evaluate_step(run, step, x)
    if catcher.caught is None:
        raise RuntimeError(f"the denoiser did not reach {point}")
    return catcher.caught
