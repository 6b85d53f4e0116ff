"""Our samplers against the schedulers of diffusers, on a model whose every answer is known.

Pictures are normal, N(0.7, 0.5^2), so the best estimate has a closed form. Both sides get the same noise and
the same 1000-step schedule (Ho et al. 2020) in float64; what is left of a difference is theirs, who keep the
schedule in float32.
"""

from __future__ import annotations

import math
from typing import Any

from torch import Tensor

from ..diffusion.paths import Path, Straight, VariancePreserving
from ..diffusion.samplers import SAMPLERS, initial_noise
from ..diffusion.timesteps import uniform_timesteps
from .table import Table

MEAN, SPREAD, NUMBERS = 0.7, 0.5, 1000


class Listed(VariancePreserving):
    """The path of a scheduler: alpha squared is a list, and t counts its entries in thousandths."""

    name = "listed"

    def __init__(self, products: list[float]):
        self.products = [1.0, *products]

    def alpha(self, t: float) -> float:
        return math.sqrt(self.products[round(t * (len(self.products) - 1))])

    def d_alpha(self, t: float) -> float:
        raise NotImplementedError("a list has no slope: walk it with ddim, ddpm or dpmpp_2m")

    def time_at(self, ratio: float) -> float:
        steps = len(self.products) - 1
        return min(range(steps + 1), key=lambda k: abs(self.sigma(k / steps) - ratio * self.alpha(k / steps))) / steps


class Exploding:
    """x = x0 + sigma noise: the picture is left as it is, and drowned. Here t is sigma itself, over the largest.

    Karras et al. 2022 walk here, and diffusers' Euler and Heun with them. Any path can be walked in it.
    """

    name = "exploding"

    def __init__(self, most: float):
        self.most = most

    def alpha(self, t: float) -> float:
        return 1.0

    def sigma(self, t: float) -> float:
        return self.most * t

    def d_alpha(self, t: float) -> float:
        return 0.0

    def d_sigma(self, t: float) -> float:
        return self.most

    def time_at(self, ratio: float) -> float:
        return ratio / self.most


def best(x: Tensor, a: float, s: float) -> Tensor:
    """E[x0 | x] at x = a x0 + s noise."""
    return MEAN + a * SPREAD**2 / ((a * SPREAD) ** 2 + s**2) * (x - a * MEAN)


def ours(sampler: str, path: Path, noise: Tensor, times: list[float]) -> Tensor:
    """The end of a walk."""
    *_, last = SAMPLERS[sampler](lambda x, t: best(x, path.alpha(t), path.sigma(t)), path, noise, times)
    return last.next_x


def theirs(scheduler: Any, noise: Tensor, steps: int) -> Tensor:
    """The same walk as a diffusers pipeline does it."""
    scheduler.set_timesteps(steps)
    x = noise * scheduler.init_noise_sigma
    for t in scheduler.timesteps:
        a = scheduler.alphas_cumprod[int(t)].double().sqrt().item()
        s = math.sqrt(1 - a * a)
        seen = scheduler.scale_model_input(x, t)
        x = scheduler.step((seen - a * best(seen, a, s)) / s, t, x).prev_sample
    return x


def their_flow(scheduler: Any, noise: Tensor, steps: int) -> Tensor:
    """The walk of a flow-matching pipeline: the model says noise - x0."""
    scheduler.set_timesteps(sigmas=[1 - k / steps for k in range(steps)])
    x = noise
    for t, sigma in zip(scheduler.timesteps, scheduler.sigmas.tolist(), strict=False):
        x = scheduler.step((x - best(x, 1 - sigma, sigma)) / sigma, t, x).prev_sample
    return x


def samplers(steps: int = 50) -> Table:
    """The largest difference of any number at the end of a walk, ours against diffusers'.

    Raises:
        ModuleNotFoundError: diffusers is not installed.
    """
    import diffusers as d

    schedule = {"timestep_spacing": "trailing", "beta_start": 1e-4, "beta_end": 0.02, "beta_schedule": "linear"}
    noise = initial_noise(0, (NUMBERS,))
    ddim: Any = d.DDIMScheduler(clip_sample=False, set_alpha_to_one=True, **schedule)
    multi = d.DPMSolverMultistepScheduler(algorithm_type="dpmsolver++", solver_order=2, final_sigmas_type="zero",
                                          **schedule)
    listed, even = Listed(ddim.alphas_cumprod.double().tolist()), uniform_timesteps(steps)
    ratios = [listed.sigma(t) / listed.alpha(t) for t in even]
    exploding, wide = Exploding(ratios[0]), [r / ratios[0] for r in ratios]
    flow = d.FlowMatchEulerDiscreteScheduler()
    pairs: list[tuple[str, Any, Tensor, Tensor]] = [
        ("ddim", ddim, theirs(ddim, noise, steps), ours("ddim", listed, noise, even)),
        ("dpmpp_2m", multi, theirs(multi, noise, steps), ours("dpmpp_2m", listed, noise, even)),
        ("euler", flow, their_flow(flow, noise, steps), ours("euler", Straight(), noise, even)),
    ]
    exploding_too: list[tuple[str, Any]] = [("euler", d.EulerDiscreteScheduler(**schedule)),
                                            ("heun", d.HeunDiscreteScheduler(**schedule))]
    for name, scheduler in exploding_too:
        end = theirs(scheduler, noise, steps)
        pairs.append((name, scheduler, end, ours(name, exploding, noise * float(scheduler.init_noise_sigma), wide)))
    rows: list[dict] = [{"sampler": name, "of diffusers": type(scheduler).__name__,
                         "largest difference": float(f"{(a - b).abs().max().item():.1e}")}
                        for name, scheduler, a, b in pairs]
    return Table(f"Samplers against diffusers {d.__version__}, {steps} steps, closed-form model, float64", rows)
