"""UNetXRay: the U-Net drawn from the network itself, with a fader on every skip and every backbone."""

from __future__ import annotations

import functools
from numbers import Real
from typing import Any

import ipywidgets as ipw
import numpy as np
import traitlets as tr
import xarray as xr

from ...analysis.spectrum import CUTOFF
from ...analysis.trajectory import describe_step
from ...analysis.unet_activations import UNetPart, fader_edits, unet_parts
from ...diffusion.settings import Settings
from ...pipeline import PipelineProtocol
from ...pipeline.progress import Progress
from ..core.chart import Chart
from ..core.explorable import Explorable
from ..core.inputs import SamplingInputs
from ..core.preview import (
    PREVIEW_LABEL,
    PREVIEW_STEPS,
    known_images,
    nearest_frames,
    needs_preview,
    stretch_layers,
    with_images,
)
from .compute import (
    MAX_FACTOR,
    RUN_SETTINGS,
    CachedComputation,
    InspectedRun,
    Position,
    Request,
    Result,
    check_position,
)
from .controls import fader_rows, prompt_row, sampling_row
from .figure import spectra
from .view import (
    COLUMNS,
    PART_AXIS,
    axes_of,
    describe_edits,
    describe_receptive_field,
    describe_verdicts,
    layers_of,
    moved,
    panels_of,
    spectra_of,
    step_table,
    to_dataset,
)

IMAGES_LABEL = f"the edited image, and for the rest {PREVIEW_LABEL}"


