"""Maps: gathered from all layers, told by word, and held against regions whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from tiny_pipes import PROMPT, tiny

from explorable.analysis import attention_maps as maps
from explorable.hooks import recording
from explorable.hooks.points import UnknownPointError
from explorable.nn.dit import DiTConfig
from explorable.nn.unet import UNetConfig


def left_half() -> np.ndarray:
    mask = np.zeros((128, 128), bool)
    mask[:, :64] = True
    return mask


@pytest.fixture(scope="module", params=["unet", "dit"])
def run(request):
    return tiny(request.param)(PROMPT, steps=3, record=[maps.WEIGHTS])


def test_all_layers_are_gathered_in_single_precision(run):
    weights = maps.gather_weights(run)
    assert weights.dims == ("layer", "step", "branch", "head", "y", "x", "token") and weights.dtype == np.float32
    assert float(weights.sum()) == pytest.approx(float(np.nansum(weights.values.astype(float))), rel=1e-6)
    points = [name for name in run.recorded if name.endswith("cross.weights")]
    assert [f"{name}.cross.weights" for name in weights.layer.values] == points
    for name, point in zip(weights.layer.values, points, strict=True):
        one = run[point]
        side = weights.sizes["y"] // one.sizes["y"]
        fine = one.values.repeat(side, -3).repeat(side, -2)
        assert np.allclose(weights.sel(layer=name).isel(head=slice(one.sizes["head"])), fine, atol=1e-3)


@pytest.mark.parametrize("pattern", [maps.WEIGHTS, "*.res.out", "*.cross.out", "up.*.skip"])
def test_layers_are_joined_as_xarray_would(pattern, monkeypatch):
    run = tiny()(PROMPT, steps=2, record=[pattern])
    ours = run[pattern]
    monkeypatch.setattr(recording, "_is_prefix", lambda *some: False)
    assert ours.identical(run[pattern])


def test_layers_that_were_skipped_at_some_steps_are_refused(run):
    recorded = {name: array.isel(step=slice(k + 1)) for k, (name, array) in enumerate(run.recorded.items()) if k < 3}
    assert len(recorded) > 1
    says = rf"{next(iter(recorded))} was computed at 1 of {len(recorded)} steps.*disable"
    with pytest.raises(ValueError, match=says):
        maps.gather_weights(recorded)


def test_without_a_recording_there_is_an_error(run):
    with pytest.raises(UnknownPointError, match="nothing is recorded"):
        maps.gather_weights(tiny()(PROMPT, steps=1))


def test_a_guided_run_of_the_shipped_networks_is_far_below_the_limit():
    """Of the sizes that both ship with: layers x heads x positions x tokens x branches x steps, in half precision."""
    unet, dit = UNetConfig(), DiTConfig()
    layers = sum(unet.down) + 1 + sum(unet.up)
    heads = max(unet.widths) // unet.head_width
    assert layers * heads * 256 * 24 * 2 * 20 * 2 < 30e6
    assert dit.depth * dit.heads * (16 // dit.patch_size) ** 2 * 24 * 2 * 20 * 2 < 30e6


def test_labels_are_unique():
    labels = maps.token_labels(["<start>", "a", "red", "car", "on", "a", "road", "<end>", "<pad>", "<pad>"])
    assert labels == ("<start>", "a", "red", "car", "on", "a (2)", "road", "<end>", "2 × <pad>")
    assert maps.token_labels(["<start>", "<end>"]) == ("<start>", "<end>")


def test_a_branch_is_labelled_by_the_prompt(run):
    weights = maps.gather_weights(run)
    cond, uncond = (maps.branch_maps(weights, branch) for branch in ("cond", "uncond"))
    assert list(cond.token.values)[:3] == ["<start>", "a", "red"] and cond.token.values[-1].endswith("<pad>")
    raw = weights.sel(branch="cond").isel(token=3, step=1).transpose("layer", "head", "y", "x")
    assert np.array_equal(cond.sel(token="car").isel(step=1).values, raw.values.astype(np.float32), equal_nan=True)
    assert not np.nansum(np.abs(uncond.sel(token=["red", "car"]).values)), "the other pass is not told the words"
    theirs = weights.sel(branch="uncond").isel(token=1).transpose("step", "layer", "head", "y", "x")
    assert np.array_equal(uncond.sel(token="<end>").values, theirs.values.astype(np.float32), equal_nan=True)
    assert not np.nansum(np.abs(cond.isel(token=-1).values)), "padding is not read"


def test_an_unconditional_run_has_zero_maps():
    weights = maps.gather_weights(tiny()(PROMPT, steps=1, guidance=0, record=[maps.WEIGHTS]))
    tokens = ["<start>", *PROMPT.split(), "<end>", *["<pad>"] * 15]
    found = maps.branch_maps(weights, "uncond", tokens)
    assert found.sizes["token"] == 10 and not np.nansum(found.sel(token=["red", "car"]).values)
    assert np.nansum(found.sel(token="<end>").values) > 0


def test_the_means_come_first(run):
    words = maps.branch_maps(maps.gather_weights(run), "cond")
    shown = maps.add_means(words)
    assert shown.layer.values[0] == maps.ALL_LAYERS and shown["head"].values[0] == maps.MEAN_HEAD
    assert np.isfinite(shown.values).all()
    assert np.allclose(shown.isel(layer=0, head=0), words.mean(["layer", "head"]), atol=1e-5)
    assert np.allclose(shown.isel(layer=2, head=0), words.isel(layer=1).mean("head"), atol=1e-5)
    assert np.allclose(shown.isel(layer=1, head=1), words.isel(layer=0, head=0))


def test_heads_are_selected_by_name(run):
    look = maps.branch_maps(maps.gather_weights(run), "cond").isel(step=0)
    assert maps.select_heads(look).shape[1:3] == (look.sizes["layer"], look.sizes["head"])
    assert maps.select_heads(look, str(look.layer.values[1]), "1").shape[1:3] == (1, 1)
    with pytest.raises(ValueError, match="layer is 'zzz': choose one of all"):
        maps.select_heads(look, "zzz")


def test_maps_are_standardized_before_averaging():
    """A word that is read ten times as much everywhere does not win where another is read above its average."""
    here = np.zeros((16, 16))
    here[:, :8] = 1
    quiet, loud, flat = 0.01 + 0.01 * here, 0.5 - 0.1 * here, np.full((16, 16), 0.2)
    heads = np.stack([quiet, loud, flat])[:, None, None]
    found = maps.relative_attention(heads)
    assert np.allclose(found[:, 0, 0], [1, -1, 0]) and np.allclose(found.mean((1, 2)), 0, atol=1e-6)
    table = maps.mean_by_region(found, {"left": left_half(), "right": ~left_half()})
    assert np.allclose(table, [[1, -1, 0], [-1, 1, 0]], atol=1e-6)


def test_head_weights_follow_the_card():
    found = xr.DataArray(np.zeros((2, 2, 3)), dims=("token", "layer", "head"), coords={"layer": ["a", "b"]})
    np.testing.assert_allclose(maps.head_weights_for(found, {"b": [0.0, 0.5], "c": [1.0]}), [[0, 0, 0], [0, 0.5, 0]])
    assert maps.head_weights_for(found, {"c": [1.0]}) is None and maps.head_weights_for(found, None) is None


def test_missing_heads_do_not_count():
    maps_of_word = np.random.default_rng(0).random((1, 1, 2, 16, 16))
    alone = maps.relative_attention(maps_of_word)
    padded = np.concatenate([maps_of_word, np.full((1, 1, 3, 16, 16), np.nan)], axis=2)
    assert np.allclose(maps.relative_attention(padded), alone, atol=1e-6)
    assert not maps.relative_attention(np.full((1, 1, 1, 16, 16), np.nan)).any()


def test_small_regions_count_by_the_share_that_they_cover():
    maps_of = np.zeros((1, 16, 16))
    maps_of[0, 0, 0], maps_of[0, 0, 1] = 1, 3
    mask = np.zeros((128, 128), bool)
    mask[:8, 4:10] = True  # half of one place, a quarter of the next
    assert maps.mean_by_region(maps_of, {"small": mask})[0, 0] == pytest.approx((0.5 * 1 + 0.25 * 3) / 0.75)


def test_regions_have_plain_names_and_a_size():
    left, dot = left_half(), np.zeros((128, 128), bool)
    dot[:5, :5] = True
    found = maps.named_regions({"car.0.wheels": left, "car.1.wheels": ~left, "mountains.snow": left, "sun": dot})
    assert list(found) == ["car wheels", "mountains snow"] and found["car wheels"].all()


def test_a_true_word_covers_half_the_region():
    left, top = left_half(), left_half().T
    assert maps.ground_truth_words(left & top, [left, ~left, top]) == [0, 2]
    assert maps.ground_truth_words(left, [top, left, np.zeros_like(left)]) == [0, 1]


def test_the_best_threshold_finds_a_mask():
    mask = np.zeros((16, 16), bool)
    mask[3:9, 3:9] = True
    scores = 0.2 + 0.5 * mask + np.random.default_rng(0).uniform(0, 0.1, mask.shape)
    assert maps.best_iou(scores, mask)[0] == 1


def test_the_difference_from_black_to_white_is_one():
    black, white = np.zeros((2, 2, 3), np.uint8), np.full((2, 2, 3), 255, np.uint8)
    assert np.allclose(maps.pixel_difference(black, white), 1) and not maps.pixel_difference(white, white).any()


def test_rank_correlation_is_spearmans():
    x = np.random.default_rng(0).random(30)
    assert maps.rank_correlation(x, np.exp(x)) == pytest.approx(1)
    assert maps.rank_correlation(x, -x) == pytest.approx(-1)
    assert np.isnan(maps.rank_correlation(x, np.ones(30)))
    tied = maps.rank_correlation(np.array([1.0, 1, 2]), np.array([0.0, 1, 2]))
    assert tied == pytest.approx(np.corrcoef([1.5, 1.5, 3], [1, 2, 3])[0, 1])


def test_ranks_are_scipys():
    from scipy.stats import rankdata

    values = np.random.default_rng(0).integers(0, 6, (5, 8)) / 3.0
    assert np.array_equal(maps.ranks(values), rankdata(values.ravel()))
    assert np.isnan(maps.rank_correlation(values, np.where(values > 1, np.nan, values)))


def test_a_map_is_scaled_by_its_maximum():
    values = xr.DataArray(np.arange(8.0).reshape(2, 2, 2)).values
    assert np.allclose(maps.scale_to_max(values, (0, 1, 2)).max(), 1) and not maps.scale_to_max(np.zeros((2, 2))).any()
