"""Guidance: pushes on the denoised estimate, at each step, towards what was asked for.

Convention here: denoised = uncond + w (cond - uncond). w = 1 is plain conditional (off), w = 0 ignores
the prompt. Ho and Salimans write 1 + w for this w.
"""

from __future__ import annotations

from torch import Tensor

from .paths import Path


def classifier_free(uncond: Tensor, cond: Tensor, w: float) -> Tensor:
    """The painter compares itself with and without the words (Ho and Salimans 2022, equation 6).

    uncond + w (cond - uncond), at one step, on denoised estimates of any shape.
    """
    return uncond + w * (cond - uncond)


def rescaled(guided: Tensor, cond: Tensor, share: float) -> Tensor:
    """Bring the contrast of a guided estimate back towards the unguided one's (Lin et al. 2024, equations 15, 16).

    share: 0 leaves it, 1 gives each picture of the batch the standard deviation that `cond` has; theirs is 0.7.
    """
    axes = tuple(range(1, guided.dim()))
    ratio = cond.std(axes, keepdim=True) / guided.std(axes, keepdim=True)
    return guided * (share * ratio + (1 - share))


def noise_shift(path: Path, denoised: Tensor, gradient: Tensor, scale: float, t: float) -> Tensor:
    """A teacher's push on the estimate (Dhariwal and Nichol 2021, algorithm 2, for DDIM).

    They shift the noise, e - sigma s g, with g = d log p(y | x) / dx; of the denoised estimate that makes
    denoised + s g sigma^2 / alpha, and of the straight path's velocity u - s g sigma / alpha: one push, three
    ways to say it. In pure noise, where alpha is 0, no teacher can read anything: nothing is pushed.
    """
    if path.alpha(t) == 0:
        return denoised
    return denoised + scale * path.sigma(t) ** 2 / path.alpha(t) * gradient


def mean_shift(mean: Tensor, spread: float, gradient: Tensor, scale: float) -> Tensor:
    """A teacher's push on the mean of DDPM's next latent (Dhariwal and Nichol 2021, algorithm 1).

    mean + s spread^2 g: where the posterior is sharp, there is little room to push in.
    """
    return mean + scale * spread**2 * gradient
