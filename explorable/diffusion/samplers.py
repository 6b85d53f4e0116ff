"""Samplers: generators that take a latent from noise to image and yield a record of every step.

Each one calls denoise(x, t) -> the model's estimate of x0. The integration runs in float64 around a float32 network,
with t, alpha and sigma as Python floats. What a sampler needs besides (eta, fresh noise, …) are keyword arguments:
`sampler_options` lists them and `run_sampler` passes each sampler those that it takes.
"""

from __future__ import annotations

import functools
import inspect
import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from .paths import Path, noise_from_denoised, velocity_from_denoised

Denoise = Callable[[Tensor, float], Tensor]
NoiseSampler = Callable[[], Tensor]  # returns standard normal noise of the latents' shape


@dataclass(frozen=True)
class Step:
    """One step of a sampler.

    index: 0 for the first; t: noise time at its start; x: latent there; denoised: estimate of x0 there;
    next_x: the latent at `next_t`.
    """

    index: int
    t: float
    next_t: float
    x: Tensor
    denoised: Tensor
    next_x: Tensor


def euler(denoise: Denoise, path: Path, x: Tensor, times: list[float]) -> Iterator[Step]:
    """Euler's method on dx/dt. Order 1, one evaluation a step."""
    for k, (t, next_t) in enumerate(itertools.pairwise(times)):
        denoised = denoise(x, t)
        next_x = x + (next_t - t) * velocity_from_denoised(path, x.double(), denoised.double(), t)
        yield Step(k, t, next_t, x, denoised, next_x)
        x = next_x


def heun(denoise: Denoise, path: Path, x: Tensor, times: list[float]) -> Iterator[Step]:
    """Heun's method: the mean of the velocities here and at Euler's next latent. Order 2, two evaluations a step.

    As in Karras et al. 2022, algorithm 1, the last step, to sigma = 0, is Euler's.
    """
    for k, (t, next_t) in enumerate(itertools.pairwise(times)):
        denoised = denoise(x, t)
        velocity = velocity_from_denoised(path, x.double(), denoised.double(), t)
        next_x = x + (next_t - t) * velocity
        if path.sigma(next_t) > 0:
            next_velocity = velocity_from_denoised(path, next_x, denoise(next_x, next_t).double(), next_t)
            next_x = x + (next_t - t) * (velocity + next_velocity) / 2
        yield Step(k, t, next_t, x, denoised, next_x)
        x = next_x


def ddim(denoise: Denoise, path: Path, x: Tensor, times: list[float], noise_sampler: NoiseSampler | None = None,
         eta: float = 0.0) -> Iterator[Step]:
    """Split x into estimated image and noise and mix them again for the next time (Song et al. 2020, equation 12).

    eta, from 0 to 1, is the share of fresh noise: 0 is deterministic and of order 1, 1 is DDPM.
    """
    for k, (t, next_t) in enumerate(itertools.pairwise(times)):
        denoised = denoise(x, t).double()
        noise = noise_from_denoised(path, x.double(), denoised, t)
        std = eta * posterior(path, t, next_t)[2]
        next_x = path.alpha(next_t) * denoised + math.sqrt(max(0.0, path.sigma(next_t) ** 2 - std**2)) * noise
        if std > 0:
            next_x = next_x + std * _fresh_noise(noise_sampler, "ddim with eta above 0")
        yield Step(k, t, next_t, x, denoised, next_x)
        x = next_x


def ddpm(denoise: Denoise, path: Path, x: Tensor, times: list[float], noise_sampler: NoiseSampler | None = None,
         shift_mean: Callable[[Tensor, Tensor, float, float], Tensor] | None = None) -> Iterator[Step]:
    """Ancestral sampling: draw the less noisy latent from its posterior (Ho et al. 2020, algorithm 2, eq. 7).

    shift_mean(mean, x, t, std) -> mean: classifier guidance of the posterior's mean, see `guidance.shift_mean`.
    """
    for k, (t, next_t) in enumerate(itertools.pairwise(times)):
        denoised = denoise(x, t).double()
        x_weight, denoised_weight, std = posterior(path, t, next_t)
        mean = x_weight * x + denoised_weight * denoised
        next_x = mean if shift_mean is None else shift_mean(mean, x, t, std)
        if std > 0:
            next_x = next_x + std * _fresh_noise(noise_sampler, "ddpm")
        yield Step(k, t, next_t, x, denoised, next_x)
        x = next_x


