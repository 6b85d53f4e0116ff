"""The noise levels of diffusers' schedulers, and the conversion of predictions to estimates of the final latent.

Whatever form of the latent a scheduler stores, its network gets alpha x0 + sigma noise, with alpha^2 + sigma^2 = 1 or,
in flow matching, alpha + sigma = 1. Runs contain that form, and t is the noise time of the path that the network was
trained on.
"""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..diffusion.paths import Path, Straight, VariancePreserving
from ..diffusion.predictions import from_denoised, to_denoised
from ..diffusion.settings import SettingError
from .patching import InterruptibleMode

# What a scheduler's steps index: "alphas", the training schedule itself; "sigmas", a list of sigma / alpha; "scaled",
# the same, with latents stored divided by alpha; "flow", a list of sigma with alpha = 1 - sigma.
SCHEDULER_KINDS = {
    **dict.fromkeys(("DDIM", "DDPM", "PNDM", "LCM", "TCD"), "alphas"),
    **dict.fromkeys(("DPMSolverMultistep", "DPMSolverSinglestep", "UniPCMultistep", "DEISMultistep"), "sigmas"),
    **dict.fromkeys(("EulerDiscrete", "EulerAncestralDiscrete", "LMSDiscrete", "HeunDiscrete"), "scaled"),
    **dict.fromkeys(("FlowMatchEulerDiscrete", "FlowMatchHeunDiscrete"), "flow"),
}
PREDICTIONS = {"epsilon": "noise", "v_prediction": "v", "sample": "x0", "flow_prediction": "velocity"}
MIN_ALPHA_SQUARED = 2**-24  # as in diffusers, where a schedule ends in pure noise


class SeededNoise(InterruptibleMode):
    """Within this, in this thread, noise that is drawn without a generator is refused: no seed would determine it."""

    def __init__(self, pipeline: Any):
        super().__init__()
        self.pipeline = pipeline

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in (torch.randn, torch.randn_like, torch.rand) and (kwargs or {}).get("generator") is None:
            raise SettingError(f"the {type(self.pipeline.scheduler).__name__} draws noise at each step, and a "
                               f"{type(self.pipeline).__name__} gives it no generator, so that no seed determines the "
                               "image: set pipeline.scheduler to one that draws none, such as the one it came with")
        return func(*args, **(kwargs or {}))


class TrainedPath(VariancePreserving):
    """The path of a training schedule of N steps: alphas_cumprod[k] is alpha^2 at t = (k + 1) / N; t = 0 is the image.

    Between these times log(sigma / alpha) is interpolated linearly.
    """

    name = "trained"

    def __init__(self, alphas_cumprod: Any):
        squares = np.clip(np.asarray(alphas_cumprod, dtype=np.float64), MIN_ALPHA_SQUARED, 1 - MIN_ALPHA_SQUARED)
        self.times = np.arange(1, len(squares) + 1) / len(squares)
        self.log_ratios = 0.5 * np.log((1 - squares) / squares)  # log(sigma / alpha)

    def ratio(self, t: float) -> float:
        """Return sigma / alpha, which is linear before the first of the training times."""
        first = self.times[0]
        return math.exp(np.interp(t, self.times, self.log_ratios)) * min(1.0, t / first)

    def time_at(self, ratio: float) -> float:
        first = math.exp(self.log_ratios[0])
        if ratio <= first:
            return float(self.times[0] * ratio / first)
        return float(np.interp(math.log(ratio), self.log_ratios, self.times))

    def alpha(self, t: float) -> float:
        return 1 / math.hypot(1.0, self.ratio(t))

    def sigma(self, t: float) -> float:
        return self.ratio(t) * self.alpha(t)

    def d_ratio(self, t: float) -> float:
        """Return d(sigma / alpha) / dt of the interval that contains t or ends there."""
        if t <= self.times[0]:
            return math.exp(self.log_ratios[0]) / float(self.times[0])
        k = min(int(np.searchsorted(self.times, t)), len(self.times) - 1)
        rise, run = self.log_ratios[k] - self.log_ratios[k - 1], self.times[k] - self.times[k - 1]
        return self.ratio(t) * float(rise / run)

    def d_alpha(self, t: float) -> float:
        return -self.ratio(t) * self.d_ratio(t) * self.alpha(t) ** 3

    def d_sigma(self, t: float) -> float:
        return self.d_ratio(t) * self.alpha(t) ** 3


@dataclass(frozen=True)
class NoiseLevel:
    """The noise level at one step: its time t, alpha and sigma. It is a path of a single point, so that predictions are
    converted by the same functions as elsewhere."""

    t: float
    alpha_t: float
    sigma_t: float
    name: str = "level"

    def alpha(self, t: float) -> float:
        return self.alpha_t

    def sigma(self, t: float) -> float:
        return self.sigma_t

    def d_alpha(self, t: float) -> float:
        return -1.0  # velocity predictions occur on the straight path only

    def d_sigma(self, t: float) -> float:
        return 1.0

    def time_at(self, ratio: float) -> float:
        return self.t


