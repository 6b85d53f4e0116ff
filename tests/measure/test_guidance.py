"""Guidance: where the sweet spot is said to lie, and what a table holds."""

from __future__ import annotations

import numpy as np
import pytest

from explorable.measure.guidance import W, guidance, sweet_spot
from explorable.measure.registry import measure


def share(right: int) -> np.ndarray:
    """`right` of 20 prompts pass."""
    return (np.arange(20) < right)[:, None]


def test_the_sweet_spot_is_the_best_w_and_its_equals_are_named():
    said = sweet_spot({0.0: share(0), 2.0: share(17), 4.0: share(18), 30.0: share(2)})
    assert said == "the sweet spot by the exam: w = 4 (90 %); not told apart from it by these prompts: 2"


def test_of_two_alike_it_is_the_smaller():
    assert "w = 2 (85 %)" in sweet_spot({4.0: share(17), 2.0: share(17), 0.0: share(0)})
    assert "no other comes near" in sweet_spot({4.0: share(17), 0.0: share(0)})


def test_a_painter_who_never_passes_has_none():
    assert "no sweet spot" in sweet_spot({0.0: share(0), 4.0: share(0)})


def test_every_w_has_a_row_and_the_world_itself_the_last(tiny):
    tiny("guidance")
    table = guidance(steps=1, quick=True)
    assert [r["guidance"] for r in table.rows] == [*(f"{w:g}" for w in W), "drawn"]
    assert all(r.keys() == table.rows[0].keys() for r in table.rows)
    assert all(r["diversity"] > 0 and 0 <= r["saturation"] <= 1 for r in table.rows)


@pytest.mark.parametrize(("options", "said"), [({"prompts": -1}, "prompts is -1"), ({"steps": 0}, "steps is 0"),
                                               ({"sampler": "ddim"}, "has no option 'sampler'")])
def test_bad_options_are_refused_in_words(tiny, options, said):
    tiny("guidance")
    with pytest.raises(ValueError, match=said):
        measure("guidance", **options)
