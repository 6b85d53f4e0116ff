"""What ClassifierGuidance shows of a result: layers of the stage, sentences, labelled arrays, tables, code."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from ...analysis.trajectory import describe_step
from ...measure.classifier_guidance import Sweep
from ...measure.results import save_command
from ...pipeline.progress import shown_steps
from ..core import scale_grid
from ..core.preview import PREVIEW_LABEL, PREVIEW_STEPS, nearest_frames
from ..core.scale_grid import DONE
from ..core.verdict import describe_verdict
from ..guidance_scale.compute import PLANE_EXTENT
from ..guidance_scale.view import plane_code as guided_plane_code
from ..stage.layers import Arrows, Heatmap, Images, Layer, Panel, Points
from .compute import (
    MAX_FRAMES,
    ArrowsResult,
    PlaneRequest,
    Request,
    Result,
    Side,
    call_arguments,
    drawn_arrows,
    names_target,
    without_classifier,
)
from .scales import ScalesResult

GUIDED_LABEL = "the guided image of every step; the other is a preview"


# ---- two runs, step by step ------------------------------------------------------------------------------------------


def recording_of(result: Result) -> dict[str, Any]:
    """Return the arguments of `Stage.show`: the unguided image, the guided one, and the gradient over it."""
    guided, target = result.guided, result.target
    times = guided.readings.t.values
    captions = []
    for k, step in enumerate(result.steps):
        p = float(guided.readings.probability.sel(label=target)[step])
        words = f": p({target}) {p:.0%} classifier, {guided.examined[k]:.0%} examiner"
        captions.append(describe_step(step, guided.run.steps, times[step]) + words)
    heat = Heatmap("gradient", "Classifier's gradient", result.gradient_maps, "by position, relative to the step's "
                   "largest", high=1.0, colour="guidance")
    return _stage_arguments(result.request, result.unguided.images, guided.images, captions, heat,
                            guided.is_adversarial)


def preview_of(request: Request, guided: np.ndarray, unguided: np.ndarray) -> dict[str, Any]:
    """Return the arguments of `Stage.show` for images of which one or both are from runs in a few steps."""
    frames = shown_steps(request.settings.steps - 1, MAX_FRAMES)
    few = nearest_frames(frames, request.settings.steps, PREVIEW_STEPS - 1)
    unguided, guided = (side if len(side) == len(frames) else side[few] for side in (unguided, guided))
    captions = [f"{PREVIEW_LABEL}: step {k} of {request.settings.steps}" for k in frames]
    return _stage_arguments(request, unguided, guided, captions, None, False)


def _stage_arguments(request: Request, unguided: np.ndarray, guided: np.ndarray, captions: list[str],
                     heat: Heatmap | None, is_adversarial: bool) -> dict[str, Any]:
    s = request.settings
    layers: list[Layer] = [
        Images("guided", "Guided", guided, f"predicted image, the classifier guides towards {s.target}"),
        Images("unguided", "Unguided", unguided, "predicted image, from the same initial noise"),
        *([heat] if heat else [])]
    title = f"{s.target}, scale {s.classifier_scale:.3g}"
    panels = [Panel("guided", ("guided",), f"{title}: adversarial" if is_adversarial else title,
                    grid_area=(2, 1, 1, 1)),
              Panel("unguided", ("unguided",), "unguided, same noise", grid_area=(1, 1, 1, 1)),
              Panel("gradient", ("guided", *(["gradient"] if heat else [])), "where the gradient acts",
                    grid_area=(3, 1, 1, 1))]
    return {"layers": layers, "captions": captions, "panels": panels, "columns": 3,
            "file_name": f"classifier-{s.target}-{s.classifier_scale:.3g}-seed-{s.seed}"}


def describe(result: Result) -> str:
    """Say what the examiner sees in both images, and where the classifier acted."""
    s, target, guided = result.request.settings, result.target, result.guided
    seen = [describe_verdict(side.verdict) for side in (result.unguided, guided)]
    sentences = [f"The examiner sees {seen[0]} in both." if seen[0] == seen[1] else
                 f"Unguided, the examiner sees {seen[0]}; guided, {seen[1]}."]
    if guided.is_adversarial:
        sentences.append(f"The guided image is adversarial: the classifier that guided is {guided.confidence:.0%} "
                         f"certain of “{target}”, and the examiner, which never guides, does not find it.")
    elif names_target(s.prompt, target) and result.unguided.shows:
        sentences.append("Told in words, the model needs no classifier: the unguided image shows it too.")
    shift = guided.readings.shift_rms
    if not s.classifier_scale:
        sentences.append("At scale 0 the classifier is off.")
    elif not float(shift.max()):
        sentences.append("In this window of steps the classifier does nothing.")
    else:
        k = int(shift.values.argmax())
        sentences.append(f"The gradient shifts most at step {k}, t = {float(shift.t[k]):.2f}.")
    if not s.noise_aware:
        sentences.append("The classifier is always told t = 0, and takes noise for content.")
    return " ".join(sentences)


def score(result: Result, measured: str) -> tuple[str, str, str]:
    """Return the score's name, value and note. measured: a sentence on the measured sweep."""
    side = result.guided
    return (f"Probability of {result.target} in the finished image, by the examiner and by the classifier:",
            f"{side.examined[-1]:.0%} and {side.confidence:.0%}", measured)


