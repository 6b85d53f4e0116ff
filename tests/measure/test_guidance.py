"""Guidance: which w is called the best, and what the table contains."""

from __future__ import annotations

import numpy as np
import pytest

from explorable.measure.guidance import W, best_guidance, guidance
from explorable.measure.registry import measure


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


@pytest.mark.parametrize(("options", "message"), [({"prompts": -1}, "prompts is -1"), ({"steps": 0}, "steps is 0"),
                                               ({"sampler": "ddim"}, "has no option 'sampler'")])
def test_options_out_of_range_are_refused(tiny, options, message):
    tiny("guidance")
    with pytest.raises(ValueError, match=message):
        measure("guidance", **options)
