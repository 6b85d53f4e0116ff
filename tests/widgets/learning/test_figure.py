"""Figures of Learning: what is drawn is what was measured."""

from __future__ import annotations

import numpy as np
import pytest

from explorable.flow2d.training import TrainingSettings
from explorable.widgets.learning import figure
from explorable.widgets.learning.compute import Data, LiveTraining, Request
from explorable.widgets.learning.microscope import StepRequest, compute_step
from explorable.zoo import denoiser_names, read_card

SETTINGS = TrainingSettings(prediction="noise", width=8, batch=16, steps=30)
MOONS = Data("two moons", None)


@pytest.fixture(scope="module")
def live():
    live = LiveTraining(MOONS, SETTINGS)
    live.run(Request(MOONS, SETTINGS, False), lambda *a: None, lambda *a: None)
    return live


def test_the_marked_checkpoint_and_its_errors_are_drawn(live):
    result = live.result(Request(MOONS, SETTINGS, False))
    for frame in (0, 3, 10**6):  # beyond the last while a shorter training replaces a longer one
        fig = figure.training_curves(result, frame)
        checkpoint = result.checkpoints[min(frame, len(result.checkpoints) - 1)]
        assert fig.layout.shapes[0].x0 == checkpoint.steps
        errors = next(trace for trace in fig.data if trace.name == "error")
        np.testing.assert_allclose(errors.customdata, 100 * checkpoint.shares)
    floor = next(trace for trace in fig.data if trace.name == "lowest possible")
    assert set(floor.y) == {result.floor}


def test_gains_are_drawn_with_the_time_that_is_shown(live):
    arrays = compute_step(live, StepRequest(MOONS, SETTINGS, 0)).arrays
    fig = figure.conversion_gains(arrays, 7)
    assert [trace.name for trace in fig.data] == ["as noise", "as x0", "as v", "as velocity"]
    assert fig.layout.shapes[0].x0 == float(arrays.t[7])
    np.testing.assert_allclose(fig.data[0].customdata, 1)  # noise as noise


def test_the_real_runs_are_those_of_the_cards():
    fig = figure.shipped_runs()
    assert [trace.name for trace in fig.data] == list(denoiser_names())
    for trace in fig.data:
        assert list(trace.y) == [entry["mse"] for entry in read_card(trace.name)["curve"]]
