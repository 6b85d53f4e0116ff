"""What Learning shows of a result: stage layers, sentences, tables, labelled arrays and code."""

from __future__ import annotations

from html import escape
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from ...diffusion.predictions import PREDICTIONS
from ...flow2d.learnt import ERROR_TIMES
from ...flow2d.training import TrainingSettings
from ...measure.learning import QUANTITIES
from ...measure.results import SavedTable, save_command
from ..core.layout import format_duration, scrollable
from ..flow_paths.compute import DRAWN, HALF_EXTENT
from ..stage.layers import Arrows, Axis, Heatmap, Images, Panel, Points
from .compute import FIELD_TIMES, POINT_COUNT, Data, Result
from .microscope import ImageResult, StepResult

EXTENT = (-HALF_EXTENT, HALF_EXTENT, -HALF_EXTENT, HALF_EXTENT)
MAX_SHOWN_POINTS = 300


def points(name: str, label: str, positions: np.ndarray, colour: str, *, is_still: bool = False, size: float = 6,
           trail: bool = False, has_ring: bool = False, legend: str = "") -> Points:
    """Return a layer of points in the plane, (frames, points, 2), or without frames if they are still."""
    return Points(name, label, positions, axes=() if is_still else ("frame",), extent=EXTENT, colours=(colour,),
                  size=size, trail=trail, highlighted=(0,) if has_ring else (), legend=(legend,))


# ---- a training -----------------------------------------------------------------------------------------------------


def training_recording(result: Result) -> dict[str, Any]:
    """Return the arguments of `Stage.show`: a frame for each checkpoint, and an axis for the noise time."""
    checkpoints, data = result.checkpoints, result.points[:MAX_SHOWN_POINTS]
    arrows = np.stack([c.arrows for c in checkpoints])
    layers = [
        Arrows("learnt", "the learnt field", arrows, axes=("frame", "t"), extent=EXTENT, colour="guidance"),
        Arrows("exact", "the exact field", result.exact_arrows, axes=("t",), extent=EXTENT, colour="image"),
        points("data", "data points", data, "image", is_still=True, size=5, legend="data"),
        points("samples", "samples", np.stack([c.samples for c in checkpoints]), "guidance", legend="samples"),
    ]
    is_drawn = result.request.data.distribution == DRAWN
    panels = [Panel("learnt", ("learnt",), "learnt field", ratio=1.0),
              Panel("exact", ("exact",), "exact field", ratio=1.0),
              Panel("samples", ("data", "samples"), "samples: draw here" if is_drawn else "samples",
                    interaction="draw" if is_drawn else "", ratio=1.0)]
    total = result.request.settings.steps
    captions = [f"after {c.steps:,} of {total:,} steps: error {percent(c.share)}" for c in checkpoints]
    axis = Axis("t", "field at t", tuple(f"{t:g}" for t in FIELD_TIMES))
    return {"layers": layers, "captions": captions, "axes": (axis,), "panels": panels, "columns": 3,
            "file_name": "learning"}


def percent(share: float) -> str:
    """Return a share as text: 7.1%, 230%, or "over 1000%"."""
    return f"{100 * share:.2g}%" if share < 0.1 else f"{100 * share:.0f}%" if share <= 10 else "over 1000%"


def progress_text(result: Result) -> str:
    """Return the name of a training that runs."""
    return f"the training after {result.steps_taken:,} of {result.request.settings.steps:,} steps"


def describe_training(result: Result) -> str:
    """Return two sentences on what the panels show."""
    return (f"Left: how the network moves points at the chosen t, after {result.steps_taken:,} steps; middle: the "
            "exact field. Far from the data nothing was learnt. Right: samples (orange) over the data.")


