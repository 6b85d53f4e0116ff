"""The charts of a trajectory, made from arrays alone."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from explorable.widgets.core.palette import colour
from explorable.widgets.noise_trajectory.figure import PRESENT, branching_chart, distance_chart


@pytest.fixture
def distances() -> xr.Dataset:
    parent, branch = [1.0, 0.5, 0.2, 0.0], [np.nan, np.nan, 0.4, 0.0]
    estimate = [[0.8, 0.3, 0.0, np.nan], [np.nan, np.nan, 0.0, np.nan]]
    return xr.Dataset({"latent": (("run", "step"), [parent, branch]), "estimate": (("run", "step"), estimate)},
                      coords={"run": ["parent", "branch"], "step": [0, 1, 2, 3], "t": ("step", [1, 0.67, 0.33, 0])})


def test_every_run_has_two_lines(distances):
    chart = distance_chart(distances, threshold=0.1)
    assert [line.name for line in chart.data] == ["noisy latent", "predicted image", "branch: noisy latent",
                                                  "branch: predicted", PRESENT]
    assert list(chart.data[0].y) == [1.0, 0.5, 0.2, 0.0] and list(chart.data[0].customdata) == [1, 0.67, 0.33, 0]
    assert len({(line.line.color, line.line.dash) for line in chart.data}) == 5
    present, level, branch_line = chart.layout.shapes
    assert level.y0 == pytest.approx(0.08) and branch_line.x0 == 2
    assert present.name == PRESENT and not present.visible, "no step is on the stage"
    present = distance_chart(distances, step=3).layout.shapes[0]
    assert present.visible and present.x0 == present.x1 == 3


def test_a_run_without_a_branch(distances):
    chart = distance_chart(distances.sel(run=["parent"]))
    assert [line.name for line in chart.data] == ["noisy latent", "predicted image", PRESENT]
    assert [shape.name for shape in chart.layout.shapes] == [PRESENT]
    assert chart.layout.xaxis.title.text and chart.layout.yaxis.title.text


def test_dark_pages_have_their_own_colours(distances):
    light, dark = (distance_chart(distances, dark) for dark in (False, True))
    assert light.data[0].line.color == colour("noise") and dark.data[0].line.color == colour("noise", True)


def test_branching_has_two_lines():
    chart = branching_chart([0, 4], [1.0, 0.1], [1.2, 0.3])
    assert [(list(line.x), list(line.y)) for line in chart.data] == [([0, 4], [1.0, 0.1]), ([0, 4], [1.2, 0.3])]
    assert len({line.line.dash for line in chart.data}) == 2
