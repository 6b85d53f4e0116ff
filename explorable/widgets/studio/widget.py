"""Studio: a prompt becomes an image, and every part of the pipeline can be seen."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import ipywidgets as ipw
import numpy as np
import traitlets as tr
import xarray as xr

from ...diffusion.settings import Settings
from ...pipeline import PipelineProtocol
from ...pipeline.progress import Progress, shown_steps
from ...run import Run
from ..core.explorable import Explorable
from ..core.inputs import SamplerInput, SamplingInputs
from ..core.preview import IMAGE_LABEL, PREVIEW_STEPS, cancellable_only, nearest_frames, needs_preview
from ..core.verdict import check_against_prompt, describe_verdict
from .compute import MAX_FRAMES, RUN_SETTINGS, Result, sample, with_image
from .controls import examples, further_settings, main_controls
from .view import (
    describe_run,
    diagram_of,
    file_name_of,
    finished_caption,
    recording_of,
    step_table,
    to_dataset,
    token_chips,
)


class Studio(SamplingInputs, SamplerInput, Explorable):
    """How do words become an image?

        studio = Studio(prompt="a golden retriever", seed=3)
        studio.guidance = 7          # moves the slider, and samples again
        studio.wait()
        studio.run.image             # the finished image

    prompt, negative, seed, steps, guidance, sampler: as in calling a pipeline. Setting one samples again.
    """

    question = "How do words become an image?"
    busy_text = "Sampling …"
    inputs = RUN_SETTINGS

    negative = tr.Unicode(None, allow_none=True)

    def __init__(self, pipe: PipelineProtocol | str | None = None, **values: Any):
        super().__init__(pipe, **values)
        self._chips, self._diagram = ipw.HTML(), ipw.HTML()
        self.set_layout(*main_controls(self, self._draw_or_replay), side=[self._chips], groups={
            "examples": examples(self), "more settings": further_settings(self), "the pipeline": [self._diagram]})
        self.launch()

    # ---- from a request to the screen ------------------------------------------------------------------------------

    def request(self) -> Settings:
        return Settings(**{name: getattr(self, name) for name in self.inputs})

    def compute(self, pipe: PipelineProtocol, request: Settings, progress: Progress) -> Result:
        if pipe.supports_preview and needs_preview(request.steps):
            preview = sample(pipe, replace(request, steps=PREVIEW_STEPS), cancellable_only(progress), examined=False)
            frames = nearest_frames(shown_steps(request.steps, MAX_FRAMES), request.steps)
            self.show_preview(lambda: self._put_on_stage(preview, request, frames))
            return sample(pipe, request, progress, lambda run: self._show_image(preview, run, frames))
        return sample(pipe, request, progress)

    def _show_image(self, preview: Result, run: Run, frames: np.ndarray) -> None:
        """Show the finished image as soon as it is there: decoding all steps takes as long again."""
        last = finished_caption(run.steps)
        self.show_preview(lambda: self._put_on_stage(with_image(preview, run.image), run.settings, frames, last),
                          IMAGE_LABEL)

    def show(self, result: Result) -> str:
        run = result.run
        self._put_on_stage(result, run.settings)
        self._chips.value = token_chips(run.tokens)
        self._diagram.value = diagram_of(run, self.pipe.text_width)
        if result.verdict is not None:
            self.set_score("The examiner sees", describe_verdict(result.verdict),
                           check_against_prompt(result.verdict, run.settings.prompt))
        return describe_run(result)

    def _put_on_stage(self, result: Result, request: Settings, frame_indices: np.ndarray | None = None,
                      last_caption: str = "") -> None:
        layers, captions = recording_of(result, frame_indices, last_caption)
        self.stage.show(layers, captions, thumbnails="denoised", file_name=file_name_of(request),
                        autoplay=not self.preview_label)

    def _draw_or_replay(self) -> None:
        if self.result is not None and self.error is None and self.result.run.settings == self.request():
            self.stage.play()
        else:
            self.recompute()

    # ---- what can be read from it ----------------------------------------------------------------------------------

    @property
    def run(self) -> Run:
        """The run on the screen. Waits for the first one."""
        return self.wait_for_result().run

    @property
    def data(self) -> xr.Dataset:
        """The recording: the noisy latent and the denoised estimate at the start of each step, decoded; the image."""
        return to_dataset(self.wait_for_result())

    def table(self) -> Any:
        """Return the distances of both from the finished image by step, as a pandas table."""
        return step_table(self.data)

    def code(self) -> str:
        """Return the lines of code that generate the same image without Studio."""
        settings = [f"{name}={value!r}" for name in self.inputs[1:] if (value := getattr(self, name)) is not None]
        return (f"import explorable as ex\n\n{self.pipe_code}\n"
                f"run = pipe({', '.join([repr(self.prompt), *settings])})\nrun.image")
