"""Charts of a trajectory: the distance of each step from the end, and the effect of a branch by its step."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
import xarray as xr

from ..core.palette import colour
from ..core.theme import PRESENT, figure

LABELS = {"latent": "noisy latent", "estimate": "predicted image"}
BRANCH_LABELS = {"latent": "branch: noisy latent", "estimate": "branch: predicted"}


def distance_chart(distances: xr.Dataset, dark: bool = False, threshold: float | None = None,
                   step: int | None = None, height: int = 170) -> go.Figure:
    """Plot the distances of the noisy latent and the predicted image from their run's end, against the step.

    Args:
        distances: `latent` and `estimate`, both (run, step), with coordinates `run` ("parent", "branch"), `step` and
            `t`; NaN where there is none, as before a branch leaves its parent.
        threshold: a fraction of the parent's first `estimate`, drawn as a line.
        step: the step on the stage, marked by the line PRESENT, which is hidden for None.
        height: of the plot, in pixels.
    """
    has_branch = "branch" in distances.run.values
    fig = figure("step", "distance (RMS)", dark, height, margin={"b": 36})
    for name in distances.run.values:
        for kind in LABELS:
            fig.add_trace(_line(distances[kind].sel(run=name), name != "parent", kind, dark))
    _add_present_step(fig, step, dark)
    if threshold is not None:
        level = threshold * float(distances.estimate.sel(run="parent")[0])
        fig.add_hline(level, line={"color": colour("plain", dark), "width": 1, "dash": "dot"},
                      annotation={"text": f"{threshold:.0%} of its first distance", "font": {"size": 11}},
                      annotation_position="top left")
    if has_branch:
        has_value = ~np.isnan(distances.latent.sel(run="branch").values)
        fig.add_vline(float(distances.step[has_value][0]), line={"color": colour("other", dark), "width": 1,
                                                                 "dash": "dash"},
                      annotation={"text": "branch", "font": {"size": 11}, "textangle": -90},
                      annotation_position="top right")
    return fig.update_yaxes(rangemode="tozero")


def _add_present_step(fig: go.Figure, step: int | None, dark: bool) -> None:
    """Mark a step by a vertical line, named in the legend."""
    line = {"color": colour("outline", dark), "width": 1.5}
    fig.add_vline(step or 0, line=line, name=PRESENT, visible=step is not None)
    fig.add_scatter(x=[None], y=[None], mode="lines", name=PRESENT, line=line)


def _line(values: xr.DataArray, is_branch: bool, kind: str, dark: bool) -> go.Scatter:
    label = (BRANCH_LABELS if is_branch else LABELS)[kind]
    colour_name = "other" if is_branch else {"latent": "noise", "estimate": "image"}[kind]
    dash = {"latent": "dot", "estimate": "dash"}[kind] if is_branch else "solid"
    return go.Scatter(x=values.step.values, y=values.values, customdata=values.t.values, mode="lines", name=label,
                      line={"color": colour(colour_name, dark), "dash": dash, "width": 2},
                      hovertemplate=f"{label}: %{{y:.2f}} at step %{{x}}, t = %{{customdata:.2f}}<extra></extra>")


def branching_chart(steps: Sequence[int], prompt: Sequence[float], noise: Sequence[float], dark: bool = False,
                    height: int = 260) -> go.Figure:
    """Plot a branch's distance from its parent's end against the step at which it leaves.

    Args:
        prompt, noise: distances of branches with another prompt and with fresh noise, one for each of `steps`.
    """
    fig = figure("step at which the branch leaves", "distance of its end from the parent's", dark, height)
    for name, values, colour_name, dash in (("other prompt", prompt, "word", "solid"),
                                            ("fresh noise", noise, "noise", "dash")):
        fig.add_trace(go.Scatter(x=list(steps), y=list(values), mode="lines+markers", name=name,
                                 line={"color": colour(colour_name, dark), "dash": dash, "width": 2},
                                 hovertemplate=f"{name} from step %{{x}} on: %{{y:.2f}}<extra></extra>"))
    return fig.update_yaxes(rangemode="tozero")
