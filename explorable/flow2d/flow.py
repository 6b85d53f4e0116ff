"""Paths as they are needed here, the conditional ones, and the exact marginal flow to its end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

import numpy as np

from .checks import Array, plane
from .field import Mixture

LAST = 1e-6  # of the straight path: from here on one step of Euler's method changes nothing that can be seen


class Path(Protocol):
    """What a path has to say: x_t = alpha(t) x0 + sigma(t) noise. Those of explorable.diffusion do."""

    def alpha(self, t: float) -> float:
        """How much of the point is left."""

    def sigma(self, t: float) -> float:
        """How much noise has come in."""

    def alpha_rate(self, t: float) -> float:
        """d alpha / dt."""

    def sigma_rate(self, t: float) -> float:
        """d sigma / dt. Needs sigma(t) > 0 on curved paths."""


def conditional(points: Array, noises: Array, alpha: float, sigma: float) -> Array:
    """Where the path of one noise and one point is: alpha x0 + sigma noise, for any number of pairs.

    These are what a network is trained on. A sampler follows none of them, but the marginal path: at each place the
    mean of the velocities of all that come by.
    """
    return alpha * points + sigma * noises


def conditional_velocity(points: Array, noises: Array, alpha_rate: float, sigma_rate: float) -> Array:
    """dx/dt on the path of one noise and one point: alpha' x0 + sigma' noise. Straight path: noise - x0, always."""
    return alpha_rate * points + sigma_rate * noises


def conditional_paths(path: Path, points: Array, noises: Array, times: Sequence[float]) -> Array:
    """Every pair's path through these times: (times, n, 2)."""
    return np.stack([conditional(points, noises, path.alpha(t), path.sigma(t)) for t in times])


def exact_flow(field: Mixture, x: Array, alpha: float = 0.0, sigma: float = 1.0) -> Array:
    """Where the marginal flow takes x (m, 2), there at alpha and sigma, when all noise is gone.

    Every path is the straight one in other coordinates: x / (alpha + sigma) = (1 - s) x0 + s noise with s = sigma /
    (alpha + sigma), so one solve, on the straight path, where the field stays bounded to the end, serves them all.
    It is done with Dormand and Prince's method of order 8 in float64, relative error 1e-10 a step.
    """
    from scipy.integrate import solve_ivp  # slow to load, and not every explorable of points asks for it

    field, x = replace(field, dtype=np.float64), plane("start", x)
    s, z = sigma / (alpha + sigma), x / (alpha + sigma)
    if s > LAST:
        solved = solve_ivp(lambda s, z: field.velocity(z.reshape(-1, 2), 1 - s, s, -1.0, 1.0).ravel(), (s, LAST),
                           z.ravel(), method="DOP853", t_eval=[LAST], rtol=1e-10, atol=1e-11)
        if not solved.success:
            raise RuntimeError(f"the exact flow could not be followed to its end: {solved.message}")
        s, z = LAST, solved.y[:, -1].reshape(-1, 2)
    return field.denoised(z, 1 - s, s)
