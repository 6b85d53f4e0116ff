"""Other people's schedulers in this package's words: how much noise there is at a step, and what a prediction says of
the finished latent.

Whatever a scheduler keeps, its network is shown alpha x0 + sigma noise, with alpha^2 + sigma^2 = 1 or, in flow
matching, alpha + sigma = 1; so runs hold that, and t is where the path that the network was trained on has it.
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

# By what its steps are counted: "alphas", the training schedule itself; "sigmas", a list of sigma / alpha; "scaled",
# the same, with latents kept divided by alpha; "flow", a list of sigma with alpha = 1 - sigma.
KINDS = {
    **dict.fromkeys(("DDIM", "DDPM", "PNDM", "LCM", "TCD"), "alphas"),
    **dict.fromkeys(("DPMSolverMultistep", "DPMSolverSinglestep", "UniPCMultistep", "DEISMultistep"), "sigmas"),
    **dict.fromkeys(("EulerDiscrete", "EulerAncestralDiscrete", "LMSDiscrete", "HeunDiscrete"), "scaled"),
    **dict.fromkeys(("FlowMatchEulerDiscrete", "FlowMatchHeunDiscrete"), "flow"),
}
PREDICTIONS = {"epsilon": "noise", "v_prediction": "v", "sample": "x0", "flow_prediction": "velocity"}
LEAST = 2**-24  # of alpha^2, where a schedule ends in noise alone: as diffusers has it


class Trained(VariancePreserving):
    """The path of a training schedule: alpha^2 at t = (k + 1) / N is its k-th number; t = 0 is the picture."""

    name = "trained"

    def __init__(self, alphas_cumprod: Any):
        squares = np.clip(np.asarray(alphas_cumprod, dtype=np.float64), LEAST, 1 - LEAST)
        self.times = np.arange(1, len(squares) + 1) / len(squares)
        self.logs = 0.5 * np.log((1 - squares) / squares)  # of sigma / alpha, between which it is interpolated

    def ratio(self, t: float) -> float:
        """sigma / alpha: straight to 0 before the first of the trained times."""
        first = self.times[0]
        return math.exp(np.interp(t, self.times, self.logs)) * min(1.0, t / first)

    def time_at(self, ratio: float) -> float:
        first = math.exp(self.logs[0])
        if ratio <= first:
            return float(self.times[0] * ratio / first)
        return float(np.interp(math.log(ratio), self.logs, self.times))

    def alpha(self, t: float) -> float:
        return 1 / math.hypot(1.0, self.ratio(t))

    def sigma(self, t: float) -> float:
        return self.ratio(t) * self.alpha(t)

    def ratio_rate(self, t: float) -> float:
        """d ratio / dt: of the stretch that t lies in, or ends."""
        if t <= self.times[0]:
            return math.exp(self.logs[0]) / float(self.times[0])
        k = min(int(np.searchsorted(self.times, t)), len(self.times) - 1)
        return self.ratio(t) * float((self.logs[k] - self.logs[k - 1]) / (self.times[k] - self.times[k - 1]))

    def d_alpha(self, t: float) -> float:
        return -self.ratio(t) * self.ratio_rate(t) * self.alpha(t) ** 3

    def d_sigma(self, t: float) -> float:
        return self.ratio_rate(t) * self.alpha(t) ** 3


@dataclass(frozen=True)
class Level:
    """How much noise there is at a step: alpha and sigma; t, its noise time. It is a path of one point, so that
    predictions are read by the same rule as everywhere else."""

    t: float
    at_alpha: float
    at_sigma: float
    name: str = "level"

    def alpha(self, t: float) -> float:
        return self.at_alpha

    def sigma(self, t: float) -> float:
        return self.at_sigma

    def d_alpha(self, t: float) -> float:
        return -1.0  # of the straight path, where it is asked for

    def d_sigma(self, t: float) -> float:
        return 1.0

    def time_at(self, ratio: float) -> float:
        return self.t


class Noise:
    """A scheduler, read. prediction: what the network predicts, in this package's words; path: what it was trained on.

    Raises:
        SettingError: a scheduler whose steps cannot be read; names those that can.
    """

    def __init__(self, scheduler: Any):
        config, name = scheduler.config, type(scheduler).__name__
        kind = KINDS.get(name.removesuffix("Scheduler"))
        if kind is None:
            raise SettingError(f"the scheduler {name} is none whose steps can be read: take one of "
                               f"{', '.join(f'{k}Scheduler' for k in KINDS)}, as in pipeline.scheduler = "
                               "diffusers.DDIMScheduler.from_config(pipeline.scheduler.config)")
        if getattr(config, "use_flow_sigmas", False) or config.get("prediction_type") == "flow_prediction":
            kind = "flow"
        self.scheduler, self.kind = scheduler, kind
        self.prediction = "velocity" if kind == "flow" else PREDICTIONS[config.prediction_type]
        self.steps_trained = int(config.num_train_timesteps)
        self.path: Path = Straight() if kind == "flow" else Trained(scheduler.alphas_cumprod)

    def count(self, steps: int) -> int:
        """How many looks the scheduler takes where so many steps are asked for: some take two a step, or one more."""
        twin = copy.deepcopy(self.scheduler)
        more = {"mu": 1.0} if twin.config.get("use_dynamic_shifting") else {}  # which moves steps, and adds none
        twin.set_timesteps(steps, **more)
        return len(twin.timesteps)

    def level(self, step: int, timestep: Any) -> Level:
        """How much noise there is at the scheduler's `step`, counted from 0 in this run."""
        if self.kind == "alphas":
            return self.trained(int(timestep))
        number = float(self.scheduler.sigmas[(getattr(self.scheduler, "begin_index", None) or 0) + step])
        if self.kind == "flow":
            return Level(number, 1 - number, number)
        alpha = 1 / math.hypot(1.0, number)
        return Level(self.path.time_at(number), alpha, number * alpha)

    def trained(self, timestep: int) -> Level:
        """The level of one of the training schedule's own times."""
        square = max(float(self.scheduler.alphas_cumprod[timestep]), LEAST)
        return Level((timestep + 1) / self.steps_trained, math.sqrt(square), math.sqrt(1 - square))

    def nearest(self, t: float) -> tuple[Level, float]:
        """The level at t, or at the trained time nearest to it; and what the network calls that time, 0 to N."""
        if self.kind == "flow":
            return Level(t, 1 - t, t), t * self.steps_trained
        timestep = min(max(round(t * self.steps_trained) - 1, 0), self.steps_trained - 1)
        return self.trained(timestep), timestep

    def shown(self, sample: Tensor, level: Level) -> Tensor:
        """What the network is shown of a latent as the scheduler keeps it, in float64."""
        return sample.double() * level.at_alpha if self.kind == "scaled" else sample.double()

    def kept(self, x: Tensor, level: Level) -> Tensor:
        """The other way."""
        return x / level.at_alpha if self.kind == "scaled" else x

    def denoised(self, x: Tensor, prediction: Tensor, level: Level) -> Tensor:
        """The estimate of x0 that a prediction means, in float64."""
        return to_denoised(self.prediction, level, x.double(), prediction.double(), level.t)

    def slope(self, level: Level) -> float:
        """By how much the estimate moves with the prediction."""
        return float(self.denoised(torch.zeros(1), torch.ones(1), level))

    def predicted(self, x: Tensor, denoised: Tensor, level: Level) -> Tensor:
        """The prediction that means an estimate."""
        return from_denoised(self.prediction, level, x.double(), denoised.double(), level.t)
