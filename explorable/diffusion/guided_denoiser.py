"""The guided denoiser: the network's estimates for one noisy latent, combined by guidance."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
from torch import Tensor

from ..nn.hook_points import hook_point, is_edited, is_hooked, set_branches, set_step
from .guidance import classifier_free, rescale_contrast
from .settings import Settings

AXES = "channel y x"  # of a latent


class GuidedDenoiser:
    """denoise(x, t) -> the guided estimate of x0. Counts the network's evaluations, and measures the seconds of each.

    estimate(x, t): the network's estimates for a batch that holds all branches.
    branches: ("uncond", "cond") for classifier-free guidance, which evaluates both in one batch; else one name.
    classifier_shift(x, denoised, t): shifts the estimate by a classifier's gradient; None without classifier guidance,
    or with a sampler that applies it elsewhere (ddpm).
    Points, all (channel, y, x): sampler.latent, the network's input (the sampler itself continues from the unedited
    latent); sampler.difference, cond - uncond; sampler.denoised, the result.
    """

    def __init__(self, estimate: Callable[[Tensor, float], Tensor], branches: tuple[str, ...], settings: Settings,
                 classifier_shift: Callable[[Tensor, Tensor, float], Tensor] | None = None):
        self.estimate, self.branches, self.settings = estimate, branches, settings
        self.classifier_shift = classifier_shift
        self.step, self.evaluation, self.evaluations = 0, 0, 0
        self.evaluation_seconds: list[float] = []

    def start_step(self, step: int) -> None:
        """Start a step: later evaluations belong to it."""
        self.step, self.evaluation = step, 0

    def __call__(self, x: Tensor, t: float) -> Tensor:
        set_step(self.step, t, self.evaluation)
        set_branches("")
        x = hook_point("sampler.latent", x, AXES)
        denoised = self.text_guided(x, t)
        if self.classifier_shift is not None:
            denoised = self.classifier_shift(x, denoised, t)
        self.evaluation += 1
        return hook_point("sampler.denoised", denoised, AXES)

    def text_guided(self, x: Tensor, t: float) -> Tensor:
        """Return the estimate with classifier-free guidance alone."""
        self.evaluations += 1
        set_branches(*self.branches)
        start = time.perf_counter()
        estimate = self.estimate(torch.cat([x] * len(self.branches)), t)  # on the CPU: a GPU is done with it
        self.evaluation_seconds.append(time.perf_counter() - start)
        set_branches("")
        if len(self.branches) == 1:
            return estimate
        uncond, cond = estimate.chunk(2)
        cond = _with_difference_point(uncond, cond)
        low, high = self.settings.interval
        if not low <= t <= high:
            return cond
        guided = classifier_free(uncond, cond, self.settings.guidance)
        return rescale_contrast(guided, cond, self.settings.rescale) if self.settings.rescale else guided


def _with_difference_point(uncond: Tensor, cond: Tensor) -> Tensor:
    """Return cond, recomputed from an edited difference to uncond; without an edit the very same tensor."""
    if is_edited("sampler.difference"):
        return uncond + hook_point("sampler.difference", cond - uncond, AXES)
    if is_hooked("sampler.difference"):
        hook_point("sampler.difference", cond - uncond, AXES)
    return cond