def dpmpp_2m(denoise: Denoise, path: Path, x: Tensor, times: list[float],
             previous: tuple[float, Tensor] | None = None) -> Iterator[Step]:
    """DPM-Solver++ (2M): one evaluation a step, reusing the one before (Lu et al. 2022, algorithm 2). Order 2.

    As a function of lambda = log(alpha / sigma) the denoised estimate is nearly linear, so the last two estimates are
    extrapolated. The first step, and one to sigma = 0, cannot be: order 1.

    previous: time and denoised estimate of the step before, where another run is continued.
    """
    for k, (t, next_t) in enumerate(itertools.pairwise(times)):
        denoised = denoise(x, t).double()
        lam, next_lam = _log_ratio(path, t), _log_ratio(path, next_t)
        extrapolated = denoised
        previous_lam = -math.inf if previous is None else _log_ratio(path, previous[0])
        if previous is not None and math.isfinite(next_lam) and math.isfinite(previous_lam):
            extrapolated = denoised + (next_lam - lam) / (2 * (lam - previous_lam)) * (denoised - previous[1])
        decay = math.exp(lam - next_lam)  # 0 where either end is infinite
        next_x = path.sigma(next_t) / path.sigma(t) * x + path.alpha(next_t) * (1 - decay) * extrapolated
        yield Step(k, t, next_t, x, denoised, next_x)
        previous, x = (t, denoised), next_x


Sampler = Callable[..., Iterator[Step]]
SAMPLERS: dict[str, Sampler] = {"euler": euler, "heun": heun, "ddim": ddim, "ddpm": ddpm, "dpmpp_2m": dpmpp_2m}


@functools.cache
def sampler_options(name: str) -> frozenset[str]:
    """Return the names of the options of a sampler: its arguments after denoise, path, x and times."""
    return frozenset(list(inspect.signature(SAMPLERS[name]).parameters)[4:])


def run_sampler(name: str, denoise: Denoise, path: Path, x: Tensor, times: list[float],
                 **options: Any) -> Iterator[Step]:
    """Run a sampler by name, with the subset of `options` that it takes."""
    taken = {option: value for option, value in options.items() if option in sampler_options(name)}
    return SAMPLERS[name](denoise, path, x, times, **taken)


def posterior(path: Path, t: float, next_t: float) -> tuple[float, float, float]:
    """Return the weights of x and x0 in the mean of the less noisy latent given both, and its standard deviation.

    Ho et al. 2020, equation 7, written for any path: with a = alpha(t) / alpha(next_t), the noise added between next_t
    and t has variance sigma(t)^2 - a^2 sigma(next_t)^2.
    """
    a, s, next_s = path.alpha(t) / path.alpha(next_t), path.sigma(t), path.sigma(next_t)
    added = s**2 - (a * next_s) ** 2
    return a * (next_s / s) ** 2, path.alpha(next_t) * added / s**2, next_s * math.sqrt(added) / s


def _log_ratio(path: Path, t: float) -> float:
    """Return log(alpha / sigma), half the log signal-to-noise ratio: -inf at pure noise, inf at t = 0."""
    a, s = path.alpha(t), path.sigma(t)
    return math.inf if s == 0 else -math.inf if a == 0 else math.log(a / s)


def _fresh_noise(noise_sampler: NoiseSampler | None, sampler: str) -> Tensor:
    if noise_sampler is None:
        raise ValueError(f"{sampler} adds fresh noise at every step: give noise_sampler, a function that returns noise")
    return noise_sampler()


def initial_noise(seed: int, shape: tuple[int, ...]) -> Tensor:
    """Return the starting noise of a seed: standard normal, float64, the same on every device."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(int(seed)), dtype=torch.float64, device="cpu")


def make_noise_sampler(seeds: list[int], shape: tuple[int, ...]) -> NoiseSampler:
    """Return a noise sampler for a batch: each row continues its own seed's stream after `initial_noise`."""
    generators = [torch.Generator().manual_seed(int(seed)) for seed in seeds]

    def noise_sampler() -> Tensor:
        return torch.stack([torch.randn(shape, generator=g, dtype=torch.float64, device="cpu") for g in generators])

    noise_sampler()  # skip the initial noise
    return noise_sampler
