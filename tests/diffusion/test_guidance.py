"""Guidance by a teacher, where everything is known: pictures are one of two normal clouds, and the teacher is exact.

x0 given y is N(y m, s^2) with y = -1 or 1, so both estimates and log p(y | x) have closed forms.
"""

from __future__ import annotations

import math
from functools import partial

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from explorable.diffusion.guidance import rescale_contrast, shift_denoised, shift_mean
from explorable.diffusion.paths import PATHS, velocity_from_denoised
from explorable.diffusion.samplers import ddim, ddpm, initial_noise, make_noise_sampler
from explorable.diffusion.timesteps import uniform_timesteps

M, S = 1.0, 0.4
paths = st.sampled_from(tuple(PATHS.values()))


def width2(path, t):
    return (path.alpha(t) * S) ** 2 + path.sigma(t) ** 2


def estimate(path, x, t, y):
    """E[x0 | x, y]."""
    a = path.alpha(t)
    return y * M + a * S**2 / width2(path, t) * (x - a * y * M)


def chance(path, x, t):
    """p(y = 1 | x)."""
    return torch.sigmoid(2 * path.alpha(t) * M * x / width2(path, t))


def unguided(path, x, t):
    """E[x0 | x]."""
    p = chance(path, x, t)
    return p * estimate(path, x, t, 1) + (1 - p) * estimate(path, x, t, -1)


def gradient(path, x, t):
    """d log p(y = 1 | x) / dx."""
    return 2 * path.alpha(t) * M / width2(path, t) * (1 - chance(path, x, t))


@given(paths, st.floats(0.02, 0.999), st.integers(0, 999))
def test_an_exact_classifier_at_scale_one_gives_the_conditional_model(path, t, seed):
    """Bayes: score of p(x | y) = score of p(x) + gradient of log p(y | x)."""
    x = initial_noise(seed, (20,))
    guided = shift_denoised(path, unguided(path, x, t), gradient(path, x, t), 1.0, t)
    torch.testing.assert_close(guided, estimate(path, x, t, 1), rtol=1e-6, atol=1e-6)


@given(st.floats(0.02, 0.98), st.floats(0, 5), st.integers(0, 999))
def test_on_the_straight_path_the_velocity_shift_is_sigma_over_alpha(t, scale, seed):
    path = PATHS["straight"]
    x = initial_noise(seed, (20,))
    d, g = unguided(path, x, t), gradient(path, x, t)
    before, after = (velocity_from_denoised(path, x, y, t) for y in (d, shift_denoised(path, d, g, scale, t)))
    torch.testing.assert_close(after, before - scale * t / (1 - t) * g, rtol=1e-8, atol=1e-8)


def test_in_pure_noise_nothing_is_shifted():
    d, g = initial_noise(0, (5,)), initial_noise(1, (5,))
    assert torch.equal(shift_denoised(PATHS["straight"], d, g, 100.0, 1.0), d)


@pytest.mark.parametrize("name", PATHS)
@pytest.mark.parametrize("form", ["noise", "mean"])
def test_classifier_guidance_moves_both_samplers_to_its_class(name, form):
    """Unguided, half of the samples end in each cloud; at scale 1 all end in the right one, as the true conditional."""
    path, n = PATHS[name], 4000
    noise, times = initial_noise(3, (1, n)), uniform_timesteps(200)

    def walk(scale: float) -> torch.Tensor:
        def guided_mean(mean, x, t, std):
            return shift_mean(mean, std, gradient(path, x, t), scale)

        def guided_denoised(x, t):
            return shift_denoised(path, unguided(path, x, t), gradient(path, x, t), scale, t)

        sampler = partial(ddpm, shift_mean=guided_mean) if form == "mean" else ddim
        denoise = partial(unguided, path) if form == "mean" else guided_denoised
        *_, last = sampler(denoise, path, noise, times, make_noise_sampler([5], (n,)))
        return last.next_x

    free, guided = walk(0.0), walk(1.0)
    assert (free > 0).double().mean().item() == pytest.approx(0.5, abs=4 * 0.5 / math.sqrt(n) + 0.01)
    assert (guided > 0).double().mean().item() > 0.97
    assert guided.mean().item() == pytest.approx(M, abs=0.08) and guided.std().item() == pytest.approx(S, abs=0.08)


@given(st.floats(0, 1), st.integers(0, 999))
def test_rescaling_is_done_per_image(share, seed):
    guided, cond = torch.randn(2, 3, 4, 5, 5, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    guided = guided * torch.tensor([1.0, 2.0, 7.0])[:, None, None, None]
    out = rescale_contrast(guided, cond, share)
    wanted = share * cond.std((1, 2, 3)) + (1 - share) * guided.std((1, 2, 3))
    torch.testing.assert_close(out.std((1, 2, 3)), wanted)
