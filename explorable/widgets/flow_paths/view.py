"""What FlowPaths shows of a result: stage layers, captions, sentences, tables and code."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from ...flow2d import SEEDS, WALKS_PER_SEED, with_interval
from ...pipeline import PipelineProtocol
from ..core.image_table import ImageTable
from ..core.layout import with_minus_signs
from ..core.notice import notice
from ..stage.layers import Arrows, Axis, Images, Layer, Panel, Points
from .compute import (
    DRAWN,
    HALF_EXTENT,
    SCORED_PARTICLES,
    STOCHASTIC,
    WALKS,
    Frames,
    OwnPath,
    Request,
    Result,
    frames_per_step,
)
from .images import MISSING, SAMPLER, STEP_COUNTS, ImageRequest, ImageResult, guidance_of, models

EXTENT = (-HALF_EXTENT, HALF_EXTENT, -HALF_EXTENT, HALF_EXTENT)
MAX_TRAILS = 40  # more would hide each other
MAX_DRAWN_POINTS = 400

# ---- points in the plane --------------------------------------------------------------------------------------------


def stage_layers(frames: Frames, own: OwnPath) -> list[Layer]:
    """Return the layers of both panels, the lowest first."""

    def points(name: str, label: str, positions: np.ndarray, colour: str, *, size: float = 6, is_still: bool = False,
               trail: bool = False, has_ring: bool = False, legend: str = "") -> Points:
        return Points(name, label, positions, axes=() if is_still else ("frame",), extent=EXTENT, colours=(colour,),
                      size=size, trail=trail, highlighted=(0,) if has_ring else (), legend=(legend,))

    return [
        Arrows("field", "the marginal field", frames.arrows, "direction of motion at this t", extent=EXTENT),
        points("points", "data points", frames.points, "image", is_still=True, legend="data"),
        points("noise", "noises", frames.marginal[0], "noise", size=5, is_still=True, legend="noise"),
        points("marginal cloud", "particles", frames.marginal, "plain", legend="particles at t"),
        points("marginal paths", "marginal paths", frames.marginal[:, :MAX_TRAILS], "plain", trail=True),
        points("conditional cloud", "alpha point + sigma noise", frames.conditional, "plain"),
        points("conditional paths", "conditional paths", frames.conditional[:, :MAX_TRAILS], "plain", trail=True),
        points("exact path", "the exact path from your start", own.exact[:, None], "image", size=9, trail=True),
        points("your path", "the solver's path from your start", own.solver, "guidance", size=10, trail=True,
               has_ring=True, legend="from your start"),
        points("your start", "your start", own.solver[0, :1], "noise", size=9, is_still=True, has_ring=True),
    ]


def stage_panels(request: Request) -> list[Panel]:
    """Return the panels: marginal paths with a start to drag, and conditional paths with a distribution to draw."""
    is_drawn, both = request.data.distribution == DRAWN, ("points", "noise")
    left = "marginal paths: drag your start"
    right = "conditional paths" + ": draw here" * is_drawn
    return [Panel("marginal", ("field", *both, "marginal paths", "marginal cloud", "exact path", "your path",
                               "your start"), left, interaction="drag", ratio=1.0),
            Panel("conditional", (*both, "conditional paths", "conditional cloud"), right,
                  interaction="draw" if is_drawn else "", ratio=1.0)]


def frame_captions(times: Sequence[float], steps: int) -> list[str]:
    """Return the caption of each frame: t, and the steps taken so far."""
    parts = frames_per_step(steps)
    if len(times) == 1:
        return ["t = 1.00: noise, and nothing drawn yet"]
    return [f"t = {t:.2f}, " + (f"after {k // parts} of {steps} steps" if k % parts == 0 else
                                f"in step {k // parts + 1} of {steps}") for k, t in enumerate(times)]


def count_text(count: int, noun: str) -> str:
    """Return a count with its noun: "1 step", "4 steps"."""
    return f"{count} {noun}{'s' * (count != 1)}"


def to_plane(x: float, y: float) -> tuple[float, float]:
    """Convert a pointer position, as fractions of a panel from its top left, to the coordinates of the plane."""
    return round(HALF_EXTENT * (2 * x - 1), 3), round(HALF_EXTENT * (1 - 2 * y), 3)


def add_stroke(drawing: Sequence[tuple[float, float]], stroke: Sequence[tuple[float, float]],
               ) -> list[tuple[float, float]]:
    """Return a drawing with a stroke added. With more than MAX_DRAWN_POINTS points, evenly spread ones of them are
    kept, where they were drawn."""
    points = [*drawing, *stroke]
    kept = np.linspace(0, len(points) - 1, min(len(points), MAX_DRAWN_POINTS)).round().astype(int)
    return [points[k] for k in kept]


def describe_own(result: Result) -> str:
    """Say where the path from the user's start ends, or the walks."""
    own, (x, y) = result.own, result.request.start
    if not result.request.has_noise:
        return with_minus_signs(f"Your start ({x:.2f}, {y:.2f}) ends {own.error:.2g} from its exact endpoint.")
    ends = own.solver[-1]
    apart = np.linalg.norm(ends[:, None] - ends, axis=-1).max()
    nearest = np.linalg.norm(ends[:, None] - result.frames.points, axis=-1).min(axis=1).mean()
    return (f"From your start, {len(ends)} walks end up to {apart:.2g} apart, and {nearest:.2g} from the nearest data "
            "point on average.")


