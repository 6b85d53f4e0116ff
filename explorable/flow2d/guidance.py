"""Guidance in two dimensions, where p(x), p(y | x) and what guidance is said to sample are all known exactly.

The points of a distribution belong to classes. With p(x) the field of all points and p(x | y) that of one class, Bayes'
theorem gives the posterior p(y | x) = p(y) p(x | y) / p(x), at every noise level, and so its gradient:

    grad log p(x | y) = grad log p(x) + grad log p(y | x)                 (Dhariwal and Nichol 2021, equation 10)

Guidance multiplies the last term by w. With an exact posterior, classifier guidance of scale w and classifier-free
guidance of scale w are one and the same field. Its samples do not follow the sharpened density p(x) p(y | x)^w, though
both are often equated: the two differ as soon as w is neither 0 nor 1 (Bradley and Nakkiran 2024; Chidambaram et al.
2024). `sharpened_density` is that density, to compare with.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from .checks import Array, check_choice, check_integer, check_points
from .couplings import DEFAULT_WIDTH
from .distributions import sample_distribution
from .field import MixtureField, ideal_field

CLASSES = {"two moons": 2, "eight gaussians": 8, "checkerboard": 8}
"""The distributions whose points belong to classes, and how many: a moon, a Gaussian, a square of the board."""

MAX_SCALE = 1000.0


@dataclass(frozen=True, eq=False)
class GuidedField:
    """The field of p(x) whose score is shifted by w times the gradient of the exact log p(y | x).

    Args:
        marginal: of all points. conditional: of the points of class y.
        prior: p(y), their share.
        w: the guidance scale: 0 is p(x), 1 is p(x | y).
        noise_aware: whether the posterior is that of the noise level; False: p(y | x) is always that of t = 0, as for a
            classifier that never saw noise. Both are the same where there is no noise.
    """

    marginal: MixtureField
    conditional: MixtureField
    prior: float
    w: float = 1.0
    noise_aware: bool = True

    def log_posterior(self, x: Array, alpha: float, sigma: float) -> Array:
        """Return log p(y | x) at a noise level: (m, 2) to (m,)."""
        likelihood, evidence = (f.log_density(x, alpha, sigma) for f in (self.conditional, self.marginal))
        return np.minimum(math.log(self.prior) + likelihood - evidence, 0.0)  # rounding must not exceed certainty

    def classifier_score(self, x: Array, alpha: float, sigma: float) -> Array:
        """Return the gradient of log p(y | x): (m, 2)."""
        alpha, sigma = (alpha, sigma) if self.noise_aware else (1.0, 0.0)
        return self.conditional.score(x, alpha, sigma) - self.marginal.score(x, alpha, sigma)

    def score(self, x: Array, alpha: float, sigma: float) -> Array:
        """Return grad log p(x) + w grad log p(y | x): (m, 2).

        At each noise level it is the score of p(x) p(y | x)^w there. But for w other than 0 and 1 these densities are
        not one density with more and more noise, so a sampler that follows them does not end in the sharpened one.
        """
        return self.marginal.score(x, alpha, sigma) + self.w * self.classifier_score(x, alpha, sigma)

    def denoised(self, x: Array, alpha: float, sigma: float) -> Array:
        """Return E[x0 | x] + w (E[x0 | x, y] - E[x0 | x]): (m, 2), the form of Ho and Salimans 2022, equation 6.

        Without noise awareness, the form of `diffusion.guidance.shift_denoised`, which leaves pure noise as it is.
        """
        if not self.noise_aware:
            factor = self.w * sigma**2 / alpha if alpha else 0.0
            return self.marginal.denoised(x, alpha, sigma) + factor * self.classifier_score(x, alpha, sigma)
        return self._extrapolate(*(f.denoised(x, alpha, sigma) for f in (self.marginal, self.conditional)))

    def velocity(self, x: Array, alpha: float, sigma: float, d_alpha: float, d_sigma: float) -> Array:
        """Return the guided dx/dt: (m, 2)."""
        if not self.noise_aware:
            factor = self.w * sigma * (d_alpha * sigma - d_sigma * alpha) / alpha if alpha else 0.0
            return (self.marginal.velocity(x, alpha, sigma, d_alpha, d_sigma)
                    + factor * self.classifier_score(x, alpha, sigma))
        return self._extrapolate(*(f.velocity(x, alpha, sigma, d_alpha, d_sigma)
                                   for f in (self.marginal, self.conditional)))

    def sharpened_log_density(self, x: Array, alpha: float = 1.0, sigma: float = 0.0) -> Array:
        """Return log p(x) + w log p(y | x), which is not normalized: (m, 2) to (m,). At sigma = 0 it is the density
        that guidance is said to sample."""
        return self.marginal.log_density(x, alpha, sigma) + self.w * self.log_posterior(x, alpha, sigma)

    def _extrapolate(self, uncond: Array, cond: Array) -> Array:
        return uncond + self.w * (cond - uncond)


@dataclass(frozen=True, eq=False)
class GridDensity:
    """A density on a square of cells.

    Args:
        mass: the probability of each cell, (y, x), with y upwards; the sum is 1.
        half_extent: the square reaches from -half_extent to half_extent in x and y.
    """

    mass: Array
    half_extent: float

    def samples(self, count: int, seed: int = 0) -> Array:
        """Return points (count, 2) of the density, uniform within each cell."""
        cells, rng = len(self.mass), np.random.default_rng([check_integer("seed", seed, range(2**63), "from 0"), 3])
        chosen = rng.choice(self.mass.size, count, p=self.mass.ravel())
        corner = np.stack([chosen % cells, chosen // cells], axis=1)
        return (2 * (corner + rng.random((count, 2))) / cells - 1) * self.half_extent

    def coarsen(self, factor: int) -> GridDensity:
        """Return the same density on cells `factor` times as wide.

        Raises:
            ValueError: the number of cells is not a multiple of `factor`.
        """
        cells = len(self.mass)
        if factor < 1 or cells % factor:
            raise ValueError(f"factor is {factor}: choose a divisor of {cells}, the number of cells along a side")
        n = cells // factor
        return GridDensity(self.mass.reshape(n, factor, n, factor).sum(axis=(1, 3)), self.half_extent)

    def total_variation(self, points: Array) -> float:
        """Return the total variation distance from the histogram of points (m, 2): 0 is equal, 1 is disjoint.

        Points outside of the square count as outside of the density. Even of samples of the density itself the
        distance is above 0: see `noise_floor`.
        """
        points, cells = check_points("points", points), len(self.mass)
        indices = np.floor((points / self.half_extent + 1) / 2 * cells).astype(int)
        inside = indices[((indices >= 0) & (indices < cells)).all(axis=1)]
        counts = np.bincount(inside[:, 1] * cells + inside[:, 0], minlength=self.mass.size)
        share_outside = 1 - len(inside) / len(points)
        return 0.5 * float(np.abs(counts / len(points) - self.mass.ravel()).sum() + share_outside)

    def noise_floor(self, count: int, draws: int = 200, seed: int = 0) -> tuple[float, float, float]:
        """Return the total variation distance of `count` samples of this very density: its mean and the range of the
        central 95% over `draws` repetitions. A measured distance within that range cannot be told from 0."""
        rng = np.random.default_rng([seed, 4])
        counts = rng.multinomial(count, self.mass.ravel(), size=draws)
        distances = 0.5 * np.abs(counts / count - self.mass.ravel()).sum(axis=1)
        low, high = np.percentile(distances, (2.5, 97.5))
        return float(distances.mean()), float(low), float(high)


def sample_classes(distribution: str, count: int = 256, seed: int = 0) -> tuple[Array, Array]:
    """Return the points (count, 2) of `sample_distribution`, and the class of each, (count,) from 0.

    Raises:
        ValueError: an unknown distribution, or one without classes; an invalid count or seed.
    """
    classes = check_choice("distribution", distribution, CLASSES)
    return sample_distribution(distribution, count, seed), np.arange(count) % classes


def guided_field(points: Array, classes: Sequence[int] | Array, target: int, w: float = 1.0,
                 width: float = DEFAULT_WIDTH) -> GuidedField:
    """Return the guided field of points (n, 2) towards one of their classes, (n,). Each point is a Gaussian of standard
    deviation `width`, which decides how far the classes overlap.

    Raises:
        ValueError: no point is of the target class, or invalid points, w or width.
    """
    points, members = check_points("points", points), np.asarray(classes) == target
    if members.shape != (len(points),):
        raise ValueError(f"classes has shape {members.shape}: give one class for each of the {len(points)} points")
    if not members.any():
        raise ValueError(f"target is {target!r}: no point is of this class; there are "
                         f"{', '.join(map(str, np.unique(classes)))}")
    return with_scale(GuidedField(ideal_field(points, width), ideal_field(points[members], width),
                                  float(members.mean())), w)


def with_scale(field: GuidedField, w: float) -> GuidedField:
    """Return the same field with another guidance scale.

    Raises:
        ValueError: w is out of range.
    """
    if not 0 <= w <= MAX_SCALE:
        raise ValueError(f"w is {w!r}: choose a number from 0 to {MAX_SCALE:g}")
    return replace(field, w=float(w))


def sharpened_density(field: GuidedField, half_extent: float, cells: int = 192) -> GridDensity:
    """Return p(x) p(y | x)^w, normalized over a square.

    The integral is the midpoint rule on cells x cells points: choose cells narrower than the width of the points.

    Raises:
        ValueError: the points have width 0, and so no density.
    """
    middle = ((np.arange(cells) + 0.5) / cells * 2 - 1) * half_extent
    grid = np.stack(np.meshgrid(middle, middle), axis=-1).reshape(-1, 2)
    log_density = field.sharpened_log_density(grid)
    mass = np.exp(log_density - log_density.max())
    return GridDensity((mass / mass.sum()).reshape(cells, cells), half_extent)
