"""What Learning shows of a result: stage layers, sentences, tables, labelled arrays and code."""

from __future__ import annotations

from functools import singledispatch
from html import escape
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from ...analysis.verdict import matches_scene
from ...flow2d.learnt import ERROR_TIMES
from ...flow2d.training import TrainingSettings
from ...measure.learning import QUANTITIES
from ...measure.results import SavedTable, save_command
from ...world import parse
from ...zoo import read_card
from ..core.layout import format_duration, scrollable
from ..core.verdict import describe_verdict
from ..flow_paths.compute import DRAWN, HALF_EXTENT
from ..stage.layers import Arrows, Axis, Heatmap, Images, Panel, Points
from .compute import FIELD_TIMES, POINT_COUNT, Data, ImageResult, RealRunResult, Result

EXTENT = (-HALF_EXTENT, HALF_EXTENT, -HALF_EXTENT, HALF_EXTENT)
MAX_SHOWN_POINTS = 300


def points(name: str, label: str, positions: np.ndarray, colour: str, *, is_still: bool = False, size: float = 6,
           trail: bool = False, has_ring: bool = False, legend: str = "") -> Points:
    """Return a layer of points in the plane, (frames, points, 2), or without frames if they are still."""
    return Points(name, label, positions, axes=() if is_still else ("frame",), extent=EXTENT, colours=(colour,),
                  size=size, trail=trail, highlighted=(0,) if has_ring else (), legend=(legend,))


@singledispatch
def data_of(result: Any) -> xr.Dataset:
    """Return what is on the screen."""
    raise TypeError(f"{result!r} is no result of Learning")


@singledispatch
def table_of(result: Any) -> pd.DataFrame:
    """Return its numbers by checkpoint, or by t."""
    raise TypeError(f"{result!r} is no result of Learning")


@singledispatch
def code_of(result: Any, pipe_code: str) -> str:
    """Return code that computes it without the explorable. pipe_code: the line that loads its pipeline."""
    raise TypeError(f"{result!r} is no result of Learning")


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


@data_of.register
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


@table_of.register
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


@code_of.register
def live_training_code(result: Result, pipe_code: str) -> str:
    """Return code that repeats the training as far as it is."""
    return training_code(result.request.data, result.request.settings, result.steps_taken)


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


@data_of.register
def image_dataset(result: ImageResult) -> xr.Dataset:
    """Return latents, predictions, loss and gradient at every t."""
    return result.step


@table_of.register
def image_table(result: ImageResult) -> pd.DataFrame:
    """Return a row per t: loss, and length of the gradient."""
    return result.step[["loss", "gradient_norm"]].to_dataframe()


@code_of.register
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


# ---- a real run -----------------------------------------------------------------------------------------------------


def real_run_recording(result: RealRunResult) -> dict[str, Any]:
    """Return the arguments of `Stage.show`: the predicted images of every stage, by the step of the sampler."""
    layers = [Images(f"after {stage.trained}", f"after {stage.trained:,} training steps", stage.images)
              for stage in result.stages]
    times = result.stages[0].run.denoised.t.values[:-1]
    captions = [f"sampler step {k}, t = {t:.2f}: the predicted images" for k, t in enumerate(times)]
    return {"layers": layers, "captions": [*captions, "the finished images"],
            "panels": [Panel(layer.name, (layer.name,), layer.label) for layer in layers],
            "columns": len(layers), "thumbnails": layers[-1].name, "file_name": "real-run"}


def describe_real_run(result: RealRunResult) -> str:
    """Return what the examiner sees in each finished image."""
    seen = "; ".join(f"after {s.trained:,} steps {describe_verdict(s.verdict)}" for s in result.stages)
    return f"One training, with the same prompt and noise. The examiner sees {seen}."


def real_run_score(result: RealRunResult) -> tuple[str, str, str]:
    """Return the score's name, value and note."""
    right = sum(matches_scene(stage.verdict, parse(result.request.prompt).scene) for stage in result.stages)
    last = result.stages[-1]
    return ("Images as the prompt says:", f"{right} of {len(result.stages)}",
            f"by the examiner; {last.model}, a small network, was trained for {last.trained:,} steps of "
            f"{read_card(last.model)['batch']} drawings. The chart has its loss.")


@data_of.register
def real_run_dataset(result: RealRunResult) -> xr.Dataset:
    """Return the predicted images, (trained, step, y, x, rgb)."""
    images = np.stack([stage.images for stage in result.stages])
    return xr.Dataset({"images": (("trained", "step", "y", "x", "rgb"), images)},
                      {"trained": [stage.trained for stage in result.stages]})


@table_of.register
def real_run_table(result: RealRunResult) -> pd.DataFrame:
    """Return a row per stage: what the examiner sees, and whether the prompt says so."""
    scene = parse(result.request.prompt).scene
    rows = {stage.trained: {"model": stage.model, "the examiner sees": describe_verdict(stage.verdict),
                            "as the prompt says": matches_scene(stage.verdict, scene)} for stage in result.stages}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("trained")


@code_of.register
def real_run_code(result: RealRunResult, pipe_code: str) -> str:
    """Return code that paints the same images."""
    names = [stage.model for stage in result.stages]
    return (f"import explorable as ex\nfrom PIL import Image\n\nfor name in {names!r}:\n"
            f"    run = ex.load(name)({result.request.prompt!r}, steps={result.stages[0].run.steps}, "
            f"seed={result.request.seed})\n    display(Image.fromarray(run.image))")
