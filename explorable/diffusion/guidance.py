"""Classifier-free guidance (Ho and Salimans 2022): the painter compares itself with and without the words.

Convention here: denoised = uncond + w (cond - uncond). w = 1 is plain conditional (off), w = 0 ignores
the prompt. Ho and Salimans write 1 + w for this w.
"""

from __future__ import annotations

from torch import Tensor


def classifier_free(uncond: Tensor, cond: Tensor, w: float) -> Tensor:
    """uncond + w (cond - uncond), at one step, on denoised estimates of any shape."""
    return uncond + w * (cond - uncond)
