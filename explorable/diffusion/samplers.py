"""Samplers: generators that walk a latent from noise to picture and yield a record of every step.

Each speaks `denoised` only: denoise(x, t) -> the model's estimate of x0. The walk is done in float64
around a float32 network, with t, alpha and sigma as Python floats.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from .paths import Path, velocity_from_denoised

Denoise = Callable[[Tensor, float], Tensor]


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


def uniform_times(steps: int) -> list[float]:
    """`steps` + 1 times from 1 (noise) to 0 (picture), evenly spaced."""
    return [1 - k / steps for k in range(steps)] + [0.0]


def euler(denoise: Denoise, path: Path, x: Tensor, times: list[float]) -> Iterator[Step]:
    """Euler's method on dx/dt: follow the present speed to the next time. Order 1, one evaluation a step."""
    for k, (t, next_t) in enumerate(itertools.pairwise(times)):
        denoised = denoise(x, t)
        next_x = x + (next_t - t) * velocity_from_denoised(path, x.double(), denoised.double(), t)
        yield Step(k, t, next_t, x, denoised, next_x)
        x = next_x


def heun(denoise: Denoise, path: Path, x: Tensor, times: list[float]) -> Iterator[Step]:
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


SAMPLERS: dict[str, Callable[[Denoise, Path, Tensor, list[float]], Iterator[Step]]] = {"euler": euler, "heun": heun}


def start_noise(seed: int, shape: tuple[int, ...]) -> Tensor:
    """The noise that a seed stands for: standard normal float64, the same on every device."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(int(seed)), dtype=torch.float64)
