"""Checks and conversions of the arguments that both kinds of pipeline take."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from PIL import Image
from torch import Tensor

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


def check_samples_images(pipe: Any, shown_by: str) -> None:
    """Refuse a pipeline that samples videos, where one image is shown.

    Raises:
        SettingError: says where the frames are.
    """
    if getattr(pipe, "samples_video", False):
        raise SettingError(f"{shown_by} shows one image, and {pipe.name} samples videos: look at run.frames, and at "
                           "recordings, whose maps have an axis for frames")


def check_image(image: np.ndarray, size: tuple[int, int] | None = None) -> None:
    """Check that an argument is an image (height, width, 3) uint8. size: its height and width, None for any."""
    is_image = isinstance(image, np.ndarray) and image.ndim == 3 and image.shape[2] == 3 and image.dtype == np.uint8
    if not is_image or size not in (None, image.shape[:2]):
        height, width = size or ("height", "width")
        raise SettingError(f"image must be an array ({height}, {width}, 3) of uint8")


def starting_image(image: Any, size: tuple[int, int], latent_shape: tuple[int, ...]) -> np.ndarray:
    """Return what a run starts from: an image (height, width, 3) uint8, or a latent (channel, y, x) float64.

    image: the same, as an array, a tensor or a PIL image; a latent may have a leading axis of length 1.

    Raises:
        SettingError: it is neither, or of another size.
    """
    array = as_image(image)
    if array.dtype.kind == "f" and array.shape[-3:] == latent_shape and array.size == np.prod(latent_shape):
        if not np.isfinite(array).all():
            raise SettingError("image is a latent with numbers that are not finite: encode the image again")
        return array.reshape(latent_shape).astype(np.float64)
    height, width = size
    if array.dtype != np.uint8 or array.shape != (height, width, 3):
        raise SettingError(f"image is {array.shape} {array.dtype}: give an image ({height}, {width}, 3) uint8, as "
                           f"ex.read_picture(path, pipe.image_size) returns it, or a latent {latent_shape}")
    return array


def as_image(image: Any) -> np.ndarray:
    """Return a PIL image as an array (height, width, 3) uint8; an array or a tensor as an array."""
    if isinstance(image, Image.Image):
        image = image.convert("RGB")
    return image.numpy(force=True) if isinstance(image, Tensor) else np.asarray(image)


def check_strength_has_image(strength: float | None, image: Any) -> None:
    """Refuse a strength without an image to start from."""
    if strength is not None and image is None:
        raise SettingError(f"strength is {strength!r}, but there is no image to start from: give image=…, or leave "
                           "strength out")


def check_noise_time(t: float) -> None:
    """Refuse a noise time at which there is no noise, or no path."""
    if not 0 < t <= 1:
        raise SettingError(f"t is {t!r}: choose a noise time above 0, up to 1")
