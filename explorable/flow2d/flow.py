"""Conditional paths of noise-point pairs, and the exact endpoints of a marginal flow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ..diffusion.paths import Path
from .checks import Array, check_points
from .field import Field, MixtureField

MIN_SIGMA = 1e-6  # where the numerical solution stops; the rest is a single denoising step


def conditional_position(points: Array, noises: Array, alpha: float, sigma: float) -> Array:
    """Return alpha x0 + sigma noise for each pair.

    A network is trained on these conditional paths. A sampler follows none of them: it follows the marginal
    velocity, the mean over all conditional paths through its position.
    """
    return alpha * points + sigma * noises


def conditional_velocity(points: Array, noises: Array, d_alpha: float, d_sigma: float) -> Array:
    """Return dx/dt of each pair's path, alpha' x0 + sigma' noise. On the straight path it is always noise - x0."""
    return d_alpha * points + d_sigma * noises


def conditional_paths(path: Path, points: Array, noises: Array, times: Sequence[float]) -> Array:
    """Return every pair's path at these times: (times, n, 2)."""
    return np.stack([conditional_position(points, noises, path.alpha(t), path.sigma(t)) for t in times])


def exact_endpoints(field: Field, x: Array, alpha: float = 0.0, sigma: float = 1.0) -> Array:
    """Return where the marginal flow takes x (m, 2), which is at noise level (alpha, sigma), at sigma = 0.

    Every path is a reparametrized straight one: x / (alpha + sigma) = (1 - s) x0 + s noise with s = sigma /
    (alpha + sigma). The straight path's field stays bounded to the end, so one solver on it serves all paths.
    It uses Dormand and Prince's method of order 8 in float64 with a relative error of 1e-10 a step.
    """
    from scipy.integrate import solve_ivp  # slow to load, and not always needed

    x = check_points("start", x)
    if isinstance(field, MixtureField):
        field = replace(field, dtype=np.float64)
    s, z = sigma / (alpha + sigma), x / (alpha + sigma)
    if s > MIN_SIGMA:
        solution = solve_ivp(lambda s, z: field.velocity(z.reshape(-1, 2), 1 - s, s, -1.0, 1.0).ravel(),
                             (s, MIN_SIGMA), z.ravel(), method="DOP853", t_eval=[MIN_SIGMA], rtol=1e-10, atol=1e-11)
        if not solution.success:
            raise RuntimeError(f"the ODE solver did not reach the end of the flow: {solution.message}")
        s, z = MIN_SIGMA, solution.y[:, -1].reshape(-1, 2)
    return field.denoised(z, 1 - s, s)
