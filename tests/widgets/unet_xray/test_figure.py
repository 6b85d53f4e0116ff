"""The figure of spectra: what is in it comes from the arrays."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from explorable.widgets.core.theme import colour
from explorable.widgets.unet_xray.figure import spectra


def power(*values: float) -> xr.DataArray:
    return xr.DataArray(np.array([values, values[::-1]]), dims=("run", "waves"),
                        coords={"run": ["untouched", "edited"], "waves": [1, 2, 3]})


@pytest.mark.parametrize("dark", [False, True])
def test_a_line_for_each_run(dark):
    made = spectra(power(4.0, 2.0, 1.0), 2, dark)
    assert [t.name for t in made.data] == ["untouched", "edited"]
    assert list(made.data[0].y) == [4, 2, 1] and list(made.data[1].y) == [1, 2, 4]
    assert list(made.data[0].x) == [1, 2, 3]
    assert made.data[1].line.color == colour("picture", dark) and made.data[0].line.dash != made.data[1].line.dash
    assert made.layout.xaxis.type == made.layout.yaxis.type == "log"
    assert [shape.x0 for shape in made.layout.shapes] == [2], "where fine detail begins is marked"
    assert made.layout.annotations[0].x == pytest.approx(np.log10(2)), "a text stands at a logarithm"
    assert made.layout.xaxis.title.text and made.layout.yaxis.title.text


def test_no_power_at_all_is_a_gap():
    made = spectra(power(4.0, 0.0, 1.0), 2)
    assert np.isnan(made.data[0].y[1]) and made.data[0].y[0] == 4
