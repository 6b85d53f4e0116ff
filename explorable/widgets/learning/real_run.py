"""A real run: what a denoiser paints from the same noise after some steps of its training, and after all of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from ...analysis.verdict import Verdict, matches_scene
from ...pipeline.progress import Progress, ProgressCounter
from ...run import Run
from ...world import parse
from ...zoo import model_names, read_card
from ..core.explorable import shipped_pipeline
from ..core.preview import PREVIEW_STEPS
from ..core.verdict import describe_verdict, examine_images
from ..stage.layers import Images, Panel

MODEL = "unet-small-unsupervised"
STEPS = 20


@dataclass(frozen=True)
class RealRunRequest:
    """The prompt to paint, and the seed of the noise."""

    prompt: str
    seed: int


@dataclass(frozen=True, eq=False)
class TrainedFor:
    """A model after some steps of its training: a run of it, its denoised estimates, decoded (step, y, x, rgb) uint8,
    the last the finished image, and the examiner's verdict on that."""

    model: str
    trained: int
    run: Run
    images: np.ndarray
    verdict: Verdict


@dataclass(frozen=True, eq=False)
class RealRunResult:
    """The stages of a training, in order."""

    request: RealRunRequest
    stages: tuple[TrainedFor, ...]


def stage_models() -> dict[int, str]:
    """Return the kept models of the run, by the steps that they were trained for."""
    kept = [name for name in model_names() if name.startswith(f"{MODEL}-") and read_card(name)["role"] == "checkpoint"]
    return dict(sorted((read_card(name)["steps"], name) for name in (*kept, MODEL)))


def compute_real_run(request: RealRunRequest, progress: Progress, show_partial: Callable[[RealRunResult], object],
                     ) -> RealRunResult:
    """Paint the prompt from the same noise with every stage; in few steps first, shown as a preview."""
    models = stage_models()
    show_partial(_painted(request, models, PREVIEW_STEPS, lambda done, total: progress(0, 1)))
    return _painted(request, models, STEPS, progress)


def _painted(request: RealRunRequest, models: dict[int, str], steps: int, progress: Progress) -> RealRunResult:
    counter, stages = ProgressCounter(progress, 1.5 * steps * len(models)), []
    for trained, name in models.items():
        pipe = shipped_pipeline(name)
        run = pipe(request.prompt, steps=steps, seed=request.seed, progress=counter.step)
        images = np.concatenate([counter.decode(pipe, run.denoised.values[:-1]), run.image[None]])
        stages.append(TrainedFor(name, trained, run, images, *examine_images(run.image)))
    return RealRunResult(request, tuple(stages))


# ---- what is shown --------------------------------------------------------------------------------------------------


def recording(result: RealRunResult) -> dict[str, Any]:
    """Return the arguments of `Stage.show`: the predicted images of every stage, by the step of the sampler."""
    layers = [Images(f"after {stage.trained}", f"after {stage.trained:,} training steps", stage.images)
              for stage in result.stages]
    times = result.stages[0].run.denoised.t.values[:-1]
    captions = [f"sampler step {k}, t = {t:.2f}: the predicted images" for k, t in enumerate(times)]
    return {"layers": layers, "captions": [*captions, "the finished images"],
            "panels": [Panel(layer.name, (layer.name,), layer.label) for layer in layers],
            "columns": len(layers), "thumbnails": layers[-1].name, "file_name": "real-run"}


def describe(result: RealRunResult) -> str:
    """Return what the examiner sees in each finished image."""
    seen = "; ".join(f"after {s.trained:,} steps {describe_verdict(s.verdict)}" for s in result.stages)
    return f"One training at {len(result.stages)} steps, with the same prompt and noise. The examiner sees {seen}."


def score(result: RealRunResult) -> tuple[str, str, str]:
    """Return the score's name, value and note."""
    right = sum(matches_scene(stage.verdict, parse(result.request.prompt).scene) for stage in result.stages)
    last = result.stages[-1]
    return ("Images as the prompt says:", f"{right} of {len(result.stages)}",
            f"by the examiner; {last.model}, a small network, was trained for {last.trained:,} steps of "
            f"{read_card(last.model)['batch']} drawings. The chart has its loss.")


def dataset(result: RealRunResult) -> xr.Dataset:
    """Return the predicted images, (trained, step, y, x, rgb)."""
    images = np.stack([stage.images for stage in result.stages])
    return xr.Dataset({"images": (("trained", "step", "y", "x", "rgb"), images)},
                      {"trained": [stage.trained for stage in result.stages]})


def table(result: RealRunResult) -> pd.DataFrame:
    """Return a row per stage: what the examiner sees, and whether the prompt says so."""
    scene = parse(result.request.prompt).scene
    rows = {stage.trained: {"model": stage.model, "the examiner sees": describe_verdict(stage.verdict),
                            "as the prompt says": matches_scene(stage.verdict, scene)} for stage in result.stages}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("trained")


def code(result: RealRunResult) -> str:
    """Return code that paints the same images."""
    names = [stage.model for stage in result.stages]
    return (f"import explorable as ex\nfrom PIL import Image\n\nfor name in {names!r}:\n"
            f"    run = ex.load(name)({result.request.prompt!r}, steps={result.stages[0].run.steps}, "
            f"seed={result.request.seed})\n    display(Image.fromarray(run.image))")
