"""Couplings: which noise is paired with which data point. They decide where conditional paths cross."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from .checks import Array, check_choice, check_integer, check_points
from .field import MixtureField, ideal_field, paired_field
from .flow import exact_endpoints

DEFAULT_WIDTH = 0.1  # standard deviation around each point or pair; distributions have standard deviation 1
MIN_PAIRS = 256


class Pairs(NamedTuple):
    """Data points (n, 2) and noises (n, 2); row k of one is paired with row k of the other."""

    points: Array
    noises: Array

    @property
    def cost(self) -> float:
        """The mean squared distance between a noise and its point: the optimal transport cost."""
        return float(np.square(self.points - self.noises).sum(axis=1).mean())


def independent(points: Array, noises: Array, width: float = DEFAULT_WIDTH) -> Pairs:
    """Pair noises with points at random, as in the training of diffusion and plain flow matching."""
    return Pairs(points, noises)


def optimal(points: Array, noises: Array, width: float = DEFAULT_WIDTH) -> Pairs:
    """Pair noises with points by exact optimal transport (Pooladian et al. 2023; Tong et al. 2024).

    The papers solve the assignment within a minibatch. Here it is solved over all points, and each is used once.
    """
    from scipy.optimize import linear_sum_assignment  # slow to load

    cost = np.square(noises[:, None] - points).sum(axis=-1)  # (n noises, n points)
    return Pairs(points[linear_sum_assignment(cost)[1]], noises)


def reflowed(points: Array, noises: Array, width: float = DEFAULT_WIDTH) -> Pairs:
    """Pair each noise with the endpoint of its exact flow (one round of reflow; Liu et al. 2022, section 2.2).

    Trajectories of a flow cannot cross, so the lines between these pairs cross less than before, though one round
    does not remove every crossing. The endpoints follow the distribution with its width, not the bare points.
    """
    return Pairs(exact_endpoints(ideal_field(points, width), noises), noises)


COUPLINGS: dict[str, Callable[..., Pairs]] = {"independent": independent, "optimal": optimal, "reflowed": reflowed}


def sample_pairs(points: Array, coupling: str = "independent", width: float = DEFAULT_WIDTH, seed: int = 0) -> Pairs:
    """Return at least 256 pairs of a coupling. All points are repeated equally often to reach that number.

    Raises:
        ValueError: an unknown coupling, or invalid points or seed.
    """
    couple, points = check_choice("coupling", coupling, COUPLINGS), check_points("points", points)
    points = np.tile(points, (math.ceil(MIN_PAIRS / len(points)), 1))
    # The second number keeps these noises independent of the points, which are drawn from the same seed.
    rng = np.random.default_rng([check_integer("seed", seed, range(2**63), "from 0"), 1])
    return couple(points, rng.standard_normal(points.shape), width)


def marginal_field(points: Array, coupling: str = "independent", width: float = DEFAULT_WIDTH,
                   seed: int = 0) -> MixtureField:
    """Return the marginal field of a coupling: the limit of a network trained on it.

    For the independent coupling this is the closed form over all noises (`ideal_field`). The other couplings are
    known through finitely many pairs, so theirs is the field of these pairs smoothed by `width` (`paired_field`).
    """
    if coupling == "independent":
        return ideal_field(points, width)
    return paired_field(*sample_pairs(points, coupling, width, seed), width)
