"""Branches: the later one leaves, the less it changes."""

from __future__ import annotations

import pytest

from explorable.analysis.trajectory import rms_distance
from explorable.measure.branching import branching


def test_the_later_a_branch_the_less_it_changes(tiny, pipe):
    tiny("branching")
    table = branching(steps=5, quick=True)
    assert [row["from step"] for row in table.rows] == [0, 1, 2, 3, 4]
    assert [row["t"] for row in table.rows] == [1, 0.8, 0.6, 0.4, 0.2]
    gaps = [row["prompt changed: apart"] for row in table.rows]
    assert gaps[0] > gaps[-1] > 0
    one, other = pipe("a red car", steps=5, seed=0), pipe("a red car", steps=5, seed=1000)
    ends = one.branch(0, seed=1000).latents.values[-1], other.latents.values[-1]
    assert rms_distance(*ends) == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize(("options", "message"), [({"pairs": 0}, "pairs is 0"), ({"steps": 1}, "steps is 1"),
                                               ({"steps": 10**4}, "steps is 10000")])
def test_options_out_of_range_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        branching(**options)
