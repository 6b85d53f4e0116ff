"""What a reveal shows as evidence: tables, images, charts, widgets and texts, as widgets."""

from __future__ import annotations

import base64
import io
from html import escape
from typing import Any

import ipywidgets as ipw
import numpy as np
from PIL import Image

from ..core.chart import Chart
from ..core.layout import scrollable

IMAGE_HEIGHT = 200  # pixels: smaller images are enlarged to it


def as_widget(value: Any) -> ipw.Widget:
    """Return a widget that shows a value: a widget as it is; a plotly figure; a pandas or xarray table; an image
    (y, x, 3) uint8, or a list of them, side by side; anything else as text."""
    if isinstance(value, ipw.Widget):
        return value
    if type(value).__module__.startswith("plotly"):
        return Chart(value)
    if hasattr(value, "to_pandas") and getattr(value, "ndim", 3) < 3:
        value = value.to_pandas()
    if hasattr(value, "to_frame") and not hasattr(value, "columns"):
        value = value.to_frame()
    if hasattr(value, "to_html"):
        table = value.to_html(classes="ex-table", border=0, float_format="{:.3g}".format)
        return ipw.HTML(scrollable(table, "what was computed"))
    images = [value] if isinstance(value, np.ndarray) else value
    if isinstance(images, (list, tuple)) and images and all(_is_image(image) for image in images):
        data = base64.b64encode(_png(images)).decode()
        return ipw.HTML(f'<img alt="what was computed" style="max-width: 100%" src="data:image/png;base64,{data}">')
    return ipw.HTML(f'<pre class="ex-wide-part">{escape(str(value))}</pre>')


def _is_image(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.ndim == 3 and value.shape[2] == 3 and value.dtype == np.uint8


def _png(images: Any) -> bytes:
    """Return images side by side, enlarged to one height, as PNG."""
    enlarged = [Image.fromarray(image).resize((round(image.shape[1] * IMAGE_HEIGHT / image.shape[0]), IMAGE_HEIGHT),
                                              Image.Resampling.BICUBIC) for image in images]
    gap = 6
    row = Image.new("RGBA", (sum(i.width + gap for i in enlarged) - gap, IMAGE_HEIGHT))
    x = 0
    for image in enlarged:
        row.paste(image, (x, 0))
        x += image.width + gap
    file = io.BytesIO()
    row.save(file, "PNG")
    return file.getvalue()
