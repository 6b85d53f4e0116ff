"""Samplers, on a target whose exact flow is known.

Pictures are normal, N(m, s^2). Then a noisy one is N(alpha m, alpha^2 s^2 + sigma^2), the best estimate
of x0 is linear in x, and the flow keeps (x - alpha m) / sqrt(alpha^2 s^2 + sigma^2) as it is.
"""

from __future__ import annotations

import inspect
import itertools
import math
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from test_paths import Circle

from explorable.diffusion.paths import Cosine, Linear, Path, Straight, velocity_from_denoised
from explorable.diffusion.samplers import (
    SAMPLERS,
    ddim,
    initial_noise,
    make_noise_sampler,
    posterior,
    run_sampler,
    sampler_options,
)
from explorable.diffusion.timesteps import uniform_timesteps

ORDER = {"euler": 1, "heun": 2, "ddim": 1, "dpmpp_2m": 2}  # of those that throw no dice
DICE = {"ddpm"}


def evaluations(sampler: str, steps: int) -> int:
    return 2 * steps - 1 if sampler == "heun" else steps


PATHS = (Straight(), Circle())


@dataclass(frozen=True)
class Gaussian:
    """Pictures N(mean, spread^2), every number of them by itself, on a path."""

    mean: float
    spread: float
    path: Path

    def width(self, t: float) -> float:
        return math.hypot(self.path.alpha(t) * self.spread, self.path.sigma(t))

    def denoise(self, x: torch.Tensor, t: float) -> torch.Tensor:
        a = self.path.alpha(t)
        return self.mean + a * self.spread**2 / self.width(t) ** 2 * (x - a * self.mean)

    def flow(self, x: torch.Tensor, start: float, end: float) -> torch.Tensor:
        """Where the exact flow takes x from time `start` to time `end`."""
        z = (x - self.path.alpha(start) * self.mean) / self.width(start)
        return self.path.alpha(end) * self.mean + self.width(end) * z


gaussians = st.builds(Gaussian, st.floats(-3, 3), st.floats(0.2, 3), st.sampled_from(PATHS))


def walk(sampler: str, target: Gaussian, x: torch.Tensor, steps: int) -> list:
    return list(run_sampler(sampler, target.denoise, target.path, x, uniform_timesteps(steps),
                             noise_sampler=lambda: torch.randn_like(x)))


def test_every_sampler_has_its_order_here():
    assert ORDER.keys() | DICE == SAMPLERS.keys(), "say what order the new sampler has"


