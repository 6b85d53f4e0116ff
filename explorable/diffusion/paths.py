"""Noise paths: x_t = alpha(t) x0 + sigma(t) noise, with t = 0 the image and t = 1 pure noise.

A path is alpha, sigma and their derivatives. Network predictions are converted to `denoised`, the estimate of x0, at
the edge; guidance and samplers work on `denoised` only.
"""

from __future__ import annotations

import math
from typing import Protocol

from torch import Tensor


class Path(Protocol):
    """A noise path. All functions take and return Python floats, so that no step waits for a device."""

    @property
    def name(self) -> str:
        """Its name in PATHS and on model cards."""

    def alpha(self, t: float) -> float:
        """Return the weight of the image."""

    def sigma(self, t: float) -> float:
        """Return the weight of the noise."""

    def d_alpha(self, t: float) -> float:
        """Return d alpha / dt."""

    def d_sigma(self, t: float) -> float:
        """Return d sigma / dt. Needs sigma(t) > 0 on the curved paths, where it is infinite at t = 0."""

    def time_at(self, ratio: float) -> float:
        """Return the t at which sigma / alpha is `ratio`, which Karras et al. 2022 call sigma."""


class Straight:
    """x_t = (1 - t) x0 + t noise: rectified flow (Liu et al. 2022), flow matching (Lipman et al. 2022, ex. II)."""

    name = "straight"

    def alpha(self, t: float) -> float:
        return 1.0 - t

    def sigma(self, t: float) -> float:
        return t

    def d_alpha(self, t: float) -> float:
        return -1.0

    def d_sigma(self, t: float) -> float:
        return 1.0

    def time_at(self, ratio: float) -> float:
        return 1.0 if math.isinf(ratio) else ratio / (1.0 + ratio)


class VariancePreserving:
    """alpha^2 + sigma^2 = 1, so that images of unit variance keep it at every t. Subclasses define alpha."""

    def alpha(self, t: float) -> float:
        raise NotImplementedError

    def d_alpha(self, t: float) -> float:
        raise NotImplementedError

    def sigma(self, t: float) -> float:
        return math.sqrt(max(0.0, 1.0 - self.alpha(t) ** 2))

    def d_sigma(self, t: float) -> float:
        return -self.alpha(t) * self.d_alpha(t) / self.sigma(t)


class Linear(VariancePreserving):
    """Noise is added at a rate beta(t) that grows linearly (Ho et al. 2020; Song et al. 2021, equation 33).

    beta goes from 0.1 to 20, the usual 0.0001 to 0.02 per step for 1000 steps. A trace of the image is left at t = 1:
    alpha(1) = 0.0066.
    """

    name = "linear"
    beta_min, beta_max = 0.1, 20.0

    def alpha(self, t: float) -> float:
        return math.exp(-0.25 * t**2 * (self.beta_max - self.beta_min) - 0.5 * t * self.beta_min)

    def sigma(self, t: float) -> float:  # more accurate than 1 - alpha^2 where alpha is nearly 1
        return math.sqrt(-math.expm1(-0.5 * t**2 * (self.beta_max - self.beta_min) - t * self.beta_min))

    def d_alpha(self, t: float) -> float:
        return -0.5 * (self.beta_min + t * (self.beta_max - self.beta_min)) * self.alpha(t)

    def time_at(self, ratio: float) -> float:
        neg_log_alpha, gap = 0.5 * math.log1p(ratio**2), self.beta_max - self.beta_min
        return (math.sqrt(0.25 * self.beta_min**2 + gap * neg_log_alpha) - 0.5 * self.beta_min) / (0.5 * gap)


class Cosine(VariancePreserving):
    """alpha falls along a cosine, slower at both ends (Nichol and Dhariwal 2021, equation 17, s = 0.008)."""

    name = "cosine"
    offset = 0.008

    def _angle(self, t: float) -> float:
        return 0.5 * math.pi * (t + self.offset) / (1.0 + self.offset)

    def alpha(self, t: float) -> float:
        return math.cos(self._angle(t)) / math.cos(self._angle(0.0)) if t < 1 else 0.0

    def d_alpha(self, t: float) -> float:
        return -0.5 * math.pi / (1.0 + self.offset) * math.sin(self._angle(t)) / math.cos(self._angle(0.0))

    def time_at(self, ratio: float) -> float:
        angle = math.acos(math.cos(self._angle(0.0)) / math.hypot(1.0, ratio))
        return angle * (1.0 + self.offset) / (0.5 * math.pi) - self.offset


PATHS: dict[str, Path] = {path.name: path for path in (Straight(), Linear(), Cosine())}


def velocity_from_denoised(path: Path, x: Tensor, denoised: Tensor, t: float) -> Tensor:
    """Return dx/dt at x, t if x0 is `denoised`. Needs sigma(t) > 0."""
    noise = noise_from_denoised(path, x, denoised, t)
    return path.d_alpha(t) * denoised + path.d_sigma(t) * noise


def noise_from_denoised(path: Path, x: Tensor, denoised: Tensor, t: float) -> Tensor:
    """Return the noise in x if x0 is `denoised`. Needs sigma(t) > 0."""
    return (x - path.alpha(t) * denoised) / path.sigma(t)
