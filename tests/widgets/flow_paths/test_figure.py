"""The figures of FlowPaths: what is drawn is what was given, and the slopes are the theory's."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from explorable.widgets.flow_paths.figure import error_curves, picture_curves

STEPS = [1, 2, 4, 8]


def errors() -> xr.Dataset:
    """Two methods that fall exactly as the theory says, for three particles of unlike luck."""
    work = np.array([[1, 2, 4, 8], [1, 3, 7, 15]])
    luck = np.array([0.5, 1.0, 100.0])
    distance = np.stack([luck / work[0, :, None], 2 * luck / work[1, :, None] ** 2])
    axes = ("solver", "steps", "particle")
    return xr.Dataset({"distance": (axes, distance), "evaluations": (axes[:2], work)},
                      coords={"solver": ["euler", "heun"], "steps": STEPS})


@pytest.mark.parametrize("dark", [False, True])
def test_the_median_is_drawn_and_lies_on_its_slope(dark: bool):
    made = error_curves(errors(), (4, 0.25), dark)
    named = {trace.name: trace for trace in made.data}
    assert list(named) == ["euler, median", "slope 1", "heun, median", "slope 2", "chosen"]
    np.testing.assert_allclose(named["euler, median"].y, [1, 1 / 2, 1 / 4, 1 / 8])
    np.testing.assert_allclose(named["heun, median"].x, [1, 3, 7, 15])
    for solver, slope in (("euler", "1"), ("heun", "2")):
        np.testing.assert_allclose(named[f"slope {slope}"].y, named[f"{solver}, median"].y)
    assert (named["chosen"].x, named["chosen"].y) == ((4,), (0.25,))
    assert made.layout.xaxis.type == made.layout.yaxis.type == "log"
    assert "evaluations" in made.layout.xaxis.title.text and "exact end" in made.layout.yaxis.title.text


def test_no_error_at_all_can_be_drawn_too():
    nothing = errors()
    nothing["distance"] = nothing.distance * 0
    for trace in error_curves(nothing, (1, 0.0)).data:
        assert (np.array(trace.y) > 0).all()


def test_each_model_has_a_line_and_its_own_best_is_left_out():
    distance = xr.DataArray([[0.5, 0.25, 0.0], [0.25, 0.125, 0.0]], dims=("model", "steps"),
                            coords={"model": ["a", "b"], "steps": [1, 4, 50]})
    made = picture_curves(distance)
    assert [trace.name for trace in made.data] == ["a", "b"]
    assert list(made.data[1].x) == [1, 4] and list(made.data[1].y) == [0.25, 0.125]
    assert "50 steps" in made.layout.yaxis.title.text
    assert made.data[0].line.color != made.data[1].line.color and made.data[0].line.dash != made.data[1].line.dash
