"""Where a unit looks: the empirical receptive field of one place of one stage, in the latent."""

from __future__ import annotations

from contextlib import suppress

import numpy as np
import torch
from torch import Tensor

from ..hooks import Hook, HookContext, RunPlan, edit
from ..hooks.attachments import attached
from ..pipeline import PipelineProtocol
from ..run.run import Run
from .unet_activations import EditMap

PROBES = 6  # random mixtures of a unit's channels: more of them, a smoother map
ENERGY_SHARE = 0.9  # of what a unit feels: how many places give so much


class _ValueReached(Exception):
    """The point is reached: nothing after it need be computed."""


class _ValueCatcher(Hook):
    """Keep the value at one point, with its gradient, and stop the network there."""

    def __init__(self, name: str):
        self.name = name
        self.value: Tensor | None = None
        self.axes: tuple[str, ...] = ()

    def hook_for(self, plan: RunPlan) -> Hook:
        return self

    def matches(self, name: str) -> bool:
        return name == self.name

    def __call__(self, value: Tensor, context: HookContext) -> Tensor:
        self.value, self.axes = value, context.axes
        raise _ValueReached


def receptive_field(pipe: PipelineProtocol, run: Run, step: int, point: str, row: int, column: int,
          edits: EditMap | None = None, probes: int = PROBES) -> np.ndarray:
    """How strongly each place of the latent moves one place of a stage at a step of a run, (y, x) of the latent.

    That is the size of the block of the Jacobian between the two, |d h[:, row, column] / d x[:, y, x]| (Frobenius), as
    Luo et al. 2016 (arXiv 1701.04128, section 2) look at it, estimated from `probes` mixtures of the channels with
    random signs (Hutchinson 1990). Only the branch that reads the prompt is looked at, if there is one.

    Args:
        point: whose value has the axes channel, y and x. row, column: of its own grid.
        edits: what was changed in the run, and is in force here too.

    Raises:
        IndexError: no such step or place. UnknownPointError: no such point.
    """
    step = run.check_step(step)
    pipe.points().match([point])
    size = dict(zip(pipe.points()[point].axes, pipe.points()[point].shape, strict=True))
    if not (0 <= row < size["y"] and 0 <= column < size["x"]):
        raise IndexError(f"place ({row}, {column}): {point} has rows 0 to {size['y'] - 1} and columns 0 to "
                         f"{size['x'] - 1}")
    with torch.inference_mode(False), torch.enable_grad():
        catch = _ValueCatcher(point)
        x = torch.from_numpy(np.repeat(run.latents.values[step][None], probes, 0)).double().requires_grad_()
        with attached(pipe, catch), edit(pipe, dict(edits or {})), suppress(_ValueReached):
            pipe.evaluate_step(run, step, x)
        felt = _channels(catch, size["x"], row, column)
        dice = torch.Generator().manual_seed(0)
        signs = torch.randint(0, 2, felt.shape, generator=dice).to(felt) * 2 - 1
        (pull,) = torch.autograd.grad((signs * felt).sum(), x)
    return pull.square().sum(1).mean(0).sqrt().numpy()


def _channels(catch: _ValueCatcher, wide: int, row: int, column: int) -> Tensor:
    """All channels of one place, (probes, channel)."""
    if catch.value is None:
        raise RuntimeError(f"the denoiser did not come by {catch.name}")
    if "position" in catch.axes:
        return catch.value[:, row * wide + column]
    return catch.value[:, :, row, column]


def effective_size(felt: np.ndarray, most: float = ENERGY_SHARE) -> int:
    """How many places, the strongest first, give so much of the squares of what is felt."""
    squares = np.sort(np.square(felt.ravel()))[::-1]
    whole = squares.sum()
    return 0 if whole == 0 else int(np.searchsorted(squares.cumsum(), most * whole * (1 - 1e-9)) + 1)