def describe(request: Request) -> str:
    """Return one or two sentences on what the panels show, or on what to do next."""
    if request.data.is_blank:
        return ("Draw in the right panel with the pointer held down; by keyboard, move the cross with the arrow keys "
                "and press Enter for each point. What you draw is the data, where you draw it.")
    if request.has_noise:
        return ("Left: each step adds fresh noise, so walks from one start wiggle and end at different points of the "
                "data. With small steps the cloud has the same distribution at every t as without noise; with few "
                "steps noise makes it worse.")
    is_straight = request.path == "straight"
    if request.steps == 1 and request.coupling == "independent":
        left = ("Left: pure noise tells nothing about its point, so the first velocity points to the mean of the data, "
                "and a single step takes every particle there." if is_straight else
                "Left: on this path the velocity at pure noise is almost zero, so a single step moves nothing.")
        return f"{left} Right: each noise has its own path to its own point."
    if request.coupling == "independent":
        shape = "straight" if is_straight else "curved"
        return (f"Right: each noise has a {shape} path to a random point. Left: where these paths cross, "
                "the field is their mean velocity, so the particles bend. With enough steps both "
                "clouds have the same distribution at every t.")
    pairs = "paired by optimal transport" if request.coupling == "optimal" else "paired by reflow"
    if is_straight:
        return (f"Right: {pairs}, straight paths hardly cross. Left: so the mean velocity is nearly that of a single "
                "path, the particles move almost straight, and few steps are enough.")
    return (f"Right: {pairs}, but each path of this kind is curved. Left: the particles follow the curve. A good "
            "coupling saves steps only on the straight path.")


def score(result: Result) -> tuple[str, str, str]:
    """Return the score's name, value and note."""
    if result.walks is not None:
        at = result.walks.distance.sel(steps=result.request.steps, method="nearest")
        (plain, noisy), (_, half) = with_interval(at)
        floor = with_interval(result.walks.floor)[0]
        note = (f"in {count_text(int(at.steps), 'step')} (sliced Wasserstein, 95% over {SEEDS} seeds of "
                f"{WALKS_PER_SEED}); without noise {plain:.2g}, exact samples {floor:.2g}.")
        return "Distance of the walks' ends from the data:", f"{noisy:.2g} ± {half:.1g}", note
    if result.scores is None or result.chosen is None:  # an empty drawing
        return "", "", ""
    evaluations, error = result.chosen
    note = (f"(0: straight, one step is enough). After {count_text(evaluations, 'evaluation')} the median distance "
            f"to the exact endpoint is {error:.2g}, over {SCORED_PARTICLES} noises.")
    return "Straightness:", f"{result.scores.straightness:.2g}", note


