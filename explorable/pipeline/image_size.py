"""Drawings of the picture world at the size that a pipeline paints."""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import Image

from ..diffusion.settings import SettingError
from ..hooks.points import SIDES


def sides_of(pipe: Any) -> tuple[int, int]:
    """High and wide: the pixels of a pipeline's pictures."""
    return getattr(pipe, "sides", SIDES)


def fitted(image: np.ndarray, pipe: Any) -> np.ndarray:
    """A square picture (side, side, 3) uint8 as large as those of a pipeline.

    Raises:
        SettingError: they are not square.
    """
    high, wide = sides_of(pipe)
    if high != wide:
        raise SettingError(f"this pipeline paints pictures of {high} × {wide} pixels, and drawings are square: open it "
                           "with one height and width, or choose a picture that it has painted")
    if image.shape[0] == high:
        return image
    return np.asarray(Image.fromarray(image).resize((wide, high), Image.Resampling.LANCZOS))
