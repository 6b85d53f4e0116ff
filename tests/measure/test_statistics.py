"""Intervals: where they are known, and how they are written."""

from __future__ import annotations

import numpy as np
import pytest

from explorable.measure.statistics import (
    bootstrap,
    interval_text,
    paired_difference,
    parse_interval,
    percent_cells,
    resample,
)


def test_the_interval_contains_the_mean_and_narrows_with_more_prompts():
    rng = np.random.default_rng(0)
    few, many = rng.random((10, 4)) < 0.7, rng.random((1000, 4)) < 0.7
    for passed in (few, many):
        low, high = bootstrap(passed)
        assert low <= passed.mean() <= high
    assert np.ptp(bootstrap(many)) < np.ptp(bootstrap(few)) / 4


def test_rows_are_resampled_with_all_their_values():
    assert bootstrap(np.array([[0.0, 1.0], [1.0, 0.0]])) == (0.5, 0.5)


def test_samples_are_the_same_in_every_call():
    assert resample(5).shape == (2000, 5) and np.array_equal(resample(5), resample(5)) and resample(5).max() == 4


def test_a_difference_is_certain_where_every_prompt_agrees():
    yes, no = np.ones((10, 2), bool), np.zeros((10, 2), bool)
    assert paired_difference(yes, no) == (100, 100, 100) and paired_difference(no, yes) == (-100, -100, -100)
    assert paired_difference(yes, yes) == (0, 0, 0)
    half = yes.copy()
    half[::2] = False
    points, low, high = paired_difference(yes, half)
    assert low < points < high and points == 50


def test_cells_are_in_percent():
    assert interval_text(np.full(4, 0.25)) == "0.25 to 0.25"
    assert percent_cells(np.full(3, True), "right %", "95%") == {"right %": 100.0, "95%": "100 to 100"}
    assert percent_cells(np.array([True, False]), "right %", "95%")["right %"] == pytest.approx(50)


def test_a_written_interval_can_be_read():
    values = np.array([-0.2, -0.1, 0.3, 0.5])
    assert parse_interval(interval_text(values, 6)) == pytest.approx(bootstrap(values), abs=1e-6)
    with pytest.raises(ValueError, match="'40 %' is not an interval"):
        parse_interval("40 %")
