"""Studio: a prompt becomes an image, and every part of the pipeline can be seen."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import ipywidgets as ipw
import numpy as np
import traitlets as tr
import xarray as xr

from ...diffusion.settings import SettingError, Settings
from ...pipeline import PipelineProtocol
from ...pipeline.progress import Progress
from ...run import Run
from ..core.arguments import call_text
from ..core.explorable import shipped_pipeline
from ..core.inputs import SamplerInput, SamplingInputs, StrengthInput, validate_choice
from ..core.model_choice import ModelMenu
from ..core.picture import NO_IMAGE_RUNS, Picture, as_picture, picture_lines
from ..pipeline_map.edits import check_edits
from ..pipeline_map.more_runs import Batch, FourSeeds, LastRuns
from ..pipeline_map.nodes import NODES, why_closed
from .compute import RUN_SETTINGS, Request, Result, compute, sample_seeds
from .controls import further_settings, main_controls, picture_settings
from .navigation import Navigation, timings
from .view import (
    describe_run,
    describe_start,
    diagrams_of,
    help_line,
    map_note,
    panel_titles,
    recording_of,
    step_table,
    to_dataset,
    token_chips,
    verdict_rows,
    with_beside,
)

TWO_MODELS = "ex-two-models"  # class of the page while a model is shown beside the first


class Studio(SamplingInputs, SamplerInput, StrengthInput, ModelMenu):
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
        beside: a shipped denoiser that samples with the same noise and settings, shown beside it; "" for none.
        edits: of the run, by point, as in `ex.edit`. Another model starts without any, and one beside it has none.
        initial_image: a picture that the run starts from, with noise: a file, an array, a PIL image, or a caption to
            draw; None: it starts from noise alone. strength: the share of the steps that are then sampled, up to 1.
        opened: the name of the part of the map that is open, "" for none.
    """

    question = "How do words become an image?"
    busy_text = "Sampling …"
    inputs = (*RUN_SETTINGS, "model", "beside", "edits", "initial_image", "strength")

    negative = tr.Unicode(None, allow_none=True)
    edits = tr.Dict()
    initial_image = tr.Any(None)
    beside = tr.Unicode("")
    opened = tr.Unicode("")

    def __init__(self, pipe: PipelineProtocol | str | None = None, **values: Any):
        self._navigation: Navigation | None = None
        super().__init__(pipe, **values)
        self._chips, self._diagram, self._timings, self._start_text, self._map_note = (ipw.HTML() for _ in range(5))
        self._navigation = Navigation(self, self._edits.holding)
        self._last = LastRuns(self._restore)
        self._seeds = FourSeeds(self._batch_request, self._restore, self._edits.holding, self.set_status)
        side = [self._map_note, self._navigation.map, self._chips]
        self.set_layout(*main_controls(self, self._draw_or_replay), side=side, groups={
            "more settings": further_settings(self), "start from a picture": picture_settings(self, self._start_text),
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

    @tr.validate("beside")
    def _validate_beside(self, proposal: Any) -> str:
        if proposal["value"] and self._pipe is not None:
            raise SettingError(f"beside is {proposal['value']!r}, but only shipped models are shown side by side, "
                               "and this explores the pipeline that it was given: leave it out")
        return validate_choice("beside", proposal["value"], ("", *self.model_choices))

    @tr.validate("initial_image")
    def _validate_initial_image(self, proposal: Any) -> Picture | None:
        if proposal["value"] is None:
            return None
        if not self.capabilities.takes_image:
            raise SettingError(f"initial_image cannot be set, for {NO_IMAGE_RUNS}")
        return as_picture(proposal["value"])

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
        strength = 1.0 if self.initial_image is None else self.strength
        settings = Settings(**{name: getattr(self, name) for name in RUN_SETTINGS}, strength=strength)
        return Request(self.model_name, settings, self.edits, self.initial_image, self.beside)

    def compute(self, pipe: PipelineProtocol, request: Request, progress: Progress) -> Result:
        pipes = [pipe, *([shipped_pipeline(request.beside)] if request.beside else [])]

        def show(results: Sequence[Result], frames: np.ndarray, label: str, is_finished: bool = False) -> None:
            self.show_preview(lambda: self._put_on_stage(request, results, frames, is_finished), label)

        return compute(pipes, request, progress, show, self.stage.layer)

    def show(self, result: Result) -> str:
        run = result.run
        self._put_on_stage(result.request, with_beside(result))
        self._chips.value = token_chips(run.tokens)
        self._diagram.value = diagrams_of(result, self.pipe.text_width)
        self._timings.value = help_line(timings(run))
        self._start_text.value = help_line(describe_start(result))
        self._map_note.value = help_line(map_note(result.request))
        if rows := verdict_rows(result):
            self.set_scores(rows)
        if self._navigation is not None:
            self._navigation.follow(result)
            self._last.add(_settings_of(result.request), run.image)
        return describe_run(result)

    def _put_on_stage(self, request: Request, results: Sequence[Result], frame_indices: np.ndarray | None = None,
                      is_finished: bool = False) -> None:
        (self.add_class if request.beside else self.remove_class)(TWO_MODELS)
        self.stage.show(**recording_of(results, panel_titles(request), frame_indices, is_finished),
                        autoplay=not self.preview_label and not self.opened)

    def _batch_request(self) -> Batch:
        request, pipe = self.request(), self.pipe
        text = f"“{request.settings.prompt}”" + (f" from “{request.picture.name}”" if request.picture else "") + (
            f" by {request.model}" if request.beside else "")
        return Batch(pipe, request.active_edits, _settings_of(request), text,
                     partial(sample_seeds, pipe, request))

    def _restore(self, settings: dict[str, Any]) -> None:
        """Return to an earlier run: the model first, which clears the edits and may set the guidance."""
        if self._pipe is None and settings["model"] != self.model_name:
            self.model = settings["model"]
        for name in settings:
            if name != "model":
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
        lines = ["import explorable as ex", "", self.pipe_code]
        if self.initial_image is not None:
            lines += picture_lines("image", self.initial_image)
            settings += ["image=image", f"strength={self.strength!r}"]
        call = f"run = pipe({', '.join([repr(self.prompt), *settings])})"
        if edits := self.request().active_edits:
            edited = "".join(f"    {point!r}: [{', '.join(f'ex.{each!r}' for each in group)}],\n"
                             for point, group in edits.items())
            call = f"with ex.edit(pipe, {{\n{edited}}}):\n    {call}"
        if self.beside:
            other = f"beside = ex.load({self.beside!r})({', '.join([repr(self.prompt), *settings])})"
            return "\n".join([*lines, call, other, "run.image, beside.image"])
        return "\n".join([*lines, call, "run.image"])

    def _settings(self) -> dict[str, Any]:
        """Without a picture, the strength has no meaning."""
        return {name: value for name, value in super()._settings().items()
                if name != "strength" or self.initial_image is not None}

    def __repr__(self) -> str:
        values = {name: getattr(self, name) for name in self.inputs}
        strength = None if self.initial_image is None else self.strength
        return call_text(type(self).__name__, values | {"edits": self.edits or None, "strength": strength,
                                                        "beside": self.beside or None})


def _settings_of(request: Request) -> dict[str, Any]:
    """Return what Studio needs to return to a run."""
    settings = {name: getattr(request.settings, name) for name in RUN_SETTINGS}
    strength = {} if request.picture is None else {"strength": request.settings.strength}
    return settings | strength | {"model": request.model, "edits": dict(request.edits),
                                  "initial_image": request.picture, "beside": request.beside}
