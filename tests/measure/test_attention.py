"""Attention against ground truth: closed forms on masks and maps that are known."""

from __future__ import annotations

import random

import numpy as np
import pytest
from tiny_pipes import tiny

from explorable.analysis.attention_maps import coarse_mask, iou, threshold_map
from explorable.measure import attention as module
from explorable.measure.attention import (
    WEIGHTS,
    Rule,
    WordMaps,
    evaluation_scenes,
    fit_rules,
    hits_mask,
    layer_mean,
    map_names,
    word_maps,
)
from explorable.world import held_out


def square(left: int, right: int) -> np.ndarray:
    mask = np.zeros((16, 16), bool)
    mask[4:12, left:right] = True
    return mask


def test_iou_is_intersection_over_union():
    assert iou(square(0, 8), square(0, 8)) == 1 and iou(square(0, 8), square(8, 16)) == 0
    assert iou(square(0, 8), square(4, 12)) == pytest.approx(4 / 12)
    assert iou(square(0, 0), square(0, 0)) == 1


def test_a_coarse_mask_contains_the_positions_that_are_half_covered():
    fine = np.zeros((128, 128), bool)
    fine[:8, :4] = True  # half of the first position
    fine[8:16, :3] = True
    assert coarse_mask(fine).sum() == 1 and coarse_mask(fine)[0, 0]
    tiny_thing = np.zeros((128, 128), bool)
    tiny_thing[40:42, 40:42] = True
    assert coarse_mask(tiny_thing).sum() == 1 and coarse_mask(tiny_thing)[5, 5], "its fullest position"
    assert not coarse_mask(np.zeros((128, 128), bool)).any()


def test_a_threshold_is_a_share_of_the_range():
    ramp = np.linspace(3, 5, 256).reshape(16, 16)
    assert threshold_map(ramp, 0.5).mean() == pytest.approx(0.5) and threshold_map(ramp, 0.0).all()


def test_the_pointing_game_tests_the_maximum():
    scores = np.zeros((16, 16))
    scores[5, 5] = 1
    assert hits_mask(scores, square(4, 8)) and not hits_mask(scores, square(8, 12))


def test_rules_find_the_map_that_equals_the_mask():
    rng = np.random.default_rng(0)

    def word() -> WordMaps:
        left = int(rng.integers(0, 8))
        mask = square(left, left + 8)
        maps = rng.random((len(module.TIMES), 4, 16, 16))
        maps[1, 2] = 0.2 + 0.6 * mask
        return WordMaps("thing", "cat", maps, mask)

    chosen, scored = [word() for _ in range(12)], [word() for _ in range(12)]
    mean, best, weighted = fit_rules(chosen, [("layer", h) for h in range(4)])
    assert best.name == f"best map: layer head 2, t {module.TIMES[1]}"
    assert best.ious(scored).min() == 1
    assert weighted.ious(scored).mean() > 0.95 > mean.ious(scored).mean()
    assert np.unravel_index(weighted.weights.argmax(), weighted.weights.shape) == (1, 2)


def test_scores_do_not_depend_on_the_scale_of_a_map():
    maps = np.random.default_rng(1).random((3, 4, 16, 16))
    rule = Rule("mean", np.full((3, 4), 1 / 12))
    factors = np.array([1.0, 2.0, 0.1, 7.0])[None, :, None, None]
    one, other = (rule.scores(WordMaps("thing", "cat", m, square(0, 8))) for m in (maps, maps * factors))
    np.testing.assert_allclose(one, other)


@pytest.mark.parametrize("network", ["unet", "dit"])
def test_every_word_that_refers_to_pixels_has_its_maps(network):
    pipe, scene = tiny(network), evaluation_scenes(1, False)[0]
    words = word_maps(pipe, scene, random.Random(0))
    assert {w.role for w in words} <= set(module.ROLES.values()) and words
    assert all(w.maps.shape == (len(module.TIMES), len(map_names(pipe)), 16, 16) for w in words)
    assert all(np.isfinite(w.maps).all() and w.mask.any() for w in words)


def test_splits_of_scenes_are_disjoint():
    assert not any(map(held_out, evaluation_scenes(5, False))) and all(map(held_out, evaluation_scenes(5, True)))
    assert set(map(str, evaluation_scenes(5, False))).isdisjoint(map(str, evaluation_scenes(5, False, 5_000)))


def card_of(layers: list[str]) -> dict:
    return {"name": "unet-flow"} | ({"supervised_attention": [layer + WEIGHTS for layer in layers]} if layers else {})


def test_a_table_says_which_layers_were_supervised(tiny, monkeypatch):
    tiny("attention")
    monkeypatch.setattr(module, "read_card", lambda name: card_of(["up.0.0", "up.1.0"]))
    for table in (module.attention(count=2), module.attention_layers(count=2)):
        assert "was supervised in training" in table.notes[-1] and "(in up.0.0, up.1.0)" in table.notes[-1]
    assert {row["layer"] for row in table.rows if row["supervised"] == "yes"} == {"up.0.0", "up.1.0"}
    monkeypatch.setattr(module, "read_card", lambda name: card_of([]))
    for table in (module.attention(count=2), module.attention_layers(count=2)):
        assert not any("supervised" in note for note in table.notes)
    assert {row["supervised"] for row in table.rows} == {"no"}


def test_every_layer_has_a_row(pipe, tiny):
    tiny("attention")
    rows = module.attention_layers(count=2).rows
    own = [p.name.removesuffix(WEIGHTS) for p in pipe.points() if p.name.endswith(WEIGHTS)]
    assert [(row["word"], row["layer"]) for row in rows] == [(w, k) for w in ("noun", "colour") for k in own]
    assert all(row["seen"] in [row[f"t {t}"] for t in module.TIMES] for row in rows), "at one of its noise times"


def test_the_mean_of_a_layer_is_over_its_own_heads():
    names = [("middle", 0), ("up", 0), ("up", 1)]
    maps = np.zeros((len(module.TIMES), 3, 16, 16))
    maps[1, 1:], maps[1, 0], maps[0] = square(0, 8), square(8, 16), square(8, 16)
    scores = layer_mean("up", 1, names).scores(WordMaps("thing", "cat", maps, square(0, 8)))
    np.testing.assert_array_equal(scores, square(0, 8))
