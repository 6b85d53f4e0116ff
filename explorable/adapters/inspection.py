"""One look of somebody else's network, and no step: at a picture that is there already, or at a run once more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from ..diffusion.settings import SettingError
from ..hooks import Recorder, Recording
from ..pipeline.pipeline import patterns
from ..run import Run
from .attention import Words
from .families import arguments
from .sampling import Enough, Fixed
from .schedulers import Noise
from .settings import OpenedSettings, rearranged

if TYPE_CHECKING:
    from .opened_pipeline import OpenedPipeline


def inspected(pipe: OpenedPipeline, image: np.ndarray, prompt: str, t: float, seed: int, record: str | Sequence[str],
              more: Mapping[str, Any]) -> Recording:
    """See `OpenedPipeline.inspect`."""
    if not isinstance(image, np.ndarray) or image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise SettingError("image is no array of (high, wide, 3) uint8")
    if not 0 < t <= 1:
        raise SettingError(f"t is {t!r}: choose a noise time above 0, up to 1")
    if "height" in arguments(pipe.pipeline):
        more = {"height": image.shape[0], "width": image.shape[1], **more}
    alone = 1.0 if pipe.uses_cfg else None
    settings = pipe._asked(prompt, None, 2, alone, seed, **more)
    level, timestep = Noise(pipe.pipeline.scheduler).nearest(t)
    x = pipe.encode(image[None]).double()
    fresh = torch.randn(x.shape, generator=torch.Generator().manual_seed(settings.seed), dtype=torch.float64)
    recorder = Recorder(patterns(record))
    with pipe._ready([prompt], settings, own=recorder) as words:
        _look(pipe, words, settings, Fixed(level, timestep, level.at_alpha * x + level.at_sigma * fresh))
    return recorder.last


def looked_again(pipe: OpenedPipeline, run: Run, step: int, x: Tensor, changes: Mapping[str, Any]) -> None:
    """See `OpenedPipeline.evaluate_step`."""
    there = pipe._walked(run)[run.check_step(step)]
    alone = {"guidance": 1.0, "negative": None} if pipe.uses_cfg else {}
    settings = rearranged(pipe.pipeline, pipe._family, run.settings, {**alone, **changes})  # type: ignore[arg-type]
    with pipe._ready([settings.prompt] * len(x), settings, step) as words:
        _look(pipe, words, settings, Fixed(there.level, there.timestep, x, step))


def _look(pipe: OpenedPipeline, words: Words, settings: OpenedSettings, fixed: Fixed) -> None:
    """The call that ends with its first look."""
    rows = len(fixed.x)
    dice = [torch.Generator().manual_seed(settings.seed) for _ in range(rows)]
    with suppress(Enough):
        pipe._watched(words, settings, fixed=fixed)(**pipe._call(settings, [settings.prompt] * rows, None, dice))
