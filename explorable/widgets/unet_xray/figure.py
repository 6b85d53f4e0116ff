"""Figures of what is inside a U-Net."""

from __future__ import annotations

import math

import plotly.graph_objects as go
import xarray as xr

from ..core.theme import colour, figure

LINES = {"untouched": ("plain", "dash"), "edited": ("picture", "solid")}


def spectra(power: xr.DataArray, fine: float, dark: bool = False) -> go.Figure:
    """How much of each length of waves there is in the pictures of several runs, log-log.

    power: (run, waves) with the names of the runs and the waves across the picture as coordinates. fine: from how many
    waves on they count as fine detail; marked.
    """
    made = figure("waves across the picture", "mean power", dark, height=230)
    made.update_xaxes(type="log", tickvals=[1, 2, 4, 8, 16, 32, 64])
    made.update_yaxes(type="log", exponentformat="power")
    for k, name in enumerate(power.run.values):
        idea, dash = LINES.get(str(name), ("other", "dot"))
        row = power.isel(run=k)
        seen = row.where(row > 0)  # a logarithm has no zero: a gap in the line
        made.add_scatter(x=row.waves.values, y=seen.values, name=str(name), mode="lines",
                         line={"color": colour(idea, dark), "dash": dash, "width": 2},
                         hovertemplate="%{x} waves: %{y:.2e}<extra>" + str(name) + "</extra>")
    made.add_vline(x=fine, line={"color": colour("plain", dark), "dash": "dot", "width": 1})
    # On a logarithmic axis a line stands at the number, and a text at its logarithm.
    return made.add_annotation(x=math.log10(fine), y=1, yref="paper", text="finer than a latent place →",
                               xanchor="left", yanchor="bottom", showarrow=False)