@given(gaussians, st.floats(0.05, 0.95))
def test_the_closed_form_is_a_flow(target, t):
    """Its speed is what the denoised estimate says: the test's own arithmetic, tested."""
    x, h = initial_noise(0, (5,)), 1e-5
    before, here, after = (target.flow(x, 1.0, s) for s in (t - h, t, t + h))
    speed = velocity_from_denoised(target.path, here, target.denoise(here, t), t)
    torch.testing.assert_close((after - before) / (2 * h), speed, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("sampler", ORDER)
@pytest.mark.parametrize("path", PATHS, ids=lambda p: p.name)
@pytest.mark.parametrize(("mean", "spread"), [(0.7, 0.5), (-1.5, 0.8), (0.0, 2.0)])
def test_the_error_falls_with_the_order_of_the_method(sampler, path, mean, spread):
    """Error against number of steps, both as logarithms, is a line: its slope is minus the order.

    The log ratio in which dpmpp_2m walks has no ends at pure noise and pure picture, so it is given a walk between.
    """
    target, x = Gaussian(mean, spread, path), initial_noise(1, (200,))
    start, end = (0.95, 0.05) if sampler == "dpmpp_2m" else (1.0, 0.0)
    exact = target.flow(x, start, end)

    def error(steps: int) -> float:
        times = [end + (start - end) * t for t in uniform_timesteps(steps)]
        *_, last = run_sampler(sampler, target.denoise, path, x, times)
        return (last.next_x - exact).abs().mean().item()

    steps = [64, 128, 256, 512]
    errors = [error(n) for n in steps]
    slope = np.polyfit(np.log(steps), np.log(errors), 1)[0]
    assert slope == pytest.approx(-ORDER[sampler], abs=0.15)


@pytest.mark.parametrize("sampler", SAMPLERS)
@given(path=st.sampled_from(PATHS), steps=st.integers(1, 12), seed=st.integers(0, 99))
def test_a_single_image_is_reached_in_any_number_of_steps(sampler, path, steps, seed):
    """The whole target is one point: its estimate never changes, and the last step lands on it."""
    point = initial_noise(seed + 100, (4, 3))
    *_, last = run_sampler(sampler, lambda x, t: point, path, initial_noise(seed, (4, 3)), uniform_timesteps(steps),
                            noise_sampler=lambda: initial_noise(seed + 7, (4, 3)))
    if path.name == "straight" or sampler not in ("euler", "heun"):  # those two follow curves by straight steps
        torch.testing.assert_close(last.next_x, point, rtol=1e-12, atol=1e-12)
    assert torch.equal(last.denoised, point)


@pytest.mark.parametrize("sampler", SAMPLERS)
@given(steps=st.integers(1, 12), seed=st.integers(0, 99))
def test_on_the_straight_path_the_end_is_the_last_estimate(sampler, steps, seed):
    target = Gaussian(0.3, 0.6, Straight())
    last = walk(sampler, target, initial_noise(seed, (6,)), steps)[-1]
    torch.testing.assert_close(last.next_x, last.denoised, rtol=1e-12, atol=1e-12)


@given(gaussians, st.integers(1, 20))
def test_a_step_of_euler_is_the_speed_times_the_time(target, steps):
    for r in walk("euler", target, initial_noise(3, (5,)), steps):
        speed = velocity_from_denoised(target.path, r.x, target.denoise(r.x, r.t), r.t)
        torch.testing.assert_close((r.next_x - r.x) / (r.next_t - r.t), speed, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("sampler", SAMPLERS)
@given(steps=st.integers(1, 20))
def test_consecutive_steps_are_contiguous(sampler, steps):
    target, noise = Gaussian(0.2, 0.5, Straight()), initial_noise(4, (2, 3))
    kept = noise.clone()
    records = walk(sampler, target, noise, steps)
    assert [r.index for r in records] == list(range(steps))
    assert [r.t for r in records] + [records[-1].next_t] == uniform_timesteps(steps)
    assert torch.equal(records[0].x, kept) and torch.equal(noise, kept), "the noise is left as it was"
    for r, following in itertools.pairwise(records):
        assert following.x is r.next_x and following.t == r.next_t
    for r in records:
        assert torch.equal(r.denoised, target.denoise(r.x, r.t))


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_sampler_is_lazy(sampler):
    """A generator: nothing runs before the first record is wanted, nor beyond the last."""
    asked: list[float] = []
    target = Gaussian(0.2, 0.5, Straight())

    def denoise(x, t):
        asked.append(t)
        return target.denoise(x, t)

    steps = 6
    records = run_sampler(sampler, denoise, target.path, initial_noise(0, (3,)), uniform_timesteps(steps),
                           noise_sampler=make_noise_sampler([1], (3,)))
    assert inspect.isgenerator(records) and asked == []
    for done in range(1, steps + 1):
        next(records)
        ahead = evaluations(sampler, done)
        assert len(asked) == (ahead + 1 if sampler == "heun" and done < steps else ahead)
    assert next(records, None) is None
    assert len(asked) == evaluations(sampler, steps)
    assert 0.0 not in asked, "no speed is known where there is no noise"


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_sampling_is_in_float64_around_a_float32_network(sampler):
    target = Gaussian(0.2, 0.5, Straight())
    coarse = list(run_sampler(sampler, lambda x, t: target.denoise(x, t).float(), target.path,
                               initial_noise(0, (1, 3)), uniform_timesteps(5),
                               noise_sampler=make_noise_sampler([0], (3,))))
    assert all(r.next_x.dtype == torch.float64 and isinstance(r.t, float) for r in coarse)
    noise, times = initial_noise(0, (1, 3)), uniform_timesteps(5)
    *_, fine = run_sampler(sampler, target.denoise, target.path, noise, times,
                            noise_sampler=make_noise_sampler([0], (3,)))
    torch.testing.assert_close(coarse[-1].next_x, fine.next_x, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_an_error_in_the_network_is_raised(sampler):
    def broken(x, t):
        raise RuntimeError("no network")

    with pytest.raises(RuntimeError, match="no network"):
        next(run_sampler(sampler, broken, Straight(), initial_noise(0, (3,)), uniform_timesteps(3)))


@settings(max_examples=30)
@given(st.integers(0, 2**63 - 1))
def test_a_seed_determines_its_noise(seed):
    noise = initial_noise(seed, (4, 16, 16))
    assert not torch.equal(noise.float().double(), noise), "drawn in float64, not only stored"
    assert noise.dtype == torch.float64 and noise.shape == (4, 16, 16)
    assert torch.equal(noise, initial_noise(seed, (4, 16, 16)))
    assert not torch.equal(noise, initial_noise(seed - 1 if seed else 1, (4, 16, 16)))


def test_a_seed_does_not_use_the_global_generator():
    torch.manual_seed(0)
    state, noise = torch.get_rng_state(), initial_noise(7, (10,))
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(1)
    assert torch.equal(initial_noise(7, (10,)), noise)


def test_noise_is_standard_normal():
    """Mean and spread of 160,000 numbers, each within five of its own standard errors."""
    n = 160_000
    noise = initial_noise(11, (n,))
    assert abs(noise.mean().item()) < 5 / math.sqrt(n)
    assert abs(noise.std().item() - 1) < 5 / math.sqrt(2 * n)


def test_a_seed_may_come_from_numpy():
    assert torch.equal(initial_noise(np.int64(3), (4,)), initial_noise(3, (4,)))


@given(st.sampled_from((*PATHS, Linear(), Cosine())), st.floats(0.02, 0.98), st.floats(0.02, 0.98))
def test_the_posterior_is_bayes(path, one, other):
    """Prior of the less noisy latent given x0, likelihood of x given it: their product's mean and spread."""
    next_t, t = sorted((one, other))
    a, s, next_a, next_s = path.alpha(t), path.sigma(t), path.alpha(next_t), path.sigma(next_t)
    if t - next_t < 1e-3:
        return
    ratio, added = a / next_a, s**2 - (a / next_a * next_s) ** 2
    precision = 1 / next_s**2 + ratio**2 / added
    of_x, of_x0, spread = posterior(path, t, next_t)
    assert spread == pytest.approx(precision**-0.5, rel=1e-6)
    assert of_x == pytest.approx(ratio / added / precision, rel=1e-6)
    assert of_x0 == pytest.approx(next_a / next_s**2 / precision, rel=1e-6)


@pytest.mark.parametrize("path", [*PATHS, Linear(), Cosine()], ids=lambda p: p.name)
def test_ddim_with_all_its_noise_is_ddpm(path):
    """Song et al. 2020, section 4.1: two ways of writing one sampler."""
    target, noise, times = Gaussian(0.4, 0.6, path), initial_noise(5, (2, 3)), uniform_timesteps(9)
    one = SAMPLERS["ddpm"](target.denoise, path, noise, times, make_noise_sampler([1, 2], (3,)))
    other = ddim(target.denoise, path, noise, times, make_noise_sampler([1, 2], (3,)), eta=1.0)
    for a, b in zip(one, other, strict=True):
        torch.testing.assert_close(a.next_x, b.next_x, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("path", PATHS, ids=lambda p: p.name)
@pytest.mark.parametrize("eta", [0.3, 1.0])
def test_stochastic_samplers_reach_the_same_distribution(path, eta):
    """Mean and spread of 20,000 ends are the target's, to five standard errors and what 400 steps leave."""
    n, target = 20_000, Gaussian(0.7, 0.5, path)
    *_, last = ddim(target.denoise, path, initial_noise(1, (1, n)), uniform_timesteps(400),
                    make_noise_sampler([1], (n,)), eta)
    assert last.next_x.mean().item() == pytest.approx(0.7, abs=5 * 0.5 / n**0.5 + 0.005)
    assert last.next_x.std().item() == pytest.approx(0.5, abs=5 * 0.5 / (2 * n) ** 0.5 + 0.005)


def test_a_stochastic_sampler_requires_a_noise_sampler():
    target = Gaussian(0, 1, Straight())
    for sampler, settings_ in ((SAMPLERS["ddpm"], {}), (ddim, {"eta": 0.5})):
        with pytest.raises(ValueError, match="give noise_sampler"):
            list(sampler(target.denoise, Straight(), initial_noise(0, (3,)), uniform_timesteps(4), **settings_))


def test_fresh_noise_depends_on_its_seed_and_continues_its_generator():
    """A row's dice do not depend on its neighbours, and are not the noise that it started from."""
    both, alone = make_noise_sampler([3, 9], (4,)), make_noise_sampler([9], (4,))
    for _ in range(3):
        assert torch.equal(both()[1], alone()[0])
    first = make_noise_sampler([9], (4,))()[0]
    assert not torch.equal(first, initial_noise(9, (4,)))
    generator = torch.Generator().manual_seed(9)
    torch.randn(4, generator=generator, dtype=torch.float64)
    assert torch.equal(first, torch.randn(4, generator=generator, dtype=torch.float64))


def test_each_sampler_takes_the_options_in_its_signature_and_no_others():
    options = {name: sampler_options(name) for name in SAMPLERS}
    assert options == {"euler": set(), "heun": set(), "ddim": {"noise_sampler", "eta"},
                       "ddpm": {"noise_sampler", "shift_mean"}, "dpmpp_2m": {"previous"}}
    target, noise, times = Gaussian(0.2, 0.5, Straight()), initial_noise(4, (3,)), uniform_timesteps(4)
    *_, plain = SAMPLERS["euler"](target.denoise, target.path, noise, times)
    *_, same = run_sampler("euler", target.denoise, target.path, noise, times, eta=1.0, noise_sampler=None)
    assert torch.equal(plain.next_x, same.next_x)
