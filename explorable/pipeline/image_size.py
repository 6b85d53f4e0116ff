"""Drawings of the picture world, resized to the images of a pipeline."""

from __future__ import annotations

import numpy as np
from PIL import Image

from ..diffusion.settings import SettingError
from .protocol import PipelineProtocol


def resize_to_fit(image: np.ndarray, pipe: PipelineProtocol) -> np.ndarray:
    """Resize a square image (side, side, 3) uint8 to the size of a pipeline's images.

    Raises:
        SettingError: the pipeline's images are not square.
    """
    height, width = pipe.image_size
    if height != width:
        raise SettingError(f"this pipeline generates images of {height} × {width} pixels, but drawings are square: "
                           "open the pipeline with equal height and width, or use an image that it has generated")
    if image.shape[0] == height:
        return image
    return np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.LANCZOS))
