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

from explorable.diffusion.paths import Path, Straight, velocity_from_denoised
from explorable.diffusion.samplers import SAMPLERS, start_noise, uniform_times

ORDER = {"euler": 1, "heun": 2}
EVALUATIONS = {"euler": lambda steps: steps, "heun": lambda steps: 2 * steps - 1}
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
    return list(SAMPLERS[sampler](target.denoise, target.path, x, uniform_times(steps)))


def test_every_sampler_has_its_order_here():
    assert ORDER.keys() == SAMPLERS.keys(), "say what order the new sampler has"


@given(gaussians, st.floats(0.05, 0.95))
def test_the_closed_form_is_a_flow(target, t):
    """Its speed is what the denoised estimate says: the test's own arithmetic, tested."""
    x, h = start_noise(0, (5,)), 1e-5
    before, here, after = (target.flow(x, 1.0, s) for s in (t - h, t, t + h))
    speed = velocity_from_denoised(target.path, here, target.denoise(here, t), t)
    torch.testing.assert_close((after - before) / (2 * h), speed, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("path", PATHS, ids=lambda p: p.name)
@pytest.mark.parametrize(("mean", "spread"), [(0.7, 0.5), (-1.5, 0.8), (0.0, 2.0)])
def test_the_error_falls_with_the_order_of_the_method(sampler, path, mean, spread):
    """Error against number of steps, both as logarithms, is a line: its slope is minus the order."""
    target, x = Gaussian(mean, spread, path), start_noise(1, (200,))
    exact = target.flow(x, 1.0, 0.0)
    steps = [64, 128, 256, 512]
    errors = [(walk(sampler, target, x, n)[-1].next_x - exact).abs().mean().item() for n in steps]
    slope = np.polyfit(np.log(steps), np.log(errors), 1)[0]
    assert slope == pytest.approx(-ORDER[sampler], abs=0.15)


@pytest.mark.parametrize("sampler", SAMPLERS)
@given(path=st.sampled_from(PATHS), steps=st.integers(1, 12), seed=st.integers(0, 99))
def test_one_picture_alone_is_reached_in_any_number_of_steps(sampler, path, steps, seed):
    """The whole target is one point: its estimate never changes, and the last step lands on it."""
    point = start_noise(seed + 100, (4, 3))
    *_, last = SAMPLERS[sampler](lambda x, t: point, path, start_noise(seed, (4, 3)), uniform_times(steps))
    if path.name == "straight":  # where a fixed estimate makes a straight walk
        torch.testing.assert_close(last.next_x, point, rtol=1e-12, atol=1e-12)
    assert torch.equal(last.denoised, point)


@pytest.mark.parametrize("sampler", SAMPLERS)
@given(steps=st.integers(1, 12), seed=st.integers(0, 99))
def test_on_the_straight_path_the_end_is_the_last_estimate(sampler, steps, seed):
    target = Gaussian(0.3, 0.6, Straight())
    last = walk(sampler, target, start_noise(seed, (6,)), steps)[-1]
    torch.testing.assert_close(last.next_x, last.denoised, rtol=1e-12, atol=1e-12)


@given(gaussians, st.integers(1, 20))
def test_a_step_of_euler_is_the_speed_times_the_time(target, steps):
    for r in walk("euler", target, start_noise(3, (5,)), steps):
        speed = velocity_from_denoised(target.path, r.x, target.denoise(r.x, r.t), r.t)
        torch.testing.assert_close((r.next_x - r.x) / (r.next_t - r.t), speed, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("sampler", SAMPLERS)
@given(steps=st.integers(1, 20))
def test_the_records_join_up(sampler, steps):
    target, noise = Gaussian(0.2, 0.5, Straight()), start_noise(4, (2, 3))
    kept = noise.clone()
    records = walk(sampler, target, noise, steps)
    assert [r.index for r in records] == list(range(steps))
    assert [r.t for r in records] + [records[-1].next_t] == uniform_times(steps)
    assert torch.equal(records[0].x, kept) and torch.equal(noise, kept), "the noise is left as it was"
    for r, following in itertools.pairwise(records):
        assert following.x is r.next_x and following.t == r.next_t
    for r in records:
        assert torch.equal(r.denoised, target.denoise(r.x, r.t))


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_sampler_computes_only_what_is_asked_for(sampler):
    """A generator: nothing runs before the first record is wanted, nor beyond the last."""
    asked: list[float] = []
    target = Gaussian(0.2, 0.5, Straight())

    def denoise(x, t):
        asked.append(t)
        return target.denoise(x, t)

    steps = 6
    records = SAMPLERS[sampler](denoise, target.path, start_noise(0, (3,)), uniform_times(steps))
    assert inspect.isgenerator(records) and asked == []
    for done in range(1, steps + 1):
        next(records)
        ahead = EVALUATIONS[sampler](done)
        assert len(asked) == (ahead if done == steps or sampler == "euler" else ahead + 1)
    assert next(records, None) is None
    assert len(asked) == EVALUATIONS[sampler](steps)
    assert 0.0 not in asked, "no speed is known where there is no noise"


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_the_walk_is_in_float64_around_a_float32_network(sampler):
    target = Gaussian(0.2, 0.5, Straight())
    coarse = list(
        SAMPLERS[sampler](
            lambda x, t: target.denoise(x, t).float(), target.path, start_noise(0, (3,)), uniform_times(5)
        )
    )
    assert all(r.next_x.dtype == torch.float64 and isinstance(r.t, float) for r in coarse)
    torch.testing.assert_close(
        coarse[-1].next_x, walk(sampler, target, start_noise(0, (3,)), 5)[-1].next_x, rtol=1e-5, atol=1e-5
    )


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_an_error_in_the_network_comes_through(sampler):
    def broken(x, t):
        raise RuntimeError("no network")

    with pytest.raises(RuntimeError, match="no network"):
        next(SAMPLERS[sampler](broken, Straight(), start_noise(0, (3,)), uniform_times(3)))


@given(st.integers(1, 1000))
def test_times_fall_evenly_from_one_to_zero(steps):
    times = uniform_times(steps)
    assert len(times) == steps + 1 and times[0] == 1 and times[-1] == 0
    assert np.diff(times) == pytest.approx(np.full(steps, -1 / steps))
    assert all(type(t) is float for t in times)


@settings(max_examples=30)
@given(st.integers(0, 2**63 - 1))
def test_a_seed_is_a_noise_and_no_other(seed):
    noise = start_noise(seed, (4, 16, 16))
    assert not torch.equal(noise.float().double(), noise), "drawn in float64, not only stored"
    assert noise.dtype == torch.float64 and noise.shape == (4, 16, 16)
    assert torch.equal(noise, start_noise(seed, (4, 16, 16)))
    assert not torch.equal(noise, start_noise(seed - 1 if seed else 1, (4, 16, 16)))


def test_a_seed_neither_reads_nor_moves_the_shared_generator():
    torch.manual_seed(0)
    state, noise = torch.get_rng_state(), start_noise(7, (10,))
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(1)
    assert torch.equal(start_noise(7, (10,)), noise)


def test_noise_is_standard_normal():
    """Mean and spread of 160,000 numbers, each within five of its own standard errors."""
    n = 160_000
    noise = start_noise(11, (n,))
    assert abs(noise.mean().item()) < 5 / math.sqrt(n)
    assert abs(noise.std().item() - 1) < 5 / math.sqrt(2 * n)


def test_a_seed_may_come_from_numpy():
    assert torch.equal(start_noise(np.int64(3), (4,)), start_noise(3, (4,)))
