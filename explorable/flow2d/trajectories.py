"""Trajectories of a field from noise to data, fast enough to be recomputed on every event of a drag.

The two solvers are `euler` and `heun` of explorable.diffusion.samplers, in numpy and on velocities, and agree with
them up to rounding.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from ..diffusion.paths import Path
from ..diffusion.timesteps import uniform_timesteps
from .checks import Array, check_choice, check_integer, check_points
from .couplings import COUPLINGS, DEFAULT_WIDTH, marginal_field
from .distributions import sample_distribution
from .field import MixtureField

MAX_STEPS = 1000
VelocityField = Callable[[Array, float], Array]  # x (m, 2) and t to dx/dt (m, 2)


@dataclass(frozen=True, eq=False)
class Trajectories:
    """Marginal trajectories: positions x (steps + 1, particles, 2) at `times`, and the field evaluations they took."""

    times: Array
    x: Array
    evaluations: int


def euler(velocity: VelocityField, x: Array, t: float, next_t: float, is_last: bool) -> Array:
    """Take one step of Euler's method: order 1, one evaluation."""
    return x + (next_t - t) * velocity(x, t)


def heun(velocity: VelocityField, x: Array, t: float, next_t: float, is_last: bool) -> Array:
    """Take one step of Heun's method: order 2, two evaluations.

    The last step, to sigma = 0, is Euler's (Karras et al. 2022, algorithm 1).
    """
    v = velocity(x, t)
    euler_x = x + (next_t - t) * v
    return euler_x if is_last else x + (next_t - t) * (v + velocity(euler_x, next_t)) / 2


SOLVERS: dict[str, Callable[[VelocityField, Array, float, float, bool], Array]] = {"euler": euler, "heun": heun}


def check_steps(steps: object) -> int:
    """Return a number of steps as an int.

    Raises:
        ValueError: not a whole number from 1 to 1000.
    """
    return check_integer("steps", steps, range(1, MAX_STEPS + 1), f"from 1 to {MAX_STEPS}")


def integrate(field: MixtureField, path: Path, start: Array, times: Sequence[float],
              solver: str = "euler") -> Trajectories:
    """Follow a field from `start` (particles, 2) through `times`.

    Raises:
        ValueError: an unknown solver, or an invalid start.
    """
    step, evaluations = check_choice("solver", solver, SOLVERS), 0

    def velocity(x: Array, t: float) -> Array:
        nonlocal evaluations
        evaluations += 1
        return field.velocity(x, path.alpha(t), path.sigma(t), path.d_alpha(t), path.d_sigma(t))

    xs = [check_points("start", start)]
    for t, next_t in itertools.pairwise(times):
        xs.append(step(velocity, xs[-1], t, next_t, path.sigma(next_t) == 0))
    return Trajectories(np.array(times), np.stack(xs), evaluations)


def sample_trajectories(distribution: str | Array, path: Path, start: Array, coupling: str = "independent",
                        solver: str = "euler", steps: int = 20, *, count: int = 256, seed: int = 0,
                        width: float = DEFAULT_WIDTH, exact: bool = False) -> Trajectories:
    """Return trajectories from `start` (particles, 2) to a distribution, in uniform steps of a solver.

    The field is cached, so another start, path, solver or number of steps costs the integration alone. Positions are
    float64; the field's weights are computed in float32, or in float64 with exact=True.

    Args:
        distribution: a name of `DISTRIBUTIONS`, or points (n, 2).
        count, seed: of the points drawn from a named distribution.
        width: standard deviation of the Gaussian around each point or pair.

    Raises:
        ValueError: an unknown name, or a number out of range.
    """
    check_choice("coupling", coupling, COUPLINGS)  # both before anything is computed
    check_choice("solver", solver, SOLVERS)
    times, points = uniform_timesteps(check_steps(steps)), sample_distribution(distribution, count, seed)
    field = _cached_field(points.tobytes(), coupling, width, seed)
    return integrate(field if exact else replace(field, dtype=np.float32), path, start, times, solver)


@lru_cache(maxsize=32)
def _cached_field(points: bytes, coupling: str, width: float, seed: int) -> MixtureField:
    return marginal_field(np.frombuffer(points).reshape(-1, 2), coupling, width, seed)
