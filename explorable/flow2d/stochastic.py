"""Stochastic sampling in the plane: DDIM with fresh noise, from the deterministic step to DDPM's, and how far samples
are from their distribution.

A walk with noise has no exact endpoint to be compared with. What can be compared is where many of them end.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence

import numpy as np

from ..diffusion.paths import Path
from .checks import Array, check_points
from .field import MixtureField
from .trajectories import Trajectories

DIRECTIONS = 24  # of the projections of `sliced_distance`
QUANTILES = 512  # of each projection


def integrate_ddim(field: MixtureField, path: Path, start: Array, times: Sequence[float], eta: float = 1.0,
                   noise_sampler: Callable[[], Array] | None = None) -> Trajectories:
    """Sample from `start` (particles, 2) through `times` with a share `eta` of fresh noise, 0 to 1.

    This is `ddim` of explorable.diffusion.samplers in numpy (Song, Meng and Ermon 2021, equation 12, with eta times the
    standard deviation of equation 16). eta 1 draws each position from its posterior, as DDPM does (Ho et al. 2020,
    equation 7); eta 0 is deterministic, and on the straight path Euler's method. For small steps it is the reverse SDE

        dx = (v - eta^2 g^2 score / 2) dt + eta g dw,    g^2 = 2 sigma (d_sigma - sigma d_alpha / alpha),

    of Song et al. 2021 (equation 6 for eta 1, and equation 13, dx = v dt, for eta 0). All of them have the marginals of
    the noise path. The score follows from the velocity v through the predicted noise, score = -E[noise | x] / sigma, on
    the straight path -(x + (1 - t) v) / t, but only where the noise is independent of x0.

    noise_sampler: returns standard normal noise of the shape of `start`. It is not called where eta is 0.

    Raises:
        ValueError: an eta out of range; an eta above 0 for paired noises, as after optimal transport or reflow; no
            noise_sampler; an invalid start; fewer than two times.
    """
    if not 0 <= eta <= 1:
        raise ValueError(f"eta is {eta!r}: choose a share of fresh noise from 0 to 1")
    if eta > 0 and not field.has_independent_noise:
        raise ValueError("fresh noise needs the coupling independent: after optimal transport or reflow each noise "
                         "belongs to its point, and cannot be replaced. Choose eta = 0, or that coupling")
    if len(times) < 2:
        raise ValueError(f"times has {len(times)} entries: give at least two, from noise to data")
    xs = [check_points("start", start)]
    for t, next_t in itertools.pairwise(times):
        denoised = field.denoised(xs[-1], path.alpha(t), path.sigma(t))
        noise = (xs[-1] - path.alpha(t) * denoised) / path.sigma(t)
        std = eta * posterior_std(path, t, next_t)
        next_x = path.alpha(next_t) * denoised + math.sqrt(max(0.0, path.sigma(next_t) ** 2 - std**2)) * noise
        if std > 0:
            if noise_sampler is None:
                raise ValueError("eta above 0 adds fresh noise at every step: give noise_sampler, which returns noise")
            next_x = next_x + std * noise_sampler()
        xs.append(next_x)
    return Trajectories(np.array(times), np.stack(xs), len(times) - 1)


def posterior_std(path: Path, t: float, next_t: float) -> float:
    """Return the standard deviation of x at next_t given x at t and x0: Ho et al. 2020, equation 7, on any path."""
    ratio, s, next_s = path.alpha(t) / path.alpha(next_t), path.sigma(t), path.sigma(next_t)
    return next_s * math.sqrt(max(0.0, s**2 - (ratio * next_s) ** 2)) / s


def make_noise_sampler(seed: int, shape: tuple[int, ...]) -> Callable[[], Array]:
    """Return a function that returns new standard normal noise of this shape at each call."""
    rng = np.random.default_rng([seed, 3])  # 0, 1 and 2 are the points', the pairs' and the scored noises'
    return lambda: rng.standard_normal(shape)


def sample_field(field: MixtureField, count: int, seed: int) -> Array:
    """Draw `count` exact samples (count, 2) of x0: a point of the mixture and a Gaussian around it."""
    rng = np.random.default_rng([seed, 4])
    chosen = field.points[rng.integers(len(field.points), size=count)]
    return chosen + math.sqrt(field.point_variance) * rng.standard_normal((count, 2))


def sliced_distance(samples: Array, reference: Array) -> float:
    """Return the sliced Wasserstein distance of samples (n, 2) from a reference (m, 2), in units of the plane.

    The mean over directions of how far, along the direction, a sample must be moved on average until both have the same
    distribution (Bonneel et al. 2015, of order 1). Samples of the reference itself are not at 0: see the noise floor.
    """
    angle = np.pi * (np.arange(DIRECTIONS) + 0.5) / DIRECTIONS
    directions = np.stack([np.cos(angle), np.sin(angle)])  # (2, directions)
    levels = (np.arange(QUANTILES) + 0.5) / QUANTILES
    gap = np.quantile(samples @ directions, levels, axis=0) - np.quantile(reference @ directions, levels, axis=0)
    return float(np.abs(gap).mean())