def dataset(result: Result) -> xr.Dataset:
    """Return by run ("unguided", "guided") the images and the examiner's p(target) of the shown steps, (frame, …), and
    the classifier's probabilities and gradient at every step."""
    sides = {"unguided": result.unguided, "guided": result.guided}
    readings = xr.concat([side.readings for side in sides.values()], xr.Variable("run", list(sides)))
    s = result.request.settings
    return readings.assign({
        "images": (("run", "frame", "row", "column", "rgb"), np.stack([side.images for side in sides.values()])),
        "examined": (("run", "frame"), np.stack([side.examined for side in sides.values()])),
        "confidence": ("run", [side.confidence for side in sides.values()]),
        "shows": ("run", [side.shows for side in sides.values()])}).assign_coords(
            frame_step=("frame", result.steps), rgb=list("rgb")).assign_attrs(
                prompt=s.prompt, target=result.target, classifier_scale=s.classifier_scale)


def table(result: Result) -> Any:
    """Return a pandas row a shown step: t, p(target) of both judges in both runs, size of gradient and shift."""
    def columns(name: str, side: Side) -> dict[str, np.ndarray]:
        p = side.readings.probability.sel(label=result.target).values[result.steps]
        return {f"classifier, {name}": p, f"examiner, {name}": side.examined}

    readings = result.guided.readings.isel(step=result.steps)
    return readings[["gradient_rms", "shift_rms"]].to_dataframe()[["t", "gradient_rms", "shift_rms"]].assign(
        **columns("guided", result.guided), **columns("unguided", result.unguided))


def code(request: Request, pipe_code: str) -> str:
    """Return the lines that reproduce both images, and what both judges say."""
    s = request.settings
    guided, plain = ("".join(f", {name}={value!r}" for name, value in call_arguments(settings).items())
                     for settings in (s, without_classifier(s)))
    told = "" if s.noise_aware else ", noise_aware=False"
    return "\n".join([
        "import explorable as ex",
        "from explorable.analysis.classifier_readings import classifier_confidence, classifier_readings",
        "from explorable.analysis.verdict import target_probability", "", pipe_code,
        f"unguided = pipe({s.prompt!r}{plain})", f"guided = pipe({s.prompt!r}{guided})",
        f"readings = classifier_readings(pipe, guided, {s.target!r}{told})",
        f"to_examiner = target_probability(guided.image[None], {s.target!r})[0]",
        f"to_classifier = classifier_confidence(pipe, guided.image[None], {s.target!r})[0]"])


# ---- every scale and four seeds --------------------------------------------------------------------------------------


def scales_recording(grid: ScalesResult) -> dict[str, Any]:
    """Return the arguments of `Stage.show` for images at all scales: an overview, and one of them."""
    scales, facts = grid.request.scales, grid.means
    captions = []
    for scale, row in zip(scales, grid.state, strict=True):
        here = facts.sel(scale=scale)
        captions.append(f"scale {scale:g}" + (
            f": shown in {float(here.shown):.0%}, classifier {float(here.confidence):.0%}" if (row == DONE).all()
            else ": not finished yet"))
    return scale_grid.grid_recording(grid.images.values, grid.request.seeds, ["scale", *(f"{s:g}" for s in scales)],
                                     captions, "classifier-grid")


