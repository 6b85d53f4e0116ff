"""Our samplers against the schedulers of diffusers, with a denoiser that is known in closed form.

The data are Gaussian, N(0.7, 0.5^2), so E[x0 | x] has a closed form. Both sides start from the same noise and use the
same schedule of 1000 steps (Ho et al. 2020) in float64. The remaining differences arise in diffusers, which stores
the schedule in float32.
"""

from __future__ import annotations

import math
from typing import Any

from torch import Tensor

from ..diffusion.paths import Path, Straight, VariancePreserving
from ..diffusion.samplers import SAMPLERS, initial_noise
from ..diffusion.timesteps import uniform_timesteps
from .machine import require_diffusers
from .table import Table

MEAN, SPREAD = 0.7, 0.5  # of the data
SIZE = 1000  # numbers in a sample


class ScheduledPath(VariancePreserving):
    """The path of a diffusers scheduler: alpha squared is a list, whose last entry is at t = 1."""

    name = "scheduled"

    def __init__(self, products: list[float]):
        self.products = [1.0, *products]

    def alpha(self, t: float) -> float:
        return math.sqrt(self.products[round(t * (len(self.products) - 1))])

    def d_alpha(self, t: float) -> float:
        raise NotImplementedError("a list has no derivative: sample with ddim, ddpm or dpmpp_2m")

    def time_at(self, ratio: float) -> float:
        steps = len(self.products) - 1
        return min(range(steps + 1), key=lambda k: abs(self.sigma(k / steps) - ratio * self.alpha(k / steps))) / steps


class VarianceExploding:
    """x = x0 + sigma noise, where t is sigma over its maximum: the coordinates of Karras et al. 2022.

    diffusers' Euler and Heun schedulers use them too.
    """

    name = "exploding"

    def __init__(self, max_sigma: float):
        self.max_sigma = max_sigma

    def alpha(self, t: float) -> float:
        return 1.0

    def sigma(self, t: float) -> float:
        return self.max_sigma * t

    def d_alpha(self, t: float) -> float:
        return 0.0

    def d_sigma(self, t: float) -> float:
        return self.max_sigma

    def time_at(self, ratio: float) -> float:
        return ratio / self.max_sigma


def denoised(x: Tensor, a: float, s: float) -> Tensor:
    """Return E[x0 | x] at x = a x0 + s noise."""
    return MEAN + a * SPREAD**2 / ((a * SPREAD) ** 2 + s**2) * (x - a * MEAN)


def sample(sampler: str, path: Path, noise: Tensor, times: list[float]) -> Tensor:
    """Return the result of one of our samplers."""
    *_, last = SAMPLERS[sampler](lambda x, t: denoised(x, path.alpha(t), path.sigma(t)), path, noise, times)
    return last.next_x


def sample_with_scheduler(scheduler: Any, noise: Tensor, steps: int) -> Tensor:
    """Return the result of a diffusers scheduler of a noise-predicting model."""
    scheduler.set_timesteps(steps)
    x = noise * scheduler.init_noise_sigma
    for t in scheduler.timesteps:
        a = scheduler.alphas_cumprod[int(t)].double().sqrt().item()
        s = math.sqrt(1 - a * a)
        scaled = scheduler.scale_model_input(x, t)
        x = scheduler.step((scaled - a * denoised(scaled, a, s)) / s, t, x).prev_sample
    return x


def sample_with_flow_scheduler(scheduler: Any, noise: Tensor, steps: int) -> Tensor:
    """Return the result of a diffusers scheduler of a flow-matching model, which predicts noise - x0."""
    scheduler.set_timesteps(sigmas=[1 - k / steps for k in range(steps)])
    x = noise
    for t, sigma in zip(scheduler.timesteps, scheduler.sigmas.tolist(), strict=False):
        x = scheduler.step((x - denoised(x, 1 - sigma, sigma)) / sigma, t, x).prev_sample
    return x


def samplers(steps: int = 50) -> Table:
    """Measure the largest difference between results of our samplers and of diffusers' schedulers."""
    d = require_diffusers()
    schedule = {"timestep_spacing": "trailing", "beta_start": 1e-4, "beta_end": 0.02, "beta_schedule": "linear"}
    noise = initial_noise(0, (SIZE,))
    ddim = d.DDIMScheduler(clip_sample=False, set_alpha_to_one=True, **schedule)
    multistep = d.DPMSolverMultistepScheduler(algorithm_type="dpmsolver++", solver_order=2, final_sigmas_type="zero",
                                              **schedule)
    flow = d.FlowMatchEulerDiscreteScheduler()
    path, times = ScheduledPath(ddim.alphas_cumprod.double().tolist()), uniform_timesteps(steps)
    ratios = [path.sigma(t) / path.alpha(t) for t in times]
    exploding, exploding_times = VarianceExploding(ratios[0]), [r / ratios[0] for r in ratios]
    compared: list[tuple[str, Any, Tensor, Tensor]] = [
        ("ddim", ddim, sample_with_scheduler(ddim, noise, steps), sample("ddim", path, noise, times)),
        ("dpmpp_2m", multistep, sample_with_scheduler(multistep, noise, steps),
         sample("dpmpp_2m", path, noise, times)),
        ("euler", flow, sample_with_flow_scheduler(flow, noise, steps), sample("euler", Straight(), noise, times)),
    ]
    for name, scheduler in (("euler", d.EulerDiscreteScheduler(**schedule)),
                            ("heun", d.HeunDiscreteScheduler(**schedule))):
        theirs = sample_with_scheduler(scheduler, noise, steps)
        start = noise * float(scheduler.init_noise_sigma)  # known once its timesteps are set
        compared.append((name, scheduler, theirs, sample(name, exploding, start, exploding_times)))
    rows: list[dict] = [{"sampler": name, "of diffusers": type(scheduler).__name__,
                         "largest difference": float(f"{(theirs - ours).abs().max().item():.1e}")}
                        for name, scheduler, theirs, ours in compared]
    return Table(f"Samplers against diffusers {d.__version__}, {steps} steps, closed-form model, float64", rows)
