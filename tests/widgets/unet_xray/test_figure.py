"""The figure of spectra draws what is in the arrays."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from explorable.widgets.core.palette import colour
from explorable.widgets.unet_xray.figure import spectra


def power(*values: float) -> xr.DataArray:
    return xr.DataArray(np.array([values, values[::-1]]), dims=("run", "frequency"),
                        coords={"run": ["original", "edited"], "frequency": [1, 2, 3]})


@pytest.mark.parametrize("dark", [False, True])
def test_there_is_a_line_for_each_run(dark):
    fig = spectra(power(4.0, 2.0, 1.0), 2, dark)
    assert [t.name for t in fig.data] == ["original", "edited"]
    assert list(fig.data[0].y) == [4, 2, 1] and list(fig.data[1].y) == [1, 2, 4]
    assert list(fig.data[0].x) == [1, 2, 3]
    assert fig.data[1].line.color == colour("image", dark) and fig.data[0].line.dash != fig.data[1].line.dash
    assert fig.layout.xaxis.type == fig.layout.yaxis.type == "log"
    assert [shape.x0 for shape in fig.layout.shapes] == [2], "the start of the high frequencies is marked"
    assert fig.layout.annotations[0].x == pytest.approx(np.log10(2)), "plotly places a text at the logarithm"
    assert fig.layout.xaxis.title.text and fig.layout.yaxis.title.text


def test_zero_power_is_a_gap_in_the_line():
    fig = spectra(power(4.0, 0.0, 1.0), 2)
    assert np.isnan(fig.data[0].y[1]) and fig.data[0].y[0] == 4
