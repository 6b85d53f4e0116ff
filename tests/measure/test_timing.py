"""Sides that take turns, and what is made of their times."""

from __future__ import annotations

from explorable.measure.timing import rows, turns


def test_sides_take_turns_and_the_first_round_is_not_counted():
    calls: list[str] = []
    seconds = turns({"a": lambda seed: calls.append(f"a{seed}"), "b": lambda seed: calls.append(f"b{seed}")}, 2)
    assert calls == ["a0", "b0", "a1", "b1", "a2", "b2"]
    assert {name: len(times) for name, times in seconds.items()} == {"a": 2, "b": 2}


def test_the_ratio_is_that_of_the_medians():
    table = rows({"ours": [1.0, 2.0, 9.0], "theirs": [4.0, 1.0, 3.0]}, "loop, network", "times ours")
    assert [(r["seconds"], r["times ours"]) for r in table] == [(2.0, 1.0), (3.0, 1.5)]
