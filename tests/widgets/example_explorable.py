"""Which half of an image is decided first? The example of CONTRIBUTING, "Adding an explorable"."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from explorable.pipeline import PipelineProtocol
from explorable.pipeline.progress import Progress
from explorable.run import Run
from explorable.widgets.core.controls import prompt_controls, seed_controls
from explorable.widgets.core.explorable import Explorable
from explorable.widgets.core.inputs import SamplingInputs
from explorable.widgets.core.layout import row
from explorable.widgets.stage.layers import Images

# ---- compute.py: request -> result, without ipywidgets ---------------------------------------------------------------


@dataclass(frozen=True)
class Request:
    prompt: str
    seed: int


@dataclass(frozen=True, eq=False)
class Result:
    """distance: of each half of the denoised estimate from its final value, (step, half), RMS over the latent."""

    run: Run
    previews: xr.DataArray
    distance: xr.DataArray


def compute_halves(pipe: PipelineProtocol, request: Request, progress: Progress) -> Result:
    run = pipe(request.prompt, seed=request.seed, progress=progress)
    error = (run.denoised - run.latents.isel(step=-1, drop=True)) ** 2
    halves = error.coarsen(x=error.sizes["x"] // 2).mean().mean(["channel", "y"])
    distance = np.sqrt(halves).rename(x="half").assign_coords(half=["left", "right"])
    return Result(run, run.previews, distance)


# ---- widget.py: traits and wiring ------------------------------------------------------------------------------------


class Halves(SamplingInputs, Explorable):
    """Which half of an image is decided first?"""

    question = "Which half of an image is decided first?"
    inputs = ("prompt", "seed")  # setting one of these computes a new result

    def __init__(self, pipe: PipelineProtocol | None = None, **values: Any):
        super().__init__(pipe, **values)
        self.set_layout(row(*prompt_controls(self), *seed_controls(self)))
        self.launch()

    def request(self) -> Request:
        return Request(self.prompt, self.seed)

    def compute(self, pipe: PipelineProtocol, request: Request, progress: Progress) -> Result:
        return compute_halves(pipe, request, progress)

    def show(self, result: Result) -> str:
        captions = [f"t = {t:.2f}" for t in result.run.denoised.t.values]
        self.stage.show([Images("denoised", "Predicted image", result.previews.values)], captions,
                        thumbnails="denoised")
        left, right = result.distance.mean("step").values
        self.set_caption("Each image is the denoised estimate at one noise time, decoded.")
        self.set_score("Left against right", f"{left / right:.2f}", "below 1: the left half was closer to its end")
        return ""

    @property
    def data(self) -> xr.Dataset:
        result = self.wait_for_result()
        return xr.Dataset({"denoised": result.previews, "distance": result.distance})

    def table(self) -> Any:
        return self.data.distance.to_pandas()

    def code(self) -> str:
        return (f"import explorable as ex\n\n{self.pipe_code}\n"
                f"run = pipe({self.prompt!r}, seed={self.seed})\nrun.previews")
