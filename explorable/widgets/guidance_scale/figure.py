"""Figures of GuidanceScale: lengths and angle of the predictions by step, and what a scale costs and brings."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
import xarray as xr
from plotly.subplots import make_subplots

from ..core.palette import colour
from ..core.theme import PRESENT, figure, template

ESTIMATE_STYLES = {"uncond": ("without", "plain", "dash"), "cond": ("with", "image", "solid"),
                   "difference": ("with − without", "guidance", "solid"), "guided": ("extrapolated", "word", "dot")}
BAND_MARGIN = 0.06  # on either side of a marked range, so that a single scale is visible
POPULAR_RANGE = (7.0, 12.0)  # of Stable Diffusion 1.x, repeated for every model
FACTS = {"right": ("right", "image", 100.0, "%"), "clipped": ("clipped", "guidance", 100.0, "%"),
         "saturation": ("saturation", "noise", 1.0, ""), "diversity": ("diversity", "word", 1.0, "")}
"""By quantity: its title, colour, factor and unit."""


def by_step(geometry: xr.Dataset, step: int, dark: bool = False) -> go.Figure:
    """Plot the lengths of the estimates and the angle between the two predictions against the step.

    geometry: `GuidedRun.geometry`. step: marked.
    """
    fig = make_subplots(rows=2, cols=1, shared_xaxes=True, row_heights=[0.6, 0.4], vertical_spacing=0.08)
    fig.update_layout(template=template(dark), height=245)
    for name, (label, colour_name, dash) in ESTIMATE_STYLES.items():
        fig.add_scatter(x=geometry.step.values, y=geometry.norm.sel(estimate=name).values, name=label, mode="lines",
                        line={"color": colour(colour_name, dark), "dash": dash, "width": 2}, row=1, col=1,
                        hovertemplate=f"{label}: %{{y:.2f}} at step %{{x}}<extra></extra>")
    fig.add_scatter(x=geometry.step.values, y=geometry.angle.values, mode="lines", showlegend=False, row=2, col=1,
                    line={"color": colour("other", dark), "width": 2},
                    hovertemplate="%{y:.0f}° at step %{x}<extra></extra>")
    fig.update_yaxes(title_text="length (RMS)", rangemode="tozero", row=1, col=1)
    fig.update_yaxes(title_text="angle (°)", rangemode="tozero", row=2, col=1)
    fig.add_vline(x=step, line={"color": colour("plain", dark), "width": 1}, name=PRESENT)
    return fig.update_xaxes(title_text="step", row=2, col=1)


def against_scale(sweep: xr.Dataset | None, live: xr.Dataset | None, best: tuple[float, float] | None = None,
                  offset: float = 0.0, dark: bool = False) -> go.Figure:
    """Plot the exam, clipping, saturation and diversity against the guidance scale.

    Args:
        sweep: as measured over many prompts, each quantity of FACTS (w, bound) with the bounds "mean", "low", "high".
        live: of the prompt on the screen, each quantity (w,), NaN where unknown.
        best: the range of w that is best in the exam, or not significantly worse.
        offset: added to every w on the axis: -1 in the convention that is off at 0.
    """
    titles = [f"{title}{unit and ', ' + unit}" for title, _, _, unit in FACTS.values()]
    fig = make_subplots(rows=2, cols=2, shared_xaxes=True, vertical_spacing=0.2, horizontal_spacing=0.12,
                        subplot_titles=titles)
    fig.update_layout(template=template(dark), height=300, margin={"t": 24})
    fig.update_annotations(font_size=12)
    scales: set[float] = set()
    for k, (name, (label, colour_name, factor, unit)) in enumerate(FACTS.items()):
        line, cell = colour(colour_name, dark), {"row": 1 + k // 2, "col": 1 + k % 2}
        hover = f"{label} %{{y:.3g}}{unit} at %{{customdata:g}}<extra>%{{fullData.name}}</extra>"
        if sweep is not None:
            w = sweep.w.values
            scales.update(w.tolist())
            mean, low, high = (factor * sweep[name].sel(bound=b).values for b in ("mean", "low", "high"))
            fig.add_scatter(x=_positions(w), y=mean, customdata=w + offset, name="measured", mode="lines+markers",
                            error_y={"array": high - mean, "arrayminus": mean - low, "thickness": 1, "width": 3},
                            line={"color": line, "width": 2}, marker={"size": 4}, showlegend=k == 0,
                            legendgroup="measured", hovertemplate=hover, **cell)
        if live is not None:
            w = live.w.values
            scales.update(w.tolist())
            fig.add_scatter(x=_positions(w), y=factor * live[name].values, customdata=w + offset, name="this prompt",
                            mode="markers", cliponaxis=False,
                            marker={"color": line, "symbol": "circle-open", "size": 9, "line": {"width": 2}},
                            showlegend=k == 0, legendgroup="live", hovertemplate=hover, **cell)
        fig.update_yaxes(rangemode="tozero", nticks=4, **cell)
    for limits, colour_name, text in ((POPULAR_RANGE, "plain", "popular scales"),
                                      (best, "image", "best for this model")):
        if limits is not None:
            _mark_range(fig, limits, colour(colour_name, dark), f"{text}: " + " to ".join(
                f"{w + offset:g}" for w in dict.fromkeys(limits)))
    ticks = spaced_ticks(sorted(scales), 1.0)
    fig.update_xaxes(tickvals=_positions(ticks), ticktext=[f"{w + offset:g}" for w in ticks])
    return fig.update_xaxes(title_text=f"scale {scale_name(offset)}", row=2)


def _mark_range(fig: go.Figure, limits: tuple[float, float], shade: str, text: str) -> None:
    """Shade a range of scales in every row and column, and name it in the legend."""
    x0, x1 = _positions(limits)
    fig.add_vrect(x0=x0 - BAND_MARGIN, x1=x1 + BAND_MARGIN, fillcolor=shade, opacity=0.16, line_width=0, row="all",
                  col="all")
    fig.add_scatter(x=[None], y=[None], mode="markers", name=text, row=1, col=1,
                    marker={"symbol": "square", "size": 11, "color": shade, "opacity": 0.4})


def spaced_ticks(scales: Sequence[float], gap: float = 0.5) -> list[float]:
    """Return the scales whose labels have room: each at least `gap` from the one before, on the axis."""
    kept: list[float] = []
    for w in scales:
        if not kept or math.log2(1 + w) - math.log2(1 + kept[-1]) >= gap:
            kept.append(w)
    return kept


def _positions(scales: Sequence[float] | np.ndarray) -> list[float]:
    """Return the places of scales on a logarithmic axis that includes 0."""
    return [math.log2(1 + w) for w in scales]


def plane_distances(distances: xr.Dataset, chosen: float, offset: float = 0.0, dark: bool = False) -> go.Figure:
    """Plot the distance of guided samples from the sharpened density, and its noise floor, against the scale.

    distances: `PlaneResult.distances`. chosen: the scale on the screen, marked with a ring.
    """
    w = distances.w.values
    fig = figure(f"guidance scale {scale_name(offset)}", "total variation distance", dark, height=245)
    low, mean, high = (distances.floor.sel(bound=b).values for b in ("low", "mean", "high"))
    fig.add_scatter(x=_positions(w), y=mean, mode="lines", name="noise floor, 95%",
                    line={"color": colour("plain", dark), "dash": "dash"},
                    error_y={"array": high - mean, "arrayminus": mean - low, "thickness": 1, "width": 3},
                    hovertemplate="samples of the density itself: %{y:.2f}<extra></extra>")
    fig.add_scatter(x=_positions(w), y=distances.distance.values, mode="lines+markers", name="guided samples",
                    customdata=w + offset, line={"color": colour("guidance", dark), "width": 2},
                    hovertemplate="%{y:.2f} at %{customdata:g}<extra></extra>")
    fig.add_scatter(x=_positions([chosen]), y=distances.distance.sel(w=[chosen]).values, mode="markers", name="chosen",
                    marker={"symbol": "circle-open", "size": 14, "color": colour("guidance", dark),
                            "line": {"width": 3}}, hoverinfo="skip")
    fig.update_yaxes(range=[0, 1.03])
    return fig.update_xaxes(tickvals=_positions(w), ticktext=[f"{v + offset:g}" for v in w])


def scale_name(offset: float) -> str:
    """Return the name of the scale to which this was added."""
    return "s = w − 1" if offset else "w"
