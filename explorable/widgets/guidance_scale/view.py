"""What GuidanceScale shows of a result: layers of the stage, sentences, labelled arrays, tables, code."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from ...analysis.trajectory import describe_step
from ...diffusion.settings import Settings
from ...pipeline.progress import shown_steps
from ..core import scale_grid
from ..core.preview import PREVIEW_LABEL, PREVIEW_STEPS, nearest_frames, stretch_layers
from ..core.scale_grid import DONE
from ..core.verdict import describe_verdict
from ..stage.layers import Images, Layer, Panel, Points
from . import compute
from .compute import MAX_FRAMES, PLANE_EXTENT, ImageFacts, PlaneRequest, PlaneResult, Result, call_arguments
from .grid import GridResult

CONVENTIONS = {"off at 1": 0.0, "off at 0": -1.0}
"""What is added to w: u + w (c - u) is off at 1, and c + s (c - u) with s = w - 1 is off at 0."""
UNDECODED_LABEL = "the extrapolated prediction of every step; the others are being computed"
GUIDED_LABEL = "the extrapolated prediction of every step; the others are a preview"
LESSON = {1.0: "Generic animal, muted colors", 7.0: "Clear lion, warm sunset colors",
          15.0: "Dramatic lion, very orange sky", 30.0: "Over-saturated, weird artifacts"}
"""What a popular lesson says of some scales, in its own words."""
QUANTITIES = (("right", 100, ", %"), ("clipped", 100, ", %"), ("saturation", 1, ""), ("diversity", 1, ""))


# ---- the scale in words ----------------------------------------------------------------------------------------------


def scale_text(w: float, convention: str) -> str:
    """Return a scale with its name: "w = 4", or "s = 3" in the convention that is off at 0."""
    offset = CONVENTIONS[convention]
    return f"{'s' if offset else 'w'} = {w + offset:g}"


def formula(w: float, convention: str) -> str:
    """Return the formula of guidance at a scale."""
    offset = CONVENTIONS[convention]
    return f"{'with' if offset else 'without'} + {w + offset:g} × difference"


# ---- one image, step by step -----------------------------------------------------------------------------------------


def recording_of(result: Result, convention: str, steps: int | None = None,
                 guided: np.ndarray | None = None) -> dict[str, Any]:
    """Return the arguments of `Stage.show`. steps: of the full run, where the result is its preview; guided: the
    extrapolated predictions of the full run, if they are there already."""
    s = result.request.settings
    times = result.guided_run.uncond.t.values
    captions = [describe_step(k, len(times), times[k]) + _guidance_note(times[k], s.interval) for k in result.steps]
    layers, titles = _mixed_layers(result, convention) if result.mix else _step_layers(result, convention)
    if steps is not None and steps != len(times):
        full_steps = shown_steps(steps - 1, MAX_FRAMES)
        frames = nearest_frames(full_steps, steps, PREVIEW_STEPS - 1)
        layers = stretch_layers(layers, frames)
        captions = [f"{PREVIEW_LABEL}: {captions[k]}" for k in frames]
        if guided is not None:
            layers[0] = replace(layers[0], frames=guided, frame_indices=None)
            captions = [f"step {k} of {steps}; all but the result is a preview" for k in full_steps]
    columns = [len(layers), *range(1, len(layers))]  # the result is the last, and the one that "Save PNG" saves
    panels = [Panel(layer.name, (layer.name,), title, grid_area=(column, 1, 1, 1))
              for layer, title, column in zip(layers, titles, columns, strict=True)]
    return {"layers": layers, "captions": captions, "panels": panels, "columns": len(panels),
            "file_name": f"guidance-{s.guidance:g}-seed-{s.seed}"}


def _guidance_note(t: float, interval: tuple[float, float]) -> str:
    return "" if interval[0] <= t <= interval[1] else ", outside the interval: no guidance"


def _step_layers(result: Result, convention: str) -> tuple[list[Layer], list[str]]:
    """Return the four images of each step, and their titles."""
    s = result.request.settings
    without = "with the negative prompt" if s.negative else "without the prompt"
    layers: list[Layer] = [
        Images("guided", "Extrapolated prediction", result.guided, "what the sampler goes on with"),
        Images("uncond", f"Predicted {without}", result.uncond, "the first of the two evaluations of the network"),
        Images("cond", "Predicted with the prompt", result.cond, "the second evaluation, at the same noisy latent"),
        Images("difference", "With minus without", result.difference, "grey where both predictions agree")]
    return layers, [formula(s.guidance, convention), without, "with the prompt", "with − without"]


def _mixed_layers(result: Result, convention: str) -> tuple[list[Layer], list[str]]:
    """Return the images of the popular formula beside the guided one, and their titles."""
    mix, s = result.mix, result.request.settings
    assert mix is not None
    layers: list[Layer] = [
        Images("guided", "Guided at each step", result.guided, "the formula acts on the prediction of each step"),
        Images("uncond run", "A run without the prompt", mix.uncond, "its own trajectory, w = 0"),
        Images("cond run", "A run with the prompt", mix.cond, "its own trajectory, w = 1"),
        Images("mixed", "The two images mixed", mix.mixed, "in pixels, clipped to 0 to 255")]
    return layers, ["guided at each step", "image without", "image with", formula(s.guidance, convention)]


def describe_facts(facts: ImageFacts) -> str:
    """Say what the examiner sees, and whether it is what the prompt says."""
    if facts.verdict is None:
        return ""
    seen = f"The examiner sees {describe_verdict(facts.verdict)}"
    return seen + {None: ".", True: ": what the prompt says.", False: ": not what the prompt says."}[facts.is_right]


def describe(result: Result) -> str:
    """Describe the two predictions, or the two images, and the result."""
    s, angle = result.request.settings, result.guided_run.geometry.angle.values
    if result.mix:
        guided, mixed = (describe_facts(f) for f in (result.facts, result.mix.facts))
        return " ".join(filter(None, (
            "The popular formula mixes two finished images. They come from the same noise and still show different "
            "things in different places, so their mixture is a double exposure.",
            guided and f"Guided: {guided[0].lower()}{guided[1:]}", mixed and f"Mixed: {mixed[0].lower()}{mixed[1:]}")))
    if not np.isfinite(angle).all() or not result.guided_run.difference.values.any():
        apart = "Both predictions are the same: there is no difference to multiply."
    else:
        apart = (f"The two predictions are {angle[0]:.0f}° apart at the first step and {angle[-1]:.0f}° at the last: "
                 "the prompt acts early.")
    off = {0.0: "At w = 0 the prompt is ignored.", 1.0: "At w = 1 guidance is off."}.get(s.guidance, "")
    seen = describe_facts(result.facts)
    return " ".join(filter(None, (apart, off, seen and f"Finished: {seen[0].lower()}{seen[1:]}")))


def score(result: Result, convention: str, measured: str) -> tuple[str, str, str]:
    """Return the score's name, value and note. measured: a sentence on the measured sweep."""
    scale = scale_text(result.request.settings.guidance, convention)
    if result.mix:
        return (f"The two images mixed, {scale}:", facts_text(result.mix.facts),
                f"Guided at each step: {facts_text(result.facts)}.")
    return f"This image, {scale}:", facts_text(result.facts), measured


