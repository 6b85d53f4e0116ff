"""ClassifierGuidance: how can a classifier steer a model? A gradient at every step, and two judges of the image."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import traitlets as tr
import xarray as xr

from ...diffusion.settings import Settings
from ...flow2d.checks import check_choice
from ...flow2d.guidance import CLASSES, MAX_SCALE
from ...measure.classifier_guidance import PROMPTS, SAMPLERS, Sweep, kind_of, saved_sweep
from ...pipeline import PipelineProtocol
from ...pipeline.progress import Progress, ProgressCounter
from ...run import Run
from ..core.chart import Chart
from ..core.inputs import SamplingInputs, validate_choice, validate_setting
from ..core.model_choice import ModelChoice
from ..core.preview import PREVIEW_STEPS, cancellable_only, needs_preview
from ..core.scale_choice import Grid, ScaleChoice
from ..core.scale_grid import DONE, seed_block
from ..guidance_scale.view import plane_score
from . import view
from .compute import (
    ArrowsResult,
    PlaneRequest,
    Request,
    Result,
    SideCache,
    compute,
    compute_arrows,
    names_target,
    require_classifier,
    sample,
    without_classifier,
)
from .controls import MODES, form_rows, main_rows, setting_rows
from .figure import against_scale, by_step, distances
from .scales import LivePoints, ScalesComputation, ScalesRequest, ScalesResult, scales_code, side_facts

AnyRequest = Request | ScalesRequest | PlaneRequest
AnyResult = Result | ScalesResult | ArrowsResult


class ClassifierGuidance(ScaleChoice, SamplingInputs, ModelChoice):
    """How can a classifier steer a model?

        g = ClassifierGuidance(target="beach", seed=3)
        g.classifier_scale = 300    # moves the slider, and samples again
        g.noise_aware = False       # the classifier is always told t = 0
        g.mode = "scales"           # every scale and four seeds

    Args:
        mode: "steps": the same noise without the classifier and with it; "scales": many scales and seeds; "plane": in
            two dimensions, where p(y | x) is known exactly.
        prompt, seed, steps: as in calling a pipeline. "" for a model that was told nothing.
        target: a word that the classifier knows: a thing, a colour, a place or a time of day.
        classifier_scale, classifier_interval, noise_aware: of its gradient, see `Settings`.
        sampler: "ddim": the gradient shifts the estimate; "ddpm": it shifts the mean of the next latent.
        guidance: classifier-free guidance in both images; None: off. model: a shipped denoiser; None: the one given.
        distribution, plane_scale: the points of the mode "plane", and the scale there.
    """

    question = "How can a classifier steer a model?"
    busy_text = "Sampling …"
    scale_name = "classifier_scale"
    samplers = SAMPLERS  # the two forms, whatever a pipeline has
    run_result = Result
    result_attributes = ("result", "_on_stage", "_cache", "_scales", "_live")
    inputs = ("prompt", "target", "classifier_scale", "seed", "steps", "sampler", "noise_aware", "classifier_interval",
              "guidance", "model", "mode", "distribution", "plane_scale")

    prompt = tr.Unicode("")
    target = tr.Unicode("lion")
    classifier_scale = tr.Float(30.0)
    classifier_interval = tr.Tuple(tr.Float(), tr.Float(), default_value=(0.0, 1.0))
    noise_aware = tr.Bool(True)
    sampler = tr.Unicode("ddim")
    guidance = tr.Float(None, allow_none=True)  # type: ignore[assignment]
    mode = tr.Unicode("steps")
    distribution = tr.Unicode("two moons")
    plane_scale = tr.Float(2.0)

    def __init__(self, pipe: PipelineProtocol | str | None = None, **values: Any):
        super().__init__(pipe, **values)
        self._cache, self._scales, self._live = SideCache(), ScalesComputation(), LivePoints()
        self._on_stage: AnyResult | None = None
        self._shown_mode = ""
        self.chart = Chart()
        models = self.model_choices if self._pipe is None else ()
        self.set_layout(*main_rows(self), side=[self.chart], wide=True, groups={
            "DDIM or DDPM form": form_rows(self), "window, guidance, model": setting_rows(self, models)})
        self.observe_choices()
        self.stage.observe(lambda change: self.mark_step(), names="frame")
        self.stage.observe(lambda change: self._draw_chart(), names="dark")
        self.launch()

    @tr.validate("guidance", "classifier_interval")
    def _validate_limit(self, proposal: Any) -> Any:
        name, value = proposal["trait"].name, proposal["value"]
        return None if name == "guidance" and value is None else validate_setting(name, value)

    @tr.validate("classifier_scale", "plane_scale")
    def _validate_scale(self, proposal: Any) -> Any:
        name, value = proposal["trait"].name, proposal["value"]
        if not 0 <= value <= MAX_SCALE:
            raise ValueError(f"{name} is {value!r}: choose a number from 0 to {MAX_SCALE:g} (0: the classifier is off)")
        return value

    @tr.validate("mode", "distribution", "sampler", "target")
    def _validate_choice(self, proposal: Any) -> Any:
        name, value = proposal["trait"].name, proposal["value"]
        if name == "target":
            kind_of(value)
        elif name == "sampler":
            validate_choice(name, value, SAMPLERS)
        else:
            check_choice(name, value, MODES if name == "mode" else CLASSES)
        return value

    # ---- from a request to the screen ------------------------------------------------------------------------------

    def request(self) -> AnyRequest:
        if self.mode == "plane":
            return PlaneRequest(self.distribution, self.plane_scale, self.seed, self.noise_aware)
        settings = Settings(self.prompt, steps=self.steps, guidance=1.0 if self.guidance is None else self.guidance,
                            seed=self.seed, sampler=self.sampler, target=self.target,
                            classifier_scale=self.classifier_scale, classifier_interval=self.classifier_interval,
                            noise_aware=self.noise_aware)
        if self.mode == "scales":
            settings = replace(settings, classifier_scale=0.0, seed=0)
            return ScalesRequest(self.model_name, settings, seed_block(self.seed))
        return Request(self.model_name, settings)

    def compute(self, pipe: PipelineProtocol, request: AnyRequest, progress: Progress) -> AnyResult:
        if isinstance(request, PlaneRequest):
            return compute_arrows(request, progress, lambda partial: self.show_preview(
                lambda: self._put_on_stage(partial), "one scale; the others follow"))
        if self.result is not None and getattr(self.result, "request", None) == request:
            self._cache.forget()  # requested again, as when the model was edited
            self._scales.forget()
        if isinstance(request, ScalesRequest):
            return self._scales.compute(pipe, request, progress, lambda: (self.classifier_scale, self.seed),
                                        self._preview_scales)
        unguided = self._preview(require_classifier(pipe), request, cancellable_only(progress))

        def on_guided(images: np.ndarray) -> None:
            if unguided is not None:
                self.show_preview(lambda: self._show_images(request, images, unguided), view.GUIDED_LABEL)

        return compute(pipe, request, progress, self._cache, on_guided)

    def _preview(self, pipe: Any, request: Request, progress: Progress) -> np.ndarray | None:
        """Show both images in a few steps, if the full runs take a while. Returns the unguided ones shown, or None."""
        if not needs_preview(request.settings.steps):
            return None
        few, counter = replace(request.settings, steps=PREVIEW_STEPS), ProgressCounter(progress, 1)
        known = self._cache.get(request.model, without_classifier(request.settings))
        guided = sample(pipe, few, counter)[1]
        unguided = known[1] if known else sample(pipe, without_classifier(few), counter)[1]
        self.show_preview(lambda: self._show_images(request, guided, unguided))
        return unguided

    def _show_images(self, request: Request, guided: np.ndarray, unguided: np.ndarray) -> None:
        self._show_recording(view.preview_of(request, guided, unguided), None, "steps")

    def _preview_scales(self, partial: ScalesResult) -> None:
        done = int((partial.state == DONE).sum())
        self.show_preview(lambda: self._put_on_stage(partial), f"{done} of {partial.state.size} images")

    def show(self, result: AnyResult) -> str:
        self._put_on_stage(result)
        if not isinstance(result, ArrowsResult):
            facts = result.facts if isinstance(result, ScalesResult) else side_facts(result)
            self._live.add(result.request.model, result.request.settings, facts)
        self._describe(result)
        self._draw_chart()
        return ""

    def _put_on_stage(self, result: AnyResult) -> None:
        if isinstance(result, ScalesResult):
            self._show_recording(view.scales_recording(result), result, "scales", self.frame_of(result.request))
        elif isinstance(result, ArrowsResult):
            self._show_recording(view.plane_recording(result), result, "plane")
        else:
            self._show_recording(view.recording_of(result), result, "steps")
        self.follow_traits()

    def _show_recording(self, recording: dict[str, Any], result: AnyResult | None, mode: str,
                        frame: int | None = None) -> None:
        """Send a recording. After another mode it begins at its last frame, in the plane at the middle one."""
        if frame is None and mode != self._shown_mode:
            frame = (len(recording["captions"]) - 1) // (2 if mode == "plane" else 1)  # at t = 0 arrows have no length
        with self.stage_follows():
            self._on_stage, self._shown_mode = result, mode
            self.stage.show(**recording, autoplay=False, frame=frame)

    def _describe(self, result: AnyResult) -> None:
        """Set caption and score."""
        if isinstance(result, ArrowsResult):
            self.set_caption(view.describe_plane(result))
            self.set_score(*plane_score(result.plane))
            return
        measured = view.measured_sentence(self.sweep, self.condition, self.sampler,
                                          self.model_name if self._pipe is None else "")
        describe, score = ((view.describe_scales, view.scales_score) if isinstance(result, ScalesResult) else
                           (view.describe, view.score))
        self.set_caption(describe(result))  # type: ignore[arg-type]
        self.set_score(*score(result, measured))  # type: ignore[arg-type]

    @property
    def grid_on_stage(self) -> Grid | None:
        return self._on_stage.request if isinstance(self._on_stage, ScalesResult) else None

    @property
    def sweep(self) -> Sweep | None:
        """The measured sweep of the shipped model, if there is one."""
        return saved_sweep(self.model_name) if self._pipe is None else None

    @property
    def condition(self) -> str:
        """The condition of the sweep that the prompt meets: a key of PROMPTS, or "" where it meets none."""
        without, with_target = PROMPTS
        return without if not self.prompt.strip() else with_target if names_target(self.prompt, self.target) else ""

    def _draw_chart(self) -> None:
        dark, result = self.stage.dark, self.result
        self.chart.set_dark(dark)
        if isinstance(result, ArrowsResult):
            self.chart.draw(distances(result.plane.distances, result.request.w, dark))
        elif isinstance(result, Result):
            self.chart.draw(by_step(result, self.step_of(result), dark))
        elif result is not None:
            sweep, at = self.sweep, {"prompt": self.condition, "sampler": self.sampler}
            curves = sweep.curves.sel(at) if sweep and self.condition else None
            self.chart.draw(against_scale(curves, self._live.means(), dark))

    # ---- results for code ------------------------------------------------------------------------------------------

    @property
    def run(self) -> Run:
        """The guided run on the screen. Only in the mode "steps"."""
        result = self.wait_for_result()
        if not isinstance(result, Result):
            raise ValueError(f"the mode {self.mode!r} shows no single run: set mode to \"steps\"")
        return result.guided.run

    @property
    def data(self) -> xr.Dataset:
        """What is on the screen. "steps": images, probabilities and gradients of both runs. "scales": images and what
        both judges say by scale and seed. "plane": trajectories, gradients, densities and distances."""
        result = self.wait_for_result()
        return view.dataset(result) if isinstance(result, Result) else result.to_dataset()

    def table(self) -> Any:
        """The numbers of the mode as a pandas table: a row a step in "steps", else a row a scale."""
        result = self.wait_for_result()
        if isinstance(result, ArrowsResult):
            return result.plane.to_table()
        return result.means.to_dataframe() if isinstance(result, ScalesResult) else view.table(result)

    def code(self) -> str:
        """Lines that reproduce the images, or the distance, without the explorable."""
        request = self.request()
        if isinstance(request, PlaneRequest):
            return view.plane_code(request)
        if isinstance(request, ScalesRequest):
            return scales_code(request, self.pipe_code)
        return view.code(request, self.pipe_code)
