"""Learning: how did it learn? A network trained live in the plane, and one training step under the microscope."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import ipywidgets as ipw
import numpy as np
import traitlets as tr
import xarray as xr

from ...diffusion.paths import PATHS
from ...diffusion.predictions import PREDICTIONS
from ...flow2d import DISTRIBUTIONS
from ...flow2d.checks import check_choice, check_integer
from ...flow2d.training import RANGES, TIME_DISTRIBUTIONS, TrainingSettings
from ...measure.results import saved_table
from ...pipeline import PipelineProtocol
from ...pipeline.progress import Progress
from ...zoo import read_card
from ..core.chart import Chart
from ..core.explorable import Explorable
from ..core.preview import PREVIEW_LABEL
from ..flow_paths.compute import DRAWN
from ..flow_paths.view import add_stroke, to_plane
from . import figure, microscope, view
from .compute import (
    FIRST_TIME,
    IMAGE_TIMES,
    REAL_RUN,
    REAL_RUN_STEPS,
    Data,
    ImageRequest,
    ImageResult,
    LiveTraining,
    RealRunRequest,
    RealRunResult,
    Request,
    Result,
    compute_image,
    compute_real_run,
)
from .controls import MODES, main_rows, setting_rows
from .microscope import PLANE_TIMES, StepRequest, StepResult, compute_step
from .view import code_of, data_of, table_of

# Trained on before the first stroke.
RING = tuple((round(float(np.cos(a)), 3), round(float(np.sin(a)), 3)) for a in np.linspace(0, 2 * np.pi, 60, False))
MAX_TRAININGS = 6  # kept, so that a setting chosen again is continued or shown at once
REAL_RUNS_NOTE = ("The mean squared error in the training of the shipped denoisers, from their cards. The curves of "
                  "two paths, or of two predictions, cannot be compared by their height: each has a lowest possible "
                  "loss of its own.")

AnyRequest = Request | StepRequest | ImageRequest | RealRunRequest
AnyResult = Result | StepResult | ImageResult | RealRunResult


class Learning(Explorable):
    """How did it learn?

        w = Learning(distribution="two moons", path="straight", prediction="velocity")
        w.paused = True         # rests, shows the network as it is, and can be continued
        w.paused = False
        w.prediction = "noise"  # another training, from the beginning
        w.mode = "step"         # one training step of this network, under the microscope

    Args:
        mode: "train": a training in the plane; "step": one of its steps; "image": a step of a trained model on a
            drawing; "run": images of a denoiser after some steps of its training.
        distribution, drawing: the data, a name of `flow2d.DISTRIBUTIONS`, or "drawn" and its points.
        path, prediction, times, width, batch, steps, seed: see `flow2d.training.TrainingSettings`.
        paused: whether the training rests.
        prompt: of the drawing or images in the modes "image" and "run". draw: the seed of x0 and noise in the modes
            "step", "image" and "run".
    """

    question = "How did it learn?"
    placeholder = "The network is being made …"
    busy_text = "Training …"
    result_attributes = ("result", "_on_stage", "_trainings")
    inputs = ("distribution", "path", "prediction", "times", "width", "batch", "steps", "seed", "paused", "mode",
              "drawing", "prompt", "draw")

    mode = tr.Unicode("train")
    distribution = tr.Unicode("two moons")
    drawing = tr.Any(None)
    path = tr.Unicode("straight")
    prediction = tr.Unicode("velocity")
    times = tr.Unicode("uniform")
    width = tr.Int(TrainingSettings.width)
    batch = tr.Int(TrainingSettings.batch)
    steps = tr.Int(TrainingSettings.steps)
    seed = tr.Int(0)
    paused = tr.Bool(False)
    prompt = tr.Unicode("a red sports car on a mountain road at sunset")
    draw = tr.Int(0)

    def __init__(self, pipe: PipelineProtocol | str | None = None, **values: Any):
        if isinstance(pipe, str) and pipe in (*DISTRIBUTIONS, DRAWN):  # as in `repr`
            pipe, values = None, {"distribution": pipe, **values}
        elif isinstance(pipe, str):
            values = {"mode": "image", **values}
        super().__init__(pipe, **values)
        self._trainings: dict[tuple[Data, TrainingSettings], LiveTraining] = {}
        self._on_stage: AnyResult | None = None
        self._is_sending = False  # the stage gets a recording: it is not the user who moves the frame
        self._stroke_points: set[tuple[float, float]] = set()
        self.chart, self._quantities, self._real_runs = Chart(), ipw.HTML(), Chart()
        self.set_layout(*main_rows(self), side=[self.chart], wide=True, groups={
            "training settings": setting_rows(self), "one step in six quantities": [self._quantities],
            "which is easier to train?": [ipw.HTML(view.measured_html(saved_table("learning")))],
            "loss curves of the shipped models": [ipw.HTML(f'<span class="ex-help">{REAL_RUNS_NOTE}</span>'),
                                                  self._real_runs]})
        self._draw_real_runs()
        self.stage.observe(lambda change: self._on_pointer(change["new"]), names="pointer")
        self.stage.observe(lambda change: self._follow_frame(), names="frame")
        self.stage.observe(lambda change: self._set_dark(), names="dark")
        self.launch()

    @property
    def pipe(self) -> PipelineProtocol:
        """The pipeline given, or the shipped one. None in the other modes: "run" loads its own models."""
        return super().pipe if self.mode == "image" or self._pipe else None  # type: ignore[return-value]

    @tr.validate("mode", "distribution", "path", "prediction", "times", "width", "batch", "steps", "seed", "draw")
    def _validate(self, proposal: Any) -> Any:
        name, value = proposal["trait"].name, proposal["value"]
        choices: dict[str, dict[str, Any]] = {
            "mode": MODES, "distribution": {**DISTRIBUTIONS, DRAWN: None}, "path": PATHS, "prediction": PREDICTIONS,
            "times": TIME_DISTRIBUTIONS}
        if name in choices:
            check_choice(name, value, choices[name])
        else:
            allowed = RANGES["seed" if name == "draw" else name]
            check_integer(name, value, allowed, f"from {allowed[0]} to {allowed[-1]}")
        return value

    @tr.validate("drawing")
    def _validate_drawing(self, proposal: Any) -> Any:
        if proposal["value"] is None:
            return None
        try:
            return tuple((float(x), float(y)) for x, y in proposal["value"])
        except (TypeError, ValueError):
            raise tr.TraitError("drawing must be pairs of numbers, x and y") from None

    # ---- from a request to the screen --------------------------------------------------------------------------------

    def request(self) -> AnyRequest:
        if self.mode in ("image", "run"):
            return (ImageRequest if self.mode == "image" else RealRunRequest)(self.prompt, self.draw)
        drawing = (self.drawing or RING) if self.distribution == DRAWN else None
        settings = TrainingSettings(self.path, self.prediction, self.times, self.width, self.batch, self.steps,
                                    self.seed)
        data = Data(self.distribution, drawing)
        return StepRequest(data, settings, self.draw) if self.mode == "step" else Request(data, settings, self.paused)

    def compute(self, pipe: PipelineProtocol, request: AnyRequest, progress: Progress) -> AnyResult:
        if isinstance(request, ImageRequest):
            return compute_image(pipe, request, progress, lambda result: self._preview(
                result, f"a preview at {result.step.sizes['t']} of {len(IMAGE_TIMES)} noise times"))
        if isinstance(request, RealRunRequest):
            return compute_real_run(request, progress, lambda result: self._preview(result, PREVIEW_LABEL))
        live = self._training(request.data, request.settings)
        if isinstance(request, StepRequest):
            return compute_step(live, request)
        return live.run(request, progress, lambda result: self._preview(result, view.progress_text(result)))

    def _training(self, data: Data, settings: TrainingSettings) -> LiveTraining:
        """Return the training of these settings, as far as it is; the least recently used one is dropped."""
        key = data, settings
        live = self._trainings.pop(key, None) or LiveTraining(data, settings)
        while len(self._trainings) >= MAX_TRAININGS:
            self._trainings.pop(next(iter(self._trainings)))
        self._trainings[key] = live
        return live

    def _preview(self, result: AnyResult, label: str) -> None:
        self.show_preview(lambda: self._put_on_stage(result), label)

    def show(self, result: AnyResult) -> str:
        self._put_on_stage(result)
        if isinstance(result, Result):
            self.set_caption(view.describe_training(result))
            self.set_score(*view.training_score(result))
            return view.training_status(result)
        if isinstance(result, StepResult):
            self.set_caption(microscope.describe_step_result(result))
            self.set_score(*microscope.step_score(result, self.stage.frame))
            return f"One draw of x0 and noise, mixed at {len(PLANE_TIMES)} noise times."
        if isinstance(result, RealRunResult):
            self.set_caption(view.describe_real_run(result))
            self.set_score(*view.real_run_score(result))
            return f"{len(result.stages)} images from the same noise, each in {REAL_RUN_STEPS} steps of the sampler."
        self.set_caption(view.describe_image(result))
        self.set_score(*view.image_score(result, self.stage.frame))
        return f"One drawing and one noise, mixed at {len(IMAGE_TIMES)} noise times; no weight was changed."

    def _put_on_stage(self, result: AnyResult) -> None:
        """Send a recording. The stage follows a training to its end, unless it was moved back."""
        before, self._on_stage = self._on_stage, result
        frame = None
        if isinstance(result, Result):
            last = len(result.checkpoints) - 1
            is_moved = (isinstance(before, Result) and before.request.settings == result.request.settings
                        and before.request.data == result.request.data
                        and self.stage.frame < len(before.checkpoints) - 1)
            frame = self.stage.frame if is_moved else last
            recording = view.training_recording(result)
        elif isinstance(result, StepResult):
            frame = self.stage.frame if isinstance(before, StepResult) else len(PLANE_TIMES) // 2
            recording = microscope.step_recording(result)
        elif isinstance(result, RealRunResult):
            recording = view.real_run_recording(result)
            frame = len(recording["captions"]) - 1
        else:
            times = result.step.t.values
            at = (before.step.t.values[self.stage.frame]
                  if isinstance(before, ImageResult) and before.request == result.request else FIRST_TIME)
            frame = int(np.abs(times - at).argmin())
            recording = view.image_recording(result)
        self._is_sending = True
        try:
            self.set_row_of_panels(len(recording["panels"]))
            self.stage.show(**recording, autoplay=False, frame=frame)
        finally:
            self._is_sending = False
        self._draw_chart()

    def _draw_chart(self) -> None:
        result, frame, dark = self._on_stage, self.stage.frame, self.stage.dark
        if isinstance(result, Result):
            self.chart.draw(figure.training_curves(result, frame, dark))
        elif isinstance(result, StepResult):
            self.chart.draw(figure.conversion_gains(result.arrays, frame, dark))
            self._quantities.value = microscope.step_table_html(result, frame)
        elif isinstance(result, ImageResult):
            self.chart.draw(figure.loss_by_time(result.step, frame, dark))
        elif isinstance(result, RealRunResult):
            steps = [stage.trained for stage in result.stages]
            self.chart.draw(figure.real_runs({REAL_RUN: read_card(REAL_RUN)["curve"]}, dark, steps))

    def _follow_frame(self) -> None:
        """The frame was moved: mark it in the chart, and say the numbers of this t."""
        if self._is_sending or isinstance(self._on_stage, RealRunResult):  # whose chart is of the training
            return
        self._draw_chart()
        if isinstance(self._on_stage, StepResult):
            self.set_score(*microscope.step_score(self._on_stage, self.stage.frame))
        elif isinstance(self._on_stage, ImageResult) and not self.preview_label:
            self.set_score(*view.image_score(self._on_stage, self.stage.frame))

    def _set_dark(self) -> None:
        self.chart.set_dark(self.stage.dark)
        self._real_runs.set_dark(self.stage.dark)
        self._draw_chart()
        self._draw_real_runs()

    def _draw_real_runs(self) -> None:
        self._real_runs.draw(figure.shipped_runs(self.stage.dark))

    # ---- the pointer -------------------------------------------------------------------------------------------------

    def _on_pointer(self, pointer: dict[str, Any]) -> None:
        if (pointer.get("panel"), pointer.get("kind"), self.distribution) == ("samples", "draw", DRAWN):
            self._add_stroke(pointer["points"])

    def _add_stroke(self, points: Sequence[Sequence[float]]) -> None:
        """Add a stroke to the drawing. A stroke made by keyboard is sent again with each new point."""
        new = [p for p in dict.fromkeys(to_plane(x, y) for x, y in points) if p not in self._stroke_points]
        self._stroke_points.update(new)
        if new:
            self.drawing = add_stroke(self.drawing or (), new)

    def clear_drawing(self) -> None:
        """Start a new drawing. Until the first stroke it is a ring."""
        self._stroke_points.clear()
        self.stage.clear_marks()
        self.drawing = None

    # ---- results -----------------------------------------------------------------------------------------------------

    @property
    def data(self) -> xr.Dataset:
        """What is on the screen. Mode "train": both fields, samples, errors and losses; "step": the draw at every t,
        and its conversions; "image": latents, predictions, loss and gradient at every t; "run": predicted images."""
        return data_of(self.wait_for_result())

    def table(self) -> Any:
        """A pandas table. Mode "train": loss and errors by checkpoint; "step" and "image": loss and gradient by t;
        "run": what the examiner sees in each image."""
        return table_of(self.wait_for_result())

    def code(self) -> str:
        """Code that repeats the training, the step or the images, without the explorable."""
        return code_of(self.wait_for_result(), self.pipe_code)
