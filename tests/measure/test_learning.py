"""Training in the plane over seeds: errors that do not depend on the path, and the tables."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from explorable.diffusion.paths import PATHS
from explorable.flow2d import ideal_field, sample_distribution
from explorable.flow2d.couplings import DEFAULT_WIDTH
from explorable.flow2d.learnt import LearntField, exact_prediction
from explorable.flow2d.training import TrainingSettings
from explorable.measure import learning as module
from explorable.measure import saved_table
from explorable.measure.learning import DATA, SEEDS, WAYS, denoised_error
from explorable.measure.registry import measure

POINTS = sample_distribution("two moons", 128)
EXACT = ideal_field(POINTS, DEFAULT_WIDTH)


class Shifted:
    """A network that predicts x0 exactly, and 0.1 too far to the right."""

    def __init__(self, path: str):
        self.settings = TrainingSettings(path=path, prediction="x0")

    def __call__(self, x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        exact = exact_prediction(EXACT, self.settings, x.double().numpy(), t.double().numpy())
        return torch.tensor(exact + np.array([0.1, 0.0]))


@pytest.mark.parametrize("path", PATHS)
def test_an_error_of_x0_is_found_whatever_the_path(path):
    assert denoised_error(LearntField(Shifted(path), PATHS[path], "x0"), EXACT) == pytest.approx(0.1, rel=1e-3)


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(module, "SETTINGS", TrainingSettings(width=8, batch=16, steps=20))
    monkeypatch.setattr(module, "POINTS", 64)
    monkeypatch.setattr(module, "STARTS", 8)
    monkeypatch.setattr(module, "WAYS", WAYS[:2])
    for cached in (module._exact, module._exact_ends):
        cached.cache_clear()
    yield
    for cached in (module._exact, module._exact_ends):
        cached.cache_clear()


def test_the_table_has_every_way_on_every_data(small):
    table = measure("learning", seeds=2)
    assert [(row["data"], row["path"], row["predicts"], row["t"]) for row in table.rows] == [
        (data, *way) for data in DATA for way in WAYS[:2]]
    for row in table.rows:
        low, high = map(float, row["x0 error 95%"].split(" to "))
        assert low <= row["x0 error"] <= high and np.isfinite(row["ends apart"]) and row["lowest"] > 0
    assert "2 seeds a row" in table.notes[0]
    assert [row["data"] for row in measure("learning", quick=True).rows] == [DATA[0]] * 2


def test_the_time_is_that_of_the_default_training(small, monkeypatch):
    monkeypatch.setattr(module, "TIMED_STEPS", (3,))
    table = measure("learning-time", quick=True)
    assert [(row["data"], row["steps"]) for row in table.rows] == [(data, 3) for data in DATA]
    assert all(row["seconds"] >= 0 and row["error %"] <= row["worst t %"] for row in table.rows)


def test_counts_out_of_range_are_refused():
    for name in ("learning", "learning-time"):
        with pytest.raises(ValueError, match="seeds is 0: choose a whole number, 1 or more"):
            measure(name, seeds=0)


def test_the_saved_table_is_of_what_the_measure_measures_now():
    saved = saved_table("learning")
    assert saved is not None and f"{SEEDS} seeds a row" in saved.table.notes[0]
    assert [(row["path"], row["predicts"], row["t"]) for row in saved.table.rows] == [*WAYS] * len(DATA)
    assert f"{module.SETTINGS.steps} steps of {module.SETTINGS.batch} draws" in saved.table.notes[0]
