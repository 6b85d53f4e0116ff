"""The figure of PatchTransformer: shares by distance from the chosen patch, and the attention to each word."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go

from ..core.palette import colour
from ..core.theme import DASHES, figure

LINES = {"attention": "word", "influence": "image", "U-Net": "guidance", "all patches alike": "plain"}
"""By line: its colour in the palette."""


def distances_and_words(shares: Mapping[str, np.ndarray], words: Sequence[str], attention: np.ndarray,
                        dark: bool = False) -> go.Figure:
    """Plot two charts side by side.

    shares: by line, a key of `LINES`, the share at each distance, (distance,), 0 to 1. attention: (words,), the chosen
    patch's attention to each word, 0 to 1.
    """
    fig = figure("distance from the patch, in patches", "share of the whole, %", dark, showlegend=True,
                 legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0, "font": {"size": 11}},
                 margin={"l": 50, "r": 12, "t": 30, "b": 40})
    for (name, share), dash in zip(shares.items(), DASHES, strict=False):
        fig.add_scatter(x=np.arange(len(share)), y=100 * share, name=name, mode="lines+markers",
                        line={"color": colour(LINES[name], dark), "dash": dash}, marker={"size": 5},
                        hovertemplate=f"{name}: %{{y:.1f}}% at %{{x}} patches<extra></extra>")
    names = [f"{word}{' ' * list(words[:k]).count(word)}" for k, word in enumerate(words)]  # plotly merges equal names
    fig.add_bar(x=100 * attention, y=names, orientation="h", xaxis="x2", yaxis="y2", showlegend=False,
                marker={"color": colour("word", dark)}, hovertemplate="%{y}: %{x:.2f}% of the attention<extra></extra>")
    fig.update_layout(xaxis={"domain": [0, 0.5]}, yaxis={"rangemode": "tozero"},
                      xaxis2={"domain": [0.68, 1], "anchor": "y2", "title": {"text": "attention to words, %"}},
                      yaxis2={"anchor": "x2", "autorange": "reversed", "ticks": "", "dtick": 1})
    return fig
