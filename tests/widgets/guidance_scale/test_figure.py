"""The charts of GuidanceScale show the numbers they were given, and mark both ranges."""

from __future__ import annotations

import math

import numpy as np
import pytest
import xarray as xr

from explorable.widgets.guidance_scale.figure import (
    BAND_MARGIN,
    ESTIMATE_STYLES,
    FACTS,
    POPULAR_RANGE,
    PRESENT,
    against_scale,
    by_step,
    plane_distances,
    spaced_ticks,
)

SCALES = [0.0, 1.0, 4.0, 30.0]


def sweep() -> xr.Dataset:
    mean = np.array([0.1, 0.4, 0.8, 0.2])
    bounds = np.stack([mean, mean - 0.05, mean + 0.1], 1)
    return xr.Dataset({name: (("w", "bound"), bounds) for name in FACTS},
                      coords={"w": SCALES, "bound": ["mean", "low", "high"]})


def live() -> xr.Dataset:
    return xr.Dataset({name: ("w", [0.5, np.nan]) for name in FACTS}, coords={"w": [4.0, 5.5]})


def test_each_estimate_and_the_angle_are_drawn_by_step():
    norm = ("estimate", "step"), np.arange(12.0).reshape(4, 3)
    geometry = xr.Dataset({"norm": norm, "angle": ("step", [90, 20, 1])},
                          coords={"estimate": list(ESTIMATE_STYLES), "step": [0, 1, 2], "t": ("step", [1, 0.6, 0.3])})
    fig = by_step(geometry, 2)
    assert [trace.y.tolist() for trace in fig.data] == [*geometry.norm.values.tolist(), [90, 20, 1]]
    assert fig.layout.yaxis2.title.text == "angle (°)"
    assert [s.x0 for s in fig.layout.shapes if s.name == PRESENT] == [2, 2]  # in both charts


@pytest.mark.parametrize("offset", [0.0, -1.0])
def test_measured_and_live_points_share_an_axis_that_is_labelled_in_the_convention(offset):
    fig = against_scale(sweep(), live(), (1.0, 4.0), offset)
    measured, points = fig.data[0], fig.data[1]
    np.testing.assert_allclose(measured.y, [10, 40, 80, 20])  # percent
    np.testing.assert_allclose(measured.error_y.array, 10)
    np.testing.assert_allclose(measured.error_y.arrayminus, 5)
    assert measured.x[2] == points.x[0] and points.y[0] == 50 and np.isnan(points.y[1])
    assert fig.layout.xaxis4.ticktext == tuple(f"{w + offset:g}" for w in (0, 1, 4, 30))  # 5.5 is too near to 4
    assert fig.layout.xaxis4.title.text.endswith("s = w − 1" if offset else "w")


def test_labels_of_scales_have_room():
    assert spaced_ticks([0, 1, 2, 4, 7, 12, 15, 30]) == [0, 1, 2, 4, 7, 12, 30]


def test_the_best_range_and_the_popular_one_are_marked_in_every_panel():
    def spans(fig):
        return {tuple(round(2 ** (x + sign * BAND_MARGIN) - 1) for x, sign in ((shape.x0, 1), (shape.x1, -1)))
                for shape in fig.layout.shapes}

    fig = against_scale(sweep(), None, (1.0, 4.0))
    assert spans(fig) == {(1, 4), POPULAR_RANGE} and len(fig.layout.shapes) == 2 * len(FACTS)
    assert [trace.name for trace in fig.data[-2:]] == ["popular scales: 7 to 12", "best for this model: 1 to 4"]
    alone = against_scale(sweep(), live(), (2.0, 2.0), -1.0)
    assert [trace.name for trace in alone.data[-2:]] == ["popular scales: 6 to 11", "best for this model: 1"]
    assert spans(against_scale(sweep(), live(), None)) == {POPULAR_RANGE}


def test_without_a_sweep_the_live_points_are_drawn_alone():
    names = [trace.name for trace in against_scale(None, live()).data]
    assert names == ["this prompt"] * len(FACTS) + ["popular scales: 7 to 12"]


def test_the_distance_is_drawn_with_its_noise_floor():
    distances = xr.Dataset({"distance": ("w", [0.06, 0.3]), "floor": (("w", "bound"), [[0.06, 0.05, 0.07]] * 2)},
                           coords={"w": [1.0, 2.0], "bound": ["mean", "low", "high"]})
    floor, guided, chosen = plane_distances(distances, 2.0).data
    assert guided.y.tolist() == [0.06, 0.3] and chosen.y.tolist() == [0.3] and chosen.x[0] == math.log2(3)
    np.testing.assert_allclose(floor.error_y.array, 0.01)
