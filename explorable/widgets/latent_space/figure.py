"""Figures of LatentSpace: what pixels cost more, how far a cell reaches, quality with noise, lengths, distances."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go
import xarray as xr

from ...measure.spaces import SpaceCosts
from ..core.palette import colour
from ..core.theme import figure, log_ticks
from .words import LESSON

HEIGHT = 215
RINGS = 12  # of a footprint


def cost_bars(costs: SpaceCosts, dark: bool = False) -> go.Figure:
    """Plot how many times more pixels have, or take, than latents, with a popular lesson's number as a line."""
    ratios = costs.ratios()
    values = list(ratios.values())
    fig = figure(f"times more in pixels (dashed: {LESSON})", "", dark, HEIGHT, showlegend=False)
    fig.add_bar(x=values, y=list(ratios), orientation="h", marker_color=[
        colour("guidance" if name.startswith("time") else "image", dark) for name in ratios],
        text=[f"{value:.3g}" for value in values], textposition="inside", insidetextanchor="start",
        hovertemplate="%{y}: %{x:.3g} times<extra></extra>")
    fig.add_vline(x=LESSON, line={"color": colour("plain", dark), "dash": "dash"})
    low, high = 1.0, max(2 * LESSON, 1.3 * max(values))
    fig.update_xaxes(type="log", range=np.log10([low, high]).tolist(), **log_ticks(low, high))
    return fig.update_yaxes(autorange="reversed")


def reach(effect: np.ndarray, centre: tuple[float, float], own: float, dark: bool = False) -> go.Figure:
    """Plot the mean effect of a cell against the distance from its centre.

    effect: (row, column). centre: row and column of the cell's centre. own: half the side of its own block, in pixels.
    """
    rows, columns = np.indices(effect.shape)
    distance = np.hypot(rows + 0.5 - centre[0], columns + 0.5 - centre[1])
    edges = np.linspace(0, RINGS * own, 2 * RINGS + 1)
    ring = np.digitize(distance, edges) - 1
    means = [float(effect[ring == k].mean()) if (ring == k).any() else 0.0 for k in range(2 * RINGS)]
    fig = figure("pixels from the cell’s centre", "mean change (levels)", dark, HEIGHT, showlegend=False)
    fig.add_bar(x=(edges[1:] + edges[:-1]) / 2, y=means, marker_color=colour("image", dark),
                hovertemplate="%{y:.2f} levels at %{x:.0f} pixels<extra></extra>")
    fig.add_vline(x=own, line={"color": colour("guidance", dark), "dash": "dash"},
                  annotation={"text": "edge of its own block", "yref": "paper", "y": 0.9, "showarrow": False,
                              "xanchor": "left"})
    return fig


def moved_by_channel(moved: xr.DataArray, dark: bool = False) -> go.Figure:
    """Plot the root mean square change of each channel. moved: (shown, y, x), the total first."""
    fig = figure("channel", "change (RMS)", dark, HEIGHT, showlegend=False)
    sizes = np.sqrt((moved.values[1:] ** 2).mean((1, 2)))
    fig.add_bar(x=[str(k) for k in moved.shown.values[1:]], y=sizes, marker_color=colour("image", dark),
                hovertemplate="channel %{x}: %{y:.3f}<extra></extra>")
    return fig.update_xaxes(type="category")


def quality(data: xr.Dataset, dark: bool = False) -> go.Figure:
    """Plot the PSNR of both noisy images against the ratio of signal to noise. data: of a NoiseRequest."""
    finite = data.isel(ratio=np.isfinite(data.ratio.values))
    fig = figure("signal to noise (dB)", "PSNR (dB)", dark, HEIGHT)
    for name, label, colour_name in (("psnr_pixels", "in pixels", "noise"), ("psnr_decoded", "in the latent", "image")):
        dash = "dash" if colour_name == "noise" else "solid"
        fig.add_scatter(x=finite.ratio.values, y=finite[name].values, name=label, mode="lines+markers",
                        line={"color": colour(colour_name, dark), "dash": dash},
                        hovertemplate=f"{label}: %{{y:.1f}} dB at %{{x:g}} dB<extra></extra>")
    return fig.update_xaxes(autorange="reversed")


def lengths(data: xr.Dataset, dark: bool = False) -> go.Figure:
    """Plot the length of the mixed latents against the position. data: of a MixRequest."""
    fig = figure("position", "length (RMS)", dark, HEIGHT)
    for name, dash, colour_name in (("linear", "dash", "noise"), ("spherical", "solid", "image")):
        fig.add_scatter(x=data.position.values, y=data[f"length_{name}"].values, name=name, mode="lines+markers",
                        line={"color": colour(colour_name, dark), "dash": dash},
                        hovertemplate=f"{name}: %{{y:.2f}} at %{{x:g}}<extra></extra>")
    return fig.update_yaxes(rangemode="tozero")


def distance(data: xr.Dataset, dark: bool = False) -> go.Figure:
    """Plot the distance of the predicted latent from the picture's against the step. data: of an ImageRequest."""
    fig = figure("step", "distance (RMS)", dark, HEIGHT, showlegend=False)
    fig.add_scatter(x=np.arange(len(data.distance)), y=data.distance.values, mode="lines+markers",
                    line={"color": colour("image", dark)}, hovertemplate="%{y:.2f} at step %{x}<extra></extra>")
    return fig.update_yaxes(rangemode="tozero")
