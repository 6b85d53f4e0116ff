"""Couplings: what optimal transport and reflow promise, and the field of a pair."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

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
    straightness,
)
from explorable.flow2d.couplings import optimal

START = np.random.default_rng(7).standard_normal((100, 2))


def in_order(points: np.ndarray) -> np.ndarray:
    return points[np.lexsort(points.T)]


@pytest.mark.parametrize("distribution", ["two moons", "checkerboard"])
def test_optimal_transport_is_a_permutation_and_cheapest(distribution):
    points = sample_distribution(distribution, 100, 2)
    apart, near = sample_pairs(points, "independent", seed=4), sample_pairs(points, "optimal", seed=4)
    np.testing.assert_array_equal(near.noises, apart.noises)
    np.testing.assert_array_equal(in_order(near.points), in_order(apart.points))
    assert near.cost <= apart.cost


def test_no_other_order_is_cheaper():
    points, noises = np.random.default_rng(1).standard_normal((2, 6, 2))
    least = min(Pairs(points[list(order)], noises).cost for order in itertools.permutations(range(6)))
    assert optimal(points, noises).cost == pytest.approx(least)


def test_every_point_has_as_many_noises():
    found = sample_pairs(sample_distribution("spiral", 100), "optimal")
    assert len(found.points) == len(found.noises) == 300
    assert set(np.unique(found.points, axis=0, return_counts=True)[1]) == {3}


def test_reflow_sends_each_noise_where_the_flow_does():
    points = sample_distribution("two moons", 256)
    found = sample_pairs(points, "reflowed", 0.1, seed=1)
    ends = exact_endpoints(ideal_field(points, 0.1), found.noises[:20])
    np.testing.assert_allclose(found.points[:20], ends, atol=1e-6)
    assert found.cost <= sample_pairs(points, "independent", seed=1).cost, "reflow makes no pair dearer on the whole"


@pytest.mark.parametrize("distribution", ["two moons", "eight gaussians"])
def test_paths_are_straighter_after_reflow_and_after_optimal_transport(distribution):
    """Against the closed form of the independent coupling, and against finite independent pairs in equal tubes."""
    points = sample_distribution(distribution, 128, 1)

    def bend(field):
        return straightness(integrate(field, Straight(), START, uniform_timesteps(50))).mean()

    apart = min(bend(marginal_field(points)), bend(paired_field(*sample_pairs(points, "independent"), 0.1)))
    for coupling in ("optimal", "reflowed"):
        assert bend(marginal_field(points, coupling)) < 0.1 * apart


@pytest.mark.parametrize("path", PATHS.values(), ids=PATHS)
def test_a_single_pair_is_followed_exactly(path):
    """Wherever one starts, the flow is the pair's own line, moved sideways; on a curve it is stretched with it."""
    point, noise = np.array([[0.5, -1.0]]), np.array([[-1.0, 2.0]])
    shift = (START - path.alpha(1.0) * point - path.sigma(1.0) * noise) / (path.alpha(1.0) + path.sigma(1.0))
    ends = exact_endpoints(paired_field(point, noise, 0.2), START, path.alpha(1.0), path.sigma(1.0))
    np.testing.assert_allclose(ends, point + shift, atol=1e-9)
    if path.name == "straight":
        walked = integrate(paired_field(point, noise, 0.2), path, START, uniform_timesteps(3))
        np.testing.assert_allclose(straightness(walked), 0, atol=1e-24)


def test_a_coupling_is_drawn_from_its_seed():
    points = sample_distribution("spiral", 64)
    assert np.array_equal(sample_pairs(points, seed=3).noises, sample_pairs(points, seed=3).noises)
    assert not np.array_equal(sample_pairs(points, seed=3).noises, sample_pairs(points, seed=4).noises)


def test_an_unknown_coupling_is_refused_with_the_choices():
    for make in (sample_pairs, marginal_field):
        with pytest.raises(ValueError, match=f"coupling is 'lucky': choose one of {', '.join(COUPLINGS)}"):
            make(sample_distribution("spiral", 10), "lucky")
