"""What UNetXRay computes: the original and the edited run from inside, a receptive field, and the examiner's verdicts.

Parts of the last result are used again where what they depend on has not changed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ...analysis.receptive_field import receptive_field
from ...analysis.spectrum import high_frequency_share
from ...analysis.unet_activations import (
    ColourMappings,
    EditMap,
    UNetActivations,
    UNetPart,
    fader_edits,
    sample_recorded,
    summarize_activations,
)
from ...analysis.verdict import Verdict
from ...diffusion.settings import Settings
from ...pipeline import PipelineProtocol
from ...pipeline.progress import Progress, decode_in_chunks
from ...run import Run
from ..core.cached_parts import CachedParts
from ..core.preview import PREVIEW_STEPS, cancellable_only, to_preview_step
from ..core.verdict import examine_images

RUN_SETTINGS = ("prompt", "steps", "guidance", "seed")
MAX_FACTOR = 10.0  # of a fader

RunAndPreviews = tuple[Run, np.ndarray]  # a run with all parts recorded, and its decoded denoised estimates


@dataclass(frozen=True)
class Position:
    """One position in the feature map of a U-Net part, at one step."""

    part: str
    row: int
    column: int
    step: int


@dataclass(frozen=True)
class Request:
    """The run to sample, the edits to make, and the position whose receptive field to compute."""

    settings: Settings
    faders: dict[str, float]
    step_ranges: dict[str, tuple[int, int]]
    donor_prompt: str
    swapped_skips: tuple[str, ...]
    position: Position

    @property
    def edit_key(self) -> tuple:
        """Everything that the edited image depends on."""
        return (self.settings, {n: v for n, v in self.faders.items() if v != 1}, self.step_ranges,
                (self.donor_prompt, self.swapped_skips) if self.swapped_skips else ())


@dataclass(frozen=True, eq=False)
class InspectedRun:
    """A run's activations, and its denoised estimate at each step, decoded: (step, 128, 128, 3) uint8. The last is the
    finished image."""

    inside: UNetActivations
    previews: np.ndarray

    @property
    def image(self) -> np.ndarray:
        """The finished image."""
        return self.inside.run.image

    @property
    def high_frequency_share(self) -> float:
        """The share of the power of the image's luminance that is in high frequencies."""
        return float(high_frequency_share(self.image))


@dataclass(frozen=True, eq=False)
class Result:
    """The parts of the U-Net, the original run and the edited one, the receptive field (y, x) of the request's
    position, and the examiner's verdicts on both images, or none."""

    parts: dict[str, UNetPart]
    original: InspectedRun
    edited: InspectedRun
    receptive_field: np.ndarray
    request: Request
    verdicts: tuple[Verdict, ...] = ()

    @property
    def runs(self) -> dict[str, InspectedRun]:
        """Both runs by name."""
        return {"original": self.original, "edited": self.edited}

    @property
    def image_difference(self) -> float:
        """How far the edits changed the image: root mean square, where 1 is black to white."""
        gap = self.edited.image.astype(np.float64) - self.original.image
        return float(np.sqrt(np.square(gap / 255).mean()))


def run_arguments(settings: Settings) -> dict[str, Any]:
    """The arguments with which a pipeline is called for these settings."""
    return {name: getattr(settings, name) for name in RUN_SETTINGS}


def check_position(position: Position, parts: dict[str, UNetPart]) -> None:
    """Raise ValueError for a position that this network does not have."""
    part = parts.get(position.part)
    if part is None:
        raise ValueError(f"this U-Net has no part {position.part!r}: choose one of {', '.join(parts)}")
    if not (0 <= position.row < part.side and 0 <= position.column < part.side):
        raise ValueError(f"position ({position.row}, {position.column}) is outside {position.part}: its rows and "
                         f"columns are 0 to {part.side - 1}")


