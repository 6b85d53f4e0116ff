"""The exact field of a finite set of points: what a perfectly trained network would say, in closed form.

Let (x0, noise) come from one of n round Gaussians in the joint space of both, chosen by lot, and x = alpha x0 +
sigma noise as on every path. Given the Gaussian k, x is normal around alpha p_k + sigma e_k with one variance for
all; so the density of x is a mixture of n equal Gaussians, and everything that a sampler may ask for is a weighted
mean with weights w_k(x), the probability that x came from k. Two cases matter:

- `ideal`: x0 is a point, or a small Gaussian around it, and noise is standard normal whatever the point. This is
  the ideal denoiser of Karras et al. 2022, appendix B.3, and what training on these points alone tends to.
- `tubes`: noises and points come in pairs, as in a coupling by optimal transport or by reflow.

alpha, sigma and their rates d/dt are plain floats: whose path they are is not known here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from .checks import Array, plane

LOST = 1e-30  # a sum of weights below this is no longer exact in float32


@dataclass(frozen=True, eq=False)
class Mixture:
    """n equal Gaussians over (x0, noise), with means (points, noises) and the same covariance on both axes.

    points, noises: (n, 2); point_variance, noise_variance, covariance: of x0, of noise, and between them, within
    one Gaussian; dtype: of the weights. float32 is twice as fast and right to about five digits.
    """

    points: Array
    noises: Array
    point_variance: float
    noise_variance: float
    covariance: float
    dtype: Any = np.float64

    def log_density(self, x: Array, alpha: float, sigma: float) -> Array:
        """log p_t(x): (m, 2) to (m,)."""
        return self._weigh(x, alpha, sigma, self.points)[1]

    def score(self, x: Array, alpha: float, sigma: float) -> Array:
        """The gradient of the log density, d log p_t(x) / dx: (m, 2)."""
        centre, _ = self._weigh(x, alpha, sigma, self.centres(alpha, sigma))
        return (centre - x) / self.variance(alpha, sigma)

    def denoised(self, x: Array, alpha: float, sigma: float) -> Array:
        """The posterior mean E[x0 | x]: (m, 2). The best that can be said of the picture."""
        return self._expected(x, alpha, sigma, 1.0, 0.0)

    def noise(self, x: Array, alpha: float, sigma: float) -> Array:
        """E[noise | x]: (m, 2). For `ideal` it is -sigma times the score (Tweedie's formula)."""
        return self._expected(x, alpha, sigma, 0.0, 1.0)

    def velocity(self, x: Array, alpha: float, sigma: float, alpha_rate: float, sigma_rate: float) -> Array:
        """The marginal velocity dx/dt = alpha' E[x0 | x] + sigma' E[noise | x]: (m, 2).

        The mean of the conditional velocities of all the paths that run through x (Lipman et al. 2022, equation 8);
        it moves the density p_t exactly as they do together.
        """
        return self._expected(x, alpha, sigma, alpha_rate, sigma_rate)

    def centres(self, alpha: float, sigma: float) -> Array:
        """Where the Gaussians are now: (n, 2)."""
        return alpha * self.points + sigma * self.noises

    def variance(self, alpha: float, sigma: float) -> float:
        """How wide each of them is now, squared.

        Raises:
            ValueError: not at all: bare points without noise have no density.
        """
        variance = (alpha**2 * self.point_variance + 2 * alpha * sigma * self.covariance
                    + sigma**2 * self.noise_variance)
        if not variance > 0:
            raise ValueError("without noise (sigma = 0) bare points have no density: give them a width")
        return variance

    def _expected(self, x: Array, alpha: float, sigma: float, of_x0: float, of_noise: float) -> Array:
        """E[of_x0 x0 + of_noise noise | x]. Within one Gaussian it is linear in x, with the same slope in all."""
        slope = (of_x0 * (alpha * self.point_variance + sigma * self.covariance)
                 + of_noise * (alpha * self.covariance + sigma * self.noise_variance)) / self.variance(alpha, sigma)
        offsets = (of_x0 - slope * alpha) * self.points + (of_noise - slope * sigma) * self.noises
        return self._weigh(x, alpha, sigma, offsets)[0] + slope * x

    def _weigh(self, x: Array, alpha: float, sigma: float, values: Array) -> tuple[Array, Array]:
        """The mean of `values` (n, 2) with the weights of each x (m, 2), and the log density there (m,).

        -|x - c|^2 / 2v = x.c / v - |c|^2 / 2v - |x|^2 / 2v, for all x and all centres in one matrix product.
        """
        v = self.variance(alpha, sigma)
        queries = _with(x, 1.0, _squared(x), self.dtype)  # (m, 4)
        centres = self.centres(alpha, sigma)
        keys = _with(centres / v, _squared(centres) / (-2 * v), -0.5 / v, self.dtype).T  # (4, n)
        columns = _with(values, 1.0, 0.0, self.dtype)  # (n, 4), the third for the sum of the weights
        weights, top = queries @ keys, np.zeros(len(x))  # (m, n), (m,)
        sums = np.exp(weights, out=weights) @ columns
        if not sums[:, 2].min() > LOST:  # so far from every centre that all weights vanish: relative to the largest
            weights = queries @ keys
            top = weights.max(axis=1)
            weights -= top[:, None]
            sums = np.exp(weights, out=weights) @ columns
        sums = sums.astype(np.float64)
        total = sums[:, 2]
        return sums[:, :2] / total[:, None], top + np.log(total / (2 * math.pi * v * len(values)))


def _with(points: Array, third: Array | float, fourth: Array | float, dtype: Any) -> Any:
    """(n, 2) points and two more columns: (n, 4)."""
    wide = np.empty((len(points), 4), dtype)
    wide[:, :2], wide[:, 2], wide[:, 3] = points, third, fourth
    return wide


def _squared(points: Array) -> Array:
    return points[:, 0] ** 2 + points[:, 1] ** 2


def ideal(points: Array, width: float = 0.0) -> Mixture:
    """Points, each a Gaussian of this width, and noise that does not depend on them.

    width 0 is the bare points, whose field has no limit at sigma = 0; above 0 it is smooth up to t = 0.
    """
    points = plane("points", points)
    return Mixture(points, np.zeros_like(points), _width(width) ** 2, 1.0, 0.0)


def tubes(points: Array, noises: Array, width: float) -> Mixture:
    """The pairs (noises[k], points[k]), each with a Gaussian tube of this width around its line.

    Finite pairs alone have a velocity only on their lines: between them nothing comes by, and E[x1 - x0 | x] means
    nothing. So each line is moved sideways by the same normal shift, of spread `width`, at both its ends: x0 =
    p_k + shift, noise = e_k + shift. Of *that* coupling the field here is exact, with no further approximation. A
    shifted line is as straight as it was, so a single pair is followed exactly; but the two marginals are the pairs'
    blurred by `width`, no longer a normal and a world. On the straight path the field is the mean of noises - points,
    weighted by a kernel of that width around each pair's line (Nadaraya and Watson 1964).
    """
    points, noises = plane("points", points), plane("noises", noises)
    if len(points) != len(noises):
        raise ValueError(f"{len(noises)} noises and {len(points)} points make no pairs: give as many of each")
    if not _width(width) > 0:
        raise ValueError("a tube of width 0 is a line, and off it nothing is known: give a width above 0")
    return Mixture(points, noises, width**2, width**2, width**2)


def _width(width: float) -> float:
    if not 0 <= width < math.inf:
        raise ValueError(f"width is {width!r}: choose a number from 0 up")
    return width