def facts_text(facts: ImageFacts) -> str:
    """Return the facts of one image, as in "matches the prompt, 3.1% of pixels clipped, saturation 0.46"."""
    right = {None: "", True: "matches the prompt, ", False: "does not match the prompt, "}[facts.is_right]
    return f"{right}{100 * facts.clipped:.1f}% of pixels clipped, saturation {facts.saturation:.2f}"


def dataset(result: Result) -> xr.Dataset:
    """Return the shown images, (frame, …), and of every step the latents of the estimates, their lengths and angle."""
    run, s = result.guided_run, result.request.settings
    images = {"uncond": result.uncond, "cond": result.cond, "difference": result.difference, "guided": result.guided}
    if result.mix:
        images |= {"uncond run": result.mix.uncond, "cond run": result.mix.cond, "mixed": result.mix.mixed}
    latents = xr.concat([run.uncond, run.cond, run.difference, run.run.denoised], run.geometry.estimate)
    return xr.Dataset({name: (("frame", "row", "column", "rgb"), frames) for name, frames in images.items()},
                      coords={"frame_step": ("frame", result.steps), "rgb": list("rgb")},
                      attrs={"prompt": s.prompt, "guidance": s.guidance}).merge(
                          run.geometry).assign(estimate_latent=latents)


def table(result: Result) -> Any:
    """Return a pandas row a step: t, the lengths of the estimates, and the angle between the two predictions."""
    geometry = result.guided_run.geometry
    return geometry.norm.transpose().to_pandas().assign(t=geometry.t.values, angle=geometry.angle.values)


