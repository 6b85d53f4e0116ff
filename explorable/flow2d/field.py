"""The exact marginal field of a finite set of points: the closed form that a perfectly trained network reaches.

Let (x0, noise) come from one of n equally likely Gaussians over the joint space of both, and x = alpha x0 + sigma
noise as on every path. Given Gaussian k, x is normal around alpha p_k + sigma e_k with the same variance for all k.
So the density of x is a mixture of n Gaussians, and every quantity that a sampler needs is a weighted mean with
weights w_k(x), the posterior probability of k given x. There are two constructors:

- `ideal_field`: x0 is one of the points (or a small Gaussian around it), and noise is standard normal and
  independent of it. This is the ideal denoiser of Karras et al. 2022, appendix B.3.
- `paired_field`: noises and points come in pairs, as under optimal transport or after reflow.

alpha, sigma and their derivatives in t are plain floats, so this module depends on no path.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from .checks import Array, check_points

MIN_WEIGHT_SUM = 1e-30  # below this, a sum of weights is inaccurate in float32


class Field(Protocol):
    """What a solver needs of a field."""

    def denoised(self, x: Array, alpha: float, sigma: float) -> Array:
        """Return the estimate of x0: (m, 2)."""

    def velocity(self, x: Array, alpha: float, sigma: float, d_alpha: float, d_sigma: float) -> Array:
        """Return dx/dt: (m, 2)."""


@dataclass(frozen=True, eq=False)
class MixtureField:
    """A mixture of n equally weighted Gaussians over (x0, noise), with the closed-form fields of x.

    Args:
        points, noises: the means, (n, 2) each.
        point_variance, noise_variance, covariance: of x0, of noise and between them, within each Gaussian and on
            each axis.
        dtype: of the weights. float32 is twice as fast and accurate to about five digits.
    """

    points: Array
    noises: Array
    point_variance: float
    noise_variance: float
    covariance: float
    dtype: Any = np.float64

    @property
    def has_independent_noise(self) -> bool:
        """Whether noise is standard normal and independent of x0, so that the score follows from the velocity."""
        return self.covariance == 0 and self.noise_variance == 1 and not self.noises.any()

    def log_density(self, x: Array, alpha: float, sigma: float) -> Array:
        """Return log p_t(x): (m, 2) to (m,)."""
        return self._weighted_mean(x, alpha, sigma, self.points)[1]

    def score(self, x: Array, alpha: float, sigma: float) -> Array:
        """Return the gradient of the log density, d log p_t(x) / dx: (m, 2)."""
        centre, _ = self._weighted_mean(x, alpha, sigma, self.centres(alpha, sigma))
        return (centre - x) / self.variance(alpha, sigma)

    def denoised(self, x: Array, alpha: float, sigma: float) -> Array:
        """Return the posterior mean E[x0 | x]: (m, 2)."""
        return self._posterior_mean(x, alpha, sigma, 1.0, 0.0)

    def denoised_variance(self, x: Array, alpha: float, sigma: float) -> Array:
        """Return the variance of x0 given x, E|x0 - E[x0 | x]|^2 summed over both axes: (m, 2) to (m,).

        It is the squared error that the best possible denoiser makes.
        """
        covariance = alpha * self.point_variance + sigma * self.covariance  # of x0 and x, given each Gaussian
        slope = covariance / self.variance(alpha, sigma)
        means = self.points - slope * self.centres(alpha, sigma)  # of x0 given each Gaussian, up to slope x
        mean = self._weighted_mean(x, alpha, sigma, means)[0]
        squares = np.stack([_squared_norm(means), np.zeros(len(means))], axis=1)
        between = self._weighted_mean(x, alpha, sigma, squares)[0][:, 0] - _squared_norm(mean)
        return between + 2 * (self.point_variance - slope * covariance)

    def noise(self, x: Array, alpha: float, sigma: float) -> Array:
        """Return E[noise | x]: (m, 2). For `ideal_field` it is -sigma times the score (Tweedie's formula)."""
        return self._posterior_mean(x, alpha, sigma, 0.0, 1.0)

    def velocity(self, x: Array, alpha: float, sigma: float, d_alpha: float, d_sigma: float) -> Array:
        """Return the marginal velocity dx/dt = alpha' E[x0 | x] + sigma' E[noise | x]: (m, 2).

        This is the mean of the conditional velocities of all paths through x (Lipman et al. 2022, equation 8). It
        transports the density p_t as the conditional paths do together.
        """
        return self._posterior_mean(x, alpha, sigma, d_alpha, d_sigma)

    def centres(self, alpha: float, sigma: float) -> Array:
        """Return the means of x given each Gaussian: (n, 2)."""
        return alpha * self.points + sigma * self.noises

    def variance(self, alpha: float, sigma: float) -> float:
        """Return the variance of x given each Gaussian.

        Raises:
            ValueError: it is 0, as for points of width 0 without noise, which have no density.
        """
        variance = (alpha**2 * self.point_variance + 2 * alpha * sigma * self.covariance
                    + sigma**2 * self.noise_variance)
        if not variance > 0:
            raise ValueError("at sigma = 0 points of width 0 have no density: give a width above 0")
        return variance

    def _posterior_mean(self, x: Array, alpha: float, sigma: float, x0_weight: float, noise_weight: float) -> Array:
        """Return E[x0_weight x0 + noise_weight noise | x]: linear in x within each Gaussian, with one common slope."""
        slope = (x0_weight * (alpha * self.point_variance + sigma * self.covariance)
                 + noise_weight * (alpha * self.covariance + sigma * self.noise_variance)) / self.variance(alpha, sigma)
        offsets = (x0_weight - slope * alpha) * self.points + (noise_weight - slope * sigma) * self.noises
        return self._weighted_mean(x, alpha, sigma, offsets)[0] + slope * x

    def _weighted_mean(self, x: Array, alpha: float, sigma: float, values: Array) -> tuple[Array, Array]:
        """Return the weighted mean of `values` (n, 2) at each x (m, 2), and the log density there (m,).

        -|x - c|^2 / 2v = x.c / v - |c|^2 / 2v - |x|^2 / 2v, so all pairs of x and centre take one matrix product.
        """
        v = self.variance(alpha, sigma)
        queries = _append_columns(x, 1.0, _squared_norm(x), self.dtype)  # (m, 4)
        centres = self.centres(alpha, sigma)
        keys = _append_columns(centres / v, _squared_norm(centres) / (-2 * v), -0.5 / v, self.dtype).T  # (4, n)
        columns = _append_columns(values, 1.0, 0.0, self.dtype)  # (n, 4), the third gives the sum of the weights
        weights, log_scale = queries @ keys, np.zeros(len(x))  # (m, n), (m,)
        sums = np.exp(weights, out=weights) @ columns
        if not sums[:, 2].min() > MIN_WEIGHT_SUM:  # all weights vanish this far out: rescale by the largest
            weights = queries @ keys
            log_scale = weights.max(axis=1)
            weights -= log_scale[:, None]
            sums = np.exp(weights, out=weights) @ columns
        sums = sums.astype(np.float64)
        total = sums[:, 2]
        return sums[:, :2] / total[:, None], log_scale + np.log(total / (2 * math.pi * v * len(values)))


def _append_columns(points: Array, third: Array | float, fourth: Array | float, dtype: Any) -> Any:
    """Return points (n, 2) with two more columns: (n, 4)."""
    columns = np.empty((len(points), 4), dtype)
    columns[:, :2], columns[:, 2], columns[:, 3] = points, third, fourth
    return columns


def _squared_norm(points: Array) -> Array:
    return points[:, 0] ** 2 + points[:, 1] ** 2


def ideal_field(points: Array, width: float = 0.0) -> MixtureField:
    """Return the field of points, each a Gaussian of standard deviation `width`, with independent standard noise.

    With width 0 the data are the bare points, whose field has no limit at sigma = 0. Above 0 it is smooth up to t = 0.

    Raises:
        ValueError: invalid points or width.
    """
    points = check_points("points", points)
    return MixtureField(points, np.zeros_like(points), _check_width(width) ** 2, 1.0, 0.0)


def paired_field(points: Array, noises: Array, width: float) -> MixtureField:
    """Return the field of the pairs (noises[k], points[k]), each smoothed by a Gaussian of width `width`.

    Finitely many pairs define a velocity on their lines alone. So each line is shifted sideways by one normal shift
    of standard deviation `width` at both ends: x0 = p_k + shift, noise = e_k + shift. For that coupling the field is
    exact. A shifted line is as straight as before, so a single pair is followed exactly, but both marginals are
    blurred by `width`. On the straight path the field is the mean of noises - points, weighted by a kernel of that
    width around each pair's line (Nadaraya and Watson 1964).

    Raises:
        ValueError: invalid points, unequal numbers of points and noises, or a width not above 0.
    """
    points, noises = check_points("points", points), check_points("noises", noises)
    if len(points) != len(noises):
        raise ValueError(f"{len(noises)} noises and {len(points)} points make no pairs: give as many of each")
    if not _check_width(width) > 0:
        raise ValueError("width is 0, which leaves the field undefined between the pairs: give a width above 0")
    return MixtureField(points, noises, width**2, width**2, width**2)


def _check_width(width: float) -> float:
    if not 0 <= width < math.inf:
        raise ValueError(f"width is {width!r}: choose a finite number, at least 0")
    return width
