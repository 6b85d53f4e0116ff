"""The laboratory: follow a field from noise to points, fast enough to answer a drag.

The two methods are `euler` and `heun` of explorable.diffusion.samplers, in numpy and on velocities, and agree with
them to rounding.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from .checks import Array, known, plane, whole
from .couplings import COUPLINGS, WIDTH, marginal
from .distributions import world_points
from .field import Mixture
from .flow import Path

MOST_STEPS = 1000
Speed = Callable[[Array, float], Array]  # x (m, 2) and t to dx/dt (m, 2)


@dataclass(frozen=True, eq=False)
class Walk:
    """Marginal paths: x (steps + 1, particles, 2), at these times, for this many evaluations of the field."""

    times: Array
    x: Array
    evaluations: int


def euler(speed: Speed, x: Array, t: float, next_t: float, last: bool) -> Array:
    """Follow the present speed. Order 1, one evaluation."""
    return x + (next_t - t) * speed(x, t)


def heun(speed: Speed, x: Array, t: float, next_t: float, last: bool) -> Array:
    """The mean of the speeds here and at Euler's guess. Order 2, two evaluations; the last step, to sigma = 0, is
    Euler's (Karras et al. 2022, algorithm 1)."""
    here = speed(x, t)
    guess = x + (next_t - t) * here
    return guess if last else x + (next_t - t) * (here + speed(guess, next_t)) / 2


SOLVERS: dict[str, Callable[[Speed, Array, float, float, bool], Array]] = {"euler": euler, "heun": heun}


def uniform(steps: int) -> list[float]:
    """`steps` + 1 times from 1 (noise) to 0 (point), evenly spaced.

    Raises:
        ValueError: not a whole number from 1 to 1000.
    """
    steps = whole("steps", steps, range(1, MOST_STEPS + 1), f"from 1 to {MOST_STEPS}")
    return [1 - k / steps for k in range(steps)] + [0.0]


def walk(field: Mixture, path: Path, start: Array, times: Sequence[float], solver: str = "euler") -> Walk:
    """Follow a field from start (particles, 2) through the times.

    Raises:
        ValueError: no such solver, or a start that is no set of points.
    """
    step, evaluations = known("solver", solver, SOLVERS), 0

    def speed(x: Array, t: float) -> Array:
        nonlocal evaluations
        evaluations += 1
        return field.velocity(x, path.alpha(t), path.sigma(t), path.alpha_rate(t), path.sigma_rate(t))

    xs = [plane("start", start)]
    for t, next_t in itertools.pairwise(times):
        xs.append(step(speed, xs[-1], t, next_t, path.sigma(next_t) == 0))
    return Walk(np.array(times), np.stack(xs), evaluations)


def laboratory(world: str | Array, path: Path, start: Array, coupling: str = "independent", solver: str = "euler",
               steps: int = 20, *, count: int = 256, seed: int = 0, width: float = WIDTH, exact: bool = False) -> Walk:
    """Marginal paths from start (particles, 2) to a world, named or drawn, in so many even steps of a solver.

    The field is kept, so that moving the start, the path, the solver or the steps costs the walk alone. Its weights
    are computed in float32, or in float64 if `exact`; positions are float64 in either case.

    Raises:
        ValueError: a world, coupling, solver or number that is not known or cannot be used, in words.
    """
    known("coupling", coupling, COUPLINGS)  # both before anything is computed
    known("solver", solver, SOLVERS)
    times, points = uniform(steps), world_points(world, count, seed)
    field = _kept(points.tobytes(), coupling, width, seed)
    return walk(field if exact else replace(field, dtype=np.float32), path, start, times, solver)


@lru_cache(maxsize=32)
def _kept(points: bytes, coupling: str, width: float, seed: int) -> Mixture:
    return marginal(np.frombuffer(points).reshape(-1, 2), coupling, width, seed)
