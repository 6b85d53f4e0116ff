"""The figure of UNetXRay: the spectra of its images."""

from __future__ import annotations

import math

import plotly.graph_objects as go
import xarray as xr

from ..core.palette import colour
from ..core.theme import figure, log_ticks

STYLES = {"original": ("plain", "dash"), "edited": ("image", "solid")}


def spectra(power: xr.DataArray, high: float, dark: bool = False) -> go.Figure:
    """Draw the power spectra of several runs' images, log-log.

    power: (run, frequency), with the names of the runs and cycles per image as coordinates. high: where high
    frequencies begin, in cycles per image; marked.
    """
    fig = figure("spatial frequency (cycles per image)", "mean power", dark, height=225, margin={"t": 24})
    fig.update_xaxes(type="log", tickvals=[1, 2, 4, 8, 16, 32, 64])
    seen = power.values[power.values > 0]
    fig.update_yaxes(type="log", **(log_ticks(seen.min(), seen.max()) if len(seen) else {}))
    for k, name in enumerate(power.run.values):
        colour_name, dash = STYLES.get(str(name), ("other", "dot"))
        row = power.isel(run=k)
        positive = row.where(row > 0)  # zero has no logarithm: leave a gap in the line
        fig.add_scatter(x=row.frequency.values, y=positive.values, name=str(name), mode="lines",
                        line={"color": colour(colour_name, dark), "dash": dash, "width": 2},
                        hovertemplate="%{x} cycles per image: %{y:.2e}<extra>" + str(name) + "</extra>")
    fig.add_vline(x=high, line={"color": colour("plain", dark), "dash": "dot", "width": 1})
    # On a logarithmic axis plotly places a line at the value, but a text at its logarithm.
    return fig.add_annotation(x=math.log10(high), y=1, yref="paper", text="finer than<br>a latent<br>position →",
                              align="left", xanchor="left", yanchor="top", showarrow=False)
