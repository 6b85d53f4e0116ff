"""What is shown with a question: images with letters, and charts of lines, as HTML without any sign of the answer."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from html import escape

import numpy as np
from PIL import Image

SIDE = 168  # pixels of an image on the page


def show_images(images: Mapping[str, np.ndarray]) -> str:
    """Return images (y, x, 3) uint8 side by side, each with its name below."""
    return _figures({name: f'<img width="{SIDE}" height="{SIDE}" alt="image {escape(name)}" '
                           f'src="data:image/png;base64,{_png(image)}">' for name, image in images.items()})


def show_maps(maps: Mapping[str, np.ndarray]) -> str:
    """Return maps (y, x) as grey images, each scaled to its own range."""
    grey = {}
    for name, values in maps.items():
        scaled = (values - values.min()) / max(float(np.ptp(values)), 1e-9)
        grey[name] = np.repeat((255 * scaled).astype(np.uint8)[..., None], 3, -1).repeat(8, 0).repeat(8, 1)
    return show_images(grey)


def show_lines(panels: Mapping[str, np.ndarray], half_extent: float = 3.2) -> str:
    """Return charts of trajectories in the plane, (steps + 1, particles, 2) each, in the colour of the text."""
    def draw(name: str, x: np.ndarray) -> str:
        scaled = (x * [1, -1] + half_extent) / (2 * half_extent) * SIDE
        lines = "".join(f'<polyline points="{" ".join(f"{a:.1f},{b:.1f}" for a, b in line)}"/>'
                        f'<circle cx="{line[-1][0]:.1f}" cy="{line[-1][1]:.1f}" r="2.5" fill="currentColor"/>'
                        for line in scaled.transpose(1, 0, 2))
        return (f'<svg role="img" aria-label="chart {escape(name)}" width="{SIDE}" height="{SIDE}" fill="none" '
                f'stroke="currentColor" style="border: 1px solid">{lines}</svg>')

    return _figures({name: draw(name, x) for name, x in panels.items()})


def _figures(parts: Mapping[str, str]) -> str:
    figures = "".join(f'<figure style="margin: 0; text-align: center">{part}<figcaption>{escape(name)}</figcaption>'
                      "</figure>" for name, part in parts.items())
    return f'<div style="display: flex; flex-wrap: wrap; gap: 10px; color: var(--jp-ui-font-color1)">{figures}</div>'


def _png(image: np.ndarray) -> str:
    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()
