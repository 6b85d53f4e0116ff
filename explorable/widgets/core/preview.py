"""Previews: a computation that takes a while first shows its result in a few steps.

A preview is laid out over the frames of the full recording, each showing the nearest of the few, so that nothing moves
under the user's pointer when the full result arrives. It is only on the screen: never in `Explorable.result`, and so
never in `data`, `table()` or `save_html`. `Explorable.show_preview` shows it.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import numpy as np

from ...diffusion.settings import Settings
from ...hooks import edit
from ...pipeline import PipelineProtocol
from ...pipeline.progress import Progress, decode_in_chunks
from ...run.known import find_known_run
from ..stage.layers import FRAME, Arrows, Layer, Points

PREVIEW_STEPS = 4
PREVIEW_SECONDS = 0.5  # a preview that was begun is shown, although superseded, unless it takes longer
PREVIEW_LABEL = f"a preview in {PREVIEW_STEPS} steps"
IMAGE_LABEL = "the finished image; the steps before it are a preview"


def needs_preview(steps: int) -> bool:
    """Return whether this many steps take long enough for a preview."""
    return steps > 2 * PREVIEW_STEPS


def preview_settings(settings: Settings, steps: int = PREVIEW_STEPS) -> Settings:
    """Return the settings of a preview that samples so many steps: of a run from a picture, those of its strength."""
    return replace(settings, steps=math.ceil(steps / settings.strength))


def known_images(pipe: PipelineProtocol, settings: Settings,
                 edits: Mapping[str, Any] | None = None) -> np.ndarray | None:
    """Return the predicted images of the known run (run/known.py), (step, y, x, 3) uint8, the last the finished image;
    None if these settings and edits would give another run."""
    with edit(pipe, dict(edits)) if edits else nullcontext():
        run = find_known_run(pipe, settings)
    if run is None:
        return None
    return np.concatenate([decode_in_chunks(pipe, run.denoised.values[:-1]), run.image[None]])


def with_images(layers: Sequence[Layer], images: np.ndarray, *names: str) -> list[Layer]:
    """Return the layers of a preview with the images of the full run in those of these names."""
    return [replace(layer, frames=images, frame_indices=None) if layer.name in names else layer for layer in layers]


def cancellable_only(progress: Progress) -> Progress:
    """Return a progress function for a preview: it stops superseded work and does not move the progress bar.

    Not in the first PREVIEW_SECONDS: while a slider is dragged, each value supersedes the one before, and the images
    would only move when the hand rests.
    """
    end = time.monotonic() + PREVIEW_SECONDS

    def report(done: int, total: int) -> None:
        if time.monotonic() >= end:
            progress(0, 1)

    return report


def to_preview_step(step: int, steps: int) -> int:
    """Return the preview step at the same place of the run as `step` of `steps`; the last if it lies beyond."""
    return min(round(step * PREVIEW_STEPS / steps), PREVIEW_STEPS - 1)


def nearest_frames(steps: Sequence[int] | np.ndarray, total: int, max_frame: int = PREVIEW_STEPS) -> np.ndarray:
    """Return the preview frames (0 to `max_frame`) nearest to some steps of a run of `total` steps."""
    return np.minimum(np.rint(np.asarray(steps) * PREVIEW_STEPS / total).astype(int), max_frame)


def stretch_layers(layers: Sequence[Layer], frame_indices: np.ndarray) -> list[Layer]:
    """Assign the frames of a short recording's layers to the frames of a longer recording.

    frame_indices: for each frame of the long recording, the index of the frame of the short one shown in its place.
    """
    return [_stretch(layer, frame_indices) for layer in layers]


def _stretch(layer: Layer, indices: np.ndarray) -> Layer:
    if isinstance(layer, Points) and layer.target_frames is not None:
        first = np.searchsorted(indices, layer.target_frames)  # the first long frame that shows the target
        layer = replace(layer, target_frames=first.clip(max=len(indices) - 1).tolist())
    if FRAME not in layer.axes:
        return layer
    if isinstance(layer, Points | Arrows):  # copied, since a trail runs through the frames themselves
        return replace(layer, frames=layer.frames.take(indices, layer.axes.index(FRAME)))
    indices = indices if layer.frame_indices is None else np.asarray(layer.frame_indices)[indices]
    return replace(layer, frame_indices=indices.tolist())
