"""Guidance: shifts of the denoised estimate towards the prompt or a class, applied at every step.

Convention: denoised = uncond + w (cond - uncond). w = 1 is the plain conditional estimate (no guidance), w = 0 ignores
the prompt. Ho and Salimans write 1 + w for this w.
"""

from __future__ import annotations

from torch import Tensor

from .paths import Path


def classifier_free(uncond: Tensor, cond: Tensor, w: float) -> Tensor:
    """Return uncond + w (cond - uncond) for denoised estimates of any shape (Ho and Salimans 2022, equation 6)."""
    return uncond + w * (cond - uncond)


def rescale_contrast(guided: Tensor, cond: Tensor, amount: float) -> Tensor:
    """Bring the contrast of a guided estimate back towards the conditional one's (Lin et al. 2024, equations 15, 16).

    amount: 0 leaves it, 1 gives each image of the batch the standard deviation of `cond`; they use 0.7.
    """
    axes = tuple(range(1, guided.dim()))
    ratio = cond.std(axes, keepdim=True) / guided.std(axes, keepdim=True)
    return guided * (amount * ratio + (1 - amount))


def shift_denoised(path: Path, denoised: Tensor, gradient: Tensor, scale: float, t: float) -> Tensor:
    """Classifier guidance of the denoised estimate (Dhariwal and Nichol 2021, algorithm 2, for DDIM).

    They shift the noise, e - sigma s g, with g = d log p(y | x) / dx. For the denoised estimate that is
    denoised + s g sigma^2 / alpha, and for the straight path's velocity u - s g sigma / alpha. Pure noise, where alpha
    is 0, tells a classifier nothing: there the estimate is returned unchanged.
    """
    if path.alpha(t) == 0:
        return denoised
    return denoised + scale * path.sigma(t) ** 2 / path.alpha(t) * gradient


def shift_mean(mean: Tensor, std: float, gradient: Tensor, scale: float) -> Tensor:
    """Classifier guidance of the mean of DDPM's next latent, mean + s std^2 g (Dhariwal and Nichol 2021, algorithm 1).

    std: standard deviation of the posterior. The narrower the posterior, the smaller the shift.
    """
    return mean + scale * std**2 * gradient
