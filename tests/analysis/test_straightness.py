"""Straightness where it is known: lines, circles, and the flow to a single image."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from explorable.analysis.straightness import path_length_ratio, straightness, to_straight_path
from explorable.diffusion.paths import PATHS
from explorable.diffusion.samplers import SAMPLERS, initial_noise
from explorable.diffusion.timesteps import uniform_timesteps

SHAPE = (3, 4, 4, 4)  # batch, channel, y, x


def line(times: list[float]) -> np.ndarray:
    start, end = np.zeros(SHAPE), np.arange(192.0).reshape(SHAPE)
    return np.stack([start + (1 - t) * (end - start) for t in times])


def test_a_line_at_constant_speed_is_straight():
    times = uniform_timesteps(8)  # eighths and whole numbers: no rounding
    x = line(times)
    assert straightness(x, times).tolist() == [0, 0, 0]
    np.testing.assert_allclose(path_length_ratio(x), 1, rtol=1e-15)


def test_a_line_at_a_changing_speed_has_length_ratio_1_and_is_not_straight():
    """With t^2 of the way left at t: the integral of (1 - 2 t)^2 is 1/3 of the squared displacement."""
    times = uniform_timesteps(1000)
    x = line([t * t for t in times])
    np.testing.assert_allclose(path_length_ratio(x), 1)
    np.testing.assert_allclose(straightness(x, times), np.square(x[-1] - x[0]).sum((1, 2, 3)) / 3, rtol=1e-4)


@pytest.mark.parametrize("angle", [math.pi / 2, math.pi], ids=["a quarter", "a half"])
def test_a_part_of_a_circle(angle):
    """Unit radius, constant speed: the length is the angle; the ends are 2 sin(angle / 2) apart."""
    times, chord = uniform_timesteps(2000), 2 * math.sin(angle / 2)
    x = np.array([[[math.cos(angle * t), math.sin(angle * t)]] for t in times])
    assert path_length_ratio(x)[0] == pytest.approx(angle / chord, rel=1e-6)
    assert straightness(x, times)[0] == pytest.approx(angle**2 - chord**2, rel=1e-5)


def test_steps_of_different_size_are_weighted_by_their_time():
    times = [1.0, 0.7, 0.1, 0.0]
    line = np.stack([np.array([[0.0, 1.0], [2.0, -1.0]]) + (1 - t) * np.array([3.0, -1.0]) for t in times])
    np.testing.assert_allclose(straightness(line, times), 0, atol=1e-24)
    np.testing.assert_allclose(path_length_ratio(line), 1)


def test_a_trajectory_that_does_not_move_is_straight_and_has_no_length_ratio():
    still = np.ones((5, 1, 2))
    assert straightness(still, uniform_timesteps(4))[0] == 0 and np.isnan(path_length_ratio(still)[0])


@pytest.mark.parametrize("path", PATHS.values(), ids=PATHS)
def test_a_flow_to_a_single_image_is_straight_in_the_coordinates_of_the_straight_path(path):
    only, times = initial_noise(5, SHAPE), uniform_timesteps(20)
    records = list(SAMPLERS["ddim"](lambda x, t: only, path, initial_noise(1, SHAPE), times))
    x = torch.stack([*(r.x for r in records), records[-1].next_x]).numpy()
    rescaled, rescaled_times = to_straight_path(path, x, times)
    np.testing.assert_allclose(straightness(rescaled, rescaled_times), 0, atol=1e-10)
    np.testing.assert_allclose(path_length_ratio(rescaled), 1)
    if path.name == "straight":
        assert np.array_equal(rescaled, x) and rescaled_times == pytest.approx(times)
    else:
        assert (straightness(x, times) > 0.1 * x[0, 0].size).all() and (path_length_ratio(x) > 1.05).all()
