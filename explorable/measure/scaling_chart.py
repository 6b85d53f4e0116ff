"""The table of `measure scaling` as a chart: loss against compute, both axes logarithmic, and the fitted power law."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from .scaling import fit_power_law
from .table import Table

WIDTH, HEIGHT = 640, 330  # pixels
LEFT, RIGHT, TOP, BOTTOM = 60, 20, 16, 48  # margins
COLOURS = ("#0072B2", "#D55E00", "#009E73")  # of patch sizes (Okabe and Ito 2008, which colour-blind readers can tell)
LOSS_TICKS = (0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.3, 1.4, 1.6, 1.8, 2.0)
Scale = Callable[[float], float]


def scaling_chart(table: Table) -> str:
    """Return the chart as SVG, whose text has the colour of the page's.

    A line for each patch size joins the models of growing width; the dashed line is loss = a compute^b.
    """
    rows = sorted(table.rows, key=lambda row: (row["patch"], row["width"]))
    compute, loss = (np.array([row[key] for row in rows], float) for key in ("petaflop", "loss"))
    low, high = 0.8 * compute.min(), 1.25 * compute.max()
    x = _log_scale((low, high), (LEFT, WIDTH - RIGHT))
    y = _log_scale((0.96 * loss.min(), 1.04 * loss.max()), (HEIGHT - BOTTOM, TOP))
    law = fit_power_law(compute, loss)
    fitted = [(x(c), y(law.coefficient * c**law.exponent)) for c in (low, high)]
    inside = f'<svg x="0" y="{TOP}" width="{WIDTH}" height="{HEIGHT - TOP - BOTTOM}" viewBox="0 {TOP} {WIDTH} ' \
             f'{HEIGHT - TOP - BOTTOM}">{_line(fitted, "currentColor", "4 4")}</svg>'
    parts = [*_axes(x, y, (low, high), (loss.min(), loss.max())), inside,
             _text(fitted[0][0] + 8, fitted[0][1] - 4, f"compute^{law.exponent:.2f}")]
    for colour, patch in zip(COLOURS, sorted({row["patch"] for row in rows}), strict=False):
        parts += _models([row for row in rows if row["patch"] == patch], x, y, colour)
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" role="img" '
            f'font-family="sans-serif" font-size="12" fill="currentColor"><title>{table.title}</title>'
            f'{"".join(parts)}</svg>')


def _models(rows: Sequence[dict[str, Any]], x: Scale, y: Scale, colour: str) -> Iterator[str]:
    """Draw the models of one patch size, each with its width, and name the patch size above the last."""
    points = [(x(row["petaflop"]), y(row["loss"])) for row in rows]
    yield _line(points, colour)
    for (px, py), row in zip(points, rows, strict=True):
        yield f'<circle cx="{px:.1f}" cy="{py:.1f}" r="4" fill="{colour}"/>'
        yield _text(px, py + 18, str(row["width"]), "middle")
    yield _text(points[0][0] + 8, points[0][1] - 6, f"patch {rows[0]['patch']}", colour=colour)


def _axes(x: Scale, y: Scale, compute: tuple[float, float], loss: tuple[float, float]) -> Iterator[str]:
    bottom = HEIGHT - BOTTOM
    yield _line([(LEFT, TOP), (LEFT, bottom), (WIDTH - RIGHT, bottom)], "currentColor")
    for power in range(math.ceil(math.log10(compute[0])), math.floor(math.log10(compute[1])) + 1):
        yield _text(x(10.0**power), bottom + 16, f"{10.0**power:g}", "middle")
        yield _line([(x(10.0**power), bottom), (x(10.0**power), bottom + 4)], "currentColor")
    for tick in (t for t in LOSS_TICKS if loss[0] <= t <= loss[1]):
        yield _text(LEFT - 8, y(tick) + 4, f"{tick:g}", "end")
        yield _line([(LEFT - 4, y(tick)), (LEFT, y(tick))], "currentColor")
    yield _text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 8, "compute of the training, petaflop; numbers: width", "middle")
    yield f'<text transform="translate(16 {(TOP + bottom) / 2:.0f}) rotate(-90)" text-anchor="middle">loss</text>'


def _log_scale(values: tuple[float, float], pixels: tuple[float, float]) -> Scale:
    """Return the map of values to pixels that is linear in their logarithms."""
    begin, end = math.log(values[0]), math.log(values[1])
    return lambda v: pixels[0] + (math.log(v) - begin) / (end - begin) * (pixels[1] - pixels[0])


def _line(points: Sequence[tuple[float, float]], colour: str, dashes: str = "none") -> str:
    return (f'<polyline points="{" ".join(f"{px:.1f},{py:.1f}" for px, py in points)}" fill="none" stroke="{colour}" '
            f'stroke-width="1.5" stroke-dasharray="{dashes}"/>')


def _text(x: float, y: float, text: str, anchor: str = "start", colour: str = "currentColor") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}">{text}</text>'
