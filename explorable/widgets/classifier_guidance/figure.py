"""Figures of ClassifierGuidance: what both judges say by step, and against the scale."""

from __future__ import annotations

import math

import numpy as np
import plotly.graph_objects as go
import xarray as xr
from plotly.subplots import make_subplots

from ..core.palette import colour
from ..core.theme import PRESENT, log_ticks, template
from ..guidance_scale.figure import plane_distances, spaced_ticks
from .compute import Result, Side

JUDGES = {"classifier": "guidance", "examiner": "image"}  # and their colours
FACTS = {"shown": ("the examiner finds it", "image"), "confidence": ("the classifier's probability", "guidance"),
         "adversarial": ("only the classifier finds it", "other")}
"""By share: its name and colour."""


def by_step(result: Result, step: int, dark: bool = False) -> go.Figure:
    """Plot p(target) by step, to both judges and in both runs, and the size of the gradient and of the shift.

    The classifier is given the noisy latents, the last one included, the examiner the predicted images. step: marked.
    """
    fig = make_subplots(rows=2, cols=1, shared_xaxes=True, row_heights=[0.58, 0.42], vertical_spacing=0.1)
    fig.update_layout(template=template(dark), height=265)
    for side, dash in ((result.guided, "solid"), (result.unguided, "dot")):
        for judge, (x, p) in probabilities(result, side).items():
            guided = side is result.guided
            fig.add_scatter(x=x, y=p, name=judge, mode="lines", showlegend=guided, legendgroup=judge, row=1, col=1,
                            line={"color": colour(JUDGES[judge], dark), "dash": dash, "width": 2},
                            hovertemplate=f"{judge}, {'guided' if guided else 'unguided'}: %{{y:.0%}} at step %{{x}}"
                                          "<extra></extra>")
    fig.add_scatter(x=[None], y=[None], mode="lines", name="unguided", row=1, col=1,
                    line={"color": colour("plain", dark), "dash": "dot", "width": 2})
    readings = result.guided.readings.isel(step=slice(0, -1))
    for name, label, colour_name in (("gradient_rms", "gradient", "word"), ("shift_rms", "shift", "noise")):
        values = np.where(readings[name].values > 0, readings[name].values, np.nan)
        fig.add_scatter(x=readings.step.values, y=values, name=label, mode="lines+markers", row=2, col=1,
                        line={"color": colour(colour_name, dark), "width": 2}, marker={"size": 4},
                        hovertemplate=f"{label}: %{{y:.2g}} at step %{{x}}<extra></extra>")
    fig.update_yaxes(title_text=f"p({result.target})", range=[-0.04, 1.04], tickformat=".0%", nticks=4, row=1, col=1)
    sizes = np.concatenate([trace.y for trace in fig.data[-2:]])
    ends = (np.nanmin(sizes), np.nanmax(sizes)) if np.isfinite(sizes).any() else (0.1, 1.0)
    ticks = log_ticks(*ends)
    few = {name: shown[:: 1 + len(shown) // 4] for name, shown in ticks.items()}  # the chart is low
    fig.update_yaxes(title_text="size (RMS)", type="log", **few, row=2, col=1)
    fig.add_vline(x=step, line={"color": colour("plain", dark), "width": 1}, name=PRESENT)
    return fig.update_xaxes(title_text="step", row=2, col=1)


def probabilities(result: Result, side: Side) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return by judge the steps and its p(target) there."""
    p = side.readings.probability.sel(label=result.target)
    return {"classifier": (p.step.values, p.values), "examiner": (result.steps, side.examined)}


def against_scale(sweep: xr.Dataset | None, live: xr.Dataset, dark: bool = False) -> go.Figure:
    """Plot what both judges say, and the diversity, against the classifier scale.

    Args:
        sweep: as measured over many targets, each quantity (scale, bound) with the bounds "mean", "low", "high".
        live: of the prompt on the screen, each quantity (scale,), NaN where unknown.
    """
    fig = make_subplots(rows=2, cols=1, shared_xaxes=True, row_heights=[0.62, 0.38], vertical_spacing=0.08)
    fig.update_layout(template=template(dark), height=290)
    scales = {*live.scale.values.tolist(), *([] if sweep is None else sweep.scale.values.tolist())}
    for name, (label, colour_name) in {**FACTS, "diversity": ("diversity", "word")}.items():
        row, line = 2 if name == "diversity" else 1, colour(colour_name, dark)
        value = "%{y:.2f}" if row == 2 else "%{y:.0%}"
        hover = f"{label}: {value} at %{{customdata:.3g}}<extra>%{{fullData.name}}</extra>"
        if sweep is not None:
            mean, low, high = (sweep[name].sel(bound=b).values for b in ("mean", "low", "high"))
            fig.add_scatter(x=positions(sweep.scale.values), y=mean, customdata=sweep.scale.values, name=label,
                            mode="lines+markers", marker={"size": 4}, line={"color": line, "width": 2},
                            error_y={"array": high - mean, "arrayminus": mean - low, "thickness": 1, "width": 3},
                            hovertemplate=hover, showlegend=row == 1, row=row, col=1)
        fig.add_scatter(x=positions(live.scale.values), y=live[name].values, customdata=live.scale.values,
                        name="this prompt", mode="markers", cliponaxis=False, hovertemplate=hover, row=row, col=1,
                        marker={"color": line, "symbol": "circle-open", "size": 9, "line": {"width": 2}},
                        showlegend=name == "shown", legendgroup="live")
    fig.update_yaxes(title_text="share", range=[-0.04, 1.04], tickformat=".0%", nticks=4, row=1, col=1)
    fig.update_yaxes(title_text="diversity", rangemode="tozero", nticks=4, row=2, col=1)
    ticks = spaced_ticks(sorted(scales), 1.2)
    fig.update_xaxes(tickvals=positions(np.array(ticks)), ticktext=[f"{s:.3g}" for s in ticks])
    return fig.update_xaxes(title_text="classifier scale", row=2, col=1)


def distances(found: xr.Dataset, chosen: float, dark: bool = False) -> go.Figure:
    """Plot the distance of guided samples from the sharpened density against the scale: see `plane_distances`."""
    fig = plane_distances(found, chosen, dark=dark)
    return fig.update_xaxes(title_text="scale")


def positions(scales: np.ndarray) -> list[float]:
    """Return the places of scales on a logarithmic axis that includes 0."""
    return [math.log2(1 + s) for s in scales]
