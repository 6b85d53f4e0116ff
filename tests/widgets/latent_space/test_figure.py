"""LatentSpace's charts: what they plot, and that they can be read in both themes."""

from __future__ import annotations

import math

import numpy as np
import pytest
import xarray as xr

from explorable.measure.spaces import SpaceCosts
from explorable.widgets.latent_space import figure

MEASURED = SpaceCosts((128, 128), (4, 16, 16), 0.6, 0.02, sampling=0.2, decoding=0.05)


@pytest.mark.parametrize("dark", [False, True])
def test_what_pixels_cost_more_stands_beside_the_lessons_number(dark):
    fig = figure.cost_bars(MEASURED, dark)
    assert dict(zip(fig.data[0].y, np.round(fig.data[0].x, 3), strict=True)) == {
        "values": 48, "positions": 64, "bytes in a network": 48, "time of a step": 30, "time of an image": 24}
    assert fig.layout.shapes[0].x0 == 64 and "64" in fig.layout.xaxis.title.text
    assert len(figure.cost_bars(SpaceCosts((512, 512), (4, 64, 64)), dark).data[0].y) == 3
    low, high = (10**end for end in fig.layout.xaxis.range)
    assert low <= 1 and high > 127 and fig.layout.xaxis.type == "log"


def test_the_reach_of_a_footprint_is_its_mean_on_rings():
    effect = np.zeros((40, 40))
    rows, columns = np.indices(effect.shape)
    distance = np.hypot(rows + 0.5 - 20, columns + 0.5 - 20)
    effect[distance < 4] = 7.0
    bars = figure.reach(effect, (20.0, 20.0), 4.0).data[0]
    assert np.allclose(np.asarray(bars.y)[np.asarray(bars.x) < 4], 7.0)
    assert not np.asarray(bars.y)[np.asarray(bars.x) > 4].any()


def test_a_footprint_at_the_corner_has_no_empty_rings():
    assert np.isfinite(figure.reach(np.ones((16, 16)), (1.0, 1.0), 1.0).data[0].y).all()


def test_the_other_charts_plot_their_data():
    moved = xr.DataArray(np.ones((5, 4, 4)), dims=("shown", "y", "x"), coords={"shown": range(5)})
    bars = figure.moved_by_channel(moved).data[0]
    assert list(bars.x) == ["1", "2", "3", "4"] and np.allclose(bars.y, 1)
    noise = xr.Dataset({"psnr_pixels": ("ratio", [math.inf, 24.0]), "psnr_decoded": ("ratio", [30.0, 25.0])},
                       coords={"ratio": [math.inf, 10.0]})
    pixels, decoded = figure.quality(noise).data
    assert (list(pixels.x), list(pixels.y), list(decoded.y)) == ([10.0], [24.0], [25.0])  # without noise: no ratio
    mix = xr.Dataset({f"length_{name}": ("position", [1.0, 0.8, 1.0]) for name in ("linear", "spherical")},
                     coords={"position": [0, 0.5, 1]})
    assert [trace.name for trace in figure.lengths(mix).data] == ["linear", "spherical"]
    run = xr.Dataset({"distance": ("step", [1.0, 2.0])})
    assert list(figure.distance(run).data[0].y) == [1.0, 2.0]
