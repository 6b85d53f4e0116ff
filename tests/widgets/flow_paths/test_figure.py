"""The figures of FlowPaths: they plot the given values, and slopes as in theory."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from explorable.widgets.flow_paths.figure import error_curves, image_curves

STEPS = [1, 2, 4, 8]


def errors() -> xr.Dataset:
    """Two solvers whose errors fall exactly as in theory, for three particles."""
    work = np.array([[1, 2, 4, 8], [1, 3, 7, 15]])
    factors = np.array([0.5, 1.0, 100.0])
    distance = np.stack([factors / work[0, :, None], 2 * factors / work[1, :, None] ** 2])
    axes = ("solver", "steps", "particle")
    return xr.Dataset({"distance": (axes, distance), "evaluations": (axes[:2], work)},
                      coords={"solver": ["euler", "heun"], "steps": STEPS})


@pytest.mark.parametrize("dark", [False, True])
def test_the_median_is_plotted_on_its_slope(dark: bool):
    fig = error_curves(errors(), (4, 0.25), dark)
    named = {trace.name: trace for trace in fig.data}
    assert list(named) == ["euler, median", "slope −1", "heun, median", "slope −2", "chosen"]
    np.testing.assert_allclose(named["euler, median"].y, [1, 1 / 2, 1 / 4, 1 / 8])
    np.testing.assert_allclose(named["heun, median"].x, [1, 3, 7, 15])
    for solver, slope in (("euler", "1"), ("heun", "2")):
        np.testing.assert_allclose(named[f"slope −{slope}"].y, named[f"{solver}, median"].y)
    assert (named["chosen"].x, named["chosen"].y) == ((4,), (0.25,))
    assert fig.layout.xaxis.type == fig.layout.yaxis.type == "log"
    assert "evaluations" in fig.layout.xaxis.title.text and "exact end" in fig.layout.yaxis.title.text
    assert fig.layout.xaxis.ticktext == ("1", "2", "4", "8", "16"), "explicit powers of two"


def test_errors_of_zero_can_be_plotted():
    no_errors = errors()
    no_errors["distance"] = no_errors.distance * 0
    for trace in error_curves(no_errors, (1, 0.0)).data:
        assert (np.array(trace.y) > 0).all()


def test_each_model_has_a_line_without_its_last_image():
    distance = xr.DataArray([[0.5, 0.25, 0.0], [0.25, 0.125, 0.0]], dims=("model", "steps"),
                            coords={"model": ["a", "b"], "steps": [1, 4, 50]})
    fig = image_curves(distance)
    assert [trace.name for trace in fig.data] == ["a", "b"]
    assert list(fig.data[1].x) == [1, 4] and list(fig.data[1].y) == [0.25, 0.125]
    assert "50 steps" in fig.layout.yaxis.title.text
    assert fig.data[0].line.color != fig.data[1].line.color and fig.data[0].line.dash != fig.data[1].line.dash