class NoiseSchedule:
    """Reads noise levels from a scheduler. prediction: what the network predicts, in this package's terms; path: the
    noise path of its training.

    Raises:
        SettingError: an unknown scheduler; names those that are known.
    """

    def __init__(self, scheduler: Any):
        config, name = scheduler.config, type(scheduler).__name__
        kind = SCHEDULER_KINDS.get(name.removesuffix("Scheduler"))
        if kind is None:
            raise SettingError(f"the noise levels of {name} cannot be read: use one of "
                               f"{', '.join(f'{k}Scheduler' for k in SCHEDULER_KINDS)}, as in pipeline.scheduler = "
                               "diffusers.DDIMScheduler.from_config(pipeline.scheduler.config)")
        if nested := [n for n, value in vars(scheduler).items() if hasattr(value, "set_timesteps")]:
            raise SettingError(f"the {name} steps with another scheduler inside it, whose state a branch could not "
                               f"restore: make it without {nested[0]}=")
        if getattr(config, "use_flow_sigmas", False) or config.get("prediction_type") == "flow_prediction":
            kind = "flow"
        self.scheduler, self.kind = scheduler, kind
        self.prediction = "velocity" if kind == "flow" else PREDICTIONS[config.prediction_type]
        self.training_steps = int(config.num_train_timesteps)
        self.path: Path = Straight() if kind == "flow" else TrainedPath(scheduler.alphas_cumprod)

    def evaluations(self, steps: int) -> int:
        """Return how often the network is evaluated when `steps` are requested: some schedulers evaluate twice a step,
        or once more."""
        copied = copy.deepcopy(self.scheduler)
        more = {"mu": 1.0} if copied.config.get("use_dynamic_shifting") else {}  # moves timesteps, adds none
        copied.set_timesteps(steps, **more)
        return len(copied.timesteps)

    def level(self, step: int, timestep: Any) -> NoiseLevel:
        """Return the noise level at a step of the scheduler, counted from 0 in this run."""
        if self.kind == "alphas":
            return self.training_level(int(timestep))
        sigma = float(self.scheduler.sigmas[(getattr(self.scheduler, "begin_index", None) or 0) + step])
        if self.kind == "flow":
            return NoiseLevel(sigma, 1 - sigma, sigma)
        alpha = 1 / math.hypot(1.0, sigma)
        return NoiseLevel(self.path.time_at(sigma), alpha, sigma * alpha)

    def end_level(self, steps: int, timestep: float) -> NoiseLevel | None:
        """Return the noise level after `steps` steps, of which the last was at `timestep`; None: no noise is left."""
        lower = self.scheduler.timesteps[self.scheduler.timesteps < timestep]
        return self.level(steps, float(lower[0])) if len(lower) else None

    def training_level(self, timestep: int) -> NoiseLevel:
        """Return the noise level at a timestep of the training schedule."""
        square = max(float(self.scheduler.alphas_cumprod[timestep]), MIN_ALPHA_SQUARED)
        return NoiseLevel((timestep + 1) / self.training_steps, math.sqrt(square), math.sqrt(1 - square))

    def nearest_level(self, t: float) -> tuple[NoiseLevel, float]:
        """Return the noise level at t, or at the nearest training time, and the network's timestep there (0 to N)."""
        if self.kind == "flow":
            return NoiseLevel(t, 1 - t, t), t * self.training_steps
        timestep = min(max(round(t * self.training_steps) - 1, 0), self.training_steps - 1)
        return self.training_level(timestep), timestep

    def to_latent(self, sample: Tensor, level: NoiseLevel) -> Tensor:
        """Convert a latent from the scheduler's form to the network's, in float64."""
        return sample.double() * level.alpha_t if self.kind == "scaled" else sample.double()

    def to_sample(self, latent: Tensor, level: NoiseLevel) -> Tensor:
        """Convert a latent from the network's form to the scheduler's."""
        return latent / level.alpha_t if self.kind == "scaled" else latent

    def denoised(self, x: Tensor, prediction: Tensor, level: NoiseLevel) -> Tensor:
        """Convert a prediction to the estimate of x0, in float64."""
        return to_denoised(self.prediction, level, x.double(), prediction.double(), level.t)

    def d_denoised(self, level: NoiseLevel) -> float:
        """Return the derivative of the estimate with respect to the prediction."""
        return float(self.denoised(torch.zeros(1), torch.ones(1), level))

    def predicted(self, x: Tensor, denoised: Tensor, level: NoiseLevel) -> Tensor:
        """Convert an estimate of x0 to a prediction, in float64."""
        return from_denoised(self.prediction, level, x.double(), denoised.double(), level.t)