def describe_scales(grid: ScalesResult) -> str:
    """Say in how many images of each scale the examiner finds the target, and how many are adversarial."""
    facts, target = grid.facts, grid.request.settings.target
    known = facts.isel(scale=facts.shown.notnull().all("seed").values)
    shown, fooled = (scale_grid.counts_text(known.scale.values.tolist(), known[name].sum("seed").values.tolist())
                     for name in ("shown", "adversarial"))
    return (f"Images of {facts.sizes['seed']} seeds in which the examiner finds {target}: {shown}. Adversarial ones, "
            f"in which the classifier is certain of it and the examiner finds none: {fooled}.")


def scales_score(grid: ScalesResult, measured: str) -> tuple[str, str, str]:
    """Return the score of images at all scales: diversity lost from scale 0 to the largest."""
    diversity = grid.facts.diversity.values
    return ("Diversity of four seeds at scale 0 and at the largest:", f"{diversity[0]:.2f} and {diversity[-1]:.2f}",
            measured)


def measured_sentence(sweep: Sweep | None, condition: str, sampler: str, name: str) -> str:
    """Return a sentence on the measured sweep of a shipped model.

    condition: of the sweep, "" where the prompt meets none. name: the model's, "" for a pipeline of one's own.
    """
    if sweep is not None:
        return sweep.sentence(condition, sampler) if condition else (
            "Measured only without a prompt, and with one that names the target.")
    return f"Not measured for {name} yet: {save_command('classifier-guidance', name)}" if name else ""


# ---- in two dimensions ----------------------------------------------------------------------------------------------


def plane_recording(result: ArrowsResult) -> dict[str, Any]:
    """Return the arguments of `Stage.show`: the arrows that add up, guided samples, the sharpened density's samples."""
    plane, w = result.plane, result.request.w
    extent, drawn = (-PLANE_EXTENT, PLANE_EXTENT) * 2, drawn_arrows(result)
    layers: list[Layer] = [
        Points("data", "Data", plane.points, axes=(), extent=extent, groups=plane.is_target.astype(int).tolist(),
               colours=("plain", "image"), size=5.0),
        Arrows("towards data", "Gradient of log p(x)", drawn["data"], extent=extent, colour="plain"),
        Arrows("towards class", "Scale times the gradient of log p(y | x)", drawn["classifier"], extent=extent,
               colour="guidance"),
        Arrows("sum", "Their sum", drawn["sum"], extent=extent, colour="word"),
        Points("guided", "Guided samples", plane.guided, extent=extent, colours=("guidance",), size=7.0),
        Points("sharpened", "Samples of the sharpened density", plane.sharpened, axes=(), extent=extent,
               colours=("other",), size=7.0)]
    panels = [Panel("guided", ("guided",), f"guided, scale {w:.3g}", grid_area=(2, 1, 1, 1)),
              Panel("arrows", ("data", "towards data", "towards class", "sum"), "to data + to class = sum",
                    grid_area=(1, 1, 1, 1)),
              Panel("sharpened", ("sharpened",), f"samples of p(x) p(y | x)^{w:.3g}", grid_area=(3, 1, 1, 1))]
    return {"layers": layers, "captions": [f"t = {t:.2f}" for t in plane.times], "panels": panels, "columns": 3,
            "file_name": "classifier-plane"}


def describe_plane(result: ArrowsResult) -> str:
    """Say what the arrows are, and whether guided samples follow the sharpened density."""
    here = result.plane.distances.sel(w=result.request.w)
    same = float(here.distance) <= float(here.floor.sel(bound="high"))
    arrows = ("Arrows: grey the gradient of log p(x), orange the scale times that of log p(y | x), towards the blue "
              "class, green their sum; all times σ². ")
    if not result.request.noise_aware:
        return arrows + ("A posterior that is always that of t = 0 is certain in places where the noise still hides "
                         "the class: its gradient throws the samples off.")
    return arrows + ("The samples cannot be told from those of the sharpened density." if same else
                     "The samples do not follow the density sharpened to this scale.")


def plane_code(request: PlaneRequest) -> str:
    """Return the lines that compute the distance without the explorable."""
    text = guided_plane_code(request)
    if request.noise_aware:
        return text
    lines = text.split("\n")
    k = next(k for k, line in enumerate(lines) if line.startswith("field = "))
    return "\n".join([*lines[: k + 1], "field = replace(field, noise_aware=False)", *lines[k + 1 :]]).replace(
        "import explorable as ex\n", "import explorable as ex\nfrom dataclasses import replace\n", 1)
