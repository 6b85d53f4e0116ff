"""The look that all figures share: one colour for each idea, and a template for light pages and for dark ones."""

from __future__ import annotations

import plotly.graph_objects as go

# After Okabe and Ito, told apart by colour-blind readers too: on light pages, and on dark ones. core/explorable.css has
# the same first four for everything that is no figure.
COLOURS = {"noise": ("#8f5f00", "#f0b84c"), "image": ("#0072b2", "#56b4e9"), "word": ("#00775a", "#3cc9a0"),
         "guidance": ("#b84a00", "#ff9255"), "plain": ("#616161", "#bdbdbd"), "other": ("#a0487c", "#e59cc4")}


def colour(colour_name: str, dark: bool = False) -> str:
    """The colour of an idea: noise, picture, word, guidance; plain and other for what is none of these."""
    return COLOURS[colour_name][dark]


DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")  # a second way to tell lines apart
HEIGHT = 280  # pixels


def template(dark: bool = False) -> go.layout.Template:
    """What every figure looks like before it says anything else."""
    text, line = ("#dddddd", "#444444") if dark else ("#222222", "#dddddd")
    axis = {"gridcolor": line, "linecolor": line, "zerolinecolor": line, "ticks": "outside", "tickcolor": line,
            "automargin": True, "title": {"standoff": 8}}
    return go.layout.Template(layout={
        "colorway": [colour(name, dark) for name in ("image", "guidance", "word", "noise", "other", "plain")],
        "paper_bgcolor": "rgba(0,0,0,0)", "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"color": text, "size": 12, "family": "system-ui, sans-serif"}, "xaxis": axis, "yaxis": axis,
        "legend": {"orientation": "h", "yanchor": "bottom", "y": 1.0, "x": 0, "bgcolor": "rgba(0,0,0,0)"},
        "margin": {"l": 50, "r": 12, "t": 36, "b": 40}, "hovermode": "closest"})


def figure(x: str, y: str, dark: bool = False, height: int = HEIGHT, **layout) -> go.Figure:
    """An empty figure with named axes: say the unit in the name. layout: more of plotly's layout."""
    return go.Figure(layout={"template": template(dark), "height": height, "xaxis": {"title": {"text": x}},
                             "yaxis": {"title": {"text": y}}, **layout})
