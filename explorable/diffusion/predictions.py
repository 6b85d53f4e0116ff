"""What a network predicts, and its conversion to and from `denoised`, the estimate of x0.

Every prediction is a mixture of image and noise: prediction = p x0 + q noise. Together with x = alpha x0 + sigma noise
these are two linear equations for x0 and noise. Predictions differ in where an error of the network weighs most.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeVar

import numpy as np
from torch import Tensor

from .paths import Path, noise_from_denoised

Values = TypeVar("Values", Tensor, np.ndarray)


class PredictionError(ValueError):
    """An unknown prediction, or one that does not determine x0 on this path."""


PREDICTIONS: dict[str, Callable[[Path, float], tuple[float, float]]] = {  # (p, q) at t
    "noise": lambda path, t: (0.0, 1.0),  # Ho et al. 2020, equation 14
    "x0": lambda path, t: (1.0, 0.0),  # the image itself
    "v": lambda path, t: (-path.sigma(t), path.alpha(t)),  # Salimans and Ho 2022, section 4
    "velocity": lambda path, t: (path.d_alpha(t), path.d_sigma(t)),  # dx/dt: Lipman et al. 2022
}


def to_denoised(kind: str, path: Path, x: Tensor, prediction: Tensor, t: float) -> Tensor:
    """Convert a network's prediction at x, t to its estimate of x0, of the same shape."""
    p, q = PREDICTIONS[kind](path, t)
    a, s = path.alpha(t), path.sigma(t)
    return (q * x - s * prediction) / (a * q - s * p)


def from_denoised(kind: str, path: Path, x: Tensor, denoised: Tensor, t: float) -> Tensor:
    """Convert an estimate of x0 to the prediction that implies it. Needs sigma(t) > 0."""
    p, q = PREDICTIONS[kind](path, t)
    return p * denoised + q * noise_from_denoised(path, x, denoised, t)


def convert(kind: str, to: str, path: Path, x: Values, prediction: Values, t: float) -> Values:
    """Convert a network's prediction at x, t to one of another kind, of the same shape. Needs `error_gain` finite."""
    p, q = PREDICTIONS[kind](path, t)
    to_p, to_q = PREDICTIONS[to](path, t)
    a, s = path.alpha(t), path.sigma(t)
    x0, noise = q * x - s * prediction, a * prediction - p * x
    return (to_p * x0 + to_q * noise) / (a * q - s * p)


def error_gain(kind: str, to: str, path: Path, t: float) -> float:
    """Return how many times larger an error of a prediction is after `convert`: infinite where it is undetermined.

    x is known, so only the determinants of the two pairs of equations matter: alpha for noise, -sigma for x0,
    alpha^2 + sigma^2 for v, alpha sigma' - alpha' sigma for velocity.
    """
    def determinant(kind: str) -> float:
        p, q = PREDICTIONS[kind](path, t)
        return path.alpha(t) * q - path.sigma(t) * p

    below = abs(determinant(kind))
    return abs(determinant(to)) / below if below > 0 else math.inf


def check_prediction(kind: str, path: Path) -> None:
    """Raise an error for a prediction that cannot be sampled from.

    Raises:
        PredictionError: an unknown prediction; or "noise" on a path that ends in pure noise, where it leaves x0
            undetermined.
    """
    if kind not in PREDICTIONS:
        raise PredictionError(f"prediction is {kind!r}: choose one of {', '.join(PREDICTIONS)}")
    if kind == "noise" and path.alpha(1.0) == 0:
        raise PredictionError(f"a noise prediction does not determine the image at t = 1 of the {path.name} path, "
                              "which is pure noise: predict v or velocity, or use the linear path")