def training_score(result: Result) -> tuple[str, str, str]:
    """Return the score's name, value and note."""
    last = result.checkpoints[-1]
    worst = int(np.argmax(last.shares))
    floor = "" if result.floor is None else f" No network's loss is below {result.floor:.2f}."
    return ("Error of the learnt field", percent(last.share),
            f"of the exact one's norm, t from {ERROR_TIMES[0]} to {ERROR_TIMES[-1]} (largest: "
            f"{percent(last.shares[worst])} at t = {ERROR_TIMES[worst]}).{floor}")


def training_status(result: Result) -> str:
    """Return how far the training is, and how long it took."""
    took = f"{format_duration(result.seconds)} of training"
    if result.is_finished:
        return f"Trained: {result.steps_taken:,} steps in {took}."
    return f"Paused after {result.steps_taken:,} of {result.request.settings.steps:,} steps, {took}: press “continue”."


def training_dataset(result: Result) -> xr.Dataset:
    """Return everything on the stage, the losses of all steps, and the errors of each checkpoint."""
    of = result.checkpoints
    return xr.Dataset(
        {"learnt": (("checkpoint", "t", "arrow", "end"), np.stack([c.arrows for c in of])),
         "exact": (("t", "arrow", "end"), result.exact_arrows), "points": (("point", "axis"), result.points),
         "samples": (("checkpoint", "sample", "axis"), np.stack([c.samples for c in of])),
         "error": ("checkpoint", [c.share for c in of]),
         "error_by_t": (("checkpoint", "error_t"), np.stack([c.shares for c in of])),
         "loss": ("step", result.losses)},
        coords={"checkpoint": [c.steps for c in of], "t": list(FIELD_TIMES), "error_t": list(ERROR_TIMES),
                "axis": ["x", "y"], "end": ["x0", "y0", "x1", "y1"], "step": np.arange(1, len(result.losses) + 1)},
        attrs={"floor": np.nan if result.floor is None else result.floor})


def training_table(result: Result) -> pd.DataFrame:
    """Return a row per checkpoint: the loss since the one before, and the error in percent, also by t."""
    rows, before = [], 0
    for c in result.checkpoints:
        loss = result.losses[before : c.steps].mean() if c.steps > before else np.nan
        rows.append({"step": c.steps, "loss": loss, "error %": 100 * c.share}
                    | {f"t = {t:g} %": 100 * share for t, share in zip(ERROR_TIMES, c.shares, strict=True)})
        before = c.steps
    return pd.DataFrame(rows).set_index("step")


def data_code(data: Data) -> str:
    """Return the expression for the points."""
    if data.distribution == DRAWN:
        return f"sample_distribution({[list(p) for p in data.drawing or ()]!r})"
    return f"sample_distribution({data.distribution!r}, {POINT_COUNT})"


def settings_code(settings: TrainingSettings) -> str:
    """Return the settings as a call."""
    return (f"TrainingSettings(path={settings.path!r}, prediction={settings.prediction!r}, times={settings.times!r},\n"
            f"                            width={settings.width}, batch={settings.batch}, steps={settings.steps}, "
            f"seed={settings.seed})")


def training_code(data: Data, settings: TrainingSettings, steps: int) -> str:
    """Return code that repeats the training so far, and measures its error."""
    return (f"import explorable as ex\nfrom explorable.diffusion.paths import PATHS\n"
            f"from explorable.flow2d import ideal_field, sample_distribution\n"
            f"from explorable.flow2d.couplings import DEFAULT_WIDTH\n"
            f"from explorable.flow2d.learnt import FieldTest, learnt_field\n"
            f"from explorable.flow2d.training import Training, TrainingSettings\n\n"
            f"points = {data_code(data)}\n"
            f"settings = {settings_code(settings)}\n"
            f"training = Training(points, settings)\n"
            f"for _ in range({steps}):\n    training.step()\n"
            f"test = FieldTest(ideal_field(points, DEFAULT_WIDTH), PATHS[settings.path])\n"
            f"test.errors(learnt_field(training)).share")


