"""2-D distributions: standardization, seeds, and refused drawings and words."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from explorable.flow2d import DISTRIBUTIONS, check_drawing, sample_distribution, word_points

each_distribution = pytest.mark.parametrize("name", DISTRIBUTIONS)


@each_distribution
@pytest.mark.parametrize("count", [2, 37, 400])
def test_points_are_standardized(name, count):
    points = DISTRIBUTIONS[name](count, 3)
    assert points.shape == (count, 2) and points.dtype == np.float64
    np.testing.assert_allclose(points.mean(axis=0), 0, atol=1e-12)
    assert points.var(axis=0).mean() == pytest.approx(1)


@each_distribution
def test_a_seed_determines_the_points(name):
    points = sample_distribution(name, 50, 1)
    assert np.array_equal(points, sample_distribution(name, 50, 1))
    assert not np.array_equal(points, sample_distribution(name, 50, 2))


def test_the_checkerboard_and_the_gaussians_have_eight_clusters():
    for name in ("checkerboard", "eight gaussians"):
        points = sample_distribution(name, 400)
        centres = np.stack([points[k::8].mean(axis=0) for k in range(8)])
        radius = np.linalg.norm(points - centres[np.arange(400) % 8], axis=1).max()
        gap = np.linalg.norm(centres[:, None] - centres, axis=-1)[~np.eye(8, dtype=bool)].min()
        assert radius < gap, "points are nearer to their own centre than centres are to each other"


def test_a_word_stands_upright():
    tall, wide = word_points(300, 0, "l"), word_points(300, 0, "minimum")
    assert np.ptp(tall[:, 1]) > 2 * np.ptp(tall[:, 0])
    assert np.ptp(wide[:, 0]) > 2 * np.ptp(wide[:, 1])
    upper = word_points(300, 0, "T")[:, 1] > 0.5
    assert upper.mean() > 0.4, "the bar of a T is at its top"


@given(arrays(np.float64, st.tuples(st.integers(1, 30), st.just(2)), elements=st.floats(-100, 100)))
def test_a_drawing_stays_where_it_is_drawn(points):
    assert np.array_equal(check_drawing(points.tolist()), points)
    assert np.array_equal(sample_distribution(points), points)


@pytest.mark.parametrize(
    ("drawing", "message"),
    [
        ([], "is empty: give at least one point"),
        (np.zeros((0, 2)), "is empty: give at least one point"),
        ([[0, np.nan], [1, 1]], "must be a number between"),
        ([[0, np.inf], [1, 1]], "must be a number between"),
        ([[0, 1, 2], [1, 1, 1]], r"shape \(n, 2\)"),
        ([1.0, 2.0], r"shape \(n, 2\)"),
        ([["a", "b"]], "pairs of numbers"),
        ([[0, 1], [2]], "pairs of numbers"),
        (np.random.default_rng(0).random((3000, 2)), "at most 2048"),
        ("two suns", "choose one of two moons, eight gaussians, spiral, checkerboard, word"),
    ],
)
def test_an_invalid_distribution_is_refused(drawing, message):
    with pytest.raises(ValueError, match=message):
        sample_distribution(drawing)


@pytest.mark.parametrize(("count", "seed"), [(0, 0), (1, 0), (5000, 0), (2.5, 0), (True, 0), (9, -1)])
def test_a_number_out_of_range_is_refused_by_name(count, seed):
    with pytest.raises(ValueError, match=r"(count|seed) is .*: choose a whole number from"):
        sample_distribution("spiral", count, seed)


@pytest.mark.parametrize(("text", "message"), [("", "no visible letters"),
                                            (" \n ", "no visible letters"), ("incomprehensible", "16 letters"),
                                            ("caf\u00e9", "'\u00e9' cannot be drawn")])
def test_a_word_that_cannot_be_drawn_is_refused(text, message):
    with pytest.raises(ValueError, match=message):
        word_points(50, 0, text)