class CachedComputation(CachedParts):
    """Computes results, and caches the parts of the last one."""

    def _runs(self, pipe: PipelineProtocol, parts: dict[str, UNetPart], request: Request, progress: Progress,
              on_edited_previews: Callable[[np.ndarray], None] = lambda previews: None,
              ) -> tuple[InspectedRun, InspectedRun, EditMap]:
        """Return the original run, the edited one and the edits.

        The edited run comes first where neither is cached: on_edited_previews receives its decoded estimates before
        the original run starts.
        """
        settings, steps = request.settings, request.settings.steps
        total = 3 * steps + 4  # the donor's, the original and the edited run, and the receptive field

        def sample(edits: EditMap, done: int) -> RunAndPreviews:
            run = sample_recorded(pipe, parts, edits, progress=lambda k, _: progress(done + k, total),
                                  **run_arguments(settings))
            previews = decode_in_chunks(pipe, run.denoised.values[:-1], lambda *_: progress(done + steps, total))
            return run, np.concatenate([previews, run.image[None]])

        def inspect(colours: ColourMappings, sampled: RunAndPreviews) -> InspectedRun:
            return InspectedRun(summarize_activations(sampled[0], parts, colours), sampled[1])

        def inspect_original() -> tuple[ColourMappings, InspectedRun]:
            colours = ColourMappings()
            return colours, inspect(colours, sample({}, steps))

        donor = self._cached(
            "donor", (settings, request.donor_prompt, request.swapped_skips),
            lambda: _record_donor(pipe, request, lambda k, _: progress(k, total))) if request.swapped_skips else None
        edits = fader_edits(request.faders, request.step_ranges, request.swapped_skips, donor)
        sampled = None
        if edits and not self._is_cached("original", settings):
            sampled = sample(edits, 2 * steps)
            on_edited_previews(sampled[1])
        # The colours are fitted to the original run and used for both, so that they can be compared.
        colours, original = self._cached("original", settings, inspect_original)
        edited = self._cached("edited", request.edit_key, lambda: inspect(colours, sampled or sample(edits, 2 * steps))
                              ) if edits else original
        return original, edited, edits

    def compute(self, pipe: PipelineProtocol, parts: dict[str, UNetPart], request: Request, progress: Progress,
                on_edited_previews: Callable[[np.ndarray], None],
                on_runs: Callable[[InspectedRun, InspectedRun], None]) -> Result:
        """Return the result. on_runs receives both runs before the receptive field is computed."""
        original, edited, edits = self._runs(pipe, parts, request, progress, on_edited_previews)
        last_step = edited.inside.run.steps - 1  # an opened pipeline may take fewer steps than requested
        at = replace(request.position, step=min(request.position.step, last_step))
        request = replace(request, position=at)
        if not self._is_cached("receptive field", (request.edit_key, at)):
            on_runs(original, edited)
        field = self._cached("receptive field", (request.edit_key, at), lambda: receptive_field(
            pipe, edited.inside.run, at.step, parts[at.part].point, at.row, at.column, edits))
        verdicts = self._cached("verdicts", request.edit_key, lambda: examine_images(original.image, edited.image)
                                if pipe.has_examiner else ())
        progress(1, 1)
        return Result(parts, original, edited, field, request, verdicts)

    def preview(self, pipe: PipelineProtocol, parts: dict[str, UNetPart], request: Request,
                progress: Progress) -> Result:
        """Return both runs in few steps, with an empty receptive field."""
        steps = request.settings.steps
        step_ranges = {
            n: (round(a * PREVIEW_STEPS / steps), round(b * PREVIEW_STEPS / steps))
            for n, (a, b) in request.step_ranges.items()
        }
        few = replace(request, settings=replace(request.settings, steps=PREVIEW_STEPS), step_ranges=step_ranges,
                      position=replace(request.position, step=to_preview_step(request.position.step, steps)))
        original, edited, _ = self._runs(pipe, parts, few, cancellable_only(progress))
        return Result(parts, original, edited, np.zeros(original.inside.run.latents.shape[-2:]), request)


def _record_donor(pipe: PipelineProtocol, request: Request, progress: Progress) -> Any:
    """Record the swapped skips in a run of the donor prompt."""
    if not request.donor_prompt.strip():
        raise ValueError("the donor prompt is empty: write a prompt to take the skips from, or swap no skip")
    return pipe(**{**run_arguments(request.settings), "prompt": request.donor_prompt},
                record=list(request.swapped_skips), progress=progress).recorded
