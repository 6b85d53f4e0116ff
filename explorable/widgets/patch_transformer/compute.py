"""What PatchTransformer computes: the original and the edited run with their attention, the influence on the chosen
patch in the transformer and in a U-Net, and the examiner's verdicts.

Parts of the last result are used again where what they depend on has not changed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ...analysis.patch_attention import PatchAttention, PatchEdits, PatchLayout, gather_attention
from ...analysis.patch_influence import check_patch, patch_influence
from ...analysis.verdict import Verdict
from ...diffusion.settings import Settings
from ...hooks import edit, record
from ...pipeline import PipelineProtocol
from ...pipeline.progress import Progress, ProgressCounter
from ...run import Run
from ..core.cached_parts import CachedParts
from ..core.preview import PREVIEW_STEPS, cancellable_only, to_preview_step
from ..core.verdict import examine_images

RUN_SETTINGS = ("prompt", "steps", "guidance", "seed")
UNETS = {"dit-flow": "unet-flow", "dit-diffusion": "unet-diffusion"}
"""By transformer, the U-Net on the same path, with the same data, text encoder, latents and batch."""
INFLUENCE_COST = 3.0  # of two influences, in sampler steps


@dataclass(frozen=True)
class Request:
    """The run to sample, the edits to make, and the patch and step whose influence to compute.

    patch: None: the one at the centre, until the network's grid is known.
    """

    model: str
    settings: Settings
    edits: PatchEdits
    patch: Any  # Patch, or None
    step: int

    @property
    def run_key(self) -> tuple:
        """Everything that the original run depends on."""
        return self.model, self.settings

    @property
    def edit_key(self) -> tuple:
        """Everything that the edited run depends on."""
        return (*self.run_key, self.edits if self.edits else None)


@dataclass(frozen=True, eq=False)
class PatchRun:
    """A run, the attention of its patches, and its denoised estimates, decoded: (step, y, x, 3) uint8. The last is the
    finished image."""

    run: Run
    attention: PatchAttention
    previews: np.ndarray


@dataclass(frozen=True, eq=False)
class Result:
    """Both runs; the influence on the chosen patch (rows, columns), None while it is computed, and the same in the
    U-Net at the same latent and t, None without one; the examiner's verdicts on both images, or none."""

    layout: PatchLayout
    original: PatchRun
    edited: PatchRun
    request: Request
    influence: np.ndarray | None = None
    unet_influence: np.ndarray | None = None
    verdicts: tuple[Verdict, ...] = ()

    @property
    def unet(self) -> str:
        """The name of the U-Net beside the transformer; empty without one."""
        return UNETS.get(self.request.model, "")

    @property
    def image_difference(self) -> float:
        """How far the edits changed the image: root mean square, where 1 is black to white."""
        gap = self.edited.run.image.astype(np.float64) - self.original.run.image
        return float(np.sqrt(np.square(gap / 255).mean()))


class CachedComputation(CachedParts):
    """Computes results, and caches the parts of the last one."""

    def runs(self, pipe: PipelineProtocol, layout: PatchLayout, request: Request,
             counter: ProgressCounter) -> tuple[PatchRun, PatchRun]:
        """Return the original run and the edited one, which are the same where nothing is edited."""

        def sample(edits: PatchEdits) -> PatchRun:
            settings = {name: getattr(request.settings, name) for name in RUN_SETTINGS}
            # Recorded apart from the run, which would keep 30 MB, of which the attention is a tenth.
            with edit(pipe, edits.points(layout)), record(pipe, *layout.record) as recorder:
                run = pipe(**settings, progress=counter.step)
            previews = counter.decode(pipe, run.denoised.values[:-1])
            return PatchRun(run, gather_attention(recorder.last, layout), np.concatenate([previews, run.image[None]]))

        original = self._cached("original", request.run_key, lambda: sample(PatchEdits()))
        if not request.edits:
            return original, original
        return original, self._cached("edited", request.edit_key, lambda: sample(request.edits))

    def compute(self, pipe: PipelineProtocol, layout: PatchLayout, request: Request, progress: Progress,
                unet: Callable[[], PipelineProtocol] | None, on_runs: Callable[[Result], None]) -> Result:
        """Return the result. unet: returns the U-Net to compare with. on_runs: receives the result before influence and
        verdicts are computed."""
        check_patch(request.patch, layout.grid)
        counter = ProgressCounter(progress, 3 * request.settings.steps + INFLUENCE_COST)
        original, edited = self.runs(pipe, layout, request, counter)
        request = replace(request, step=min(request.step, edited.run.steps - 1))
        key = (request.edit_key, request.patch, request.step)
        result = Result(layout, original, edited, request)
        if not self._is_cached("influence", key):
            on_runs(result)

        def influence(network: PipelineProtocol, points: dict[str, Any]) -> np.ndarray:
            counter.add(INFLUENCE_COST / 2)
            return patch_influence(network, edited.run, request.step, request.patch, layout.grid, points)

        own = self._cached("influence", key, lambda: influence(pipe, request.edits.points(layout)))
        other = None if unet is None else self._cached("unet", key, lambda: influence(unet(), {}))
        verdicts = self._cached("verdicts", request.edit_key, lambda: examine_images(
            original.run.image, edited.run.image) if pipe.has_examiner else ())
        progress(1, 1)
        return replace(result, influence=own, unet_influence=other, verdicts=verdicts)

    def preview(self, pipe: PipelineProtocol, layout: PatchLayout, request: Request, progress: Progress) -> Result:
        """Return both runs in few steps, without influence."""
        check_patch(request.patch, layout.grid)
        few = in_few_steps(request)
        counter = ProgressCounter(cancellable_only(progress), 3 * PREVIEW_STEPS)
        return Result(layout, *self.runs(pipe, layout, few, counter), few)


def in_few_steps(request: Request) -> Request:
    """Return the request of a preview: the same in few steps, with the edits on the same part of the run."""
    steps, edited = request.settings.steps, request.edits.steps
    if edited is not None:
        first, end = (round(k * PREVIEW_STEPS / steps) for k in edited)
        edited = (first, max(end, first + (edited[1] > edited[0])))
    return replace(request, settings=replace(request.settings, steps=PREVIEW_STEPS),
                   edits=replace(request.edits, steps=edited), step=to_preview_step(request.step, steps))
