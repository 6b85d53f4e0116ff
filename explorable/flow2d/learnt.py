"""The field of a trained network, and how far it is from the exact one."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch

from ..diffusion.paths import PATHS, Path
from ..diffusion.predictions import PREDICTIONS, convert
from .checks import Array
from .field import MixtureField
from .training import LAST_TIME, PointNetwork, Training, TrainingSettings

ERROR_TIMES = tuple(round(0.1 * k, 1) for k in range(1, 10))  # 0.1 to 0.9
DRAWS_PER_TIME = 512


@dataclass(frozen=True, eq=False)
class LearntField:
    """A network as a field that solvers can follow (`field.Field`), in float64 outside of the network.

    Noise times beyond the last one that the network was trained on are moved to it: a noise prediction does not
    determine x0 at t = 1 of the straight path.
    """

    network: PointNetwork
    path: Path
    prediction: str

    @torch.inference_mode()
    def predict(self, x: Array, t: float) -> Array:
        """Return the network's prediction at x (m, 2) and noise time t: (m, 2)."""
        inputs = torch.tensor(x, dtype=torch.float32)
        return self.network(inputs, torch.full((len(x),), t)).double().numpy()

    def denoised(self, x: Array, alpha: float, sigma: float) -> Array:
        """Return the estimate of x0: (m, 2)."""
        return self._estimates(x, alpha, sigma)[0]

    def velocity(self, x: Array, alpha: float, sigma: float, d_alpha: float, d_sigma: float) -> Array:
        """Return dx/dt, of the estimates of x0 and noise: (m, 2)."""
        x0, noise = self._estimates(x, alpha, sigma)
        return d_alpha * x0 + d_sigma * noise

    def _estimates(self, x: Array, alpha: float, sigma: float) -> tuple[Array, Array]:
        """Return the estimates of x0 and of noise, of one evaluation."""
        t = min(self.path.time_at(sigma / alpha if alpha > 0 else np.inf), LAST_TIME)
        predicted = self.predict(x, t)
        x0, noise = (convert(self.prediction, kind, self.path, x, predicted, t) for kind in ("x0", "noise"))
        return x0, noise


def learnt_field(training: Training) -> LearntField:
    """Return the field of a training's network. It changes with further steps."""
    return LearntField(training.network, PATHS[training.settings.path], training.settings.prediction)


class FieldErrors(NamedTuple):
    """Mean squared error of a learnt velocity, and mean squared norm of the exact one, at each noise time: (times,)."""

    times: Array
    squared_error: Array
    squared_norm: Array

    @property
    def share(self) -> float:
        """The error as a share of the field's norm, over all times together."""
        return float(np.sqrt(self.squared_error.sum() / self.squared_norm.sum()))

    @property
    def shares(self) -> Array:
        """The error as a share of the field's norm at each time: (times,)."""
        return np.sqrt(self.squared_error / self.squared_norm)


class FieldTest:
    """Compares learnt fields with an exact one, at fixed draws of x at each time: where samples are likely to be.

    exact: an `ideal_field`. Its velocities are computed once.
    """

    def __init__(self, exact: MixtureField, path: Path, times: tuple[float, ...] = ERROR_TIMES,
                 draws: int = DRAWS_PER_TIME):
        rng, width = np.random.default_rng(0), np.sqrt(exact.point_variance)
        self.path, self.times = path, times
        self.x, self.velocity = [], []
        for t in times:
            x0 = exact.points[rng.integers(len(exact.points), size=draws)] + width * rng.standard_normal((draws, 2))
            self.x.append(path.alpha(t) * x0 + path.sigma(t) * rng.standard_normal((draws, 2)))
            self.velocity.append(exact.velocity(self.x[-1], *levels(path, t)))

    def errors(self, learnt: LearntField) -> FieldErrors:
        """Return the errors of a learnt field on the same path."""
        apart = [learnt.velocity(x, *levels(self.path, t)) - exact
                 for t, x, exact in zip(self.times, self.x, self.velocity, strict=True)]
        return FieldErrors(np.array(self.times), _mean_square(apart), _mean_square(self.velocity))


def levels(path: Path, t: float) -> tuple[float, float, float, float]:
    """Return what a field needs to know of t: alpha, sigma and their derivatives."""
    return path.alpha(t), path.sigma(t), path.d_alpha(t), path.d_sigma(t)


class Losses(NamedTuple):
    """A network's expected loss in two parts: that of the best possible prediction, and how much higher it is."""

    lowest: float
    excess: float


def expected_loss(training: Training, exact: MixtureField, draws: int = 8192) -> Losses:
    """Return the two parts of a network's loss over fresh draws: E|y - f|^2 = E|y - m|^2 + E|f - m|^2.

    y is the target, f the prediction, and m = E[y | x, t] the best possible one. The first part is the variance that x
    and t leave in the target, in closed form: no network and no training time removes it. Both are means over axes, as
    the loss is.
    """
    generator, settings = torch.Generator().manual_seed(0), training.settings
    drawn = [training.draw(generator) for _ in range(math.ceil(draws / settings.batch))]
    t, x = (torch.cat([getattr(b, name) for b in drawn]) for name in ("t", "x"))
    with torch.inference_mode():
        predicted = training.network(x, t).double().numpy()
    positions, times = x.double().numpy(), t.double().numpy()
    apart = predicted - exact_prediction(exact, settings, positions, times)
    return Losses(float(target_variance(exact, settings, positions, times).mean() / 2), float(np.square(apart).mean()))


def target_variance(exact: MixtureField, settings: TrainingSettings, x: Array, t: Array) -> Array:
    """Return the variance of the target given x (m, 2) and t (m,), summed over both axes: (m,).

    Given x, the target is linear in x0: p x0 + q (x - alpha x0) / sigma.
    """
    path, weights = PATHS[settings.path], PREDICTIONS[settings.prediction]
    found = np.empty(len(x))
    for time in np.unique(t):
        here, (p, q) = t == time, weights(path, float(time))
        alpha, sigma = path.alpha(float(time)), path.sigma(float(time))
        found[here] = (p - q * alpha / sigma) ** 2 * exact.denoised_variance(x[here], alpha, sigma)
    return found


def exact_prediction(exact: MixtureField, settings: TrainingSettings, x: Array, t: Array) -> Array:
    """Return the target's mean given x (m, 2) and t (m,), which training approaches: (m, 2)."""
    path, weights = PATHS[settings.path], PREDICTIONS[settings.prediction]
    found = np.empty_like(x)
    for time in np.unique(t):
        here, (p, q) = t == time, weights(path, float(time))
        alpha, sigma = path.alpha(float(time)), path.sigma(float(time))
        found[here] = p * exact.denoised(x[here], alpha, sigma) + q * exact.noise(x[here], alpha, sigma)
    return found


def _mean_square(vectors: list[Array]) -> Array:
    return np.array([np.square(v).sum(axis=1).mean() for v in vectors])
