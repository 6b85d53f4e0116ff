"""Scores of marginal paths: how straight they are, and how far from the truth they end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from .checks import Array
from .field import Mixture
from .flow import Path, exact_flow
from .trajectories import Walk, uniform, walk


def straightness(walked: Walk) -> Array:
    """E of |(x_end - x_start) - dx/dt|^2 along each path, with time counted from 0 to 1: (particles,), 0 if straight.

    Liu et al. 2022, section 2.2, S(Z), of the polygon that was walked; its mean over particles is theirs. A single
    step is always straight: ask this of fine walks.
    """
    share = (np.diff(walked.times) / (walked.times[-1] - walked.times[0]))[:, None, None]  # of the time, each step
    gap = (walked.x[-1] - walked.x[0]) - np.diff(walked.x, axis=0) / share  # (steps, particles, 2)
    return (share * np.square(gap)).sum(axis=(0, 2))


def detour(walked: Walk) -> Array:
    """Length of each path over the distance of its ends: (particles,), 1 if straight, NaN if it ends at its start."""
    length = np.linalg.norm(np.diff(walked.x, axis=0), axis=-1).sum(axis=0)
    apart = np.linalg.norm(walked.x[-1] - walked.x[0], axis=-1)
    return np.divide(length, apart, out=np.full_like(length, np.nan), where=apart > 0)


class Errors(NamedTuple):
    """Distances (walks, particles) from where the exact flow ends, and the evaluations (walks,) that each cost."""

    evaluations: list[int]
    distances: Array


def endpoint_errors(field: Mixture, path: Path, start: Array, solver: str = "euler",
                    steps: Sequence[int] = (1, 2, 4, 8, 16, 32, 64)) -> Errors:
    """How far from the exact end a solver lands, for each number of steps. In float64.

    On logarithmic axes a method of order p falls along a line of slope -p. Particles that start near a watershed,
    from where two ends are equally near, fall along it last, so the median says more than the mean.
    """
    field = replace(field, dtype=np.float64)
    end = exact_flow(field, start, path.alpha(1.0), path.sigma(1.0))
    walks = [walk(field, path, start, uniform(n), solver) for n in steps]
    return Errors([w.evaluations for w in walks], np.stack([np.linalg.norm(w.x[-1] - end, axis=-1) for w in walks]))
