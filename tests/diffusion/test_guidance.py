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

from explorable.diffusion.guidance import mean_shift, noise_shift, rescaled
from explorable.diffusion.paths import PATHS, velocity_from_denoised
from explorable.diffusion.samplers import ddim, ddpm, dice, start_noise
from explorable.diffusion.timesteps import uniform_times

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
def test_an_exact_teacher_at_scale_one_makes_the_painter_conditional(path, t, seed):
    """Bayes: score of p(x | y) = score of p(x) + gradient of log p(y | x)."""
    x = start_noise(seed, (20,))
    guided = noise_shift(path, unguided(path, x, t), gradient(path, x, t), 1.0, t)
    torch.testing.assert_close(guided, estimate(path, x, t, 1), rtol=1e-6, atol=1e-6)


@given(st.floats(0.02, 0.98), st.floats(0, 5), st.integers(0, 999))
def test_on_the_straight_path_the_push_on_the_velocity_is_sigma_over_alpha(t, scale, seed):
    path = PATHS["straight"]
    x = start_noise(seed, (20,))
    d, g = unguided(path, x, t), gradient(path, x, t)
    before, after = (velocity_from_denoised(path, x, y, t) for y in (d, noise_shift(path, d, g, scale, t)))
    torch.testing.assert_close(after, before - scale * t / (1 - t) * g, rtol=1e-8, atol=1e-8)


def test_in_pure_noise_nothing_is_pushed():
    d, g = start_noise(0, (5,)), start_noise(1, (5,))
    assert torch.equal(noise_shift(PATHS["straight"], d, g, 100.0, 1.0), d)


@pytest.mark.parametrize("name", PATHS)
@pytest.mark.parametrize("form", ["noise", "mean"])
def test_a_teacher_brings_both_samplers_into_its_cloud(name, form):
    """Unguided, half of the samples end in each cloud; at scale 1 all end in the right one, as the true conditional."""
    path, n = PATHS[name], 4000
    noise, times = start_noise(3, (1, n)), uniform_times(200)

    def walk(scale: float) -> torch.Tensor:
        def push(mean, x, t, spread):
            return mean_shift(mean, spread, gradient(path, x, t), scale)

        def pushed(x, t):
            return noise_shift(path, unguided(path, x, t), gradient(path, x, t), scale, t)

        sampler = partial(ddpm, push=push) if form == "mean" else ddim
        *_, last = sampler(partial(unguided, path) if form == "mean" else pushed, path, noise, times, dice([5], (n,)))
        return last.next_x

    free, guided = walk(0.0), walk(1.0)
    assert (free > 0).double().mean().item() == pytest.approx(0.5, abs=4 * 0.5 / math.sqrt(n) + 0.01)
    assert (guided > 0).double().mean().item() > 0.97
    assert guided.mean().item() == pytest.approx(M, abs=0.08) and guided.std().item() == pytest.approx(S, abs=0.08)


@given(st.floats(0, 1), st.integers(0, 999))
def test_rescaling_moves_the_contrast_each_picture_by_itself(share, seed):
    guided, cond = torch.randn(2, 3, 4, 5, 5, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    guided = guided * torch.tensor([1.0, 2.0, 7.0])[:, None, None, None]
    out = rescaled(guided, cond, share)
    wanted = share * cond.std((1, 2, 3)) + (1 - share) * guided.std((1, 2, 3))
    torch.testing.assert_close(out.std((1, 2, 3)), wanted)
