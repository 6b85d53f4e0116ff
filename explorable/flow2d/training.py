"""Train a small network on points in the plane: all of a diffusion model's training, in one file.

    training = Training(sample_distribution("two moons", 1024), TrainingSettings(path="straight"))
    while not training.is_finished:
        loss = training.step()

One step (Ho et al. 2020, algorithm 1; Lipman et al. 2022, section 4):

    draw      a data point x0, noise, and a noise time t
    mix       x = alpha(t) x0 + sigma(t) noise
    predict   the target from x and t alone
    compare   loss = mean of (prediction - target)^2
    improve   move every weight a little against the gradient of the loss

The path gives alpha and sigma. The prediction gives the target, p x0 + q noise (diffusion/predictions.py). That is the
only difference between diffusion and flow matching here: all of them are the same regression.

Many pairs of x0 and noise have the same x, so no network can predict the target exactly. What has the least squared
error is the target's mean given x and t. For points in the plane this mean is known in closed form (field.py), so that
a trained network can be compared with it (learnt.py).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..diffusion.paths import PATHS
from ..diffusion.predictions import PREDICTIONS
from .checks import Array, check_choice, check_integer, check_points
from .couplings import DEFAULT_WIDTH

NOISE_TIMES = 1000  # as many as in Ho et al. 2020; the middles of equal parts, so neither 0 nor 1 is among them
LAST_TIME = 1 - 0.5 / NOISE_TIMES
PEAK_RATE = 0.01  # learning rate
WARMUP_STEPS = 100
PLATEAU = 0.3  # share of the steps before the learning rate begins to fall
T_FREQUENCIES, X_FREQUENCIES = 8, 16
X_FREQUENCY_SPREAD = 2.0  # standard deviation, in radians per unit length; the data have a standard deviation of 1

TIME_DISTRIBUTIONS: dict[str, Callable[[Tensor], Tensor]] = {  # from u, uniform in (0, 1), to t
    "uniform": lambda u: u,
    "logit-normal": lambda u: torch.sigmoid(torch.special.ndtri(u)),  # most in the middle: Esser et al. 2024
}
RANGES = {"width": range(4, 513), "batch": range(1, 4097), "steps": range(1, 50_001), "seed": range(2**63)}


@dataclass(frozen=True)
class TrainingSettings:
    """What a training depends on beside its data.

    path, prediction: names of PATHS and PREDICTIONS. times: how t is drawn, a name of TIME_DISTRIBUTIONS.
    width: of the network's three hidden layers. batch: draws per step. steps: over which the learning rate falls to 0.
    seed: of the first weights and of everything that is drawn.

    Raises:
        ValueError: one of them is unknown or out of range; the message says which.
    """

    path: str = "straight"
    prediction: str = "velocity"
    times: str = "uniform"
    width: int = 96
    batch: int = 512
    steps: int = 1500
    seed: int = 0

    def __post_init__(self) -> None:
        check_choice("path", self.path, PATHS)
        check_choice("prediction", self.prediction, PREDICTIONS)
        check_choice("times", self.times, TIME_DISTRIBUTIONS)
        for name, allowed in RANGES.items():
            check_integer(name, getattr(self, name), allowed, f"from {allowed[0]} to {allowed[-1]}")


class PointNetwork(nn.Module):
    """Predict the target at points x (batch, 2) and noise times t (batch,): (batch, 2).

    A plain network of three hidden layers. It sees x and t, and sines and cosines of both, without which it would
    learn fine detail last (Tancik et al. 2020). Its last layer starts at zero: untrained, it predicts 0 everywhere.
    """

    t_frequencies: Tensor
    x_frequencies: Tensor

    def __init__(self, width: int, generator: torch.Generator):
        super().__init__()
        self.register_buffer("t_frequencies", math.pi * torch.arange(1, T_FREQUENCIES + 1))
        self.register_buffer("x_frequencies", X_FREQUENCY_SPREAD * torch.randn(2, X_FREQUENCIES, generator=generator))
        features = 3 + 2 * (T_FREQUENCIES + X_FREQUENCIES)
        self.hidden = nn.ModuleList(make_linear(n, width, generator) for n in (features, width, width))
        self.last = make_linear(width, 2, generator)
        nn.init.zeros_(self.last.weight)

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        t_angles, x_angles = t[:, None] * self.t_frequencies, x @ self.x_frequencies  # (batch, 8), (batch, 16)
        h = torch.cat([x, t[:, None], t_angles.sin(), t_angles.cos(), x_angles.sin(), x_angles.cos()], dim=1)
        for layer in self.hidden:
            h = F.silu(layer(h))  # (batch, width)
        return self.last(h)


def make_linear(inputs: int, outputs: int, generator: torch.Generator) -> nn.Linear:
    """Return a linear layer with weights as in He et al. 2015, from a generator of its own, and biases of 0."""
    layer = nn.utils.skip_init(nn.Linear, inputs, outputs)
    nn.init.normal_(layer.weight, std=math.sqrt(2 / inputs), generator=generator)
    nn.init.zeros_(layer.bias)
    return layer


class Batch(NamedTuple):
    """The draws of one step: points, noises, their mixtures x and the targets, (batch, 2); noise times t, (batch,)."""

    x0: Tensor
    noise: Tensor
    t: Tensor
    x: Tensor
    target: Tensor


def mix(x0: Tensor, noise: Tensor, t: Tensor, path_name: str, prediction: str) -> Batch:
    """Mix points with noises (batch, 2) at times t (batch,), and return all of it with the targets."""
    path, target = PATHS[path_name], PREDICTIONS[prediction]
    weights = [(path.alpha(time), path.sigma(time), *target(path, time)) for time in t.tolist()]
    alpha, sigma, p, q = torch.tensor(weights, dtype=x0.dtype)[:, :, None].unbind(1)  # (batch, 1) each
    return Batch(x0, noise, t, alpha * x0 + sigma * noise, p * x0 + q * noise)


class Training:
    """A training that can rest after any step and be continued: the result is the same, bit for bit.

    points: the data (n, 2). x0 is one of them, moved by a Gaussian of standard deviation `width`, as in `ideal_field`.
    network: its present state. losses: of all steps taken.
    """

    @torch.inference_mode(False)
    def __init__(self, points: Array, settings: TrainingSettings | None = None, width: float = DEFAULT_WIDTH):
        self.settings = settings or TrainingSettings()
        self.points, self.width = torch.tensor(check_points("points", points), dtype=torch.float32), width
        self.generator = torch.Generator().manual_seed(self.settings.seed)
        self.network = PointNetwork(self.settings.width, self.generator)
        self.optimizer = torch.optim.Adam(self.network.parameters(), betas=(0.9, 0.99), fused=True)
        self.losses: list[float] = []
        self.noise_times = (torch.arange(NOISE_TIMES) + 0.5) / NOISE_TIMES

    @property
    def steps_taken(self) -> int:
        """The number of steps taken so far."""
        return len(self.losses)

    @property
    def is_finished(self) -> bool:
        """Whether all steps are taken."""
        return self.steps_taken >= self.settings.steps

    @torch.inference_mode(False)
    @torch.enable_grad()
    def step(self) -> float:
        """Take one step. Returns its loss, before the weights move."""
        batch = self.draw()
        loss = F.mse_loss(self.network(batch.x, batch.t), batch.target)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.param_groups[0]["lr"] = learning_rate(self.steps_taken, self.settings.steps)
        self.optimizer.step()
        self.losses.append(loss.item())
        return self.losses[-1]

    def draw(self, generator: torch.Generator | None = None) -> Batch:
        """Draw a batch. generator: the training's own unless another is given, which leaves the training as it is."""
        g, size = generator or self.generator, self.settings.batch
        x0 = self.points[torch.randint(len(self.points), (size,), generator=g)]
        x0 = x0 + self.width * torch.randn(size, 2, generator=g)
        noise = torch.randn(size, 2, generator=g)
        # One u from each of `size` equal parts of (0, 1): all t are covered in each step (Kingma et al. 2021).
        u = (torch.arange(size) + torch.rand(size, generator=g)) / size
        index = (TIME_DISTRIBUTIONS[self.settings.times](u) * NOISE_TIMES).long().clamp(max=NOISE_TIMES - 1)
        return mix(x0, noise, self.noise_times[index], self.settings.path, self.settings.prediction)


def learning_rate(step: int, steps: int) -> float:
    """Return the learning rate of a step: a short rise, a plateau, and half a cosine down to 0."""
    rise = min(1.0, (step + 1) / WARMUP_STEPS)
    fall = max(0.0, step / steps - PLATEAU) / (1 - PLATEAU)  # 0 on the plateau, 1 at the end
    return PEAK_RATE * rise * 0.5 * (1 + math.cos(math.pi * fall))
