"""A strip of small images as buttons: the last runs, or the same prompt with other seeds."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import anywidget
import numpy as np
import traitlets as tr
from PIL import Image

from ..core.plain_traits import PlainTraits

SIDE = 72  # pixels of a small image


class PictureStrip(PlainTraits, anywidget.AnyWidget):
    """A row of small images.

    title: what they are. items: {"key", "text", "image"}: text says what an image is; image: a data URL, see
    `small_image`. present: the key of the one that is shown large. chosen: the key that was clicked last.
    """

    # A string, not a path: a widget whose _esm is a path is never freed (anywidget issue 929).
    _esm = (Path(__file__).parent / "picture_strip.js").read_text("utf-8")

    title = tr.Unicode("").tag(sync=True)
    items = tr.List(tr.Dict()).tag(sync=True)
    present = tr.Unicode("").tag(sync=True)
    chosen = tr.Unicode("").tag(sync=True)

    def __repr__(self) -> str:
        return f"PictureStrip({self.title!r}, {len(self.items)} images)"


def small_image(image: np.ndarray) -> str:
    """Return an image (height, width, 3) uint8 as a data URL of a small JPEG."""
    file = io.BytesIO()
    small = Image.fromarray(image)
    small.thumbnail((SIDE, SIDE))
    small.save(file, "JPEG", quality=88)
    return "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode()