def measured_html(saved: SavedTable | None) -> str:
    """Return the saved table of `measure learning`, with its notes, as HTML; how to measure it if there is none."""
    if saved is None:
        return f'<span class="ex-help">Not measured yet: {escape(save_command("learning"))}</span>'
    names = ("data", "path", "predicts", "t", *(f"{name} 95%" for name in QUANTITIES), "lowest", "above it")
    head = "".join(f"<th>{escape(name)}</th>" for name in names)
    rows = "".join(f"<tr>{''.join(f'<td>{escape(str(row[name]))}</td>' for name in names)}</tr>"
                   for row in saved.table.rows)
    notes = escape(". ".join(note[0].upper() + note[1:] for note in saved.table.notes))
    table = scrollable(f'<table class="ex-table"><tr>{head}</tr>{rows}</table>', "Which is easier to train, measured")
    return f'{table}<span class="ex-help">{notes}. Measured by {escape(saved.command)}.</span>'


# ---- one step in the plane ------------------------------------------------------------------------------------------


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


def step_table(result: StepResult) -> pd.DataFrame:
    """Return a row per t: loss, gradient, and by how much each conversion makes an error grow."""
    a = result.arrays
    return pd.DataFrame({"loss": a.loss.values, "gradient": a.gradient_norm.values}
                        | {f"error × as {kind}": a.gain.sel(kind=kind).values for kind in PREDICTIONS},
                        index=pd.Index(a.t.values, name="t"))


def step_code(result: StepResult) -> str:
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


# ---- one step on an image -------------------------------------------------------------------------------------------


def image_recording(result: ImageResult) -> dict[str, Any]:
    """Return the arguments of `Stage.show`: the image, the mixture, the prediction and its squared error."""
    step = result.step
    error = np.square(step.prediction - step.target).mean("channel").values
    layers = [Images("x0", "x0, the image", result.image, axes=()),
              Images("noisy", "x, the mixture", result.noisy),
              Images("denoised", "predicted image", result.denoised),
              Heatmap("error", "squared error", error, "of the prediction, by position")]
    panels = [Panel(layer.name, (layer.name,), layer.label) for layer in layers]
    captions = [f"t = {t:.2f}: loss {loss:.3f}" for t, loss in zip(step.t.values, step.loss.values, strict=True)]
    return {"layers": layers, "captions": captions, "panels": panels, "columns": 4, "file_name": "training-step"}


def describe_image(result: ImageResult) -> str:
    """Return two sentences on what the panels show."""
    kind = result.step.attrs["prediction"]
    return (f"The drawing becomes 1,024 numbers, x0, and is mixed with noise to x. From x, t and the prompt the model "
            f"predicts the {kind}, shown as an image. Its squared error is the loss: in training, every weight would "
            "now move a little against the gradient.")


def image_score(result: ImageResult, frame: int) -> tuple[str, str, str]:
    """Return the score's name, value and note."""
    at = result.step.isel(t=frame)
    return (f"Loss at t = {float(at.t):.2f}:", f"{float(at.loss):.3f}",
            f"mean squared error of the predicted {result.step.attrs['prediction']}; the gradient's length is "
            f"{float(at.gradient_norm):.2g}. The chart has every t.")


def image_table(result: ImageResult) -> pd.DataFrame:
    """Return a row per t: loss, and length of the gradient."""
    return result.step[["loss", "gradient_norm"]].to_dataframe()


def image_code(result: ImageResult, pipe_code: str) -> str:
    """Return code that takes the same step."""
    request = result.request
    return (f"import explorable as ex\nfrom dataclasses import replace\n"
            f"from explorable.analysis.training_step import training_step\n"
            f"from explorable.world import draw, parse\n\n{pipe_code}\n"
            f"scene = replace(parse({request.prompt!r}).scene, seed={request.draw})\n"
            f"image = draw(scene, masks=False).image\n"
            f"times = {result.step.t.values.tolist()!r}\n"
            f"step = training_step(pipe, image, {request.prompt!r}, times, {request.draw})\n"
            f"step.loss")
