"""Scores of trajectories: their straightness, and their distance from the exact endpoints."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from ..diffusion.paths import Path
from ..diffusion.timesteps import uniform_timesteps
from .checks import Array
from .field import MixtureField
from .flow import exact_endpoints
from .trajectories import Trajectories, check_steps, integrate


def straightness(trajectories: Trajectories) -> Array:
    """Return the mean over time of |(x_end - x_start) - dx/dt|^2: (particles,), 0 for a straight path.

    S(Z) of Liu et al. 2022, section 2.2, for the polygon through x, with time rescaled to 0 ... 1; its mean over
    particles is theirs. A single step is always straight, so measure trajectories of many steps.
    """
    x, times = trajectories.x, trajectories.times
    share = (np.diff(times) / (times[-1] - times[0]))[:, None, None]  # of the total time, for each step
    gap = (x[-1] - x[0]) - np.diff(x, axis=0) / share  # (steps, particles, 2)
    return (share * np.square(gap)).sum(axis=(0, 2))


def path_length_ratio(trajectories: Trajectories) -> Array:
    """Return path length over the distance of the ends: (particles,), 1 if straight, NaN where the ends coincide."""
    x = trajectories.x
    length = np.linalg.norm(np.diff(x, axis=0), axis=-1).sum(axis=0)
    distance = np.linalg.norm(x[-1] - x[0], axis=-1)
    return np.divide(length, distance, out=np.full_like(length, np.nan), where=distance > 0)


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
    runs = [integrate(field, path, start, uniform_timesteps(check_steps(n)), solver) for n in steps]
    return EndpointErrors([run.evaluations for run in runs],
                          np.stack([np.linalg.norm(run.x[-1] - exact, axis=-1) for run in runs]))