def code(s: Settings, mixes_images: bool, pipe_code: str) -> str:
    """Return the lines that reproduce one image, its predictions, and the mixture of two images."""
    arguments = "".join(f", {name}={value!r}" for name, value in call_arguments(s).items())
    lines = ["import explorable as ex", "from explorable.analysis.guided_predictions import sample_guided", "",
             pipe_code, f"guided = sample_guided(pipe, {s.prompt!r}{arguments})", "guided.geometry.angle",
             "image = guided.run.image"]
    if mixes_images:
        same = f"guidance=1.0, steps={s.steps!r}, seed={s.seed!r}"
        lines += ["", f"uncond = pipe({s.negative or ''!r}, {same}).image.astype(float)",
                  f"cond = pipe({s.prompt!r}, {same}).image.astype(float)",
                  f"mixed = (uncond + {s.guidance!r} * (cond - uncond)).clip(0, 255)"]
    return "\n".join(lines)


# ---- every scale and four seeds --------------------------------------------------------------------------------------


def grid_recording(grid: GridResult, convention: str) -> dict[str, Any]:
    """Return the arguments of `Stage.show` for a grid: its overview, and one image along w (frames) and seeds."""
    scales, offset = grid.request.scales, CONVENTIONS[convention]
    labels = ["s" if offset else "w", *(f"{w + offset:g}" for w in scales)]
    captions = [scale_text(w, convention) + ("" if (row == DONE).all() else ": not finished yet")
                for w, row in zip(scales, grid.state, strict=True)]
    return scale_grid.grid_recording(grid.images.values, grid.request.seeds, labels, captions, "guidance-grid")


def describe_grid(grid: GridResult, convention: str) -> str:
    """Say how many images of each scale the examiner finds right."""
    right, offset = grid.facts.right, CONVENTIONS[convention]
    if np.isnan(right.values).all():
        return "The same prompt and the same noise at every scale."
    counts = scale_grid.counts_text((right.w.values + offset).tolist(), right.sum("seed").values.tolist())
    return f"Images of {right.sizes['seed']} seeds that match the prompt, as the examiner sees them: {counts}."


def grid_score(grid: GridResult, convention: str, measured: str) -> tuple[str, str, str]:
    """Return the score of a grid: what the largest scale costs against the scale that is off."""
    off, largest = 1.0, grid.request.scales[-1]
    clipped = [100 * float(grid.means.clipped.sel(w=w)) for w in (off, largest)]
    return (f"Pixels clipped at {scale_text(off, convention)} and at {scale_text(largest, convention)}:",
            f"{clipped[0]:.1f}% and {clipped[1]:.0f}%", measured)


