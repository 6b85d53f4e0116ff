"""Figures of FlowPaths: error against evaluations in the plane, and against steps for images, on logarithmic axes."""

from __future__ import annotations

import math

import numpy as np
import plotly.graph_objects as go
import xarray as xr

from ...flow2d import with_interval
from ..core.palette import colour
from ..core.theme import DASHES, figure, log_ticks

SOLVER_ORDERS = {"euler": 1, "heun": 2}  # the error falls as evaluations to the power of minus the order
SOLVER_COLOURS = {"euler": "guidance", "heun": "image"}
MODEL_COLOURS = ("image", "guidance", "word", "noise", "other", "plain")
MIN_DISTANCE = 1e-6  # drawn instead of 0, which a logarithmic axis cannot show


def error_curves(errors: xr.Dataset, chosen: tuple[float, float] | None = None, dark: bool = False) -> go.Figure:
    """Plot the median distance to the exact endpoint against evaluations, one line per solver.

    Dashed lines have the slopes of theory, -1 and -2, and meet their solver's line at its last point, since the slope
    holds for small steps only.

    Args:
        errors: `distance` (solver, steps, particle) and `evaluations` (solver, steps).
        chosen: evaluations and distance of the present setting, marked with a ring.
    """
    fig = figure("evaluations of the field", "distance from exact end", dark)
    for name in errors.solver.values.tolist():
        of_solver, line_colour = errors.sel(solver=name), colour(SOLVER_COLOURS.get(name, "other"), dark)
        x, y = of_solver.evaluations.values.astype(float), _clip(of_solver.distance.median("particle").values)
        fig.add_scatter(x=x, y=y, name=f"{name}, median", mode="lines+markers", line={"color": line_colour},
                        hovertemplate="%{x:.0f} evaluations: %{y:.2g}<extra></extra>")
        if name in SOLVER_ORDERS:
            fig.add_scatter(x=x, y=y[-1] * (x[-1] / x) ** SOLVER_ORDERS[name], name=f"slope −{SOLVER_ORDERS[name]}",
                            mode="lines", line={"color": line_colour, "dash": "dot", "width": 1}, hoverinfo="skip")
    if chosen is not None:
        fig.add_scatter(x=[chosen[0]], y=_clip([chosen[1]]), name="chosen", mode="markers",
                        marker={"symbol": "circle-open", "size": 15, "color": colour("plain", dark),
                                "line": {"width": 3}},
                        hovertemplate="chosen: %{x:.0f} evaluations, %{y:.2g}<extra></extra>")
    medians = errors.distance.median("particle").values
    low, high = _clip([medians.min(), medians.max()])
    counts = errors.evaluations.values
    powers = [2**k for k in range(math.ceil(math.log2(counts.max())) + 1)]
    fig.update_xaxes(type="log", tickvals=powers, ticktext=[f"{n}" for n in powers])
    fig.update_yaxes(type="log", range=[np.log10(low) - 0.3, np.log10(high) + 0.5], **log_ticks(low / 2, high * 3))
    return fig


def walk_curves(errors: xr.Dataset, steps: int | None = None, dark: bool = False) -> go.Figure:
    """Plot how far the ends of walks are from the data against the evaluations, without noise and with it.

    errors: `walks.walk_errors`. steps: of the present setting, marked by a line. Bars: 95% intervals over seeds.
    """
    fig = figure("evaluations of the field", "distance from the data", dark)
    for share, name in zip(errors.eta.values.tolist(), ("guidance", "other"), strict=True):
        mean, half = with_interval(errors.distance.sel(eta=share))
        label = f"noise {share:g}" if share else "without noise"
        fig.add_scatter(x=errors.steps.values, y=_clip(mean), name=label, mode="lines+markers",
                        line={"color": colour(name, dark)}, error_y={"array": half, "thickness": 1, "width": 3},
                        hovertemplate=label + ", %{x} evaluations: %{y:.2g}<extra></extra>")
    floor, half = with_interval(errors.floor)
    fig.add_scatter(x=errors.steps.values[[0, -1]], y=[float(floor)] * 2, name="exact samples", mode="lines",
                    line={"color": colour("plain", dark), "dash": "dash", "width": 1},
                    hovertemplate="exact samples: %{y:.2g}<extra></extra>")
    if steps is not None:
        fig.add_vline(x=steps, line={"color": colour("plain", dark), "width": 1, "dash": "dot"})
    values = errors.distance.mean("seed").values
    low, high = min(float(values.min()), float(floor)), float(values.max())
    counts = errors.steps.values.tolist()
    fig.update_xaxes(type="log", tickvals=counts, ticktext=[f"{n}" for n in counts])
    fig.update_yaxes(type="log", range=[np.log10(low) - 0.3, np.log10(high) + 0.2], **log_ticks(low / 2, high * 1.5))
    return fig


def no_curves(dark: bool = False) -> go.Figure:
    """Return the axes of `error_curves` for an empty drawing."""
    axis = {"showticklabels": False, "range": [0, 1]}
    return figure("evaluations of the field", "distance from exact end", dark).update_xaxes(**axis).update_yaxes(**axis)


def image_curves(distance: xr.DataArray, dark: bool = False) -> go.Figure:
    """Plot how far each model's image is from the one it generates with the most steps, one line per model.

    distance: with the axes (model, steps).

    The last column, 0 by definition, is left out.
    """
    fig = figure("steps", f"distance from {int(distance.steps[-1])} steps", dark)
    for k, name in enumerate(distance.model.values.tolist()):
        values = distance.sel(model=name)[:-1]
        fig.add_scatter(x=values.steps.values, y=_clip(values.values), name=name, mode="lines+markers",
                        line={"color": colour(MODEL_COLOURS[k % len(MODEL_COLOURS)], dark),
                              "dash": DASHES[k % len(DASHES)]},
                        hovertemplate="%{x} steps: %{y:.3f}<extra></extra>")
    fig.update_xaxes(type="log", tickmode="array", tickvals=distance.steps.values[:-1].tolist())
    shown = _clip(distance.values[:, :-1])
    fig.update_yaxes(type="log", **log_ticks(shown.min(), shown.max()))
    return fig


def _clip(values: object) -> np.ndarray:
    return np.maximum(np.asarray(values, dtype=float), MIN_DISTANCE)
