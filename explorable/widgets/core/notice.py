"""The image of a panel that has nothing to show yet, or not at this step."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw, ImageFont

GREY = 127  # the grey of an image without noise, too
COMPUTING = "computing …"


def notice(text: str, size: tuple[int, int]) -> np.ndarray:
    """Return lines of text on grey, (*size, 3) uint8. size: (height, width) in pixels."""
    height, width = size
    image = Image.new("RGB", (width, height), (GREY,) * 3)
    ImageDraw.Draw(image).text((width / 2, height / 2), text, fill="white", anchor="mm", align="center",
                               font=ImageFont.load_default(max(width / 9, 4)))
    return np.asarray(image)


def computing_frames(count: int, size: tuple[int, int]) -> np.ndarray:
    """Return frames in place of those that are still computed, (count, *size, 3) uint8."""
    return np.repeat(notice(COMPUTING, size)[None], count, 0)
