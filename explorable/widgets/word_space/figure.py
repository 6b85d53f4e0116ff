"""Figures of WordSpace: similarity of tokens, map of words, cosine of two prompts' tokens, ranks of a sum."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
import xarray as xr

from ...analysis.word_space import Projection, cosines
from ...world.words import COLOUR_WORDS, MOOD_WORDS, PLACE_WORDS, SIZE_WORDS, THING_WORDS, TIME_WORDS
from ..core.palette import colour
from ..core.theme import figure

SHOWN_RANKS = 8
HEIGHT = 280  # pixels
LABEL_SIDES = ("top center", "middle right", "bottom center", "middle left")  # so that names of near points differ
SCALE = [[0.0, "#7f3b08"], [0.5, "#f2f2f2"], [1.0, "#2d004b"]]  # cosines from -1 to 1: orange and purple, for all eyes
KINDS: dict[str, tuple[str, str]] = {
    "things": ("image", "circle"), "colours": ("guidance", "square"), "sizes, moods": ("other", "diamond"),
    "places": ("word", "cross"), "times": ("noise", "x"), "grammar": ("plain", "circle-open")}
"""By kind of word: the palette's colour, and plotly's symbol."""


def _kinds_of_words() -> dict[str, str]:
    tables: dict[str, list[str]] = {
        "things": [name for names in THING_WORDS.values() for pair in names for name in pair],
        "colours": [name for names in COLOUR_WORDS.values() for name in names],
        "sizes, moods": [name for table in (SIZE_WORDS, MOOD_WORDS) for names in table.values() for name in names],
        "places": [name for names in PLACE_WORDS.values() for _, _, name in names],
        "times": [name.split()[-1] for names in TIME_WORDS.values() for name in names]}
    return {word: kind for kind, names in reversed(tables.items()) for name in names for word in name.split()}


KIND_OF_WORD = _kinds_of_words()


def kind_of(word: str) -> str:
    """Return the kind of a word of the picture world, a key of `KINDS`; "grammar" for all others."""
    return KIND_OF_WORD.get(word, "grammar")


def similarity_figure(tokens: Sequence[str], vectors: np.ndarray, layer: str, dark: bool = False) -> go.Figure:
    """Plot the cosine of every pair of tokens, vectors (token, channel), as a matrix."""
    names = [f"{token} " if token in tokens[:k] else token for k, token in enumerate(tokens)]
    names = [f"{name}{' ' * names[:k].count(name)}" for k, name in enumerate(names)]  # plotly merges equal names
    fig = figure("", "", dark, HEIGHT, margin={"l": 60, "r": 12, "t": 30, "b": 50},
                 title={"text": f"cosine of two tokens: {layer}", "font": {"size": 13}, "x": 0.02, "y": 0.98})
    fig.add_heatmap(x=names, y=names, z=cosines(vectors, vectors).round(3), zmin=-1, zmax=1, colorscale=SCALE,
                    colorbar={"thickness": 10, "len": 0.9},
                    hovertemplate="%{y} and %{x}: %{z:.2f}<extra></extra>")
    fig.update_yaxes(autorange="reversed", ticks="")
    fig.update_xaxes(ticks="", tickangle=-45)
    return fig


def map_figure(words: Sequence[str], vectors: np.ndarray, projection: Projection, chosen: str, near: Sequence[str],
               dark: bool = False) -> go.Figure:
    """Plot words on a map in two or three dimensions; the chosen one and its true neighbours have their names.

    vectors: (word, channel), of which true distances and neighbours are computed. Hovering shows these.
    """
    dimensions = projection.positions.shape[1]
    share = projection.share
    fig = figure(f"component 1: {share[0]:.0%} of the variance", f"component 2: {share[1]:.0%}", dark, HEIGHT,
                 margin={"l": 40, "r": 8, "t": 10, "b": 36})
    similarity = cosines(vectors, vectors)
    np.fill_diagonal(similarity, -2)
    nearest = [", ".join(words[j] for j in np.argsort(-row)[:3]) for row in similarity]
    named = [chosen, *near]
    at = list(words).index(chosen) if chosen in words else None
    far = np.full(len(words), np.nan) if at is None else np.linalg.norm(vectors - vectors[at], axis=1)
    flat = np.full(len(words), np.nan) if at is None else np.linalg.norm(
        projection.positions - projection.positions[at], axis=1)
    hover = "<b>%{customdata[0]}</b><br>nearest in all dimensions: %{customdata[1]}"
    if at is not None:
        hover += f"<br>distance to {chosen}: %{{customdata[2]:.2f}}, on this map %{{customdata[3]:.2f}}"
    for kind, (name, symbol) in KINDS.items():
        members = [k for k, word in enumerate(words) if kind_of(word) == kind]
        data = [[words[k], nearest[k], far[k], flat[k]] if at is not None else [words[k], nearest[k]] for k in members]
        text = [words[k] if words[k] in named else "" for k in members]
        sides = [LABEL_SIDES[named.index(words[k]) % len(LABEL_SIDES)] if words[k] in named else "top center"
                 for k in members]
        place = dict(zip("xyz", projection.positions[members].T, strict=False))
        style = {"color": colour(name, dark), "symbol": symbol, "size": 7 if dimensions == 2 else 4}
        common = {"name": kind, "customdata": data, "text": text, "hovertemplate": f"{hover}<extra></extra>",
                  "marker": style, "mode": "markers+text", "textposition": sides, **place}
        fig.add_trace(go.Scatter3d(**common) if dimensions == 3 else go.Scatter(**common))
    if dimensions == 3:
        axis = {"title": {"text": ""}, "showticklabels": False, "backgroundcolor": "rgba(0,0,0,0)",
                "gridcolor": colour("plain", dark)}
        fig.update_layout(scene={f"{letter}axis": axis for letter in "xyz"} | {"aspectmode": "cube"},
                          margin={"l": 0, "r": 0, "t": 10, "b": 0})
    else:
        fig.update_xaxes(ticks="", showticklabels=False)
        fig.update_yaxes(ticks="", showticklabels=False)
    return fig


def token_figure(names: Sequence[str], values: np.ndarray, layers: Sequence[str], dark: bool = False) -> go.Figure:
    """Plot the cosine of each compared pair of tokens in the embedding and after the last layer.

    values: (layer, pair).
    """
    fig = figure("", "cosine of the two vectors", dark, HEIGHT, barmode="group")
    x = [f"{k + 1}. {name}" for k, name in enumerate(names)]
    for row, name, pattern in ((0, "plain", "/"), (-1, "word", "")):
        fig.add_bar(x=x, y=values[row].round(3), name=layers[row], marker={"color": colour(name, dark),
                                                                           "pattern": {"shape": pattern}},
                    hovertemplate="%{x}: %{y:.2f}<extra>" + layers[row] + "</extra>")
    fig.update_xaxes(tickangle=-45, ticks="")
    fig.update_yaxes(range=[min(-0.1, float(values.min()) - 0.05), 1.05])
    return fig


def rank_figure(ranks: xr.Dataset, dark: bool = False) -> go.Figure:
    """Plot the words nearest to a sum, the inputs in another colour. ranks: see `arithmetic_ranks`."""
    top = ranks.isel(word=slice(0, SHOWN_RANKS))
    fig = figure("cosine with the sum", "", dark, HEIGHT, margin={"l": 90, "r": 12, "t": 10, "b": 40})
    names = [f"{rank}. {word}" for word, rank in zip(top.word.values, top["rank"].values, strict=True)]
    for is_input, name, label, pattern in ((True, "plain", "in the sum", "/"), (False, "word", "not in the sum", "")):
        shown = top.is_input.values == is_input
        fig.add_bar(orientation="h", y=[n for n, keep in zip(names, shown, strict=True) if keep],
                    x=top.cosine.values[shown].round(3), name=label,
                    marker={"color": colour(name, dark), "pattern": {"shape": pattern}},
                    hovertemplate="%{y}: %{x:.2f}<extra></extra>")
    fig.update_yaxes(autorange="reversed", categoryorder="array", categoryarray=names, ticks="")
    return fig
