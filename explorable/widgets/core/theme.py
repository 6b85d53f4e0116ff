"""The look that all plotly figures share, on light pages and on dark ones."""

from __future__ import annotations

import math

import plotly.graph_objects as go

from .palette import colour

DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")  # tell lines apart without colour
PRESENT = "this step"  # name of the line at the step on the stage, for Chart.move_line
HEIGHT = 255  # pixels, without the legend, which legend.js puts above the plot


def template(dark: bool = False) -> go.layout.Template:
    """Return the template of all figures."""
    text, line = ("#dddddd", "#444444") if dark else ("#222222", "#dddddd")
    axis = {"gridcolor": line, "linecolor": line, "zerolinecolor": line, "ticks": "outside", "tickcolor": line,
            "automargin": True, "title": {"standoff": 8}}
    return go.layout.Template(layout={
        "colorway": [colour(name, dark) for name in ("image", "guidance", "word", "noise", "other", "plain")],
        "paper_bgcolor": "rgba(0,0,0,0)", "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"color": text, "size": 12, "family": "system-ui, sans-serif"}, "xaxis": axis, "yaxis": axis,
        "autosize": True,
        "margin": {"l": 50, "r": 12, "t": 10, "b": 40}, "hovermode": "closest"})


def log_ticks(low: float, high: float) -> dict[str, list]:
    """Return `tickvals` and `ticktext` of a logarithmic axis from `low` to `high`: 1, 2 and 5 times each power of ten.

    Over more than two powers of ten only these, and both ends where there would be a single tick. plotly would write
    the 5 of 0.05 alone.
    """
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    digits = (1,) if last - first > 2 else (1, 2, 5)
    values = [float(f"{digit}e{k}") for k in range(first, last + 1) for digit in digits]
    inside = [v for v in values if low / 1.001 <= v <= high * 1.001]
    shown = inside if len(inside) > 1 else sorted({float(f"{v:.2g}") for v in (low, high)})
    return {"tickvals": shown, "ticktext": [f"{v:,g}" if 1e-3 <= v < 1e6 else _power(v) for v in shown]}


def _power(value: float) -> str:
    """Return a number with one digit as text: 10⁻⁴, 5·10⁻⁴."""
    digit, _, exponent = f"{value:.0e}".partition("e")
    raised = str(int(exponent)).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return f"10{raised}" if digit == "1" else f"{digit}·10{raised}"


def figure(x: str, y: str, dark: bool = False, height: int = HEIGHT, **layout) -> go.Figure:
    """Return an empty figure with titled axes (give the unit in the title). layout: more of plotly's layout."""
    return go.Figure(layout={"template": template(dark), "height": height, "xaxis": {"title": {"text": x}},
                             "yaxis": {"title": {"text": y}}, **layout})
