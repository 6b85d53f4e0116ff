"""Noise paths: x_t = alpha(t) x0 + sigma(t) noise, with t = 0 the picture and t = 1 pure noise.

A path is this pair and its derivatives, nothing else. Whatever a network predicts is turned into
`denoised`, its present estimate of x0, at the edge; guidance and samplers speak of nothing else.
"""

from __future__ import annotations

import math
from typing import Protocol

from torch import Tensor


class Path(Protocol):
    """What a path has to say. All functions take and return Python floats: no device is asked."""

    @property
    def name(self) -> str:
        """What cards and settings call it."""

    def alpha(self, t: float) -> float:
        """How much of the picture is left."""

    def sigma(self, t: float) -> float:
        """How much noise has come in."""

    def alpha_rate(self, t: float) -> float:
        """d alpha / dt."""

    def sigma_rate(self, t: float) -> float:
        """d sigma / dt. Needs sigma(t) > 0 on the curved paths, which leave the picture infinitely fast."""

    def time_at(self, ratio: float) -> float:
        """The t at which sigma / alpha is `ratio`: the noise that Karras et al. 2022 call sigma."""


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

    def time_at(self, ratio: float) -> float:
        return 1.0 if math.isinf(ratio) else ratio / (1.0 + ratio)


class VariancePreserving:
    """alpha^2 + sigma^2 = 1: pictures of unit variance keep it at every t. What is left to say is alpha."""

    def alpha(self, t: float) -> float:
        raise NotImplementedError

    def alpha_rate(self, t: float) -> float:
        raise NotImplementedError

    def sigma(self, t: float) -> float:
        return math.sqrt(max(0.0, 1.0 - self.alpha(t) ** 2))

    def sigma_rate(self, t: float) -> float:
        return -self.alpha(t) * self.alpha_rate(t) / self.sigma(t)


class Linear(VariancePreserving):
    """Noise is added at a rate beta(t) that grows linearly (Ho et al. 2020; Song et al. 2021, equation 33).

    beta runs from 0.1 to 20, which is the customary 0.0001 to 0.02 a step for 1000 steps. A trace of the
    picture is left at t = 1: alpha(1) = 0.0066.
    """

    name = "linear"
    low, high = 0.1, 20.0

    def alpha(self, t: float) -> float:
        return math.exp(-0.25 * t**2 * (self.high - self.low) - 0.5 * t * self.low)

    def sigma(self, t: float) -> float:  # more exact than 1 - alpha^2 where alpha is nearly 1
        return math.sqrt(-math.expm1(-0.5 * t**2 * (self.high - self.low) - t * self.low))

    def alpha_rate(self, t: float) -> float:
        return -0.5 * (self.low + t * (self.high - self.low)) * self.alpha(t)

    def time_at(self, ratio: float) -> float:
        grown, gap = 0.5 * math.log1p(ratio**2), self.high - self.low  # grown = -log alpha
        return (math.sqrt(0.25 * self.low**2 + gap * grown) - 0.5 * self.low) / (0.5 * gap)


class Cosine(VariancePreserving):
    """alpha falls along a cosine, slower at both ends (Nichol and Dhariwal 2021, equation 17, s = 0.008)."""

    name = "cosine"
    offset = 0.008

    def _angle(self, t: float) -> float:
        return 0.5 * math.pi * (t + self.offset) / (1.0 + self.offset)

    def alpha(self, t: float) -> float:
        return math.cos(self._angle(t)) / math.cos(self._angle(0.0)) if t < 1 else 0.0

    def alpha_rate(self, t: float) -> float:
        return -0.5 * math.pi / (1.0 + self.offset) * math.sin(self._angle(t)) / math.cos(self._angle(0.0))

    def time_at(self, ratio: float) -> float:
        angle = math.acos(math.cos(self._angle(0.0)) / math.hypot(1.0, ratio))
        return angle * (1.0 + self.offset) / (0.5 * math.pi) - self.offset


PATHS: dict[str, Path] = {path.name: path for path in (Straight(), Linear(), Cosine())}


def velocity_from_denoised(path: Path, x: Tensor, denoised: Tensor, t: float) -> Tensor:
    """The speed dx/dt at x, t if x0 is `denoised`. Needs sigma(t) > 0."""
    noise = noise_from_denoised(path, x, denoised, t)
    return path.alpha_rate(t) * denoised + path.sigma_rate(t) * noise


def noise_from_denoised(path: Path, x: Tensor, denoised: Tensor, t: float) -> Tensor:
    """The noise that makes x out of `denoised`. Needs sigma(t) > 0."""
    return (x - path.alpha(t) * denoised) / path.sigma(t)
