"""DDIM with noise in the plane: the samplers' steps, a Gaussian's closed form, the distance of distributions."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from explorable.diffusion.paths import PATHS, Straight
from explorable.diffusion.samplers import SAMPLERS
from explorable.diffusion.timesteps import uniform_timesteps
from explorable.flow2d import (
    ideal_field,
    integrate,
    integrate_ddim,
    make_noise_sampler,
    marginal_field,
    sample_distribution,
    sample_field,
    sliced_distance,
)
from explorable.flow2d.stochastic import posterior_std

START = np.random.default_rng(3).standard_normal((50, 2))
POINTS = sample_distribution("two moons", 80)
MOONS = ideal_field(POINTS, 0.1)
MEAN, WIDTH, COUNT = np.array([0.7, -0.4]), 0.5, 4000
GAUSSIAN = ideal_field([MEAN], WIDTH)

each_path = pytest.mark.parametrize("path", PATHS.values(), ids=PATHS)


@each_path
@pytest.mark.parametrize(("sampler", "eta"), [("ddim", 0.0), ("ddim", 0.6), ("ddim", 1.0), ("ddpm", 1.0)])
def test_it_agrees_with_the_samplers(path, sampler, eta):
    def denoise(x, t):
        return torch.from_numpy(MOONS.denoised(x.numpy(), path.alpha(t), path.sigma(t)))

    for steps in (1, 2, 20):
        ours, theirs = make_noise_sampler(5, START.shape), make_noise_sampler(5, START.shape)
        options = {"eta": eta} if sampler == "ddim" else {}
        walk = integrate_ddim(MOONS, path, START, uniform_timesteps(steps), eta, ours)
        records = list(SAMPLERS[sampler](denoise, path, torch.from_numpy(START), uniform_timesteps(steps),
                                         noise_sampler=lambda theirs=theirs: torch.from_numpy(theirs()), **options))
        expected = torch.stack([records[0].x, *(r.next_x for r in records)]).numpy()
        np.testing.assert_allclose(walk.x, expected, rtol=0, atol=1e-9)
        assert walk.evaluations == steps


def test_without_noise_it_is_eulers_method_on_the_straight_path_and_draws_nothing():
    times = uniform_timesteps(12)
    walk = integrate_ddim(MOONS, Straight(), START, times, 0.0)
    np.testing.assert_allclose(walk.x, integrate(MOONS, Straight(), START, times, "euler").x, rtol=0, atol=1e-12)
    paired = marginal_field(POINTS, "optimal")
    np.testing.assert_allclose(integrate_ddim(paired, Straight(), START, times, 0.0).x,
                               integrate(paired, Straight(), START, times, "euler").x, rtol=0, atol=1e-12)


@each_path
@pytest.mark.parametrize("eta", [0.5, 1.0])
def test_a_gaussian_has_its_mean_and_variance_at_every_t(path, eta):
    """x_t of N(m, w^2) is N(alpha m, alpha^2 w^2 + sigma^2): within four standard errors, and that of 400 steps."""
    start = path.alpha(1.0) * sample_field(GAUSSIAN, COUNT, 7) + path.sigma(1.0) * make_noise_sampler(8, (COUNT, 2))()
    walk = integrate_ddim(GAUSSIAN, path, start, uniform_timesteps(400), eta, make_noise_sampler(1, start.shape))
    for t, x in list(zip(walk.times, walk.x, strict=True))[::20]:
        mean, variance = path.alpha(t) * MEAN, path.alpha(t) ** 2 * WIDTH**2 + path.sigma(t) ** 2
        assert np.abs(x.mean(0) - mean).max() < 4 * np.sqrt(variance / COUNT) + 0.005
        assert np.abs(x.var(0) / variance - 1).max() < 4 * np.sqrt(2 / COUNT) + 0.02


@pytest.mark.parametrize("eta", [0.0, 1.0])
def test_only_noise_forgets_a_wrong_start(eta):
    """Starts with 1.5 times the spread: the flow scales a Gaussian's samples by 1.5, the walk forgets it."""
    start = 1.5 * make_noise_sampler(8, (COUNT, 2))()
    walk = integrate_ddim(GAUSSIAN, Straight(), start, uniform_timesteps(200), eta, make_noise_sampler(1, start.shape))
    spread = walk.x[-1].std(0) / WIDTH
    assert np.abs(spread - (1.0 if eta else 1.5)).max() < 4 * 1.5 / np.sqrt(2 * COUNT) + 0.02


def test_walks_wiggle_and_from_one_start_reach_many_points():
    start = np.tile([[0.3, -0.2]], (40, 1))
    walk = integrate_ddim(MOONS, Straight(), start, uniform_timesteps(64), 1.0, make_noise_sampler(0, start.shape))
    smooth = integrate_ddim(MOONS, Straight(), start, uniform_timesteps(64), 0.0)

    def length(x):
        return np.linalg.norm(np.diff(x, axis=0), axis=-1).sum(0).mean()

    assert length(walk.x) > 2 * length(smooth.x)
    assert np.ptp(smooth.x[-1], axis=0).max() == 0 and np.ptp(walk.x[-1], axis=0).min() > 1
    nearest = np.linalg.norm(walk.x[-1][:, None] - POINTS, axis=-1).min(axis=1)
    assert np.median(nearest) < 0.1, "not lost: each ends at the data"


def test_what_cannot_be_sampled_is_refused():
    times = uniform_timesteps(3)
    for coupling in ("optimal", "reflowed"):
        with pytest.raises(ValueError, match="needs the coupling independent"):
            integrate_ddim(marginal_field(POINTS, coupling), Straight(), START, times, 0.5, START.copy)
    with pytest.raises(ValueError, match="from 0 to 1"):
        integrate_ddim(MOONS, Straight(), START, times, 1.5)
    with pytest.raises(ValueError, match="give noise_sampler"):
        integrate_ddim(MOONS, Straight(), START, times, 1.0)
    with pytest.raises(ValueError, match="at least two"):
        integrate_ddim(MOONS, Straight(), START, [1.0], 0.0)


def test_the_posterior_has_the_closed_form_of_a_gaussian():
    path, t, next_t = Straight(), 0.8, 0.5
    step = path.alpha(t) / path.alpha(next_t)
    added = path.sigma(t) ** 2 - step**2 * path.sigma(next_t) ** 2
    precision = 1 / path.sigma(next_t) ** 2 + step**2 / added  # of x at next_t given x0 and x at t
    assert posterior_std(path, t, next_t) == pytest.approx(precision**-0.5)


def test_exact_samples_have_the_moments_of_their_mixture():
    samples = sample_field(MOONS, 20_000, 0)
    variance = POINTS.var(0) + 0.1**2
    assert np.abs(samples.mean(0) - POINTS.mean(0)).max() < 4 * np.sqrt(variance.max() / 20_000)
    assert np.abs(samples.var(0) / variance - 1).max() < 0.05


def test_the_sliced_distance_of_a_shift_and_of_a_scale():
    samples = make_noise_sampler(0, (5000, 2))()
    assert sliced_distance(samples, samples[::-1]) == 0
    shift = sliced_distance(samples + np.array([3.0, 0.0]), samples)
    assert shift == pytest.approx(3 * 2 / np.pi, rel=2e-3), "the mean of |cos| over directions"
    scaled = sliced_distance(1.5 * samples, samples)
    assert scaled == pytest.approx(0.5 * np.sqrt(2 / np.pi), rel=0.05), "half the mean of |N(0, 1)|"