def lesson_table(sweep: xr.Dataset | None, live: xr.Dataset | None, convention: str) -> Any:
    """Return a pandas row for each scale of a popular lesson's table: its words, and what was measured.

    sweep, live: as in figure.against_scale.
    """
    rows = {}
    for w, words in LESSON.items():
        rows[scale_text(w, convention)] = row = {"a popular lesson": words}
        if sweep is not None and w in sweep.w:
            for name, factor, unit in QUANTITIES:
                low, high = (factor * float(sweep[name].sel(w=w, bound=b)) for b in ("low", "high"))
                row[f"{name}{unit}"] = f"{low:.3g} to {high:.3g}"
        if live is not None and w in live.w:
            row["this prompt"] = (f"{100 * float(live.right.sel(w=w)):.0f}% right, "
                                  f"{100 * float(live.clipped.sel(w=w)):.0f}% clipped")
    return pd.DataFrame.from_dict(rows, orient="index")


# ---- in two dimensions ----------------------------------------------------------------------------------------------


def plane_recording(result: PlaneResult, convention: str) -> dict[str, Any]:
    """Return the arguments of `Stage.show`: the data, guided samples, and samples of the sharpened density."""
    extent = (-PLANE_EXTENT, PLANE_EXTENT) * 2
    layers: list[Layer] = [
        Points("guided", "Guided samples", result.guided, extent=extent, colours=("guidance",), size=7.0),
        Points("sharpened", "Samples of the sharpened density", result.sharpened, axes=(), extent=extent,
               colours=("other",), size=7.0),
        Points("data", "Data", result.points, axes=(), extent=extent, groups=result.is_target.astype(int).tolist(),
               colours=("plain", "image"), size=7.0)]
    panels = [Panel("guided", ("guided",), f"guided with {scale_text(result.request.w, convention)}",
                    grid_area=(2, 1, 1, 1)),
              Panel("data", ("data",), "p(x), and the class y in blue", grid_area=(1, 1, 1, 1)),
              Panel("sharpened", ("sharpened",), f"samples of p(x) p(y | x)^{result.request.w:g}",
                    grid_area=(3, 1, 1, 1))]
    return {"layers": layers, "captions": [f"t = {t:.2f}" for t in result.times], "panels": panels, "columns": 3,
            "file_name": "guidance-plane"}


def describe_plane(result: PlaneResult) -> str:
    """Say whether guided samples follow the sharpened density."""
    here = result.distances.sel(w=result.request.w)
    same = float(here.distance) <= float(here.floor.sel(bound="high"))
    return ("Guidance is often said to sample the sharpened density p(x) p(y | x)^w. " + (
        "At this scale it does: the distance cannot be told from 0." if same else
        "It does not: each step follows the score of a density sharpened at its own noise level, and these are not one "
        "density with more and more noise."))


def plane_score(result: PlaneResult) -> tuple[str, str, str]:
    """Return the total variation distance, and its noise floor."""
    here = result.distances.sel(w=result.request.w)
    low, high = (float(here.floor.sel(bound=b)) for b in ("low", "high"))
    return ("Total variation distance from the sharpened density:", f"{float(here.distance):.2f}",
            f"0 is equal, 1 is disjoint. Samples of that density itself give {low:.2f} to {high:.2f}.")


def plane_code(request: PlaneRequest) -> str:
    """Return the lines that compute the distance without the explorable."""
    return f"""import explorable as ex
import numpy as np
from explorable.diffusion.paths import PATHS
from explorable.diffusion.timesteps import uniform_timesteps
from explorable.flow2d import integrate
from explorable.flow2d.guidance import guided_field, sample_classes, sharpened_density

points, classes = sample_classes({request.distribution!r}, {compute.PLANE_POINTS}, {request.seed!r})
field = guided_field(points, classes, {compute.TARGET_CLASS}, w={request.w!r})
start = np.random.default_rng([{request.seed!r}, 5]).standard_normal(({compute.PLANE_PARTICLES}, 2))
x = integrate(field, PATHS["straight"], start, uniform_timesteps({compute.PLANE_STEPS}), "heun").x
density = sharpened_density(field, {PLANE_EXTENT}, {compute.PLANE_CELLS}).coarsen({compute.CELLS_PER_BIN})
distance, floor = density.total_variation(x[-1]), density.noise_floor({compute.PLANE_PARTICLES})"""