def dataset(result: Result) -> xr.Dataset:
    """Return everything in the panels, and the scores where they are computed."""
    request, frames, own = result.request, result.frames, result.own
    dims = ("frame", "trajectory", "axis")
    arrays = xr.Dataset(
        {"marginal": (dims, frames.marginal), "conditional": (dims, frames.conditional),
         "own": (("frame", "walk", "axis"), own.solver), "own_exact": (dims[::2], own.exact),
         "points": (("point", "axis"), frames.points), "arrows": (("frame", "arrow", "end"), frames.arrows)},
        coords={"t": ("frame", frames.times), "axis": ["x", "y"], "end": ["x0", "y0", "x1", "y1"]},
        attrs={"distribution": request.data.distribution, "path": request.path, "coupling": request.coupling,
               "solver": request.solver, "seed": request.data.seed, "start": request.start})
    if result.walks is not None:
        return arrays.merge(result.walks)
    return arrays if result.scores is None else arrays.merge(result.scores.errors)


def table(result: Result) -> Any:
    """Return a pandas row per solver and number of steps: evaluations, median and quartiles of the distance."""
    if result.walks is not None:
        mean, half = with_interval(result.walks.distance)
        dims = ("eta", "steps")
        return xr.Dataset({"distance": (dims, mean), "± (95%)": (dims, half)}, coords={
            name: result.walks[name] for name in dims}).to_dataframe()
    if result.scores is None:  # an empty drawing
        return pd.DataFrame(columns=["evaluations", "median", "lower quartile", "upper quartile"])
    errors = result.scores.errors
    low, middle, high = errors.distance.quantile([0.25, 0.5, 0.75], "particle").drop_vars("quantile")
    return xr.Dataset({"evaluations": errors.evaluations, "median": middle, "lower quartile": low,
                       "upper quartile": high}).to_dataframe()


def code(request: Request) -> str:
    """Return code that reproduces the trajectories."""
    data = request.data
    if data.is_blank:
        return "# The drawing is empty: there is nothing to reproduce."
    if data.distribution == "word":
        points = f"word_points({data.count}, {data.seed}, {data.text!r})"
    elif data.distribution == DRAWN:
        points = f"sample_distribution({[list(p) for p in data.drawing or ()]!r})"
    else:
        points = f"sample_distribution({data.distribution!r}, {data.count}, {data.seed})"
    return (f"import explorable as ex\nimport numpy as np\nfrom explorable.diffusion.paths import PATHS\n"
            f"from explorable.diffusion.timesteps import uniform_timesteps\n"
            f"from explorable.flow2d import (integrate, marginal_field, sample_distribution, sample_pairs,\n"
            f"                               word_points)\n\n"
            f"points = {points}\n"
            f"noises = sample_pairs(points, {request.coupling!r}, seed={data.seed}).noises\n"
            f"field = marginal_field(points, {request.coupling!r}, seed={data.seed})\n"
            f"path, times = PATHS[{request.path!r}], uniform_timesteps({request.steps})\n"
            f"{_solver_lines(request)}trajectories.x[-1]")


def _solver_lines(request: Request) -> str:
    """Return the lines that make `own` and `trajectories`."""
    start = f"np.array([{list(request.start)!r}])"
    if request.solver != STOCHASTIC:
        return (f"own = integrate(field, path, {start}, times, {request.solver!r})\n"
                f"trajectories = integrate(field, path, noises, times, {request.solver!r})\n")
    walks, seed = WALKS if request.has_noise else 1, request.data.seed
    lines = [f"{name} = integrate_ddim(field, path, {x}, times, {request.eta!r}, make_noise_sampler({seed}, {x}.shape))"
             for name, x in (("own", "starts"), ("trajectories", "noises"))]
    return "\n".join(["from explorable.flow2d import integrate_ddim, make_noise_sampler",
                      f"starts = np.tile({start}, ({walks}, 1))", *lines, ""])


# ---- images ---------------------------------------------------------------------------------------------------------


