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

FEW = 4  # steps
SAID = f"a first look, in {FEW} steps"

Progress = Callable[[int, int], None]


def worth(steps: int) -> bool:
    """Whether so many steps take long enough for a first look in few."""
    return steps > 2 * FEW


def quiet(progress: Progress) -> Progress:
    """Progress of a first look: it ends where a newer wish has come, and is no part of the whole answer's."""
    return lambda done, of: progress(0, 1)


def scaled(step: int, steps: int) -> int:
    """The step of the few at which a step of the whole walk lies; the last where it lies beyond."""
    return min(round(step * FEW / steps), FEW - 1)


def nearest(steps: Sequence[int] | np.ndarray, of: int, most: int = FEW) -> np.ndarray:
    """For steps of a walk of `of` steps, the nearest of the few, counted 0 to `most`."""
    return np.minimum(np.rint(np.asarray(steps) * FEW / of).astype(int), most)


def stretched(layers: Sequence[Layer], picks: np.ndarray) -> list[Layer]:
    """Layers of a short recording, laid out over the frames of a long one. picks: for each of these, the frame of the
    short one that it shows."""
    return [_stretched(layer, picks) for layer in layers]


def _stretched(layer: Layer, picks: np.ndarray) -> Layer:
    if isinstance(layer, Points) and layer.leads is not None:  # what led to a frame leads to the first that shows it
        layer = replace(layer, leads=np.searchsorted(picks, layer.leads).clip(max=len(picks) - 1).tolist())
    if FRAME not in layer.axes:
        return layer
    if isinstance(layer, Points | Arrows):  # a trail goes through the frames themselves
        return replace(layer, frames=layer.frames.take(picks, layer.axes.index(FRAME)))
    return replace(layer, picks=(picks if layer.picks is None else np.asarray(layer.picks)[picks]).tolist())
