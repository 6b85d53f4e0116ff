"""A first look: what takes a while is answered in a few steps first, where the whole answer is going to stand.

The stage has the frames of the whole answer from the beginning, each showing the nearest of the few, so that nothing
moves under the reader's hand when the rest comes. A first look is on the screen and nowhere else: it is never `shown`,
and so never what `data`, `table()` or `save_html` answer with. `Explorable.glance` puts it there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from ..stage.layers import FRAME, Arrows, Layer, Points

PREVIEW_STEPS = 4  # steps
PREVIEW_LABEL = f"a preview in {PREVIEW_STEPS} steps"

Progress = Callable[[int, int], None]


def needs_preview(steps: int) -> bool:
    """Whether so many steps take long enough for a first look in few."""
    return steps > 2 * PREVIEW_STEPS


def cancellable_only(progress: Progress) -> Progress:
    """Progress of a first look: it ends where a newer wish has come, and is no part of the whole answer's."""
    return lambda done, of: progress(0, 1)


def to_preview_step(step: int, steps: int) -> int:
    """The step of the few at which a step of the whole walk lies; the last where it lies beyond."""
    return min(round(step * PREVIEW_STEPS / steps), PREVIEW_STEPS - 1)


def nearest_frames(steps: Sequence[int] | np.ndarray, of: int, most: int = PREVIEW_STEPS) -> np.ndarray:
    """For steps of a walk of `of` steps, the nearest of the few, counted 0 to `most`."""
    return np.minimum(np.rint(np.asarray(steps) * PREVIEW_STEPS / of).astype(int), most)


def stretch_layers(layers: Sequence[Layer], frame_indices: np.ndarray) -> list[Layer]:
    """Layers of a short recording, laid out over the frames of a long one. picks: for each of these, the frame of the
    short one that it shows."""
    return [_stretch_layer(layer, frame_indices) for layer in layers]


def _stretch_layer(layer: Layer, frame_indices: np.ndarray) -> Layer:
    if (
        isinstance(layer, Points) and layer.target_frames is not None
    ):  # what led to a frame leads to the first that shows it
        layer = replace(
            layer,
            target_frames=np.searchsorted(frame_indices, layer.target_frames).clip(max=len(frame_indices) - 1).tolist(),
        )
    if FRAME not in layer.axes:
        return layer
    if isinstance(layer, Points | Arrows):  # a trail goes through the frames themselves
        return replace(layer, frames=layer.frames.take(frame_indices, layer.axes.index(FRAME)))
    return replace(
        layer,
        frame_indices=(
            frame_indices if layer.frame_indices is None else np.asarray(layer.frame_indices)[frame_indices]
        ).tolist(),
    )
