"""Paths and guidance: the conversions undo each other, and speeds are speeds."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from explorable.diffusion.guidance import classifier_free
from explorable.diffusion.paths import (
    PATHS,
    Straight,
    noise_from_denoised,
    velocity_from_denoised,
)
from explorable.diffusion.predictions import to_denoised


class Circle:
    """A second path, so that nothing rests on the straight one: cos and sin of a quarter turn."""

    name = "circle"

    def alpha(self, t: float) -> float:
        return math.cos(math.pi * t / 2)

    def sigma(self, t: float) -> float:
        return math.sin(math.pi * t / 2)

    def d_alpha(self, t: float) -> float:
        return -math.pi / 2 * math.sin(math.pi * t / 2)

    def d_sigma(self, t: float) -> float:
        return math.pi / 2 * math.cos(math.pi * t / 2)

    def time_at(self, ratio: float) -> float:
        return math.atan(ratio) * 2 / math.pi


ALL = (*PATHS.values(), Circle())
paths = st.sampled_from(ALL)
times = st.floats(1e-3, 1)
seeds = st.integers(0, 2**31)
weights = st.floats(-20, 20)


def three(seed: int) -> torch.Tensor:
    """Three tensors of one shape, float64."""
    return torch.randn(3, 2, 4, 5, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def close(a: torch.Tensor, b: torch.Tensor, scale: float = 1.0) -> None:
    torch.testing.assert_close(a, b, rtol=1e-11 * scale, atol=1e-11 * scale)


@given(paths, times, seeds)
def test_image_and_noise_are_recovered_from_latent_and_velocity(path, t, seed):
    """x and dx/dt are made of x0 and e; what is made of them must be x0, e and dx/dt again."""
    x0, e, _ = three(seed)
    x = path.alpha(t) * x0 + path.sigma(t) * e
    speed = path.d_alpha(t) * x0 + path.d_sigma(t) * e
    close(to_denoised("velocity", path, x, speed, t), x0)
    close(noise_from_denoised(path, x, x0, t), e, 1 / path.sigma(t))
    close(velocity_from_denoised(path, x, x0, t), speed, 1 / path.sigma(t))


@given(paths, times, seeds)
def test_velocity_and_denoised_undo_each_other(path, t, seed):
    x, anything, _ = three(seed)
    scale = 1 / path.sigma(t)
    close(to_denoised("velocity", path, x, velocity_from_denoised(path, x, anything, t), t), anything, scale)
    close(velocity_from_denoised(path, x, to_denoised("velocity", path, x, anything, t), t), anything, scale)


@given(seeds)
def test_the_velocity_is_defined_at_every_time_of_the_straight_path(seed):
    """Where nothing is noise the latent is the picture, whatever the speed."""
    x, speed, _ = three(seed)
    close(to_denoised("velocity", Straight(), x, speed, 0.0), x)
    close(to_denoised("velocity", Straight(), x, speed, 1.0), x - speed)


@given(paths, st.floats(0.01, 0.99))
def test_the_rates_are_the_derivatives(path, t):
    h = 1e-5
    for f, rate in ((path.alpha, path.d_alpha), (path.sigma, path.d_sigma)):
        assert rate(t) == pytest.approx((f(t + h) - f(t - h)) / (2 * h), rel=1e-6, abs=1e-8)


def test_a_path_begins_at_the_image_and_ends_in_noise():
    for path in ALL:
        assert (path.alpha(0.0), path.sigma(0.0)) == (1, 0)
        left = 0.00657 if path.name == "linear" else 0  # DDPM's own schedule never quite loses the picture
        assert (path.alpha(1.0), path.sigma(1.0)) == pytest.approx((left, 1), abs=3e-5)
        assert all(
            isinstance(f(0.5), float) for f in (path.alpha, path.sigma, path.d_alpha, path.d_sigma)
        )


@given(seeds, weights)
def test_guidance_one_and_zero_are_exact(seed, w):
    uncond, cond, _ = three(seed)
    assert torch.equal(classifier_free(uncond, cond, 0), uncond)
    close(classifier_free(uncond, cond, 1), cond)
    assert torch.equal(classifier_free(cond, cond, w), cond)


@given(seeds, weights, weights)
def test_guidance_is_linear_in_w(seed, v, w):
    uncond, cond, _ = three(seed)
    middle = (classifier_free(uncond, cond, v) + classifier_free(uncond, cond, w)) / 2
    close(classifier_free(uncond, cond, (v + w) / 2), middle, 100)
    close(classifier_free(uncond, cond, w), classifier_free(cond, uncond, 1 - w), 100)


@given(paths, times, seeds, weights)
def test_guiding_the_estimate_equals_guiding_the_velocity(path, t, seed, w):
    """The conversion is affine, so it does not matter on which side of it the two are compared."""
    x, uncond, cond = three(seed)
    guided = velocity_from_denoised(path, x, classifier_free(uncond, cond, w), t)
    apart = (velocity_from_denoised(path, x, d, t) for d in (uncond, cond))
    close(guided, classifier_free(*apart, w), 100 / path.sigma(t))


@given(st.sampled_from((*PATHS.values(), Circle())), st.floats(0.001, 0.999))
def test_a_time_is_found_by_its_noise(path, t):
    assert path.time_at(path.sigma(t) / path.alpha(t)) == pytest.approx(t, abs=1e-9)


@given(st.sampled_from(("linear", "cosine")), st.floats(0, 1))
def test_variance_is_preserved(name, t):
    path = PATHS[name]
    assert path.alpha(t) ** 2 + path.sigma(t) ** 2 == pytest.approx(1, abs=1e-12)


def test_the_linear_path_is_ddpms_own_schedule():
    """Ho et al. add beta_k from 0.0001 to 0.02 in 1000 steps: their product of (1 - beta) is our alpha squared."""
    betas = [1e-4 + (0.02 - 1e-4) * k / 999 for k in range(1000)]
    product = 1.0
    for k, beta in enumerate(betas):
        product *= 1 - beta
        if k % 100 == 99:
            assert PATHS["linear"].alpha((k + 1) / 1000) == pytest.approx(math.sqrt(product), rel=0.06)
