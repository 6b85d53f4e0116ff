"""Studio: a prompt becomes an image, and every part of the pipeline can be seen."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from html import escape
from typing import Any

import ipywidgets as ipw
import numpy as np
import traitlets as tr
import xarray as xr

from ...diffusion.settings import Settings
from ...hooks import edit
from ...pipeline import PipelineProtocol
from ...pipeline.progress import Progress, shown_steps
from ...run import Run
from ..core.arguments import call_text
from ..core.inputs import SamplerInput, SamplingInputs, validate_choice
from ..core.model_choice import ModelMenu
from ..core.preview import IMAGE_LABEL, PREVIEW_STEPS, cancellable_only, nearest_frames, needs_preview
from ..core.verdict import check_against_prompt, describe_verdict
from ..pipeline_map.edits import check_edits
from ..pipeline_map.more_runs import FourSeeds, LastRuns
from ..pipeline_map.nodes import NODES, why_closed
from .compute import MAX_FRAMES, RUN_SETTINGS, Request, Result, sample, with_image
from .controls import further_settings, main_controls
from .navigation import Navigation, timings
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


class Studio(SamplingInputs, SamplerInput, ModelMenu):
    """How do words become an image?

        studio = Studio(prompt="a golden retriever", seed=3, model="dit-flow")
        studio.guidance = 7          # moves the slider, and samples again
        studio.wait()
        studio.run.image             # the finished image
        studio.open_part("guidance")    # a part of the map: GuidanceScale on the same run, at the same step
        studio.edits = {"up.0.skip": ex.Scale(0.3)}   # a chip on the map; so are the edits made in what is open

    Args:
        prompt, negative, seed, steps, guidance, sampler: as in calling a pipeline. Setting one samples again.
        model: a shipped denoiser; None for the pipeline given, or the default.
        edits: of the run, by point, as in `ex.edit`. Another model starts without any.
        opened: the name of the part of the map that is open, "" for none.
    """

    question = "How do words become an image?"
    busy_text = "Sampling …"
    inputs = (*RUN_SETTINGS, "model", "edits")

    negative = tr.Unicode(None, allow_none=True)
    edits = tr.Dict()
    opened = tr.Unicode("")

    def __init__(self, pipe: PipelineProtocol | str | None = None, **values: Any):
        self._navigation: Navigation | None = None
        super().__init__(pipe, **values)
        self._chips, self._diagram, self._timings = ipw.HTML(), ipw.HTML(), ipw.HTML()
        self._navigation = Navigation(self, self._edits.holding)
        self._last = LastRuns(self._restore)
        self._batch: dict[str, Any] = {}
        self._seeds = FourSeeds(self._batch_request, lambda seed: self._restore(self._batch | {"seed": seed}),
                                self._edits.holding, self.set_status)
        self.set_layout(*main_controls(self, self._draw_or_replay), side=[self._navigation.map, self._chips], groups={
            "more settings": further_settings(self),
            "last runs, four seeds": [self._last.strip, self._seeds.button, self._seeds.strip],
            "shapes and times": [self._diagram, self._timings]})
        body = next(child for child in self.children if "ex-body" in child._dom_classes)
        body.children = (*body.children, self._navigation.box)
        self.stage.observe(lambda change: self._follow_frame(), names="frame")
        self.observe(lambda change: self._follow_model(), names="model")
        self.observe(lambda change: self._open(change["new"]), names="opened")
        self.launch()
        self._open(self.opened)

    @tr.validate("edits")
    def _validate_edits(self, proposal: Any) -> dict:
        return check_edits(proposal["value"])

    @tr.validate("opened")
    def _validate_opened(self, proposal: Any) -> str:
        name = validate_choice("opened", proposal["value"], ("", *NODES))
        if name and (reason := why_closed(NODES[name])):
            raise ValueError(f"{name!r} cannot be opened: {reason}")
        return name

    # ---- the map ---------------------------------------------------------------------------------------------------

    def open_part(self, name: str) -> Any:
        """Open a part of the map on the run and the step that are shown, and close the one that was open.

        Returns its explorable; None for "", which closes the map. Waits for the first run.

        Raises:
            SettingError: there is no such part; names them.
        """
        self.wait_for_result()
        self.opened = name
        return self.opened_explorable

    @property
    def opened_explorable(self) -> Any:
        """The explorable that is open below the map, or None."""
        return None if self._navigation is None else self._navigation.explorable

    def _open(self, name: str) -> None:
        if self._navigation is not None:
            self._navigation.open(name)

    def _follow_model(self) -> None:
        """Another model: the edits name points that it need not have, and what is open is of the one before."""
        self.edits = {}
        if self._navigation is not None and self.opened:
            self._navigation.close()

    def _follow_frame(self) -> None:
        if self._navigation is not None and not self.preview_label:
            self._navigation.follow_step()

    def _free(self, closed_text: str) -> None:
        if self._navigation is not None:
            self._navigation.close()
        if "_seeds" in vars(self):
            self._seeds.close()
        super()._free(closed_text)

    # ---- from a request to the screen ------------------------------------------------------------------------------

    def request(self) -> Request:
        settings = Settings(**{name: getattr(self, name) for name in RUN_SETTINGS})
        return Request(self.model_name, settings, self.edits)

    def compute(self, pipe: PipelineProtocol, request: Request, progress: Progress) -> Result:
        settings, edits = request.settings, request.active_edits
        with edit(pipe, edits) if edits else nullcontext():
            if pipe.supports_preview and needs_preview(settings.steps):
                few = sample(pipe, replace(settings, steps=PREVIEW_STEPS), cancellable_only(progress),
                             preview_of=self.stage.layer or "noisy")
                frames = nearest_frames(shown_steps(settings.steps, MAX_FRAMES), settings.steps)
                self.show_preview(lambda: self._put_on_stage(few, settings, frames))
                return sample(pipe, settings, progress, lambda run: self._show_image(few, run, frames))
            return sample(pipe, settings, progress)

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
        self._timings.value = f'<div class="ex-help">{escape(timings(run))}</div>'
        if result.verdict is not None:
            self.set_score("The examiner sees", describe_verdict(result.verdict),
                           check_against_prompt(result.verdict, run.settings.prompt))
        if self._navigation is not None:
            self._navigation.follow(result)
            self._last.add(_settings_of(self._result_request, run.settings), run.image)
        return describe_run(result)

    def _put_on_stage(self, result: Result, request: Settings, frame_indices: np.ndarray | None = None,
                      last_caption: str = "") -> None:
        layers, captions = recording_of(result, frame_indices, last_caption)
        self.stage.show(layers, captions, thumbnails="denoised", file_name=file_name_of(request),
                        autoplay=not self.preview_label and not self.opened)

    def _batch_request(self) -> tuple[PipelineProtocol, Settings, dict]:
        request = self.request()
        self._batch = _settings_of(request, request.settings)
        return self.pipe, request.settings, request.active_edits

    def _restore(self, settings: dict[str, Any]) -> None:
        """Return to an earlier run: the model first, which clears the edits and may set the guidance."""
        if self._pipe is None and settings["model"] != self.model_name:
            self.model = settings["model"]
        for name in (*RUN_SETTINGS, "edits"):
            setattr(self, name, settings[name])

    def _draw_or_replay(self) -> None:
        if self.result is not None and self.error is None and self._result_request == self.request():
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
        settings = [f"{name}={value!r}" for name in RUN_SETTINGS[1:] if (value := getattr(self, name)) is not None]
        call = f"run = pipe({', '.join([repr(self.prompt), *settings])})"
        if edits := self.request().active_edits:
            lines = "".join(f"    {point!r}: [{', '.join(f'ex.{each!r}' for each in group)}],\n"
                            for point, group in edits.items())
            call = f"with ex.edit(pipe, {{\n{lines}}}):\n    {call}"
        return f"import explorable as ex\n\n{self.pipe_code}\n{call}\nrun.image"

    def __repr__(self) -> str:
        values = {name: getattr(self, name) for name in self.inputs}
        return call_text(type(self).__name__, values | {"edits": self.edits or None})


def _settings_of(request: Request, settings: Settings) -> dict[str, Any]:
    """Return what Studio needs to return to a run."""
    return {name: getattr(settings, name) for name in RUN_SETTINGS} | {"model": request.model,
                                                                       "edits": dict(request.edits)}
