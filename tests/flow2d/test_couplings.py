"""Couplings: properties of optimal transport and reflow, and the field of a single pair."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from explorable.analysis.straightness import straightness
from explorable.diffusion.paths import PATHS, Straight
from explorable.diffusion.timesteps import uniform_timesteps
from explorable.flow2d import (
    COUPLINGS,
    Pairs,
    exact_endpoints,
    ideal_field,
    integrate,
    marginal_field,
    paired_field,
    sample_distribution,
    sample_pairs,
)
from explorable.flow2d.couplings import optimal

START = np.random.default_rng(7).standard_normal((100, 2))


def sorted_rows(points: np.ndarray) -> np.ndarray:
    return points[np.lexsort(points.T)]


@pytest.mark.parametrize("distribution", ["two moons", "checkerboard"])
def test_optimal_transport_permutes_the_points_and_lowers_the_cost(distribution):
    points = sample_distribution(distribution, 100, 2)
    independent, optimal_pairs = sample_pairs(points, "independent", seed=4), sample_pairs(points, "optimal", seed=4)
    np.testing.assert_array_equal(optimal_pairs.noises, independent.noises)
    np.testing.assert_array_equal(sorted_rows(optimal_pairs.points), sorted_rows(independent.points))
    assert optimal_pairs.cost <= independent.cost


def test_no_other_permutation_is_cheaper():
    points, noises = np.random.default_rng(1).standard_normal((2, 6, 2))
    min_cost = min(Pairs(points[list(order)], noises).cost for order in itertools.permutations(range(6)))
    assert optimal(points, noises).cost == pytest.approx(min_cost)


def test_every_point_is_repeated_equally_often():
    pairs = sample_pairs(sample_distribution("spiral", 100), "optimal")
    assert len(pairs.points) == len(pairs.noises) == 300
    assert set(np.unique(pairs.points, axis=0, return_counts=True)[1]) == {3}


def test_reflow_pairs_each_noise_with_its_exact_endpoint():
    points = sample_distribution("two moons", 256)
    pairs = sample_pairs(points, "reflowed", 0.1, seed=1)
    ends = exact_endpoints(ideal_field(points, 0.1), pairs.noises[:20])
    np.testing.assert_allclose(pairs.points[:20], ends, atol=1e-6)
    assert pairs.cost <= sample_pairs(points, "independent", seed=1).cost, "reflow does not raise the transport cost"


@pytest.mark.parametrize("distribution", ["two moons", "eight gaussians"])
def test_trajectories_are_straighter_after_reflow_and_optimal_transport(distribution):
    """Than under independent coupling, both in closed form and with finitely many pairs of equal width."""
    points = sample_distribution(distribution, 128, 1)

    def mean_straightness(field):
        trajectories = integrate(field, Straight(), START, uniform_timesteps(50))
        return straightness(trajectories.x, trajectories.times).mean()

    independent = min(mean_straightness(marginal_field(points)),
                      mean_straightness(paired_field(*sample_pairs(points, "independent"), 0.1)))
    for coupling in ("optimal", "reflowed"):
        assert mean_straightness(marginal_field(points, coupling)) < 0.1 * independent


@pytest.mark.parametrize("path", PATHS.values(), ids=PATHS)
def test_a_single_pair_is_followed_exactly(path):
    """From any start the flow is the pair's own path plus a constant shift times alpha + sigma."""
    point, noise = np.array([[0.5, -1.0]]), np.array([[-1.0, 2.0]])
    shift = (START - path.alpha(1.0) * point - path.sigma(1.0) * noise) / (path.alpha(1.0) + path.sigma(1.0))
    ends = exact_endpoints(paired_field(point, noise, 0.2), START, path.alpha(1.0), path.sigma(1.0))
    np.testing.assert_allclose(ends, point + shift, atol=1e-9)
    if path.name == "straight":
        trajectories = integrate(paired_field(point, noise, 0.2), path, START, uniform_timesteps(3))
        np.testing.assert_allclose(straightness(trajectories.x, trajectories.times), 0, atol=1e-24)


def test_a_seed_determines_the_pairs():
    points = sample_distribution("spiral", 64)
    assert np.array_equal(sample_pairs(points, seed=3).noises, sample_pairs(points, seed=3).noises)
    assert not np.array_equal(sample_pairs(points, seed=3).noises, sample_pairs(points, seed=4).noises)


def test_an_unknown_coupling_is_refused_with_the_choices():
    for make in (sample_pairs, marginal_field):
        with pytest.raises(ValueError, match=f"coupling is 'lucky': choose one of {', '.join(COUPLINGS)}"):
            make(sample_distribution("spiral", 10), "lucky")