class UNetXRay(SamplingInputs, Explorable):
    """What do the skips carry?

        xray = UNetXRay(prompt="a black cat in a meadow", seed=3)
        xray.faders = {"up.0.skip": 0.0}             # moves the fader, and samples again
        xray.step_ranges = {"up.0.skip": (10, 20)}   # on steps 10 to 19 only
        xray.position = ("up.1.0", 4, 4)             # show its receptive field, as a click does

    prompt, seed, steps, guidance: as in calling a pipeline. faders: the factor of each named point, 0 to 10; any point
    can be named, those of skips and backbones have a fader on the page. step_ranges: for each point (first, end), the
    steps on which its edits act. donor_prompt, swapped_skips: another prompt, and the skips that are patched from its
    run. position, step: the (part, row, column) and the step whose receptive field in the latent is shown.
    """

    question = "What do the skips carry?"
    busy_text = "Sampling and recording …"
    result_attributes = ("result", "_computation", "_preview_computation")
    inputs = ("prompt", "seed", "steps", "guidance", "faders", "step_ranges", "donor_prompt", "swapped_skips",
            "position", "step")

    prompt = tr.Unicode("a black cat in a meadow")
    faders = tr.Dict(key_trait=tr.Unicode(), default_value={})
    step_ranges = tr.Dict(key_trait=tr.Unicode(), default_value={})
    donor_prompt = tr.Unicode("a red car on a beach at night")
    swapped_skips = tr.Tuple(default_value=())
    position = tr.Tuple(tr.Unicode(), tr.Int(), tr.Int(), default_value=("middle", 2, 2))
    step = tr.Int(10)

    def __init__(self, pipe: PipelineProtocol | str | None = None, **values: Any):
        super().__init__(pipe, **values)
        self._parts: dict[str, UNetPart] = {}
        self._computation, self._preview_computation = CachedComputation(), CachedComputation()
        self.chart = Chart()
        # Filled once the network's parts are known.
        self._faders, self._edit_controls = (ipw.VBox(layout=ipw.Layout(overflow="visible")) for _ in range(2))
        self._faders.add_class("ex-faders")
        self.add_class("ex-diagram")
        self.set_layout(prompt_row(self), self._faders, side=[self.chart], wide=True,
                        groups={"steps of the faders, presets, swaps": [self._edit_controls],
                                "sampling": [sampling_row(self)]})
        self.stage.observe(lambda change: self._on_pointer(change["new"]), names="pointer")
        self.stage.observe(lambda change: self._draw_chart(), names="dark")
        self.stage.observe(self._on_frame, names="frame")
        self.stage.observe(self._on_selection, names="selection")
        self.observe(lambda change: setattr(self.stage, "frame", self._frame), names="step")
        self.observe(lambda change: self._select_part(), names="position")
        self.launch()

    @tr.validate("faders")
    def _validate_faders(self, proposal: Any) -> Any:
        for name, factor in proposal["value"].items():
            if not isinstance(factor, Real) or not 0 <= float(factor) <= MAX_FACTOR:
                raise ValueError(f"the fader of {name} is {factor!r}: choose a number from 0 to {MAX_FACTOR:g}")
        return proposal["value"]

    @tr.validate("step_ranges")
    def _validate_step_ranges(self, proposal: Any) -> Any:
        for name, steps in proposal["value"].items():
            pair = steps if isinstance(steps, (tuple, list)) and len(steps) == 2 else (None,)
            if not all(isinstance(k, int) for k in pair) or not 0 <= steps[0] <= steps[1]:
                raise ValueError(f"the step range of {name} is {steps!r}: give (first, end) with 0 <= first <= end, as "
                                 "in (10, 20) for steps 10 to 19")
        return {name: tuple(steps) for name, steps in proposal["value"].items()}

    @tr.validate("swapped_skips")
    def _validate_swapped_skips(self, proposal: Any) -> Any:
        for name in proposal["value"]:
            if not isinstance(name, str):
                raise ValueError(f"swapped_skips contains {name!r}: give names or patterns of skips, as in "
                                 "('up.0.skip',)")
        return proposal["value"]

    # ---- from a request to the screen ------------------------------------------------------------------------------

    def request(self) -> Request:
        settings = Settings(self.prompt, steps=self.steps, guidance=self.guidance, seed=self.seed)
        part, row, column = self.position
        at = Position(part, row, column, min(max(self.step, 0), self.steps - 1))
        return Request(settings, dict(self.faders), dict(self.step_ranges), self.donor_prompt,
                       tuple(self.swapped_skips), at)

    def compute(self, pipe: PipelineProtocol, request: Request, progress: Progress) -> Result:
        parts = self._parts or unet_parts(pipe.points(optional=False))
        self._parts = parts
        check_position(request.position, parts)
        pipe.points().match([*request.faders, *request.swapped_skips])
        few: Result | None = None
        is_new = self.result is None or self.result.request.edit_key != request.edit_key
        if is_new and pipe.supports_preview and needs_preview(request.settings.steps):
            few = self._preview_computation.preview(pipe, parts, request, progress)
            known = None if request.swapped_skips else known_images(
                pipe, request.settings, fader_edits(request.faders, request.step_ranges))
            self.show_preview(functools.partial(self._put_on_stage, few, known),
                              PREVIEW_LABEL if known is None else IMAGES_LABEL)

        def on_edited_previews(previews: np.ndarray) -> None:
            if few is not None:
                self.show_preview(lambda: self._put_on_stage(few, previews), IMAGES_LABEL)

        def on_runs(original: InspectedRun, edited: InspectedRun) -> None:
            if few is not None:
                no_field = np.zeros(edited.inside.run.latents.shape[-2:])
                result = Result(parts, original, edited, no_field, request)
                self.show_preview(lambda: self._put_on_stage(result),
                            "everything but the receptive field and the examiner's verdicts")

        return self._computation.compute(pipe, parts, request, progress, on_edited_previews, on_runs)

    def show(self, answer: Result) -> str:
        if not self._edit_controls.children:
            self._faders.children, self._edit_controls.children = fader_rows(self, answer.parts)
        self._put_on_stage(answer)
        self._draw_chart()
        self.set_caption(" ".join(filter(None, (describe_edits(answer), describe_verdicts(answer),
                                                describe_receptive_field(answer)))))
        original, edited = (100 * run.high_frequency_share for run in answer.runs.values())
        self.set_score("High-frequency share", f"{edited:.2f}% of the power", f"above {CUTOFF} cycles per image, "
                   f"original {original:.2f}%. The image has changed by {answer.image_difference:.3f} (root mean "
                   "square, 1 is black to white).")
        return ""

    def _put_on_stage(self, result: Result, previews: np.ndarray | None = None) -> None:
        """Send a result, or a preview of it. previews: the edited run's decoded estimates, if they are there first."""
        steps, times = result.request.settings.steps, result.original.inside.run.denoised.t.values
        notes: dict[str, str] = {}
        layers = layers_of(result)
        captions = [describe_step(k, len(times), t) for k, t in enumerate(times)]
        if self.pipe.takes_exact_steps and len(times) != steps:
            frame_indices = nearest_frames(range(steps), steps, PREVIEW_STEPS - 1)
            layers, captions = (
                stretch_layers(layers, frame_indices),
                [f"{PREVIEW_LABEL}: {captions[k]}" for k in frame_indices],
            )
            notes = dict.fromkeys(result.runs, ", preview")
        if previews is not None:
            names = [name for name, run in result.runs.items() if run is result.edited]
            layers = with_images(layers, previews, *(f"image {name}" for name in names))
            captions = [f"step {k} of {steps}; all but the edited image is {PREVIEW_LABEL}" for k in range(steps)]
            notes = {name: note for name, note in notes.items() if name not in names}
        if PART_AXIS not in self.stage.selection:
            self._select_part()
        self.stage.show(layers, captions, file_name="unet-x-ray", axes=axes_of(result.parts),
                        panels=panels_of(result, notes), columns=COLUMNS, autoplay=False,
                        frame=min(max(self.step, 0), len(captions) - 1))

    def _draw_chart(self) -> None:
        self.chart.set_dark(self.stage.dark)
        if self.result is not None:
            self.chart.draw(spectra(spectra_of(self.result), CUTOFF, self.stage.dark))

    @property
    def _frame(self) -> int:
        """The frame of the step whose receptive field is shown."""
        return min(max(self.step, 0), max(len(self.stage.captions) - 1, 0))

    def _on_frame(self, change: Any) -> None:
        """The slider came to rest at another step: the receptive field follows it."""
        if self.stage.frame != self._frame:
            self.step = self.stage.frame

    def _select_part(self) -> None:
        """Mark the part whose position is chosen in the diagram."""
        if self.position[0] in self._parts:
            self.stage.selection = self.stage.selection | {PART_AXIS: list(self._parts).index(self.position[0])}

    def _on_selection(self, change: Any) -> None:
        """Another part was chosen in the diagram: take the position in it that covers the one before."""
        part = self._part_on_stage
        if part is not None and part.name != self.position[0] and self.position[0] in self._parts:
            at = moved(self.request().position, self._parts, part.name)
            self.position = (at.part, at.row, at.column)

    @property
    def _part_on_stage(self) -> UNetPart | None:
        """The part that is chosen in the diagram."""
        k = self.stage.selection.get(PART_AXIS)
        return None if k is None or not self._parts else list(self._parts.values())[k]

    def _on_pointer(self, pointer: dict) -> None:
        """A click on the activations chooses that position at the step on the screen."""
        part = self._part_on_stage
        if part is None or pointer.get("kind") != "click":
            return
        row, column = (min(max(int(pointer[axis] * part.side), 0), part.side - 1) for axis in ("y", "x"))
        with self.hold_trait_notifications():
            self.position, self.step = (part.name, row, column), self.stage.frame

    def panels_to_save(self) -> list[dict[str, Any]]:
        """The panels of a saved page: one image, if the edited and the original one are the same."""
        return [panel.spec() for panel in panels_of(self.result, {}, merge=True)]

    # ---- results for code ------------------------------------------------------------------------------------------

    @property
    def data(self) -> xr.Dataset:
        """What is on the screen: images, the tiles of each part, shares and energies of skips and backbones over the
        steps, the spectra, and the receptive field in the latent. Axis `run`: original, edited."""
        return to_dataset(self.wait_for_result())

    def table(self) -> Any:
        """A pandas table with a row a step: each skip's share of the energy that enters the up path, and the
        difference of the edited image from the original (root mean square, 1 is black to white)."""
        return step_table(self.wait_for_result())

    def code(self) -> str:
        """Lines that sample the edited image without the explorable."""
        settings = "".join(f", {name}={getattr(self, name)!r}" for name in RUN_SETTINGS[1:])
        lines = ["import explorable as ex", "", self.pipe_code]
        if self.swapped_skips:
            lines += [f"with ex.record(pipe, {', '.join(map(repr, self.swapped_skips))}) as other:",
                      f"    pipe({self.donor_prompt!r}{settings})"]
        edits = {}
        for name in dict.fromkeys([*self.swapped_skips, *(n for n, factor in self.faders.items() if factor != 1)]):
            steps = f", steps={self.step_ranges[name]!r}" if name in self.step_ranges else ""
            in_order = [f"ex.PatchFrom(other{steps})"] if name in self.swapped_skips else []
            in_order += [f"ex.Scale({self.faders[name]!r}{steps})"] if self.faders.get(name, 1) != 1 else []
            edits[name] = f"[{', '.join(in_order)}]"
        sample = f"run = pipe({self.prompt!r}{settings})"
        if edits:
            entries = "".join(f"    {name!r}: {edit},\n" for name, edit in edits.items())
            lines += [f"with ex.edit(pipe, {{\n{entries}}}):", f"    {sample}"]
        else:
            lines.append(sample)
        return "\n".join([*lines, "run.image"])

    def set_all(self, faders: dict[str, float]) -> None:
        """Set these faders on all steps, and edit nothing else."""
        with self.hold_trait_notifications():
            self.faders, self.step_ranges, self.swapped_skips = dict(faders), {}, ()
