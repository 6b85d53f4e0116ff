"""Figures of Learning: loss and error of a training, errors of conversions, and the loss curves of the real runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go
import xarray as xr
from plotly.subplots import make_subplots

from ...diffusion.predictions import PREDICTIONS
from ...flow2d.learnt import ERROR_TIMES
from ...zoo import denoiser_names, read_card
from ..core.palette import colour
from ..core.theme import DASHES, figure, log_ticks, template
from .compute import Result, smoothed

HEIGHT = 250
MAX_GAIN = 1000.0  # drawn instead of what is larger, or infinite
MAX_ERROR = 1000.0  # percent
GOAL = 10.0  # percent: the error below which a learnt field is called good here
COLOURS = ("image", "guidance", "word", "noise", "other", "plain")


def _two_rows(dark: bool) -> go.Figure:
    fig = make_subplots(rows=2, cols=1, vertical_spacing=0.34)
    return fig.update_layout(template=template(dark), height=HEIGHT, margin={"t": 26})


def training_curves(result: Result, frame: int, dark: bool = False) -> go.Figure:
    """Plot the loss by step with its lowest possible value, and the error of the learnt field by t.

    frame: the index of the checkpoint that the stage shows: its step is marked, and its errors are drawn.
    """
    fig, checkpoint = _two_rows(dark), result.checkpoints[min(frame, len(result.checkpoints) - 1)]
    steps, losses = smoothed(result.losses)
    fig.add_scatter(x=steps, y=losses, name="loss", mode="lines", line={"color": colour("guidance", dark), "width": 2},
                    hovertemplate="loss %{y:.3f} at step %{x:.0f}<extra></extra>", row=1, col=1)
    if result.floor is not None:
        fig.add_scatter(x=[0, result.request.settings.steps], y=[result.floor] * 2, name="lowest possible",
                        mode="lines", line={"color": colour("image", dark), "dash": "dash", "width": 1.5},
                        hovertemplate="lowest possible loss %{y:.3f}<extra></extra>", row=1, col=1)
    fig.add_vline(x=checkpoint.steps, line={"color": colour("plain", dark), "width": 1, "dash": "dot"}, row=1, col=1)
    shown = np.clip(100 * checkpoint.shares, 0.1, MAX_ERROR)
    fig.add_scatter(x=list(ERROR_TIMES), y=shown, name="error", mode="lines+markers", showlegend=False,
                    line={"color": colour("guidance", dark), "width": 2}, customdata=100 * checkpoint.shares,
                    hovertemplate="error %{customdata:.3g}% at t = %{x}<extra></extra>", row=2, col=1)
    fig.add_hline(y=GOAL, line={"color": colour("plain", dark), "width": 1, "dash": "dot"}, row=2, col=1)
    fig.add_annotation(x=1, xref="x2 domain", xanchor="right", y=np.log10(GOAL), yref="y2", yanchor="bottom",
                       text=f"good: below {GOAL:g}%", showarrow=False, font={"size": 11})
    fig.update_xaxes(title_text="step", range=[0, result.request.settings.steps], row=1, col=1)
    fig.update_yaxes(title_text="loss", nticks=4, row=1, col=1)
    fig.update_xaxes(title_text="t", range=[0, 1], row=2, col=1)
    return fig.update_yaxes(title_text="error, %", type="log", range=[0, 3], tickvals=[1, 10, 100, 1000], row=2, col=1)


def conversion_gains(arrays: xr.Dataset, frame: int, dark: bool = False) -> go.Figure:
    """Plot by how much an error of the prediction grows when it is converted, against t.

    arrays: with `gain` (kind, t). frame: the index of the t to mark.
    """
    fig = figure("t", "an error of 1 becomes", dark, HEIGHT)
    for k, kind in enumerate(PREDICTIONS):
        gain = arrays.gain.sel(kind=kind).values
        fig.add_scatter(x=arrays.t.values, y=np.clip(gain, 1 / MAX_GAIN, MAX_GAIN), customdata=gain, mode="lines",
                        name=f"as {kind}", line={"color": colour(COLOURS[k], dark), "dash": DASHES[k]},
                        hovertemplate=f"as {kind}, an error is %{{customdata:.3g}} times as large<extra></extra>")
    fig.add_vline(x=float(arrays.t[frame]), line={"color": colour("plain", dark), "width": 1, "dash": "dot"})
    fig.update_xaxes(range=[0, 1])
    low = float(np.clip(arrays.gain.values.min(), 1 / MAX_GAIN, 0.1))
    high = float(np.clip(np.nanmax(arrays.gain.values), 10, MAX_GAIN))
    return fig.update_yaxes(type="log", range=[np.log10(low), np.log10(high)], **log_ticks(low, high))


def loss_by_time(step: xr.Dataset, frame: int, dark: bool = False) -> go.Figure:
    """Plot the loss on one image and the length of its gradient against t.

    step: `loss` and `gradient_norm` (t). frame: the index of the t to mark.
    """
    fig = _two_rows(dark)
    for row, (name, title, colour_name) in enumerate((("loss", "loss", "guidance"),
                                                      ("gradient_norm", "gradient", "word")), 1):
        fig.add_scatter(x=step.t.values, y=step[name].values, mode="lines+markers", showlegend=False,
                        line={"color": colour(colour_name, dark), "width": 2},
                        hovertemplate=f"{title} %{{y:.3g}} at t = %{{x}}<extra></extra>", row=row, col=1)
        fig.add_vline(x=float(step.t[frame]), line={"color": colour("plain", dark), "width": 1, "dash": "dot"},
                      row=row, col=1)
        fig.update_yaxes(title_text=title, rangemode="tozero", nticks=4, row=row, col=1)
        fig.update_xaxes(range=[0, 1], row=row, col=1)
    return fig.update_xaxes(title_text="t", row=2, col=1)


def real_runs(curves: Mapping[str, Sequence[Mapping[str, float]]], dark: bool = False,
              marked: Sequence[int] = ()) -> go.Figure:
    """Plot the loss curves of trained models, on logarithmic axes.

    curves: by model, entries with `step` and `mse`. marked: steps to mark.
    """
    fig = figure("step", "mean squared error", dark, HEIGHT)
    for k, (name, curve) in enumerate(curves.items()):
        fig.add_scatter(x=[entry["step"] for entry in curve], y=[entry["mse"] for entry in curve], name=name,
                        mode="lines", line={"color": colour(COLOURS[k % len(COLOURS)], dark),
                                            "dash": DASHES[k % len(DASHES)]},
                        hovertemplate=f"{name}: %{{y:.3f}} at step %{{x:,.0f}}<extra></extra>")
    for step in marked:
        fig.add_vline(x=step, line={"color": colour("plain", dark), "width": 1, "dash": "dot"})
    values = [entry["mse"] for curve in curves.values() for entry in curve]
    steps = [entry["step"] for curve in curves.values() for entry in curve]
    fig.update_xaxes(type="log", **log_ticks(min(steps), max(steps)))
    return fig.update_yaxes(type="log", **log_ticks(min(values), max(values)))


def shipped_runs(dark: bool = False) -> go.Figure:
    """Plot the loss curves of the shipped denoisers, from their cards."""
    return real_runs({name: read_card(name)["curve"] for name in denoiser_names()}, dark)
