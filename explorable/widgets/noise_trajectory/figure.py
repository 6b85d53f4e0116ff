"""Charts of a trajectory: how far each step is from the end, and what a branch changes by the step it leaves at."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
import xarray as xr

from ..core.theme import colour, figure

NAMES = {"latent": "x_t", "estimate": "denoised estimate"}
APART = "RMS distance from its end"


def distance_chart(distances: xr.Dataset, dark: bool = False, near: float | None = None,
                   height: int = 240) -> go.Figure:
    """How far what a run holds and what it believes are from its own end, at each step; a branch beside its parent.

    distances: `latent` and `estimate`, both (run, step), NaN where there is none (a branch before it leaves), with the
    coordinates `run` ("parent", "branch"), `step` and `t`. near: a share of the parent's first estimate's distance, to
    be marked.
    """
    chart = figure("step", APART, dark, height)
    for name in distances.run.values:
        for kind, title in NAMES.items():
            chart.add_trace(_line(distances[kind].sel(run=name), str(name), kind, title, dark))
    if near is not None:
        level = near * float(distances.estimate.sel(run="parent")[0])
        chart.add_hline(level, line={"color": colour("plain", dark), "width": 1, "dash": "dot"},
                        annotation={"text": f"{near:.0%} of its first distance", "font": {"size": 11}},
                        annotation_position="top left")
    if "branch" in distances.run.values:
        known = ~np.isnan(distances.latent.sel(run="branch").values)
        chart.add_vline(float(distances.step[known][0]), annotation={"text": "branches off", "font": {"size": 11}},
                        line={"color": colour("other", dark), "width": 1, "dash": "dash"},
                        annotation_position="top right")
    return chart.update_yaxes(rangemode="tozero")


def _line(values: xr.DataArray, run: str, kind: str, title: str, dark: bool) -> go.Scatter:
    branch = run != "parent"
    colour_name = "other" if branch else {"latent": "noise", "estimate": "image"}[kind]
    dash = {"latent": "dot", "estimate": "dash"}[kind] if branch else "solid"
    return go.Scatter(x=values.step.values, y=values.values, customdata=values.t.values, mode="lines",
                      name=f"{run}'s {title}", line={"color": colour(colour_name, dark), "dash": dash, "width": 2},
                      hovertemplate=f"{run}'s {title}: %{{y:.2f}} at step %{{x}}, "
                                    "t = %{customdata:.2f}<extra></extra>")


def branching_chart(steps: Sequence[int], words: Sequence[float], noise: Sequence[float], dark: bool = False,
                    height: int = 260) -> go.Figure:
    """How far a branch ends from its parent, by the step it left at: with other words, and with fresh noise.

    words, noise: distances of the ends, one for each of `steps`.
    """
    chart = figure("step at which the branch leaves", "distance of its end from the parent's", dark, height)
    for name, values, colour_name, dash in (
        ("other words", words, "word", "solid"),
        ("fresh noise", noise, "noise", "dash"),
    ):
        chart.add_trace(go.Scatter(x=list(steps), y=list(values), mode="lines+markers", name=name,
                                   line={"color": colour(colour_name, dark), "dash": dash, "width": 2},
                                   hovertemplate=f"{name} from step %{{x}} on: %{{y:.2f}}<extra></extra>"))
    return chart.update_yaxes(rangemode="tozero")
