"""One training step, at every noise time: of a network in the plane, and of a shipped model on an image."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import cast

import numpy as np
import torch
import xarray as xr
from torch.nn import functional as F

from ...analysis.training_step import training_step
from ...diffusion.paths import PATHS
from ...diffusion.predictions import PREDICTIONS, convert, error_gain
from ...flow2d import MixtureField
from ...flow2d.learnt import exact_prediction
from ...flow2d.training import Training, TrainingSettings, mix
from ...pipeline import Pipeline, PipelineProtocol
from ...pipeline.progress import Progress
from ...world import draw as draw_scene
from ...world import parse
from .compute import Data, LiveTraining

PLANE_TIMES = tuple(round(0.98 - 0.02 * k, 2) for k in range(49))  # from noise to data, as a sampler goes
IMAGE_TIMES = tuple(round(1 - 0.05 * k, 2) for k in range(20))
FIRST_TIME = 0.5  # shown first
PREVIEW_TIMES = ((FIRST_TIME,), IMAGE_TIMES[::5])  # of the previews: a step at 20 times takes two seconds
POSSIBLE_POINTS = 60  # drawn of those that x could come from

Array = np.ndarray


@dataclass(frozen=True)
class StepRequest:
    """A training step in the plane. draw: the seed of x0 and of the noise."""

    data: Data
    settings: TrainingSettings
    draw: int


@dataclass(frozen=True, eq=False)
class StepResult:
    """One draw of x0 and noise, mixed at each of PLANE_TIMES.

    Args:
        trained: steps that the network was trained for.
        arrays: x0, noise (axis); x, target, prediction, exact (t, axis), the last the best possible prediction; best
            (t, axis), the same as x0; loss, gradient_norm (t); truth, converted (kind, t, axis), the target and the
            prediction as every kind of prediction; gain (kind, t), by which an error of the prediction grows in its
            conversion; possible (t, point, axis): points that x can come from, drawn given x.
        points: the data (point, 2).
    """

    request: StepRequest
    trained: int
    arrays: xr.Dataset
    points: Array


@dataclass(frozen=True)
class ImageRequest:
    """A training step on a drawing of a prompt. draw: the seed of the drawing and of the noise."""

    prompt: str
    draw: int


@dataclass(frozen=True, eq=False)
class ImageResult:
    """A training step on an image at several times.

    Args:
        step: see `analysis.training_step`. image: the drawing, (y, x, rgb) uint8.
        noisy, denoised: decoded, (t, y, x, rgb) uint8.
    """

    request: ImageRequest
    step: xr.Dataset
    image: Array
    noisy: Array
    denoised: Array


# ---- in the plane ---------------------------------------------------------------------------------------------------


def compute_step(live: LiveTraining, request: StepRequest) -> StepResult:
    """Take one draw apart, with the network as far as it is trained."""
    training, settings, path = live.training, request.settings, PATHS[request.settings.path]
    drawn = replace(settings, batch=1, seed=request.draw)
    x0, noise = (v.double().expand(len(PLANE_TIMES), 2) for v in Training(live.points, drawn).draw()[:2])
    batch = mix(x0, noise, torch.tensor(PLANE_TIMES, dtype=torch.float64), settings.path, settings.prediction)
    predictions, losses, norms = take_apart(training, *(v.float() for v in (batch.x, batch.t, batch.target)))
    x, target = batch.x.numpy(), batch.target.numpy()
    kinds, count = list(PREDICTIONS), len(PLANE_TIMES)

    def as_kinds(prediction: Array) -> Array:
        return np.array([[convert(settings.prediction, kind, path, x[k], prediction[k], PLANE_TIMES[k])
                          for k in range(count)] for kind in kinds])

    gains = [[error_gain(settings.prediction, kind, path, t) for t in PLANE_TIMES] for kind in kinds]
    arrays = xr.Dataset(
        {"x0": ("axis", x0[0].numpy()), "noise": ("axis", noise[0].numpy()), "x": (("t", "axis"), x),
         "target": (("t", "axis"), target), "prediction": (("t", "axis"), predictions),
         "exact": (("t", "axis"), exact_prediction(live.exact, settings, x, batch.t.numpy())),
         "loss": ("t", losses), "gradient_norm": ("t", norms), "truth": (("kind", "t", "axis"), as_kinds(target)),
         "converted": (("kind", "t", "axis"), as_kinds(predictions)), "gain": (("kind", "t"), np.array(gains)),
         "best": (("t", "axis"), np.concatenate([live.exact.denoised(x[k : k + 1], path.alpha(t), path.sigma(t))
                                                  for k, t in enumerate(PLANE_TIMES)])),
         "possible": (("t", "point", "axis"), possible_points(live.exact, settings.path, x))},
        coords={"t": list(PLANE_TIMES), "axis": ["x", "y"], "kind": kinds},
        attrs={"path": settings.path, "prediction": settings.prediction})
    return StepResult(request, training.steps_taken, arrays, live.points)


@torch.inference_mode(False)
@torch.enable_grad()
def take_apart(training: Training, x: torch.Tensor, t: torch.Tensor, target: torch.Tensor,
               ) -> tuple[Array, Array, Array]:
    """Return the predictions (n, 2), their losses (n,), and the lengths of the losses' gradients in all weights (n,).

    Each of the n draws is a batch of its own. No weight is changed.
    """
    parameters, predictions, losses, norms = list(training.network.parameters()), [], [], []
    for k in range(len(t)):
        prediction = training.network(x[k : k + 1].clone(), t[k : k + 1].clone())
        loss = F.mse_loss(prediction, target[k : k + 1].clone())
        gradients = torch.autograd.grad(loss, parameters)
        predictions.append(prediction[0].detach().double().numpy())
        losses.append(loss.item())
        norms.append(math.sqrt(sum(float(g.square().sum()) for g in gradients)))
    return np.array(predictions), np.array(losses), np.array(norms)


def possible_points(exact: MixtureField, path_name: str, x: Array) -> Array:
    """Draw x0 given x at each of PLANE_TIMES, (t, 2) to (t, POSSIBLE_POINTS, 2), from its exact distribution.

    Given one of the data points, x0 is normal: around a position between that point and x / alpha.
    """
    path, rng, found = PATHS[path_name], np.random.default_rng(0), []
    u, shift = np.sort(rng.random(POSSIBLE_POINTS)), rng.standard_normal((POSSIBLE_POINTS, 2))  # the same at every t
    for k, t in enumerate(PLANE_TIMES):
        alpha, sigma = path.alpha(t), path.sigma(t)
        variance = exact.variance(alpha, sigma)
        log_weights = -np.square(x[k] - alpha * exact.points).sum(axis=1) / (2 * variance)
        cumulative = np.exp(log_weights - log_weights.max()).cumsum()
        chosen = exact.points[np.searchsorted(cumulative, u * cumulative[-1])]
        slope = exact.point_variance * alpha / variance
        spread = math.sqrt(exact.point_variance / variance) * sigma
        found.append(chosen + slope * (x[k] - alpha * chosen) + spread * shift)
    return np.stack(found)


# ---- on an image ----------------------------------------------------------------------------------------------------


def compute_image(pipe: PipelineProtocol, request: ImageRequest, progress: Progress,
                  show_partial: Callable[[ImageResult], object]) -> ImageResult:
    """Take a step on a drawing apart; at one time and at a few first, which show_partial receives.

    Raises:
        ValueError: the pipeline was not trained on the picture world, or a word is unknown.
    """
    if not pipe.has_limited_vocabulary:
        raise ValueError(f"{pipe.name} was not trained on drawings of the picture world, on which this step is taken: "
                         "choose the mode “train” or “one step”, or open Learning without a pipeline")
    pipe = cast(Pipeline, pipe)
    image = draw_scene(replace(parse(request.prompt).scene, seed=request.draw), masks=False).image
    for times in PREVIEW_TIMES:
        few = training_step(pipe, image, request.prompt, times, request.draw, lambda done, total: progress(0, 1))
        show_partial(_decoded(pipe, request, image, few))
    step = training_step(pipe, image, request.prompt, IMAGE_TIMES, request.draw, progress)
    return _decoded(pipe, request, image, step)


def _decoded(pipe: Pipeline, request: ImageRequest, image: Array, step: xr.Dataset) -> ImageResult:
    return ImageResult(request, step, image, pipe.decode(step.noisy.values), pipe.decode(step.denoised.values))
