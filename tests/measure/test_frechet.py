"""The Frechet distance, where it has a closed form, and what is compared."""

from __future__ import annotations

import numpy as np
import pytest

from explorable.measure import frechet as module
from explorable.measure.frechet import distance, frechet, gaussian_distance
from explorable.measure.registry import measure

RNG = np.random.default_rng(0)
WIDTH = 6


def covariance(rank: int = WIDTH) -> np.ndarray:
    a = RNG.normal(size=(WIDTH, rank))
    return a @ a.T


def test_gaussians_with_the_same_axes():
    """If the covariances commute: the squared distances of means and of standard deviations."""
    turn, _ = np.linalg.qr(RNG.normal(size=(WIDTH, WIDTH)))
    a, b, gap = RNG.uniform(0, 3, WIDTH), RNG.uniform(0, 3, WIDTH), RNG.normal(size=WIDTH)
    found = gaussian_distance(np.zeros(WIDTH), turn * a**2 @ turn.T, gap, turn * b**2 @ turn.T)
    assert found == pytest.approx((gap**2).sum() + ((a - b) ** 2).sum())


def test_gaussians_in_the_plane():
    """In two dimensions, tr (A B)^(1/2) = sqrt(tr A B + 2 sqrt(det A B)), for any axes."""
    a, b = (covariance()[:2, :2] for _ in range(2))
    shared = np.sqrt(np.trace(a @ b) + 2 * np.sqrt(np.linalg.det(a) * np.linalg.det(b)))
    assert gaussian_distance(np.zeros(2), a, np.ones(2), b) == pytest.approx(2 + np.trace(a + b) - 2 * shared)


@pytest.mark.parametrize("rank", [WIDTH, 2])
def test_it_is_symmetric_and_0_to_itself(rank):
    """Also with fewer images than features, where the covariance is singular."""
    a, b, mean = covariance(rank), covariance(rank), np.zeros(WIDTH)
    assert gaussian_distance(mean, a, mean, a) == pytest.approx(0, abs=1e-6)
    assert gaussian_distance(mean, a, mean, b) == pytest.approx(gaussian_distance(mean, b, mean, a))


def test_mean_and_covariance_come_from_the_features():
    x = RNG.normal(size=(50, WIDTH))
    assert distance(x, x + 2) == pytest.approx(4 * WIDTH)
    assert distance(x, 3 * x) == pytest.approx(4 * (x.mean(0) ** 2).sum() + 4 * x.var(0, ddof=1).sum())


def test_more_images_lower_the_noise_floor():
    floors = [distance(RNG.normal(size=(n, WIDTH)), RNG.normal(size=(n, WIDTH))) for n in (20, 2000)]
    assert floors[1] < floors[0] / 10


def test_the_table_begins_with_the_noise_floor(tiny, monkeypatch):
    tiny("frechet", "unet-flow", "unet-reflow")
    monkeypatch.setattr(module, "QUICK_COUNT", 6)
    table = frechet(steps=1, quick=True)
    assert [r["images"] for r in table.rows] == ["true drawings again (noise floor)",
                                                 "the same through the autoencoder",
                                                   "unet-flow, guidance 4", "unet-reflow, guidance 1"]
    assert all(r["distance"] > 0 for r in table.rows)


@pytest.mark.parametrize(("options", "message"), [({"count": 1}, "count is 1: choose a whole number, 2 or more"),
                                               ({"steps": 0}, "steps is 0"), ({"model": "dit-flwo"}, "no model")])
def test_options_out_of_range_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        measure("frechet", **options)
