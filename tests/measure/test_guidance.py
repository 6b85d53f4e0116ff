"""Guidance: which w is called the best, and what the table contains."""

from __future__ import annotations

import importlib

import numpy as np
import pytest

from explorable.measure.guidance import (
    QUANTITIES,
    W,
    best_guidance,
    best_range,
    compare_with_best,
    guidance,
    saved_sweep,
    sweep_of,
)
from explorable.measure.registry import measure
from explorable.measure.results import SavedTable
from explorable.measure.table import Table

module = importlib.import_module("explorable.measure.guidance")  # the package has a function of this name


def share(right: int) -> np.ndarray:
    """`right` of 20 prompts pass."""
    return (np.arange(20) < right)[:, None]


def test_the_best_w_is_named_and_those_that_are_not_significantly_worse():
    note = best_guidance({0.0: share(0), 2.0: share(17), 4.0: share(18), 30.0: share(2)})
    assert note == "best in the exam: w = 4 (90 %); not significantly worse: 2"


def test_of_two_equal_ones_the_smaller_is_named():
    assert "w = 2 (85 %)" in best_guidance({4.0: share(17), 2.0: share(17), 0.0: share(0)})
    assert "all others are significantly worse" in best_guidance({4.0: share(17), 0.0: share(0)})


def test_without_a_right_image_there_is_no_best_w():
    assert "no best w" in best_guidance({0.0: share(0), 4.0: share(0)})


def test_every_w_has_a_row_and_the_drawings_have_the_last(tiny):
    tiny("guidance")
    table = guidance(steps=1, quick=True)
    assert [r["guidance"] for r in table.rows] == [*(f"{w:g}" for w in W), "drawn"]
    assert all(r.keys() == table.rows[0].keys() for r in table.rows)
    assert all(r["diversity"] > 0 and 0 <= r["saturation"] <= 1 for r in table.rows)


def test_the_numbers_of_the_table_can_be_read_again(tiny):
    tiny("guidance")
    table = guidance(steps=1, quick=True)
    sweep = sweep_of(table)
    assert sweep.w.values.tolist() == list(W) and set(sweep) == set(QUANTITIES)
    for name, (column, _, factor) in QUANTITIES.items():
        means = [row[column] / factor for row in table.rows[:-1]]
        np.testing.assert_allclose(sweep[name].sel(bound="mean"), means)
        assert (sweep[name].sel(bound="low") <= sweep[name].sel(bound="high")).all()
        spread = 0.006 * factor  # of the rounding of an interval
        assert (sweep[name].sel(bound="low") * factor - spread <= np.array(means) * factor).all()


def table_of(standings: dict[float, str], clipped: str = "1.0 to 2.0", drawn: str = "1.0 to 2.0") -> Table:
    rows = [{"guidance": f"{w:g}", "beside the best": text, "clipped 95%": clipped} for w, text in standings.items()]
    return Table("", [*rows, {"guidance": "drawn", "beside the best": "", "clipped 95%": drawn}])


def test_the_best_range_is_the_best_w_and_its_neighbours_that_are_as_good():
    passed = {0.0: share(0), 1.0: share(17), 2.0: share(18), 4.0: share(17), 7.0: share(3), 12.0: share(17)}
    standings = compare_with_best(passed)
    assert list(standings.values()) == ["worse", "as good", "best", "as good", "worse", "as good"]
    assert best_range(table_of(standings)) == (1.0, 4.0)
    assert best_range(table_of(compare_with_best({0.0: share(0), 4.0: share(0)}))) is None
    assert best_range(table_of(compare_with_best({2.0: share(0), 4.0: share(9)}))) == (4.0, 4.0)


def test_what_clips_more_than_the_drawings_is_not_the_best():
    table = table_of({1.0: "as good", 2.0: "best", 4.0: "as good"})
    table.rows[2]["clipped 95%"] = "2.1 to 4.0"
    assert best_range(table) == (1.0, 2.0)
    assert best_range(table_of({2.0: "best"}, "3.0 to 4.0")) is None


@pytest.mark.parametrize(("weights", "text"), [
    ({}, "measured: w from 0 to 30."), ({"vae": "other"}, "before its weights changed: w from 0 to 30.")])
def test_a_saved_sweep_says_which_w_is_best_and_whether_the_weights_are_the_same(tiny, monkeypatch, weights, text):
    tiny("guidance")
    table = guidance(steps=1, quick=True)
    for row in table.rows:
        row["clipped 95%"], row["beside the best"] = "1.0 to 2.0", "best"
    monkeypatch.setattr(module, "saved_table", lambda name, model: SavedTable(table, weights, ""))
    saved_sweep.cache_clear()
    sweep = saved_sweep("unet-flow")
    saved_sweep.cache_clear()
    assert sweep is not None and sweep.best == (0.0, 30.0) and sweep.curves.equals(sweep_of(table))
    assert text in sweep.sentence


@pytest.mark.parametrize(("options", "message"), [({"prompts": -1}, "prompts is -1"), ({"steps": 0}, "steps is 0"),
                                               ({"sampler": "ddim"}, "has no option 'sampler'")])
def test_options_out_of_range_are_refused(tiny, options, message):
    tiny("guidance")
    with pytest.raises(ValueError, match=message):
        measure("guidance", **options)
