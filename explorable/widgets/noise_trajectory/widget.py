"""NoiseTrajectory: how does noise become an image? The forward process, the run back, and branches of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import ipywidgets as ipw
import traitlets as tr
import xarray as xr

from ...analysis.trajectory import SETTLED_SHARE
from ...diffusion.settings import Settings, check_settings
from ...pipeline import PipelineProtocol
from ...pipeline.progress import Progress
from ...run import Run
from ...run.known import find_known_run
from ..core.chart import Chart
from ..core.explorable import Explorable
from ..core.inputs import SamplerInput, SamplingInputs, validate_setting
from ..core.preview import IMAGE_LABEL, cancellable_only, needs_preview
from ..core.theme import PRESENT
from . import recording, view
from .compute import BranchRequest, Request, Result, compute, frame_of_step, preview_request, with_image
from .controls import FORWARD_IMAGES, branch_settings, main_rows, run_settings
from .figure import distance_chart
from .recording import StageContent

BRANCH_SETTINGS = ("prompt", "seed", "guidance")
PANELS_PER_ROW = 4
UNDECODED_LABEL = "the run, while its forward process is being decoded"
PENDING_LABEL = "the run, while its branch is being computed"
LEGEND = """<div class="ex-help">One slider for both directions: the forward process noises an image, then the run
denoises the same noise. <b>Noisy latent</b>: x_t, decoded. <b>Predicted image</b>: the denoised estimate, decoded; in
the forward process, the image that is noised. <b>Predicted noise</b>: (x_t − alpha x_0) / sigma, three of the latent's
channels as red, green and blue. <b>PCA</b>: the plane of the two principal components of all latents and estimates,
and in brackets their share of the variance; grey is the forward process, the other colours are those of the chart.
Hover over a point to see its step, click to go there. <b>Chart</b>: root mean square distance from the run's own final
latent.</div>"""


class NoiseTrajectory(SamplingInputs, SamplerInput, Explorable):
    """How does noise become an image?

        w = NoiseTrajectory(prompt="a red car on a mountain road", seed=3)
        w.branch(step=2, prompt="a black cat on a beach")     # rewind, and go on with another prompt
        w.wait()
        w.run, w.branch_run                                   # both runs

    Args:
        prompt, seed, steps, guidance, sampler: of the run, as in calling a pipeline.
        forward_image: the image that the forward process noises, "drawing" (of the prompt, by the picture world) or
            "generated" (the run's own image).
        branch_step: the step at which the branch leaves the run.
        branch_prompt, branch_seed, branch_guidance: what the branch changes, None for nothing. Without a change there
            is no branch.
    """

    question = "How does static become an image?"
    busy_text = "Sampling …"
    result_attributes = ("result", "_on_stage", "_preview")
    inputs = ("prompt", "seed", "steps", "guidance", "sampler", "forward_image", "branch_step", "branch_prompt",
              "branch_seed", "branch_guidance")

    prompt = tr.Unicode("a red car on a mountain road")
    forward_image = tr.Enum(tuple(FORWARD_IMAGES.values()), "drawing")
    branch_step = tr.Int(2)
    branch_prompt = tr.Unicode(None, allow_none=True)
    branch_seed = tr.Int(None, allow_none=True)
    branch_guidance = tr.Float(None, allow_none=True)

    def __init__(self, pipe: PipelineProtocol | str | None = None, **values: Any):
        super().__init__(pipe, **values)
        self.chart = Chart()
        self._on_stage: Result | None = None
        self._preview: Result | None = None  # the last one, whose run is reused for previews of its branches
        self.set_layout(*main_rows(self), side=[self.chart], groups={
            "run settings": run_settings(self), "branch settings": branch_settings(self),
            "what is shown": [ipw.HTML(LEGEND)]})
        self.stage.observe(lambda change: self._follow_frame(), names="frame")
        self.stage.observe(lambda change: self._update_chart(), names="dark")
        self.observe(lambda change: self._follow_branch_step(), names="branch_step")
        self.launch()

    @tr.validate("branch_seed", "branch_guidance")
    def _validate_change(self, proposal: Any) -> Any:
        name, value = proposal["trait"].name.removeprefix("branch_"), proposal["value"]
        return None if value is None else validate_setting(name, value)

    @tr.validate("branch_step")
    def _validate_step(self, proposal: Any) -> int:
        if proposal["value"] < 0:
            raise ValueError(f"branch_step is {proposal['value']}: choose a step from 0 to steps - 1")
        return proposal["value"]

    def branch(self, step: int | None = None, **changes: Any) -> None:
        """Rewind to a step, and go on with another prompt, seed or guidance. Without changes, remove the branch.

        Raises:
            TypeError: a change of another setting.
            ValueError: a value out of range.
        """
        for name in changes:
            if name not in BRANCH_SETTINGS:
                raise TypeError(f"a branch here has no {name!r}: change prompt, seed or guidance; "
                                "run.branch(...) can change more")
        # Validated first, since a value refused within hold_trait_notifications would not be rolled back.
        check_settings(replace(Settings(""), **{name: value for name, value in changes.items() if value is not None}))
        self._validate_step({"value": self.branch_step if step is None else step})
        with self.hold_trait_notifications():
            self.branch_step = self.branch_step if step is None else step
            for name in BRANCH_SETTINGS:
                setattr(self, f"branch_{name}", changes.get(name))

    def rewind_here(self) -> None:
        """Set the branch's step to the shown one, or to 0 in the forward process, and show that step."""
        step = None if self._on_stage is None else self._on_stage.step_at(self.stage.frame)
        self.branch_step = 0 if step is None else min(step, self.steps - 1)
        self._show_branch_step()

    def _follow_branch_step(self) -> None:
        """Show the step of a branch that changes nothing yet, or of a branch on the stage that is moved."""
        branch = self.request().branch
        shown = None if self._on_stage is None else self._on_stage.request.branch
        if branch is None or (shown is not None and shown.changes == branch.changes):
            self._show_branch_step()

    def _show_branch_step(self) -> None:
        """Show the step at which a branch would leave. Without a change yet, say how to make one."""
        if self._on_stage is None:
            return
        step = min(self.branch_step, self._on_stage.parent.run.steps - 1)
        self.stage.frame = frame_of_step(step, self._on_stage.parent.run.steps)
        if self.request().branch is None and not self.busy and self.error is None:
            self.set_status(f"Rewound to step {step}. Change the branch prompt or its settings to go on another way.")

    # ---- from a request to the screen --------------------------------------------------------------------------------

    def request(self) -> Request:
        changes = tuple((name, value) for name in BRANCH_SETTINGS
                        if (value := getattr(self, f"branch_{name}")) is not None and value != getattr(self, name))
        settings = Settings(self.prompt, steps=self.steps, guidance=self.guidance, seed=self.seed, sampler=self.sampler)
        branch = BranchRequest(min(self.branch_step, self.steps - 1), changes) if changes else None
        return Request(settings, self.forward_image, branch)

    def compute(self, pipe: PipelineProtocol, request: Request, progress: Progress) -> Result:
        previous = self.result
        if previous is not None and previous.request == request:
            previous = None  # requested again, as when the model was edited: nothing is reused
        same_run = previous if previous is not None and previous.request.settings == request.settings else None
        if same_run is None and find_known_run(pipe, request.settings):
            return compute(pipe, request, progress, None, previous, on_undecoded=lambda result: self.show_preview(
                lambda: self._show_content(recording.stage_content(result, pipe.path), request, autoplay=False),
                UNDECODED_LABEL))
        if pipe.supports_preview:
            self._compute_preview(pipe, request, same_run, progress)
        elif same_run is not None and request.branch not in (None, same_run.request.branch):
            content = recording.pending_branch_content(same_run, pipe.path)
            self.show_preview(lambda: self._show_content(content, request, autoplay=False), PENDING_LABEL)
        return compute(pipe, request, progress, same_run, previous, lambda run: self._show_image(run, request))

    def _compute_preview(self, pipe: PipelineProtocol, request: Request, same_run: Result | None, progress: Progress,
                         ) -> None:
        """Show the run, or its branch, in a few steps if the full computation takes long."""
        steps, short, progress = request.settings.steps, preview_request(request), cancellable_only(progress)
        if same_run is None and needs_preview(steps):
            self._preview = preview = compute(pipe, short, progress, None, self._preview)
            content = recording.preview_content(preview, steps, pipe.path)
            self.show_preview(lambda: self._show_content(content, request, autoplay=not self.preview_label))
        elif (same_run is not None and request.branch not in (None, same_run.request.branch)
              and needs_preview(steps - request.branch.step)):
            is_same = self._preview is not None and self._preview.request.settings == short.settings
            self._preview = preview = compute(pipe, short, progress, self._preview if is_same else None)
            content = recording.branch_preview_content(same_run, preview, pipe.path)
            self.show_preview(lambda: self._show_content(content, request, autoplay=False))

    def _show_image(self, run: Run, request: Request) -> None:
        """Show the finished image in the preview, if there is one: decoding all steps takes as long again."""
        preview, steps = self._preview, request.settings.steps
        if needs_preview(steps) and preview is not None and preview.request == preview_request(request):
            content = recording.preview_content(with_image(preview, run.image), steps, self.pipe.path, is_finished=True)
            self.show_preview(lambda: self._show_content(content, request, autoplay=False), IMAGE_LABEL)

    def show(self, result: Result) -> str:
        is_same_run = self._on_stage is not None and self._on_stage.parent is result.parent
        self._on_stage = result
        self._show_content(recording.stage_content(result, self.pipe.path), result.request,
                           autoplay=not is_same_run and not self.preview_label)
        self._update_chart()
        self._update_caption()
        self.set_score(*view.score(result))
        return view.status_text(result)

    def _show_content(self, content: StageContent, request: Request, autoplay: bool) -> None:
        frame = None
        if request.branch and self.stage.frame < frame_of_step(request.branch.step, request.settings.steps):
            frame = len(content.captions) - 1  # earlier frames do not show the branch
        self.set_panel_rows(2 if len(content.panels) > PANELS_PER_ROW else 1)  # with a branch there are two
        self.stage.show(content.layers, content.captions, panels=content.panels, columns=PANELS_PER_ROW,
                        autoplay=autoplay, frame=frame, file_name=f"trajectory-seed-{self.seed}")

    def _follow_frame(self) -> None:
        """Describe the frame and mark its step in the chart. A preview's frames are not those of the chart's run."""
        if self._on_stage is not None and not self.preview_label:
            self._update_caption()
        if self._on_stage is not None:
            self.chart.move_line(PRESENT, self._on_stage.step_at(self.stage.frame))

    def _update_chart(self) -> None:
        self.chart.set_dark(self.stage.dark)
        if self._on_stage is not None:
            self.chart.draw(distance_chart(self._on_stage.distances, self.stage.dark, SETTLED_SHARE,
                                           self._on_stage.step_at(self.stage.frame)))

    def _update_caption(self) -> None:
        if self._on_stage is not None:
            self.set_caption(view.describe_frame(self._on_stage, self.stage.frame, self.pipe.path))

    # ---- results -----------------------------------------------------------------------------------------------------

    @property
    def run(self) -> Run:
        """The run on the screen. Waits for the first one."""
        return self.wait_for_result().parent.run

    @property
    def branch_run(self) -> Run | None:
        """The branch on the screen, or None."""
        branch = self.wait_for_result().branch
        return None if branch is None else branch.run

    @property
    def data(self) -> xr.Dataset:
        """What is on the screen: images of the run; latents, positions in the plane and distances of run and branch.

        The branch's images are `branch_run.noisy` and `branch_run.previews`.
        """
        return view.dataset(self.wait_for_result())

    def table(self) -> Any:
        """A pandas row per step: t, signal to noise, and the distances of x_t and of the estimate from the end."""
        return view.table(self.wait_for_result(), self.pipe.path)

    def code(self) -> str:
        """Code that reproduces the run and the branch without the explorable."""
        return view.code(self.request(), self.pipe_code)
