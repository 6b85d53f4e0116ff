"""The charts of ClassifierGuidance show the numbers they were given."""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr

from explorable.widgets.classifier_guidance.figure import FACTS, PRESENT, against_scale, by_step, distances

SCALES = [0.0, 3.0, 300.0]


def side(p: list[float], examined: list[float]) -> SimpleNamespace:
    readings = xr.Dataset({"probability": (("step", "label"), np.array([p]).T), "shift_rms": ("step", [0, 2.0, 0]),
                           "gradient_rms": ("step", [1.0, 0.5, 0.1])}, coords={"step": [0, 1, 2], "label": ["lion"]})
    return SimpleNamespace(readings=readings, examined=np.array(examined))


def test_both_judges_are_drawn_by_step_for_both_runs():
    result = SimpleNamespace(target="lion", steps=np.array([0, 1]), guided=side([0.1, 0.8, 1.0], [0.0, 0.3]),
                             unguided=side([0.1, 0.1, 0.0], [0.0, 0.2]))
    fig = by_step(result, 1)
    drawn = {(t.name, t.line.dash): t.y.tolist() for t in fig.data[:4]}
    assert drawn == {("classifier", "solid"): [0.1, 0.8, 1.0], ("examiner", "solid"): [0.0, 0.3],
                     ("classifier", "dot"): [0.1, 0.1, 0.0], ("examiner", "dot"): [0.0, 0.2]}
    gradient, shift = fig.data[5:]
    assert gradient.y.tolist() == [1.0, 0.5] and np.isnan(shift.y[0]) and shift.y[1] == 2.0
    assert fig.layout.yaxis2.type == "log" and [s.x0 for s in fig.layout.shapes if s.name == PRESENT] == [1, 1]


def curves() -> xr.Dataset:
    mean = np.array([0.1, 0.6, 0.2])
    bounds = np.stack([mean, mean - 0.05, mean + 0.1], 1)
    return xr.Dataset({name: (("scale", "bound"), bounds) for name in (*FACTS, "diversity")},
                      coords={"scale": SCALES, "bound": ["mean", "low", "high"]})


def live() -> xr.Dataset:
    return xr.Dataset({name: ("scale", [0.5, np.nan]) for name in (*FACTS, "diversity")}, coords={"scale": [3.0, 30.0]})


def test_measured_and_live_points_share_an_axis():
    fig = against_scale(curves(), live())
    measured, points = fig.data[0], fig.data[1]
    np.testing.assert_allclose(measured.error_y.array, 0.1)
    np.testing.assert_allclose(measured.error_y.arrayminus, 0.05)
    assert measured.x[1] == points.x[0] == math.log2(4) and points.y[0] == 0.5 and np.isnan(points.y[1])
    assert [t.name for t in fig.data if t.showlegend] == [FACTS["shown"][0], "this prompt", FACTS["confidence"][0],
                                                          FACTS["adversarial"][0]]
    assert fig.layout.xaxis2.ticktext == ("0", "3", "30", "300")


def test_without_a_sweep_the_live_points_are_drawn_alone():
    assert [trace.name for trace in against_scale(None, live()).data] == ["this prompt"] * (len(FACTS) + 1)


def test_the_distance_is_drawn_with_its_noise_floor():
    found = xr.Dataset({"distance": ("w", [0.06, 0.3]), "floor": (("w", "bound"), [[0.06, 0.05, 0.07]] * 2)},
                       coords={"w": [1.0, 2.0], "bound": ["mean", "low", "high"]})
    fig = distances(found, 2.0)
    assert fig.data[1].y.tolist() == [0.06, 0.3] and fig.data[2].y.tolist() == [0.3]
    assert fig.layout.xaxis.title.text == "scale"
    np.testing.assert_allclose(fig.data[0].error_y.array, 0.01)


@pytest.mark.parametrize("dark", [True, False])
def test_each_share_has_a_colour_of_its_own(dark):
    fig = against_scale(curves(), live(), dark)
    assert len({t.line.color for t in fig.data if t.showlegend and t.name != "this prompt"}) == len(FACTS)
