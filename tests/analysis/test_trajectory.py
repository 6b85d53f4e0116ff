"""Distances from the end, noise, and the plane of a trajectory: where the answer is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from tiny_pipes import tiny

from explorable.analysis.trajectory import (
    describe_step,
    distances_to_end,
    noised_latents,
    predicted_noise,
    principal_plane,
    settled_step,
    signal_to_noise,
)
from explorable.diffusion.paths import PATHS

SHAPE = (4, 16, 16)


@pytest.fixture(scope="module")
def pipe():
    return tiny()


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def test_a_run_ends_at_distance_zero_from_its_end(pipe):
    run = pipe("a red car", steps=4)
    found = distances_to_end(run)
    assert found.latent[-1] == 0 and np.isnan(found.estimate[-1]) and (found.latent[:-1] > 0).all()
    assert found.estimate[-2] == pytest.approx(0, abs=1e-6)  # Euler's last step lands on the last estimate
    gap = run.latents.values[1] - run.latents.values[-1]
    assert float(found.latent[1]) == pytest.approx(math.sqrt((gap**2).mean()), rel=1e-5)
    assert np.array_equal(found.t, run.latents.t)


@pytest.mark.parametrize(("estimate", "step"), [([1, 0.5, 0.09, 0.05, np.nan], 2), ([1, 0.05, 0.2, 0.01], 3),
                                                ([1.0, 1.0, 0.0], 2), ([0.0], 0)])
def test_an_estimate_is_settled_from_where_it_stays_near(estimate, step):
    assert settled_step(np.array(estimate)) == step


@pytest.mark.parametrize("path", PATHS.values(), ids=PATHS)
def test_signal_to_noise_ratio_and_noised_latents(path, rng):
    assert signal_to_noise(path, 0.0) == math.inf and signal_to_noise(path, 1.0) < 1e-4
    assert signal_to_noise(path, path.time_at(1.0)) == pytest.approx(1)
    latent, noise = rng.standard_normal((2, *SHAPE))
    away = noised_latents(path, latent, noise, np.array([0.0, 0.5, 1.0]))
    np.testing.assert_allclose(away[0], latent, rtol=1e-6)
    np.testing.assert_allclose(away[1], path.alpha(0.5) * latent + path.sigma(0.5) * noise, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(away[2], noise, atol=0.05)


def test_the_estimate_and_the_predicted_noise_add_up_to_the_latent(pipe):
    run = pipe("a red car", steps=3)
    noise = predicted_noise(pipe.path, run)
    times = run.denoised.t.values[:, None, None, None]
    np.testing.assert_allclose((1 - times) * run.denoised.values + times * noise, run.latents.values[:-1], atol=1e-5)
    np.testing.assert_allclose(noise[0], run.latents.values[0], atol=1e-5)  # at t = 1 there is nothing else


def test_a_plane_finds_the_two_directions_of_a_planar_curve(rng):
    across, along = np.linalg.qr(rng.standard_normal((1024, 2)))[0].T
    steps = np.linspace(0, 1, 9)
    curve = 5 + 3 * steps[:, None] * along + np.sin(np.pi * steps)[:, None] * across
    plane = principal_plane(curve.reshape(9, *SHAPE))
    assert sum(plane.share) == pytest.approx(1) and plane.share[0] > plane.share[1]
    flat = plane.project(curve.reshape(9, *SHAPE))
    assert flat.shape == (9, 2) and flat[0, 0] < flat[-1, 0] and flat[np.abs(flat[:, 1]).argmax(), 1] > 0
    lengths = np.linalg.norm(np.diff(curve, axis=0), axis=1)
    np.testing.assert_allclose(np.linalg.norm(np.diff(flat, axis=0), axis=1), lengths, rtol=1e-6)


def test_a_trajectory_that_does_not_move_has_a_plane_too():
    plane = principal_plane(np.ones((3, *SHAPE)))
    assert plane.share == (0, 0) and np.allclose(plane.project(np.ones(SHAPE)), 0)


def test_a_caption_says_which_step_is_the_last_and_which_image_is_finished():
    assert [describe_step(k, 20, t) for k, t in ((0, 1.0), (18, 0.1), (19, 0.05), (20, 0.0))] == [
        "step 0 of 20, t = 1.00", "step 18 of 20, t = 0.10", "step 19 of 20, the last, t = 0.05",
        "finished after 20 steps, t = 0.00"]
    assert describe_step(1, 1, 0.0) == "finished after 1 step, t = 0.00"
