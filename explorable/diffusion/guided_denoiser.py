"""One look at a noisy latent: the network's estimates, compared and pushed by guidance."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ..nn.hook_points import HERE, changed, point, wanted
from .guidance import classifier_free, rescaled
from .settings import Settings

AXES = "channel y x"  # of a latent


class Denoiser:
    """denoise(x, t) -> the guided estimate of x0, for prompts read once; counts how often the network was called.

    estimate: of a batch that holds all branches. branches: ("uncond", "cond") where two estimates are compared
    (both go through the network in one batch), else the one there is. pull: a teacher's push (x, denoised, t) on
    the guided estimate; None where there is no teacher, or where it pushes elsewhere, as with ddpm.
    Points, all (channel, y, x): sampler.latent, which is what the network is shown (the sampler itself goes on from the
    latent as it was); sampler.difference, cond - uncond; sampler.denoised.
    """

    def __init__(self, estimate: Callable[[Tensor, float], Tensor], branches: tuple[str, ...], settings: Settings,
                 pull: Callable[[Tensor, Tensor, float], Tensor] | None = None):
        self.estimate, self.branches, self.settings, self.pull = estimate, branches, settings, pull
        self.step, self.evaluation, self.evaluations = 0, 0, 0

    def begin(self, step: int) -> None:
        """What is asked from now on belongs to this step."""
        self.step, self.evaluation = step, 0

    def __call__(self, x: Tensor, t: float) -> Tensor:
        if HERE.listener is not None:
            HERE.listener.set_step(self.step, t, self.evaluation)
        _among("")
        x = point("sampler.latent", x, AXES)
        denoised = self.painted(x, t)
        if self.pull is not None:
            denoised = self.pull(x, denoised, t)
        self.evaluation += 1
        return point("sampler.denoised", denoised, AXES)

    def painted(self, x: Tensor, t: float) -> Tensor:
        """The painter's own estimate, guided by words alone."""
        self.evaluations += 1
        _among(*self.branches)
        estimate = self.estimate(torch.cat([x] * len(self.branches)), t)
        _among("")
        if len(self.branches) == 1:
            return estimate
        uncond, cond = estimate.chunk(2)
        cond = _with_difference_heard(uncond, cond)
        low, high = self.settings.interval
        if not low <= t <= high:
            return cond
        guided = classifier_free(uncond, cond, self.settings.guidance)
        return rescaled(guided, cond, self.settings.rescale) if self.settings.rescale else guided


def _among(*branches: str) -> None:
    """Tell whoever listens what lies in the batch."""
    if HERE.listener is not None:
        HERE.listener.set_branches(branches)


def _with_difference_heard(uncond: Tensor, cond: Tensor) -> Tensor:
    """cond, with the difference to uncond as an edit would have it; to the last bit as it was if there is none."""
    if changed("sampler.difference"):
        return uncond + point("sampler.difference", cond - uncond, AXES)
    if wanted("sampler.difference"):
        point("sampler.difference", cond - uncond, AXES)
    return cond
