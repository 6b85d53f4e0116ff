"""Region-by-word tables: closed forms, and what is counted."""

from __future__ import annotations

import random

import numpy as np
import pytest
from tiny_pipes import tiny as tiny_pipe

from explorable.measure import regions as module
from explorable.measure.regions import Row, region_rows, sort_of, trusted
from explorable.world import Group, Scene


def row(values: list[float], true: list[int], speaking: list[int]) -> Row:
    places = np.arange(len(values))
    return Row("thing", "car", np.array([values]), np.isin(places, true), np.isin(places, speaking))


def test_a_true_word_must_rank_first_among_those_that_speak():
    one = np.ones(1)
    assert row([0.5, 2.0, 1.0], true=[2], speaking=[0, 2]).first(one)
    assert not row([0.5, 2.0, 1.0], true=[2], speaking=[0, 2]).first(one, everything=True)
    assert not row([1.5, 2.0, 1.0], true=[2], speaking=[0, 2]).first(one)
    assert row([-3.0, -1.0], true=[1], speaking=[0, 1]).first(one)


def test_chance_is_the_share_of_true_words_among_those_that_speak():
    assert row([0.5, 2.0, 1.0, 0.0], true=[2], speaking=[0, 2, 3]).chance == pytest.approx(1 / 3)
    assert row([0.5, 2.0], true=[0, 1], speaking=[0, 1]).chance == 1


def test_heads_that_tell_are_trusted_and_heads_that_mislead_are_not():
    rng, rows = np.random.default_rng(0), []
    for _ in range(60):
        true = rng.permutation([True, False, False, False])
        noise = rng.standard_normal((3, 4))
        rows.append(Row("thing", "car", noise + np.array([2.0, 0.0, -2.0])[:, None] * true, true, np.full(4, True)))
    trust = trusted(rows)
    assert trust.sum() == pytest.approx(1) and trust[0] > 0.6 and trust[2] == 0
    assert np.mean([r.first(trust) for r in rows]) > np.mean([r.first(np.ones(3)) for r in rows])


def test_sorts_of_regions():
    assert [sort_of(name) for name in ("car", "sports car wheels", "mountains snow", "road", "cat ears")] == [
        "thing", "part", "place", "place", "part"]


@pytest.mark.parametrize("network", ["unet", "dit"])
def test_a_picture_has_a_row_for_each_region_that_a_word_speaks_of(network):
    pipe = tiny_pipe(network)
    drawn = Scene((Group("sports car", "red"),), place="mountain road", time="day", seed=3)
    rows = region_rows(pipe, drawn, random.Random(0), times=(0.5,))
    names = [r.region for r in rows]
    assert {"sports car", "sports car body", "sports car wheels", "road", "mountains", "sky"} <= set(names)
    assert "hills" not in names, "no word speaks of them"
    layers = [p.shape[0] for p in pipe.points() if p.name.endswith("cross.weights")]
    assert all(r.values.shape == (len(layers) * max(layers), len(r.true)) and np.isfinite(r.values).all() for r in rows)
    assert all(r.true.any() and not (r.true & ~r.speaking).any() for r in rows)


def test_words_that_are_read_where_they_are_win_their_rows(monkeypatch):
    """Maps that are the true masks themselves: then rows of regions larger than a place are right."""
    drawn = Scene((Group("sports car", "red"),), place="mountain road", time="day", seed=3)
    truths: list[np.ndarray] = []
    true_of = module.word_masks

    def watch(*args):
        found = true_of(*args)
        truths.extend(mask for _, mask in found)
        return found

    def perfect(heads):
        shares = [np.zeros((16, 16)), *map(module.mapping.coverage, truths)]
        return np.stack([*shares, *[shares[0]] * (len(heads) - len(shares))])[:, None]

    monkeypatch.setattr(module, "word_masks", watch)
    monkeypatch.setattr(module.mapping, "standardize_heads", perfect)
    rows = region_rows(tiny_pipe(), drawn, random.Random(0), times=(0.5,))
    large = ("sports car", "sports car body", "road", "mountains", "sky")
    assert all(r.first(np.ones(1)) for r in rows if r.region in large)


def test_the_table_has_every_sort_for_seen_and_held_out(tiny):
    tiny("regions")
    table = module.regions(count=2)
    assert [r["regions"] for r in table.rows] == ["all", *module.REGION_KINDS] * 3
    assert all(0 <= r["first seen %"] <= 100 for r in table.rows if r["n seen"])
    assert table.rows[0]["n seen"] == sum(r["n seen"] for r in table.rows[1:4])
    assert len({tuple(r) for r in table.rows}) == 1
    assert all(0 < r["by chance seen %"] <= 100 for r in table.rows if r["n seen"])


def test_attention_is_held_beside_ablation(tiny):
    tiny("regions")
    table = module.attention_ablation(count=2)
    assert {r["rank correlation"]: r["n"] for r in table.rows}["over the words of a picture"] == 2
    assert all(-1 <= r[way] <= 1 for r in table.rows for way in module.WAYS if r[way] is not None)


def test_a_number_of_pictures_that_cannot_be_is_refused():
    with pytest.raises(ValueError, match="count is 0"):
        module.regions(count=0)
