"""The score of a solver: its distance from the exact endpoints."""

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
from .trajectories import check_steps, integrate


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
