"""What is settled first: a trait is settled from the step on from which every later branch keeps it."""

import numpy as np
import pytest

from explorable.measure.settling import TRAITS, settled_from, settling


def test_settled_from_is_the_last_change():
    kept = np.array([[True, True, True], [False, True, True], [True, False, True], [False, True, False]])
    assert settled_from(kept).tolist() == [0, 1, 2, 3]
    assert settled_from(kept[None]).shape == (1, 4)


def test_every_trait_has_a_row_and_the_order_follows_the_rows(tiny):
    tiny("settling")
    table = settling(pairs=2, steps=4)
    assert tuple(row["trait"] for row in table.rows) == TRAITS
    assert all(0 <= row["settled from step"] <= 4 for row in table.rows)
    first = min(table.rows, key=lambda row: row["settled from step"])["trait"]
    assert table.notes[0].startswith(first)


def test_a_branch_that_changes_nothing_keeps_everything(tiny, pipe, monkeypatch):
    tiny("settling")
    monkeypatch.setattr(type(pipe("", steps=1)), "branch", lambda run, step, **changes: run)
    table = settling(pairs=1, steps=2)
    by_trait = {row["trait"]: row["settled from step"] for row in table.rows}
    assert by_trait["light"] == by_trait["place"] == by_trait["silhouette"] == 0


@pytest.mark.parametrize(("options", "message"), [({"pairs": 0}, "pairs is 0"), ({"steps": 1}, "steps is 1"),
                                               ({"steps": 10**4}, "steps is 10000")])
def test_options_out_of_range_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        settling(**options)
