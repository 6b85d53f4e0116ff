"""PatchTransformer: a diffusion transformer's attention beside its influence, and the image when they are limited."""

from __future__ import annotations

import functools
from dataclasses import replace
from typing import Any

import numpy as np
import traitlets as tr
import xarray as xr

from ...analysis.patch_attention import MEAN, POSITIONS, PatchEdits, PatchLayout, patch_layout
from ...analysis.trajectory import describe_step
from ...diffusion.settings import Settings
from ...pipeline import PipelineProtocol
from ...pipeline.progress import Progress
from ...zoo import read_card
from ..core.chart import Chart
from ..core.explorable import shipped_pipeline
from ..core.inputs import SamplingInputs, validate_choice
from ..core.model_choice import ModelChoice
from ..core.preview import (
    PREVIEW_LABEL,
    PREVIEW_STEPS,
    known_images,
    nearest_frames,
    needs_preview,
    stretch_layers,
    with_images,
)
from . import view
from .compute import RUN_SETTINGS, UNETS, CachedComputation, Request, Result
from .controls import EditControls, example_row, prompt_row, setting_rows
from .figure import distances_and_words


class PatchTransformer(SamplingInputs, ModelChoice):
    """What does a transformer see?

        w = PatchTransformer(prompt="a black cat in a meadow", seed=3)
        w.patch, w.step = (4, 3), 10            # whose attention and influence are shown, as a click does
        w.block, w.head = "3", "mean"           # whose attention is shown
        w.radius = 1.5                          # limits attention to neighbours, and samples again
        w.dropped_block, w.dropped_head = "0", 2
        w.positions, w.edit_steps = "shuffled", (0, 10)

    Args:
        prompt, seed, steps, guidance: as in calling a pipeline. model: the shipped transformer; None: dit-flow.
        patch: row and column; None: the one at the centre. step: at which the influence is computed.
        radius: to which attention between patches is limited, in patches; None: no limit.
        dropped_block, dropped_head: the label of a block that is dropped, and of it the only head, counted from 1.
        positions: "kept", "shuffled" or "removed". edit_steps: (first, after the last), where the edits act; None: all.
        block, head: the labels of what is shown, "mean" for all.
    """

    question = "What does a transformer see?"
    busy_text = "Sampling and recording attention …"
    default_model = "dit-flow"
    result_attributes = ("result", "_computation", "_preview_computation")
    inputs = ("prompt", "seed", "steps", "guidance", "model", "patch", "step", "radius", "dropped_block",
              "dropped_head", "positions", "edit_steps")

    prompt = tr.Unicode("a black cat in a meadow")
    patch = tr.Tuple(tr.Int(), tr.Int(), default_value=None, allow_none=True)
    step = tr.Int(10)
    radius = tr.Float(None, allow_none=True)
    dropped_block = tr.Unicode("")
    dropped_head = tr.Int(None, allow_none=True)
    positions = tr.Unicode("kept")
    edit_steps = tr.Tuple(tr.Int(), tr.Int(), default_value=None, allow_none=True)
    block = tr.Unicode(MEAN)
    head = tr.Unicode(MEAN)

    def __init__(self, pipe: PipelineProtocol | str | None = None, **values: Any):
        super().__init__(pipe, **values)
        self._layouts: dict[str, PatchLayout] = {}
        self._computation, self._preview_computation = CachedComputation(), CachedComputation()
        self.chart, self._edit_controls = Chart(), EditControls(self)
        models = self.model_choices if self._pipe is None else ()
        self.set_layout(prompt_row(self), self._edit_controls.row, side=[self.chart], wide=True, groups={
            "steps of the edits": [self._edit_controls.steps_row], "examples": [example_row(self)],
            "more settings": setting_rows(self, models)})
        self.set_panel_rows(1)
        self.stage.observe(lambda change: self._on_pointer(change["new"]), names="pointer")
        self.stage.observe(lambda change: self._update_texts(), names="dark")
        self.stage.observe(self._on_page_selection, names=["frame", "selection"])
        self.observe(lambda change: setattr(self.stage, "frame", self._frame), names="step")
        self.observe(lambda change: self._select(), names=["block", "head"])
        self.launch()

    @property
    def model_choices(self) -> tuple[str, ...]:
        """The shipped transformers."""
        return tuple(UNETS)

    @tr.validate("positions")
    def _validate_positions(self, proposal: Any) -> Any:
        return validate_choice("positions", proposal["value"], POSITIONS)

    @tr.validate("radius")
    def _validate_radius(self, proposal: Any) -> Any:
        if proposal["value"] is not None and not proposal["value"] >= 0:
            raise ValueError(f"radius is {proposal['value']!r}: give a distance of 0 or more in patches, or None")
        return proposal["value"]

    @tr.validate("edit_steps")
    def _validate_edit_steps(self, proposal: Any) -> Any:
        pair = proposal["value"]
        if pair is not None and not 0 <= pair[0] <= pair[1]:
            raise ValueError(f"edit_steps is {pair!r}: give (first, end) with 0 <= first <= end, as in (0, 10) for "
                             "steps 0 to 9, or None for all")
        return pair

    # ---- from a request to the screen ------------------------------------------------------------------------------

    def request(self) -> Request:
        settings = Settings(self.prompt, steps=self.steps, guidance=self.guidance, seed=self.seed)
        head = None if self.dropped_head is None or not self.dropped_block else self.dropped_head - 1
        edits = PatchEdits(self.radius, self.dropped_block, head, self.positions, self.edit_steps)
        return Request(self.model_name, settings, edits, self.patch, min(max(self.step, 0), self.steps - 1))

    def compute(self, pipe: PipelineProtocol, request: Request, progress: Progress) -> Result:
        if request.model not in self._layouts:
            self._layouts = {request.model: patch_layout(pipe.points(optional=False))}
        layout = self._layouts[request.model]
        if request.patch is None:
            request = replace(request, patch=(layout.grid[0] // 2, layout.grid[1] // 2))
        unet = functools.partial(shipped_pipeline, UNETS[request.model]) if request.model in UNETS else None
        few: Result | None = None
        is_new = self.result is None or self.result.request.edit_key != request.edit_key
        if is_new and pipe.supports_preview and needs_preview(request.settings.steps):
            few = self._preview_computation.preview(pipe, layout, request, progress)
            known = None if request.edits else known_images(pipe, request.settings)
            self.show_preview(functools.partial(self._put_on_stage, few, request.settings.steps, known),
                              PREVIEW_LABEL if known is None else f"the image, and for the rest {PREVIEW_LABEL}")

        def on_runs(result: Result) -> None:
            if few is not None:
                self.show_preview(lambda: self._put_on_stage(result), "everything but the influence and the verdicts")

        return self._computation.compute(pipe, layout, request, progress, unet, on_runs)

    def show(self, result: Result) -> str:
        self._edit_controls.fill(result.layout)
        self._put_on_stage(result)
        self._update_texts()
        return "" if result.unet_influence is None else view.describe_training(
            {name: read_card(name)["steps"] for name in (result.request.model, result.unet)})

    def _put_on_stage(self, result: Result, full_steps: int | None = None, known: np.ndarray | None = None) -> None:
        """Send a result, or a preview of one in `full_steps`, to the page. known: the full run's images for a preview
        without edits, if they are there."""
        times = result.edited.run.denoised.t.values
        captions = [describe_step(k, len(times), t) for k, t in enumerate(times)]
        layers, note = view.layers_of(result), ""
        if full_steps is not None and self.pipe.takes_exact_steps:
            frames = nearest_frames(range(full_steps), full_steps, PREVIEW_STEPS - 1)
            layers, note = stretch_layers(layers, frames), ", preview"
            captions = [f"{PREVIEW_LABEL}: {captions[k]}" for k in frames]
            if known is not None:
                layers, note = with_images(layers, known, "image edited", "image original"), ""
                captions = [f"step {k} of {full_steps}; everything but the image is {PREVIEW_LABEL}"
                            for k in range(full_steps)]
        axes = view.axes_of(result.layout)
        chosen = {view.BLOCK: self.block, view.HEAD: self.head}
        self.stage.selection = {a.name: a.labels.index(chosen[a.name]) if chosen[a.name] in a.labels else 0
                                for a in axes}
        panels = view.panels_of(result, note)
        self.stage.show(layers, captions, file_name="patch-transformer", axes=axes, panels=panels,
                        columns=len(panels), autoplay=False, frame=min(max(self.step, 0), len(captions) - 1))

    def _update_texts(self) -> None:
        """Describe what the stage shows, and draw its chart."""
        result = self.result
        if result is None:
            return
        block, head = (self.stage.selection.get(name, 0) for name in (view.BLOCK, view.HEAD))
        attention, words = view.attention_at(result, result.request.step, block, head)
        self.chart.set_dark(self.stage.dark)
        tokens, shares = view.words_shown(result.edited.attention.tokens, words)
        self.chart.draw(distances_and_words(view.shares(result, attention), tokens, shares, self.stage.dark))
        self.set_caption(" ".join(filter(None, (
            view.describe_edits(result.request.edits, result.layout), view.describe_verdicts(result),
            view.describe_distances(result, attention)))))
        self.set_score("Attention against influence", *view.describe_correlation(result, block, head))

    @property
    def _frame(self) -> int:
        """The frame of the step whose influence is shown."""
        return min(max(self.step, 0), max(len(self.stage.captions) - 1, 0))

    def _on_page_selection(self, change: Any) -> None:
        """Another step, block or head was chosen on the page."""
        if change["name"] == "frame":
            if self.stage.frame != self._frame:
                self.step = self.stage.frame
            return
        with self.hold_trait_notifications():
            for axis in self.stage.axes:
                setattr(self, axis["name"], axis["labels"][self.stage.selection.get(axis["name"], 0)])

    def _select(self) -> None:
        """Another block or head is to be shown."""
        chosen = {view.BLOCK: self.block, view.HEAD: self.head}
        self.stage.selection = {axis["name"]: axis["labels"].index(chosen[axis["name"]])
                                for axis in self.stage.axes if chosen[axis["name"]] in axis["labels"]}
        self._update_texts()

    def _on_pointer(self, pointer: dict) -> None:
        """A click on a map chooses that patch, at the step on the screen."""
        layout = self._layouts.get(self.model_name)
        if layout is None or pointer.get("kind") != "click":
            return
        row, column = (min(max(int(pointer[axis] * n), 0), n - 1) for axis, n in zip("yx", layout.grid, strict=True))
        with self.hold_trait_notifications():
            self.patch, self.step = (row, column), self.stage.frame

    # ---- results for code ------------------------------------------------------------------------------------------

    @property
    def data(self) -> xr.Dataset:
        """What is on the screen: images, attention of the chosen patch to patches and words by step, block and head
        (with the means), influence on it and that in the U-Net (y, x), and their rank correlations."""
        return view.to_dataset(self.wait_for_result())

    def table(self) -> Any:
        """A pandas table with a row for each block and head, the means first: the mean distance of the chosen patch's
        attention, its attention to words, and its rank correlation with influence, at the chosen step."""
        return view.head_table(self.wait_for_result())

    def code(self) -> str:
        """Lines that compute image, attention and influence without the explorable."""
        request = self.wait_for_result().request
        settings = "".join(f", {name}={getattr(request.settings, name)!r}" for name in RUN_SETTINGS[1:])
        return "\n".join([
            "import explorable as ex",
            "from explorable.analysis.patch_attention import PatchEdits, gather_attention, patch_layout",
            "from explorable.analysis.patch_influence import patch_influence", "", self.pipe_code,
            "layout = patch_layout(pipe.points(optional=False))", f"edits = {request.edits!r}.points(layout)",
            "with ex.edit(pipe, edits):",
            f"    run = pipe({request.settings.prompt!r}{settings}, record=layout.record)",
            f"attention, to_words = gather_attention(run, layout).of_patch({request.patch!r})",
            f"influence = patch_influence(pipe, run, {request.step!r}, {request.patch!r}, layout.grid, edits)",
            "run.image"])
