"""What a network is asked to predict, and how that becomes the one currency, `denoised`.

Whatever it is, it is a mixture of the picture and the noise: prediction = p x0 + q noise. Beside
x = alpha x0 + sigma noise that makes two equations in x0 and noise, and solving them is all there is to it.
What differs between predictions is where an error of the network weighs most.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from .paths import Path, noise_from_denoised


class PredictionError(ValueError):
    """A prediction that says nothing on this path, or that nobody knows."""


PREDICTIONS: dict[str, Callable[[Path, float], tuple[float, float]]] = {  # (p, q) at t
    "noise": lambda path, t: (0.0, 1.0),  # Ho et al. 2020, equation 14
    "x0": lambda path, t: (1.0, 0.0),  # the picture itself
    "v": lambda path, t: (-path.sigma(t), path.alpha(t)),  # Salimans and Ho 2022, section 4
    "velocity": lambda path, t: (path.alpha_rate(t), path.sigma_rate(t)),  # dx/dt: Lipman et al. 2022
}


def to_denoised(kind: str, path: Path, x: Tensor, prediction: Tensor, t: float) -> Tensor:
    """A network's prediction at x, t as its estimate of x0, of the same shape."""
    p, q = PREDICTIONS[kind](path, t)
    a, s = path.alpha(t), path.sigma(t)
    return (q * x - s * prediction) / (a * q - s * p)


def from_denoised(kind: str, path: Path, x: Tensor, denoised: Tensor, t: float) -> Tensor:
    """The prediction that says `denoised`. Needs sigma(t) > 0."""
    p, q = PREDICTIONS[kind](path, t)
    return p * denoised + q * noise_from_denoised(path, x, denoised, t)


def check_prediction(kind: str, path: Path) -> None:
    """Refuse a prediction that cannot be sampled from.

    Raises:
        PredictionError: unknown; or noise on a path that ends in noise alone, where it leaves x0 open.
    """
    if kind not in PREDICTIONS:
        raise PredictionError(f"prediction is {kind!r}: choose one of {', '.join(PREDICTIONS)}")
    if kind == "noise" and path.alpha(1.0) == 0:
        raise PredictionError(f"at t = 1 the {path.name} path is noise alone, and its noise says nothing of the "
                              "picture: let the network predict v or velocity, or take the linear path")
