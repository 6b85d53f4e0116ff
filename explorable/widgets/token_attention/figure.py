"""Attention beside ablation: how much each word is read, against how much silencing it changes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from ..core.theme import colour, figure


def beside(words: Sequence[str], read: np.ndarray, effect: np.ndarray, chosen: str = "", where: str = "the picture",
           dark: bool = False, scale: float = 0.0) -> go.Figure:
    """One point a word.

    read: (words,) the mean weight with which the word is read in a region, 0 to 1. effect: (words,) how much silencing
    it changes there, root mean square over colours, 1 is black to white; NaN: not measured, not drawn. chosen: the word
    that is drawn large. where: the region's name. scale: what was done to each word, where it was not silenced.
    """
    x, y = np.asarray(read, float), np.asarray(effect, float)
    there = np.isfinite(x) & np.isfinite(y)
    names = [word for word, ok in zip(words, there, strict=True) if ok]
    sizes = [14 if name == chosen else 9 for name in names]
    done = "silencing it" if scale == 0 else f"reading it {scale:g} times as much"
    made = figure(f"how much a word is read in {where} (mean weight)", f"change by {done}", dark, showlegend=False)
    made.add_scatter(
        x=x[there], y=y[there], text=names, mode="markers+text", textposition="top center", cliponaxis=False,
        marker={"size": sizes, "color": colour("word", dark), "symbol": ["diamond" if n == chosen else "circle"
                                                                         for n in names]},
        hovertemplate="%{text}: read %{x:.3f}, changes %{y:.3f}<extra></extra>")
    made.update_xaxes(rangemode="tozero")
    made.update_yaxes(rangemode="tozero")
    return made
