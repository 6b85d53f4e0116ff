"""GuidanceScale: what is "with minus without"? Both predictions of each step, and what a scale costs and brings."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import ipywidgets as ipw
import numpy as np
import traitlets as tr
import xarray as xr

from ...diffusion.settings import Settings
from ...flow2d.checks import check_choice
from ...flow2d.guidance import CLASSES
from ...measure.guidance import Sweep, saved_sweep
from ...measure.results import save_command
from ...pipeline import PipelineProtocol
from ...pipeline.progress import Progress
from ...run import Run
from ...run.known import find_known_run
from ..core.chart import Chart
from ..core.inputs import SamplingInputs, validate_setting
from ..core.layout import scrollable
from ..core.model_choice import ModelChoice
from ..core.preview import PREVIEW_STEPS, cancellable_only, needs_preview
from ..core.scale_choice import Grid, ScaleChoice
from ..core.scale_grid import DONE, seed_block
from . import grid as grids
from . import view
from .compute import PlaneRequest, PlaneResult, Request, Result, compute, compute_plane
from .controls import MODES, convention_rows, main_rows, setting_rows
from .figure import against_scale, by_step, plane_distances
from .grid import SCALES, GridComputation, GridRequest, GridResult, LivePoints
from .view import CONVENTIONS

AnyRequest = Request | GridRequest | PlaneRequest
AnyResult = Result | GridResult | PlaneResult


class GuidanceScale(ScaleChoice, SamplingInputs, ModelChoice):
    """What is "with minus without"?

        g = GuidanceScale(prompt="a majestic lion at sunset", seed=3)
        g.guidance = 7              # moves the slider, and samples again
        g.mode = "grid"             # every scale and four seeds
        g.convention = "off at 0"   # counts the scale as Ho and Salimans do; guidance stays 7

    Args:
        mode: "steps": both predictions of each step; "mixed": two finished images mixed; "grid": many scales and
            seeds; "plane": guidance in two dimensions, where it is known what is sampled.
        prompt, negative, seed, steps, guidance, interval, rescale: as in calling a pipeline.
        model: a shipped denoiser; None for the pipeline given.
        distribution: the points of the mode "plane", a name of `flow2d.guidance.CLASSES`.
        convention: "off at 1" or "off at 0": how the scale is written on the page. `guidance` is always w, off at 1.
    """

    question = "What is “with minus without”?"
    busy_text = "Sampling …"
    scale_name = "guidance"
    run_result = Result
    result_attributes = ("result", "_on_stage", "_grid", "_live")
    inputs = ("prompt", "negative", "seed", "steps", "guidance", "interval", "rescale", "model", "mode", "distribution")

    prompt = tr.Unicode("a majestic lion at sunset")
    negative = tr.Unicode(None, allow_none=True)
    interval = tr.Tuple(tr.Float(), tr.Float(), default_value=(0.0, 1.0))
    rescale = tr.Float(0.0)
    mode = tr.Unicode("steps")
    distribution = tr.Unicode("two moons")
    convention = tr.Unicode("off at 1")

    def __init__(self, pipe: PipelineProtocol | str | None = None, **values: Any):
        super().__init__(pipe, **values)
        self._grid, self._live = GridComputation(), LivePoints()
        self._on_stage: AnyResult | None = None
        self.chart, self._lesson = Chart(), ipw.HTML()
        models = self.model_choices if self._pipe is None else ()
        self.set_layout(*main_rows(self), side=[self.chart], wide=True, groups={
            "more settings": setting_rows(self, models), "w or w − 1": convention_rows(self),
            "a popular lesson's table": [self._lesson]})
        self.observe_choices()
        self.stage.observe(lambda change: self.mark_step(), names="frame")
        self.stage.observe(lambda change: self._draw_chart(), names="dark")
        self.observe(lambda change: self._show_again(), names="convention")
        self.launch()

    @tr.validate("interval", "rescale")
    def _validate_limit(self, proposal: Any) -> Any:
        return validate_setting(proposal["trait"].name, proposal["value"])

    @tr.validate("mode", "distribution", "convention")
    def _validate_choice(self, proposal: Any) -> Any:
        name, value = proposal["trait"].name, proposal["value"]
        choices: dict[str, Any] = {"mode": MODES, "distribution": CLASSES, "convention": CONVENTIONS}
        check_choice(name, value, choices[name])
        return value

    # ---- from a request to the screen ------------------------------------------------------------------------------

    def request(self) -> AnyRequest:
        if self.mode == "plane":
            return PlaneRequest(self.distribution, self.guidance, self.seed)
        settings = Settings(self.prompt, self.negative, self.steps, self.guidance, self.seed, interval=self.interval,
                            rescale=self.rescale)
        if self.mode == "grid":
            scales = SCALES if self.capabilities.has_own_guidance else SCALES[1:]
            settings = replace(settings, guidance=1.0, seed=0)
            return GridRequest(self.model_name, settings, scales, seed_block(self.seed))
        return Request(self.model_name, settings, self.mode == "mixed")

    def compute(self, pipe: PipelineProtocol, request: AnyRequest, progress: Progress) -> AnyResult:
        if isinstance(request, PlaneRequest):
            return compute_plane(request, SCALES, progress, lambda partial: self.show_preview(
                lambda: self._put_on_stage(partial), "one scale; the others follow"))
        if isinstance(request, GridRequest):
            if self.result is not None and self.result.request == request:
                self._grid.forget()  # requested again, as when the model was edited
            return self._grid.compute(pipe, request, progress, lambda: (self.guidance, self.seed), self._preview_grid)
        steps, few = request.settings.steps, None
        is_known = find_known_run(pipe, request.settings) is not None and not request.mixes_images
        if pipe.supports_preview and needs_preview(steps) and not is_known:
            few = compute(pipe, replace(request, settings=replace(request.settings, steps=PREVIEW_STEPS)),
                          cancellable_only(progress), examined=False)
            self.show_preview(lambda: self._put_on_stage(few, steps))

        def on_guided(partial: Result) -> None:
            if few is not None:
                self.show_preview(lambda: self._put_on_stage(few, steps, partial.guided), view.GUIDED_LABEL)
            elif is_known:
                self.show_preview(lambda: self._put_on_stage(partial), view.UNDECODED_LABEL)

        return compute(pipe, request, progress, on_guided)

    def _preview_grid(self, partial: GridResult) -> None:
        done = int((partial.state == DONE).sum())
        self.show_preview(lambda: self._put_on_stage(partial), f"{done} of {partial.state.size} images")

    def show(self, result: AnyResult) -> str:
        self._put_on_stage(result)
        self._add_live_points(result)
        self._describe(result)
        self._draw_chart()
        return ""

    def _put_on_stage(self, result: AnyResult, full_steps: int | None = None, guided: np.ndarray | None = None) -> None:
        """Send a result or a preview. The stage keeps its frame if it already shows the same kind of result."""
        is_new = type(self._on_stage) is not type(result)
        if isinstance(result, GridResult):
            recording, frame = view.grid_recording(result, self.convention), self.frame_of(result.request)
        elif isinstance(result, PlaneResult):
            recording, frame = view.plane_recording(result, self.convention), None
        else:
            recording = view.recording_of(result, self.convention, full_steps, guided)
            frame = len(recording["captions"]) // 10 if is_new and not result.mix else None  # where much differs
        with self.stage_follows():
            self._on_stage = result
            self.set_row_of_panels(len(recording["panels"]))
            self.stage.show(**recording, autoplay=is_new and frame is None and not self.preview_label, frame=frame)
        self.follow_traits()

    def _describe(self, result: AnyResult) -> None:
        """Set caption, score and the popular lesson's table."""
        sweep = self.sweep
        command = save_command("guidance", self.model_name)
        measured = (sweep.sentence if sweep else "" if self._pipe is not None else
                    f"Not measured for {self.model_name} yet: {command}")
        if isinstance(result, GridResult):
            self.set_caption(view.describe_grid(result, self.convention))
            self.set_score(*view.grid_score(result, self.convention, measured))
        elif isinstance(result, PlaneResult):
            self.set_caption(view.describe_plane(result))
            self.set_score(*view.plane_score(result))
        else:
            self.set_caption(view.describe(result))
            self.set_score(*view.score(result, self.convention, measured))
        table = view.lesson_table(sweep.curves if sweep else None, self._live.means(), self.convention)
        html = table.to_html(classes="ex-table", border=0, na_rep="")
        self._lesson.value = scrollable(html, "A popular lesson's table, as measured")

    @property
    def grid_on_stage(self) -> Grid | None:
        return self._on_stage.request if isinstance(self._on_stage, GridResult) else None

    @property
    def sweep(self) -> Sweep | None:
        """The measured sweep of the shipped model, if there is one."""
        return saved_sweep(self.model_name) if self._pipe is None else None

    def _add_live_points(self, result: AnyResult) -> None:
        if isinstance(result, GridResult):
            self._live.add(result.request.model, result.request.settings, result.facts)
        elif isinstance(result, Result):
            s = result.request.settings
            self._live.add(result.request.model, s, grids.facts_dataset((s.guidance,), (s.seed,), [result.facts]))

    def _draw_chart(self) -> None:
        dark, result, offset = self.stage.dark, self.result, CONVENTIONS[self.convention]
        self.chart.set_dark(dark)
        if isinstance(result, PlaneResult):
            self.chart.draw(plane_distances(result.distances, result.request.w, offset, dark))
        elif isinstance(result, Result) and result.mix is None:
            self.chart.draw(by_step(result.guided_run.geometry, self.step_of(result), dark))
        elif result is not None:
            sweep = self.sweep
            self.chart.draw(against_scale(sweep.curves if sweep else None, self._live.means(),
                                          sweep.best if sweep else None, offset, dark))

    def _show_again(self) -> None:
        """Write the scale of what is on the screen in another convention."""
        if self.result is not None and not self.busy:
            self._put_on_stage(self.result)
            self._describe(self.result)
            self._draw_chart()

    # ---- results for code ------------------------------------------------------------------------------------------

    @property
    def run(self) -> Run:
        """The guided run on the screen. Only in the modes "steps" and "mixed"."""
        result = self.wait_for_result()
        if not isinstance(result, Result):
            raise ValueError(f"the mode {self.mode!r} shows no single run: set mode to \"steps\"")
        return result.run

    @property
    def data(self) -> xr.Dataset:
        """What is on the screen. "steps", "mixed": images, latents, lengths and angle of the estimates. "grid": images
        and facts by scale and seed. "plane": trajectories, the sharpened density and its samples, and the distances."""
        result = self.wait_for_result()
        return view.dataset(result) if isinstance(result, Result) else result.to_dataset()

    def table(self) -> Any:
        """The numbers of the mode as a pandas table: a row a step in "steps" and "mixed", else a row a scale."""
        result = self.wait_for_result()
        if isinstance(result, PlaneResult):
            return result.to_table()
        return result.means.to_dataframe() if isinstance(result, GridResult) else view.table(result)

    def code(self) -> str:
        """Lines that reproduce the images, or the distance, without the explorable."""
        request = self.request()
        if isinstance(request, Request):
            return view.code(request.settings, request.mixes_images, self.pipe_code)
        if isinstance(request, GridRequest):
            return grids.grid_code(request, self.pipe_code)
        return view.plane_code(request)
