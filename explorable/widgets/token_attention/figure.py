"""The figure of TokenAttention: how much attention each word gets, against how much its edit changes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from ..core.palette import colour
from ..core.theme import figure


def attention_and_effect(words: Sequence[str], weight: np.ndarray, effect: np.ndarray, selected: str = "",
                         region: str = "the image", dark: bool = False, scale: float | None = 0.0) -> go.Figure:
    """Draw one point per word.

    weight: (words,), the mean attention weight of the word in a region, 0 to 1. effect: (words,), how much its edit
    changes there, root mean square over colours, 1 is black to white; NaN: not computed, not drawn. selected: the word
    that is drawn larger. region: its name. scale: of the edit; None: each word has its own.
    """
    x, y = np.asarray(weight, float), np.asarray(effect, float)
    is_known = np.isfinite(x) & np.isfinite(y)
    names = [word for word, known in zip(words, is_known, strict=True) if known]
    edit = ("its edit" if scale is None else "masking it" if scale == 0 else f"scaling its attention by {scale:g}")
    fig = figure(f"mean attention to the word in {region}", f"change by {edit}", dark, showlegend=False)
    fig.add_scatter(
        x=x[is_known], y=y[is_known], text=names, mode="markers+text", textposition="top center", cliponaxis=False,
        marker={"size": [14 if name == selected else 9 for name in names], "color": colour("word", dark),
                "symbol": ["diamond" if name == selected else "circle" for name in names]},
        hovertemplate="%{text}: attention %{x:.3f}, change %{y:.3f}<extra></extra>")
    fig.update_xaxes(rangemode="tozero")
    fig.update_yaxes(rangemode="tozero")
    return fig
