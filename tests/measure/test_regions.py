"""Region-by-word tables: closed forms, and what is counted."""

from __future__ import annotations

import random

import numpy as np
import pytest
from tiny_pipes import tiny as tiny_pipe

from explorable.measure import regions as module
from explorable.measure.regions import RegionRow, fit_head_weights, region_kind, region_rows
from explorable.world import Group, Scene


def row(scores: list[float], correct: list[int], visual: list[int]) -> RegionRow:
    words = np.arange(len(scores))
    return RegionRow("thing", "car", np.array([scores]), np.isin(words, correct), np.isin(words, visual))


def test_a_correct_word_must_rank_first_among_visual_words():
    one = np.ones(1)
    assert row([0.5, 2.0, 1.0], correct=[2], visual=[0, 2]).ranks_first(one)
    assert not row([0.5, 2.0, 1.0], correct=[2], visual=[0, 2]).ranks_first(one, all_words=True)
    assert not row([1.5, 2.0, 1.0], correct=[2], visual=[0, 2]).ranks_first(one)
    assert row([-3.0, -1.0], correct=[1], visual=[0, 1]).ranks_first(one)


def test_chance_is_the_share_of_correct_words_among_visual_words():
    assert row([0.5, 2.0, 1.0, 0.0], correct=[2], visual=[0, 2, 3]).chance == pytest.approx(1 / 3)
    assert row([0.5, 2.0], correct=[0, 1], visual=[0, 1]).chance == 1


def test_informative_heads_have_weight_and_misleading_ones_have_none():
    rng, rows = np.random.default_rng(0), []
    for _ in range(60):
        correct = rng.permutation([True, False, False, False])
        noise = rng.standard_normal((3, 4))
        scores = noise + np.array([2.0, 0.0, -2.0])[:, None] * correct
        rows.append(RegionRow("thing", "car", scores, correct, np.full(4, True)))
    weights = fit_head_weights(rows)
    assert weights.sum() == pytest.approx(1) and weights[0] > 0.6 and weights[2] == 0
    weighted, equal = (np.mean([r.ranks_first(w) for r in rows]) for w in (weights, np.ones(3)))
    assert weighted > equal


def test_kinds_of_regions():
    assert [region_kind(name) for name in ("car", "sports car wheels", "mountains snow", "road", "cat ears")] == [
        "thing", "part", "place", "place", "part"]


@pytest.mark.parametrize("network", ["unet", "dit"])
def test_a_drawing_has_a_row_for_each_region_that_a_word_refers_to(network):
    pipe = tiny_pipe(network)
    scene = Scene((Group("sports car", "red"),), place="mountain road", time="day", seed=3)
    rows = region_rows(pipe, scene, random.Random(0), times=(0.5,))
    names = [r.region for r in rows]
    assert {"sports car", "sports car body", "sports car wheels", "road", "mountains", "sky"} <= set(names)
    assert "hills" not in names, "no word refers to them"
    layers = [p.shape[0] for p in pipe.points() if p.name.endswith("cross.weights")]
    assert all(r.scores.shape == (len(layers) * max(layers), len(r.correct)) for r in rows)
    assert all(np.isfinite(r.scores).all() for r in rows)
    assert all(r.correct.any() and not (r.correct & ~r.visual).any() for r in rows)


def test_perfect_maps_rank_correct_words_first(monkeypatch):
    """If the maps are the masks themselves, rows of regions larger than a position are right."""
    scene = Scene((Group("sports car", "red"),), place="mountain road", time="day", seed=3)
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
    rows = region_rows(tiny_pipe(), scene, random.Random(0), times=(0.5,))
    large = ("sports car", "sports car body", "road", "mountains", "sky")
    assert all(r.ranks_first(np.ones(1)) for r in rows if r.region in large)


def test_the_table_has_every_kind_of_region(tiny):
    tiny("regions")
    table = module.regions(count=2)
    assert [r["regions"] for r in table.rows] == ["all", *module.REGION_KINDS] * 3
    assert all(0 <= r["first seen %"] <= 100 for r in table.rows if r["n seen"])
    assert table.rows[0]["n seen"] == sum(r["n seen"] for r in table.rows[1:4])
    assert len({tuple(r) for r in table.rows}) == 1
    assert all(0 < r["by chance seen %"] <= 100 for r in table.rows if r["n seen"])


def test_a_count_out_of_range_is_refused():
    with pytest.raises(ValueError, match="count is 0"):
        module.regions(count=0)
