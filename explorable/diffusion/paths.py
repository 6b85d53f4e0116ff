"""Noise paths: x_t = alpha(t) x0 + sigma(t) noise, with t = 0 the picture and t = 1 pure noise.

A path is this pair and its derivatives, nothing else. Whatever a network predicts is turned into
`denoised`, its present estimate of x0, at the edge; guidance and samplers speak of nothing else.
"""

from __future__ import annotations

from typing import Protocol

from torch import Tensor


class Path(Protocol):
    """What a path has to say. All functions take and return Python floats: no device is asked."""

    def alpha(self, t: float) -> float:
        """How much of the picture is left."""

    def sigma(self, t: float) -> float:
        """How much noise has come in."""

    def alpha_rate(self, t: float) -> float:
        """d alpha / dt."""

    def sigma_rate(self, t: float) -> float:
        """d sigma / dt."""


class Straight:
    """x_t = (1 - t) x0 + t noise: rectified flow (Liu et al. 2022), flow matching (Lipman et al. 2022, ex. II)."""

    name = "straight"

    def alpha(self, t: float) -> float:
        return 1.0 - t

    def sigma(self, t: float) -> float:
        return t

    def alpha_rate(self, t: float) -> float:
        return -1.0

    def sigma_rate(self, t: float) -> float:
        return 1.0


def denoised_from_velocity(path: Path, x: Tensor, velocity: Tensor, t: float) -> Tensor:
    """The x0 for which `velocity` is the speed dx/dt at x, t.

    x = alpha x0 + sigma e and velocity = alpha' x0 + sigma' e are two equations in x0 and e; this solves them.
    """
    a, s, da, ds = path.alpha(t), path.sigma(t), path.alpha_rate(t), path.sigma_rate(t)
    return (ds * x - s * velocity) / (a * ds - da * s)


def velocity_from_denoised(path: Path, x: Tensor, denoised: Tensor, t: float) -> Tensor:
    """The speed dx/dt at x, t if x0 is `denoised`. Needs sigma(t) > 0."""
    noise = noise_from_denoised(path, x, denoised, t)
    return path.alpha_rate(t) * denoised + path.sigma_rate(t) * noise


def noise_from_denoised(path: Path, x: Tensor, denoised: Tensor, t: float) -> Tensor:
    """The noise that makes x out of `denoised`. Needs sigma(t) > 0."""
    return (x - path.alpha(t) * denoised) / path.sigma(t)
