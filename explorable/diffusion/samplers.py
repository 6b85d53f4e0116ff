"""Samplers: generators that walk a latent from noise to picture and yield a record of every step.

Each speaks `denoised` only: denoise(x, t) -> the model's estimate of x0. The walk is done in float64
around a float32 network, with t, alpha and sigma as Python floats. Two of them throw dice: they ask
`draw()` for standard normal noise of x's shape.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from .paths import Path, noise_from_denoised, velocity_from_denoised

Denoise = Callable[[Tensor, float], Tensor]
Draw = Callable[[], Tensor]


@dataclass(frozen=True)
class Step:
    """One step: where it started, what the model made of it, and where it led.

    index: 0 for the first; t: noise time at its start; x: latent there; denoised: estimate of x0 there;
    next_x: the latent at `next_t`.
    """

    index: int
    t: float
    next_t: float
    x: Tensor
    denoised: Tensor
    next_x: Tensor


def euler(denoise: Denoise, path: Path, x: Tensor, times: list[float], draw: Draw | None = None) -> Iterator[Step]:
    """Euler's method on dx/dt: follow the present speed to the next time. Order 1, one evaluation a step."""
    for k, (t, next_t) in enumerate(itertools.pairwise(times)):
        denoised = denoise(x, t)
        next_x = x + (next_t - t) * velocity_from_denoised(path, x.double(), denoised.double(), t)
        yield Step(k, t, next_t, x, denoised, next_x)
        x = next_x


def heun(denoise: Denoise, path: Path, x: Tensor, times: list[float], draw: Draw | None = None) -> Iterator[Step]:
    """Heun's method: the mean of the speeds here and at Euler's guess. Order 2, two evaluations a step.

    As in Karras et al. 2022, algorithm 1, the last step, to sigma = 0, is Euler's.
    """
    for k, (t, next_t) in enumerate(itertools.pairwise(times)):
        denoised = denoise(x, t)
        here = velocity_from_denoised(path, x.double(), denoised.double(), t)
        next_x = x + (next_t - t) * here
        if path.sigma(next_t) > 0:
            there = velocity_from_denoised(path, next_x, denoise(next_x, next_t).double(), next_t)
            next_x = x + (next_t - t) * (here + there) / 2
        yield Step(k, t, next_t, x, denoised, next_x)
        x = next_x


def ddim(denoise: Denoise, path: Path, x: Tensor, times: list[float], draw: Draw | None = None,
         eta: float = 0.0) -> Iterator[Step]:
    """Take the estimated picture and noise apart, and mix them anew for the next time (Song et al. 2020, eq. 12).

    eta, from 0 to 1, is the share of fresh noise: 0 is deterministic and of order 1, 1 is DDPM.
    """
    for k, (t, next_t) in enumerate(itertools.pairwise(times)):
        denoised = denoise(x, t).double()
        noise = noise_from_denoised(path, x.double(), denoised, t)
        fresh = eta * posterior(path, t, next_t)[2]
        next_x = path.alpha(next_t) * denoised + math.sqrt(max(0.0, path.sigma(next_t) ** 2 - fresh**2)) * noise
        if fresh > 0:
            next_x = next_x + fresh * _drawn(draw, "ddim with eta above 0")
        yield Step(k, t, next_t, x, denoised, next_x)
        x = next_x


def ddpm(denoise: Denoise, path: Path, x: Tensor, times: list[float], draw: Draw | None = None,
         push: Callable[[Tensor, Tensor, float, float], Tensor] | None = None) -> Iterator[Step]:
    """Ancestral sampling: draw the less noisy latent from its posterior (Ho et al. 2020, algorithm 2, eq. 7).

    push(mean, x, t, spread) -> mean: a teacher's hand on the posterior's mean, as in `guidance.mean_shift`.
    """
    for k, (t, next_t) in enumerate(itertools.pairwise(times)):
        denoised = denoise(x, t).double()
        of_x, of_denoised, spread = posterior(path, t, next_t)
        mean = of_x * x + of_denoised * denoised
        next_x = mean if push is None else push(mean, x, t, spread)
        if spread > 0:
            next_x = next_x + spread * _drawn(draw, "ddpm")
        yield Step(k, t, next_t, x, denoised, next_x)
        x = next_x


def dpmpp_2m(denoise: Denoise, path: Path, x: Tensor, times: list[float], draw: Draw | None = None,
             before: tuple[float, Tensor] | None = None) -> Iterator[Step]:
    """DPM-Solver++ (2M): one evaluation a step, the last one remembered (Lu et al. 2022, algorithm 2). Order 2.

    In the log ratio lambda = log(alpha / sigma) the way is nearly straight, so a line through the last two
    estimates says where the next will be. The first step, and one to sigma = 0, have no such line: order 1.

    before: the time and the estimate of the step before, for a walk that goes on where another was left.
    """
    for k, (t, next_t) in enumerate(itertools.pairwise(times)):
        denoised = denoise(x, t).double()
        here, there = _log_ratio(path, t), _log_ratio(path, next_t)
        ahead = denoised
        past = -math.inf if before is None else _log_ratio(path, before[0])
        if before is not None and math.isfinite(there) and math.isfinite(past):
            ahead = denoised + (there - here) / (2 * (here - past)) * (denoised - before[1])
        shrink = math.exp(here - there)  # 0 where either end is out of reach
        next_x = path.sigma(next_t) / path.sigma(t) * x + path.alpha(next_t) * (1 - shrink) * ahead
        yield Step(k, t, next_t, x, denoised, next_x)
        before, x = (t, denoised), next_x


def posterior(path: Path, t: float, next_t: float) -> tuple[float, float, float]:
    """Of the less noisy latent, given x and x0: the weights of x and of x0 in its mean, and its spread.

    Ho et al. 2020, equation 7, written for any path: with a = alpha(t) / alpha(next_t), what is added on the
    way from next_t to t has variance sigma(t)^2 - a^2 sigma(next_t)^2.
    """
    a, s, next_s = path.alpha(t) / path.alpha(next_t), path.sigma(t), path.sigma(next_t)
    added = s**2 - (a * next_s) ** 2
    return a * (next_s / s) ** 2, path.alpha(next_t) * added / s**2, next_s * math.sqrt(added) / s


def _log_ratio(path: Path, t: float) -> float:
    """log(alpha / sigma), half the log of the signal-to-noise ratio: minus infinity in noise, infinity at t = 0."""
    a, s = path.alpha(t), path.sigma(t)
    return math.inf if s == 0 else -math.inf if a == 0 else math.log(a / s)


def _drawn(draw: Draw | None, who: str) -> Tensor:
    if draw is None:
        raise ValueError(f"{who} throws dice at every step: give draw, a function that returns noise")
    return draw()


Sampler = Callable[..., Iterator[Step]]
SAMPLERS: dict[str, Sampler] = {"euler": euler, "heun": heun, "ddim": ddim, "ddpm": ddpm, "dpmpp_2m": dpmpp_2m}


def start_noise(seed: int, shape: tuple[int, ...]) -> Tensor:
    """The noise that a seed stands for: standard normal float64, the same on every device."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(int(seed)), dtype=torch.float64)


def dice(seeds: list[int], shape: tuple[int, ...]) -> Draw:
    """draw() for a batch: each row from its own seed, going on where `start_noise` of that seed ended."""
    generators = [torch.Generator().manual_seed(int(seed)) for seed in seeds]

    def draw() -> Tensor:
        return torch.stack([torch.randn(shape, generator=g, dtype=torch.float64) for g in generators])

    draw()  # the start
    return draw