def image_recording(result: ImageResult) -> dict[str, Any]:
    """Return the arguments of `Stage.show`: a table with a row for each model and a column for each number of steps,
    which the slider follows, and the chosen image.

    The chosen image waits until its column is complete, so that a message with every image sends few of the others.
    """
    names, columns = result.images.model.values.tolist(), np.asarray(result.is_computed.all(axis=0))
    count = max(int(columns.sum()), 1)
    chosen = np.moveaxis(result.images.values[:, :count], 1, 0)  # (steps, model, y, x, rgb)
    frame_indices = None
    if not result.is_complete:
        waiting = np.broadcast_to(notice(MISSING, chosen.shape[2:4]), chosen[:1].shape)
        chosen, frame_indices = np.concatenate([chosen, waiting]), [min(j, count) for j in range(len(STEP_COUNTS))]
    table = ImageTable("steps", tuple(map(str, STEP_COUNTS)), tuple(names))
    shown = table.layers("table", "Every model and number of steps", result.images.values, "model")
    layers = [Images("image", "The chosen image", chosen, axes=("frame", "model"), frame_indices=frame_indices), *shown]
    panels = [Panel("image", ("image",), "the chosen image", grid_area=(3, 1, 1, 1)),
              Panel("table", tuple(layer.name for layer in shown), "the same noise: click an image to choose it",
                    grid_area=(1, 1, 2, 1), interaction="click")]
    captions = [count_text(n, "step") + ("" if is_done else ": computing …")
                for n, is_done in zip(STEP_COUNTS, columns, strict=True)]
    return {"layers": layers, "captions": captions, "axes": (Axis("model", "model", tuple(names)),), "panels": panels,
            "columns": 3, "file_name": "few-steps"}


def preview_text(result: ImageResult) -> str:
    """Return the name of an incomplete result."""
    return f"{int(result.is_computed.sum())} of {result.is_computed.size} images"


def describe_images(result: ImageResult) -> str:
    """Return one sentence on what the panels show."""
    names = result.images.model.values.tolist()
    row = "Each row is a model, each column" if len(names) > 1 else "Each column is"
    return f"{row} a number of steps, with the same prompt and noise. Where is an image nearly the last one of its row?"


def image_score(result: ImageResult) -> tuple[str, str, str]:
    """Return the score's name, value and note."""
    values = "; ".join(f"{name} {float(result.distance.sel(model=name, steps=4)):.2f}"
                       for name in result.images.model.values.tolist())
    return f"Distance of 4 steps from {STEP_COUNTS[-1]}:", values, "(root mean square over pixels from 0 to 1)"


def image_status(result: ImageResult) -> str:
    """Return the settings that the images were sampled with."""
    by_scale: dict[float, list[str]] = {}
    for name, w in result.guidance.items():
        by_scale.setdefault(w, []).append(name)
    usual = max(by_scale, key=lambda w: len(by_scale[w]))
    others = "".join(f", {' and '.join(names)} at {w:g}" for w, names in by_scale.items() if w != usual)
    return f"Sampler {SAMPLER}, guidance {usual:g}{others}."


def image_dataset(result: ImageResult) -> xr.Dataset:
    """Return the images and their distances from the images with the largest number of steps."""
    return xr.Dataset({"images": result.images, "distance": result.distance},
                      attrs={"prompt": result.request.prompt, "seed": result.request.seed})


def image_table(result: ImageResult) -> Any:
    """Return a pandas row per model and number of steps."""
    return result.distance.rename(f"distance from {STEP_COUNTS[-1]} steps").to_dataframe()


def image_code(pipe: PipelineProtocol | None, request: ImageRequest) -> str:
    """Return code that reproduces the images."""
    load = "ex.load(name)" if pipe is None else "pipe"
    comment = "" if pipe is None else f"# pipe: your own {pipe!r}\n"
    return (f"import explorable as ex\n\n{comment}images = {{}}\nfor name, guidance in "
            f"{guidance_of(models(pipe), request)!r}.items():\n    for steps in {STEP_COUNTS}:\n"
            f"        run = {load}({request.prompt!r}, steps=steps, guidance=guidance, seed={request.seed}, "
            f"sampler={SAMPLER!r})\n        images[name, steps] = run.image")
