"""Trajectories of a field from noise to data, fast enough for every event of a drag, and their endpoint errors.

The two solvers are `euler` and `heun` of explorable.diffusion.samplers, in numpy and on velocities, and agree with
them up to rounding.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from ..diffusion.paths import Path
from ..diffusion.timesteps import uniform_timesteps
from .checks import Array, check_choice, check_points
from .field import Field, MixtureField
from .flow import exact_endpoints

ARROWS_PER_SIDE = 13
MIN_ARROW_TIME = 0.01  # at t = 0 the velocity of curved paths is infinite

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


def integrate(field: Field, path: Path, start: Array, times: Sequence[float],
              solver: str = "euler") -> Trajectories:
    """Follow a field from `start` (particles, 2) through `times`.

    Raises:
        ValueError: an unknown solver, an invalid start, or fewer than two times.
    """
    if len(times) < 2:
        raise ValueError(f"times has {len(times)} entries: give at least two, from noise to data")
    step, evaluations = check_choice("solver", solver, SOLVERS), 0

    def velocity(x: Array, t: float) -> Array:
        nonlocal evaluations
        evaluations += 1
        return field.velocity(x, path.alpha(t), path.sigma(t), path.d_alpha(t), path.d_sigma(t))

    xs = [check_points("start", start)]
    for t, next_t in itertools.pairwise(times):
        xs.append(step(velocity, xs[-1], t, next_t, path.sigma(next_t) == 0))
    return Trajectories(np.array(times), np.stack(xs), evaluations)


class EndpointErrors(NamedTuple):
    """Distances (runs, particles) from the exact endpoints, and the evaluations (runs,) that each run took."""

    evaluations: list[int]
    distances: Array


def endpoint_errors(field: MixtureField, path: Path, start: Array, solver: str = "euler",
                    steps: Sequence[int] = (1, 2, 4, 8, 16, 32, 64)) -> EndpointErrors:
    """Return a solver's distance from the exact endpoints for each number of steps, in float64.

    On logarithmic axes the error of a method of order p falls along a line of slope -p. Particles that start near a
    watershed, from which two endpoints are equally close, reach that slope last: prefer the median to the mean.
    """
    field = replace(field, dtype=np.float64)
    exact = exact_endpoints(field, start, path.alpha(1.0), path.sigma(1.0))
    runs = [integrate(field, path, start, uniform_timesteps(n), solver) for n in steps]
    return EndpointErrors([run.evaluations for run in runs],
                          np.stack([np.linalg.norm(run.x[-1] - exact, axis=-1) for run in runs]))


def interpolate_steps(x: Array, parts: int) -> Array:
    """Cut each step of x (steps + 1, …) into equal parts: (steps * parts + 1, …). Solvers move straight in a step."""
    share = (np.arange(parts) / parts).reshape(1, parts, *[1] * (x.ndim - 1))
    cut = x[:-1, None] + share * np.diff(x, axis=0)[:, None]
    return np.concatenate([cut.reshape(-1, *x.shape[1:]), x[-1:]])


def velocity_arrows(field: Field, path: Path, t: float, half_extent: float = 3.2) -> Array:
    """Return arrows of a particle's motion at t on a grid: (arrows, 4). From noise to data it is -dx/dt.

    half_extent: half a side of the square that the grid covers.
    The length of an arrow is speed / (speed + 1) of a grid cell, so that slow and fast motion are both visible.
    """
    t = max(t, MIN_ARROW_TIME)
    ticks = np.linspace(-half_extent, half_extent, ARROWS_PER_SIDE + 2)[1:-1]
    grid = np.stack(np.meshgrid(ticks, ticks), axis=-1).reshape(-1, 2)
    motion = -field.velocity(grid, path.alpha(t), path.sigma(t), path.d_alpha(t), path.d_sigma(t))
    speed = np.linalg.norm(motion, axis=1, keepdims=True)
    half = 0.5 * (ticks[1] - ticks[0]) * motion / (speed + 1)
    return np.concatenate([grid - half, grid + half], axis=1)
