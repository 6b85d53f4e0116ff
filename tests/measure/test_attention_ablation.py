"""Attention beside ablation: the table has every kind of word, and correlations."""

from __future__ import annotations

from explorable.measure import attention_ablation as module


def test_attention_is_compared_with_ablation(tiny):
    tiny("attention_ablation")
    table = module.attention_ablation(count=2)
    assert {r["rank correlation"]: r["n"] for r in table.rows}["over the words of a drawing"] == 2
    assert all(-1 <= r[where] <= 1 for r in table.rows for where in module.MASKED if r[where] is not None)
