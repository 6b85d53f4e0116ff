"""Figures of FlowPaths: how the error falls with the work, in the plane and in pictures. On logarithmic axes."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go
import xarray as xr

from ..core.theme import DASHES, colour, figure

ORDERS = {"euler": 1, "heun": 2}  # how the theory says that the error falls: evaluations to the power of minus this
SOLVER_IDEAS = {"euler": "guidance", "heun": "image"}
MODEL_IDEAS = ("image", "guidance", "word", "noise", "other", "plain")
SEEN = 1e-6  # the smallest distance drawn: a logarithmic axis has no zero


def error_curves(errors: xr.Dataset, chosen: tuple[float, float] | None = None, dark: bool = False) -> go.Figure:
    """The median distance to the exact end against the evaluations, one line a solver, beside the theory's slopes.

    errors: `distance` (solver, steps, particle) and `evaluations` (solver, steps). chosen: the evaluations and the
    distance of the present setting, ringed. The dashed lines have slopes -1 and -2 and meet their curve where it
    ends: how a method falls is promised only once its steps are small.
    """
    made = figure("evaluations of the field", "distance to the exact end", dark)
    for name in errors.solver.values.tolist():
        one = errors.sel(solver=name)
        x, y = one.evaluations.values.astype(float), _seen(one.distance.median("particle").values)
        made.add_scatter(x=x, y=y, name=f"{name}, median", mode="lines+markers", line={"color": _of_solver(name, dark)},
                         hovertemplate="%{x:.0f} evaluations: %{y:.2g}<extra></extra>")
        if name in ORDERS:
            made.add_scatter(x=x, y=y[-1] * (x[-1] / x) ** ORDERS[name], name=f"slope {ORDERS[name]}", mode="lines",
                             line={"color": _of_solver(name, dark), "dash": "dot", "width": 1}, hoverinfo="skip")
    if chosen is not None:
        made.add_scatter(x=[chosen[0]], y=_seen([chosen[1]]), name="chosen", mode="markers",
                         marker={"symbol": "circle-open", "size": 15, "color": colour("plain", dark),
                                 "line": {"width": 3}},
                         hovertemplate="chosen: %{x:.0f} evaluations, %{y:.2g}<extra></extra>")
    medians = errors.distance.median("particle").values
    low, high = _seen([medians.min(), medians.max()])
    made.update_xaxes(type="log", dtick="D2")
    made.update_yaxes(type="log", dtick=1, exponentformat="power",
                      range=[np.log10(low) - 0.3, np.log10(high) + 0.5])
    return made


def picture_curves(distance: xr.DataArray, dark: bool = False) -> go.Figure:
    """How far each model's picture of few steps is from its own picture of most: (model, steps), one line a model.

    The last column is nought by definition and left out.
    """
    most = int(distance.steps[-1])
    made = figure("steps", f"distance from the picture of {most} steps", dark)
    for k, name in enumerate(distance.model.values.tolist()):
        row = distance.sel(model=name)[:-1]
        made.add_scatter(x=row.steps.values, y=_seen(row.values), name=name, mode="lines+markers",
                         line={"color": colour(MODEL_IDEAS[k % len(MODEL_IDEAS)], dark),
                               "dash": DASHES[k % len(DASHES)]},
                         hovertemplate="%{x} steps: %{y:.3f}<extra></extra>")
    made.update_xaxes(type="log", tickmode="array", tickvals=distance.steps.values[:-1].tolist())
    made.update_yaxes(type="log", dtick="D2", exponentformat="none")
    return made


def _of_solver(name: str, dark: bool) -> str:
    return colour(SOLVER_IDEAS.get(name, "other"), dark)


def _seen(values: object) -> np.ndarray:
    return np.maximum(np.asarray(values, dtype=float), SEEN)
