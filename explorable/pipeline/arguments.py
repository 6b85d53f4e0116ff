"""Checks and conversions of the arguments that both kinds of pipeline take."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np

from ..diffusion.settings import SettingError
from ..hooks import Recorder


def make_recorder(record: str | Sequence[str]) -> Recorder:
    """Return a recorder of the points that a pattern, or several, match."""
    patterns = (record,) if isinstance(record, str) else tuple(record) if isinstance(record, Iterable) else (record,)
    if not all(isinstance(pattern, str) for pattern in patterns):
        raise SettingError(f"record is {record!r}: give the name of a point or a pattern, such as '*.cross.weights', "
                           "or several in a list; pipe.points() lists them")
    return Recorder(patterns)


def check_progress(progress: Callable[[int, int], None] | None) -> None:
    """Refuse what cannot be called after each step."""
    if progress is not None and not callable(progress):
        raise SettingError(f"progress is {progress!r}: give a function of the steps done and of all steps, such as "
                           "progress=print")


def check_pairs(prompts: Sequence[str], seeds: Sequence[int]) -> None:
    """Refuse a batch without one seed for each prompt."""
    if not prompts or len(prompts) != len(seeds):
        raise SettingError(f"{len(prompts)} prompts and {len(seeds)} seeds: give at least one prompt, and one seed for "
                           "each")


def check_image(image: np.ndarray, size: tuple[int, int] | None = None) -> None:
    """Check that an argument is an image (height, width, 3) uint8. size: its height and width, None for any."""
    is_image = isinstance(image, np.ndarray) and image.ndim == 3 and image.shape[2] == 3 and image.dtype == np.uint8
    if not is_image or size not in (None, image.shape[:2]):
        height, width = size or ("height", "width")
        raise SettingError(f"image must be an array ({height}, {width}, 3) of uint8")


def check_noise_time(t: float) -> None:
    """Refuse a noise time at which there is no noise, or no path."""
    if not 0 < t <= 1:
        raise SettingError(f"t is {t!r}: choose a noise time above 0, up to 1")
