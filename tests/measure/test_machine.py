"""Timing in turns, what is computed from the times, and new processes."""

from __future__ import annotations

import pytest

from explorable.measure.machine import (
    alternate,
    overhead,
    overhead_rows,
    process_memory,
    require,
    run_python,
    timing_rows,
)


def test_runs_alternate_and_the_first_round_is_not_counted():
    calls: list[str] = []
    seconds = alternate({"a": lambda seed: calls.append(f"a{seed}"), "b": lambda seed: calls.append(f"b{seed}")}, 2)
    assert calls == ["a0", "b0", "b1", "a1", "a2", "b2"]
    assert {name: len(times) for name, times in seconds.items()} == {"a": 2, "b": 2}


def test_the_ratio_is_that_of_the_medians():
    table = timing_rows({"ours": [1.0, 2.0, 9.0], "theirs": [4.0, 1.0, 3.0]}, "loop, network", "ours")
    assert [(r["seconds"], r["times ours"]) for r in table] == [(2.0, 1.0), (3.0, 1.5)]


def test_overhead_is_compared_turn_by_turn():
    """A machine that becomes ten times slower in between changes no overhead."""
    baseline = [1.0, 2.0, 5.0, 10.0]
    middle, low, high = overhead([1.1 * s for s in baseline], baseline)
    assert middle == 10 and low == pytest.approx(10) and high == pytest.approx(10)
    rows = overhead_rows({"none": baseline, "some": [1.1 * s for s in baseline]}, "method", "none")
    assert [(r["method"], r["cost %"], r["95%"]) for r in rows] == [("none", None, None), ("some", 10, "10.0 to 10.0")]


def test_a_program_runs_in_a_new_process():
    assert run_python("import sys; print('noise'); print(sys.argv[1])", "[1, 2]") == [1, 2]


def test_the_maximum_of_memory_is_no_less_than_the_present():
    assert 0 < process_memory("VmRSS") <= process_memory("VmHWM")


def test_a_missing_package_is_named_with_how_to_install_it():
    with pytest.raises(ModuleNotFoundError, match=r"needs no_such_package, .*: pip install something"):
        require("no_such_package", "something")


def test_another_clock_may_be_read():
    ticks = iter(range(100))
    assert alternate({"a": lambda seed: None}, 2, lambda: next(ticks)) == {"a": [1, 1]}
