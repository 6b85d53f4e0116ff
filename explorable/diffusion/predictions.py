"""What a network predicts, and its conversion to and from `denoised`, the estimate of x0.

Every prediction is a mixture of image and noise: prediction = p x0 + q noise. Together with x = alpha x0 + sigma noise
these are two linear equations for x0 and noise. Predictions differ in where an error of the network weighs most.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from .paths import Path, noise_from_denoised


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
