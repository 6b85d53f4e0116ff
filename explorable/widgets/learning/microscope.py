"""One training step of a network in the plane, at every noise time: its computation, and what is shown of it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from html import escape
from typing import Any

import numpy as np
import pandas as pd
import torch
import xarray as xr
from torch.nn import functional as F

from ...diffusion.paths import PATHS
from ...diffusion.predictions import PREDICTIONS, convert, error_gain
from ...flow2d import MixtureField
from ...flow2d.learnt import exact_prediction
from ...flow2d.training import Training, TrainingSettings, mix
from ..core.layout import scrollable
from ..stage.layers import Panel
from .compute import Data, LiveTraining
from .view import MAX_SHOWN_POINTS, code_of, data_of, points, table_of, training_code

PLANE_TIMES = tuple(round(0.98 - 0.02 * k, 2) for k in range(49))  # from noise to data, as a sampler goes
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


# ---- what is shown --------------------------------------------------------------------------------------------------


@data_of.register
def step_dataset(result: StepResult) -> xr.Dataset:
    """Return the draw at every t, and its conversions."""
    return result.arrays


def step_recording(result: StepResult) -> dict[str, Any]:
    """Return the arguments of `Stage.show`: x on its way from noise to its point, and what could be seen from it."""
    a = result.arrays
    layers = [
        points("data", "data points", result.points[:MAX_SHOWN_POINTS], "plain", is_still=True, size=4),
        points("possible", "points that x can come from", a.possible.values, "image"),
        points("noise", "the noise", a.noise.values[None], "noise", is_still=True, size=11),
        points("x0", "x0", a.x0.values[None], "image", is_still=True, size=11, has_ring=True),
        points("x", "x, their mixture", a.x.values[:, None], "plain", size=13, trail=True),
        points("best", "their mean: the best prediction", a.best.values[:, None], "word", size=10),
        points("network", "the network's prediction", a.converted.sel(kind="x0").values[:, None], "guidance",
               size=8),
    ]
    panels = [Panel("draw", ("data", "noise", "x0", "x", "network"), "draw, mix, predict: all as x0", ratio=1.0),
              Panel("possible", ("data", "possible", "x", "best", "network"), "what x can come from", ratio=1.0)]
    captions = [f"t = {t:.2f}: loss {loss:.2f}" for t, loss in zip(a.t.values, a.loss.values, strict=True)]
    return {"layers": layers, "captions": captions, "panels": panels, "columns": 2, "file_name": "training-step"}


def describe_step_result(result: StepResult) -> str:
    """Return two sentences on what the panels show."""
    return (f"Left: x0 (blue, ringed) and noise (brown) are mixed to x (grey). The network, trained for "
            f"{result.trained:,} steps, sees x and t; its prediction, as x0, is orange. Right: points that x can come "
            "from (blue), and their mean (green): the best possible prediction.")


def step_score(result: StepResult, frame: int) -> tuple[str, str, str]:
    """Return the score's name, value and note."""
    a = result.arrays.isel(t=frame)
    best = float(np.square(a.target - a.exact).mean())
    return (f"Loss of this draw at t = {float(a.t):.2f}:", f"{float(a.loss):.3g}",
            f"(the best possible prediction has {best:.3g} here; the gradient's length is "
            f"{float(a.gradient_norm):.2g})")


def step_table_html(result: StepResult, frame: int) -> str:
    """Return one step in six quantities, and its prediction as every kind of prediction, as HTML."""
    a = result.arrays.isel(t=frame)
    rows = [("1 draw x0", _pair(a.x0)), ("2 draw noise", _pair(a.noise)), ("3 draw t", f"{float(a.t):.2f}"),
            ("4 mix to x", _pair(a.x)), (f"5 predict {a.attrs['prediction']}", f"{_pair(a.prediction)}"),
            ("6 compare with the target", _pair(a.target))]
    head = "<tr><th>the same as</th><th>network</th><th>target</th><th>error × </th></tr>"
    kinds = "".join(f"<tr><th>{kind}</th><td>{_pair(a.converted.sel(kind=kind))}</td>"
                    f"<td>{_pair(a.truth.sel(kind=kind))}</td><td>{_gain(float(a.gain.sel(kind=kind)))}</td></tr>"
                    for kind in PREDICTIONS)
    steps = "".join(f"<tr><th>{escape(name)}</th><td>{value}</td></tr>" for name, value in rows)
    tables = {"One training step in six quantities": steps, "The prediction as every kind of prediction": head + kinds}
    return "".join(scrollable(f'<table class="ex-table">{rows}</table>', name) for name, rows in tables.items())


def _pair(values: xr.DataArray) -> str:
    x, y = values.values
    return f"({x:.2f}, {y:.2f})"


def _gain(gain: float) -> str:
    return "∞" if np.isinf(gain) else f"{gain:.2g}"


@table_of.register
def step_table(result: StepResult) -> pd.DataFrame:
    """Return a row per t: loss, gradient, and by how much each conversion makes an error grow."""
    a = result.arrays
    return pd.DataFrame({"loss": a.loss.values, "gradient": a.gradient_norm.values}
                        | {f"error × as {kind}": a.gain.sel(kind=kind).values for kind in PREDICTIONS},
                        index=pd.Index(a.t.values, name="t"))


@code_of.register
def step_code(result: StepResult, pipe_code: str) -> str:
    """Return code that draws and mixes the same pair, and converts its target."""
    request, times = result.request, [0.9, 0.5, 0.1]
    return (f"{training_code(request.data, request.settings, result.trained)}\n\n"
            f"import torch\nfrom explorable.diffusion.predictions import PREDICTIONS, convert\n"
            f"from explorable.flow2d.training import mix\n\n"
            f"x0, noise = (torch.tensor([v] * {len(times)}) for v in ({result.arrays.x0.values.tolist()!r},\n"
            f"                                                {result.arrays.noise.values.tolist()!r}))\n"
            f"batch = mix(x0, noise, torch.tensor({times!r}), {request.settings.path!r}, "
            f"{request.settings.prediction!r})\n"
            f"with torch.no_grad():\n    prediction = training.network(batch.x, batch.t)\n"
            f"loss = (prediction - batch.target).square().mean()")
