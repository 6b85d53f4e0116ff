"""Couplings: which noise goes with which point. It decides where conditional paths cross, and so how flows bend."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from .checks import Array, known, plane, whole
from .field import Mixture, ideal, tubes
from .flow import exact_flow

WIDTH = 0.1  # of the Gaussian around each point or line, where the world's spread is 1
PAIRS = 256  # at least, where a coupling is known by its pairs alone


class Pairs(NamedTuple):
    """Row k of one goes with row k of the other: points (n, 2), noises (n, 2)."""

    points: Array
    noises: Array

    @property
    def cost(self) -> float:
        """What optimal transport keeps low: the mean squared distance of a noise and its point."""
        return float(np.square(self.points - self.noises).sum(axis=1).mean())


def independent(points: Array, noises: Array, width: float = WIDTH) -> Pairs:
    """Any noise with any point: what diffusion and plain flow matching are trained on."""
    return Pairs(points, noises)


def optimal(points: Array, noises: Array, width: float = WIDTH) -> Pairs:
    """The permutation that makes the summed squared distance least (Pooladian et al. 2023; Tong et al. 2024).

    Theirs is over a minibatch; here it is over all points at once. It is exact, and no point is taken twice.
    """
    from scipy.optimize import linear_sum_assignment  # slow to load

    cost = np.square(noises[:, None] - points).sum(axis=-1)  # (n noises, n points)
    return Pairs(points[linear_sum_assignment(cost)[1]], noises)


def reflowed(points: Array, noises: Array, width: float = WIDTH) -> Pairs:
    """Each noise with where the exact flow of the independent coupling sends it (Liu et al. 2022, section 2.2).

    A flow's paths do not cross, so two of these noises that would meet halfway do not: the lines between the pairs
    cross less, though one round does not promise that they never do. The ends are of the world with its width, not
    its very points.
    """
    return Pairs(exact_flow(ideal(points, width), noises), noises)


COUPLINGS: dict[str, Callable[..., Pairs]] = {"independent": independent, "optimal": optimal, "reflowed": reflowed}


def pairs(points: Array, coupling: str = "independent", width: float = WIDTH, seed: int = 0) -> Pairs:
    """At least 256 pairs of a coupling: the points, all of them repeated as often as that takes, and as many noises.

    Raises:
        ValueError: no such coupling, or points that cannot be used.
    """
    couple, points = known("coupling", coupling, COUPLINGS), plane("points", points)
    points = np.tile(points, (math.ceil(PAIRS / len(points)), 1))
    rng = np.random.default_rng([whole("seed", seed, range(2**63), "from 0 up"), 1])  # not the dice of the world
    return couple(points, rng.standard_normal(points.shape), width)


def marginal(points: Array, coupling: str = "independent", width: float = WIDTH, seed: int = 0) -> Mixture:
    """The field that a network trained on this coupling tends to.

    Independent: the closed form for all the noise there is (`ideal`). The others are known by finite pairs alone, so
    theirs is the exact field of these pairs with a tube around each line (`tubes`), and blurred by its width.
    """
    if coupling == "independent":
        return ideal(points, width)
    return tubes(*pairs(points, coupling, width, seed), width)
