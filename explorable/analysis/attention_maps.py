"""Maps: where each word is read, gathered from all layers and heads; and how they stand against regions and masks.

    run = pipe("a red car", record=["*.cross.weights"])
    weights = gathered(run)                # (layer, step, branch, head, y, x, token), half precision
    words = of_branch(weights, "cond")     # (step, token, layer, head, y, x), padding folded
    by_region(standings(words.isel(step=-1).values), {"left": mask})               # (region, token)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from functools import cache
from typing import Any

import numpy as np
import torch
import xarray as xr

from ..hooks.recording import stack_layers

WEIGHTS = "*.cross.weights"
MAP_SIZE = 16  # places a side at which maps and masks are compared
THRESHOLDS = np.linspace(0.1, 0.9, 17)
ALL_LAYERS, MEAN_HEAD = "all", "mean"  # of layers, and of heads
MIN_REGION_PIXELS = 96  # pixels: a region of fewer is no region, at 64 pixels a place
MIN_WORD_SHARE = 0.5  # the share of a region that a word must speak of to be a true word of it
PAD = "<pad>"
FLAT_SPREAD = 1e-3  # of its mean: what varies less over the picture says nothing of places


# ---- from a recording to maps ---------------------------------------------------------------------------------------


def gather_weights(recorded: Any) -> xr.DataArray:
    """All cross-attention weights of a run, or a take, as one array of half precision.

    (layer, step, branch, head, y, x, token); coarse maps are repeated up to the finest layer's size; where a layer has
    fewer heads than another, NaN. 20 guided steps of the shipped U-Net take 21 MB.

    Raises:
        UnknownPointError: no weights were recorded.
    """
    kept = getattr(recorded, "recorded", recorded)
    found = [_half(kept[name]) for name in kept if fnmatchcase(name, WEIGHTS)]
    if not found:
        return recorded[WEIGHTS]  # which says so
    weights = stack_layers(found)
    return weights.assign_coords(layer=[name.removesuffix(".cross.weights") for name in weights.layer.values])


def _half(array: xr.DataArray) -> xr.DataArray:
    """The same in half precision. numpy's own rounding is the same, and ten times as slow."""
    return array.copy(data=torch.from_numpy(np.ascontiguousarray(array.values)).half().numpy())


def token_labels(tokens: Sequence[str]) -> tuple[str, ...]:
    """A name for each token, each once: a word said again is numbered, and all the padding is one, "13 x <pad>"."""
    words = [name for name in tokens if name != PAD]
    found = [name if words[:k].count(name) == 0 else f"{name} ({words[:k].count(name) + 1})"
             for k, name in enumerate(words)]
    padding = len(tokens) - len(words)
    return (*found, *([f"{padding} × {PAD}"] if padding else ()))


def branch_maps(weights: xr.DataArray, branch: str, tokens: Sequence[str] = ()) -> xr.DataArray:
    """The maps of one branch, (step, token, layer, head, y, x) float32, by the labels of the prompt's tokens.

    tokens: the prompt's, where the recording has not read it: with guidance 0 it has only the other branch.
    What the prompt is compared with has start and end tokens of its own: they stand at the prompt's. It does not say
    the prompt's words: they are read nowhere, 0.
    """
    own = weights.sel(branch=branch).transpose("step", "token", "layer", "head", "y", "x")
    label = f"token_{branch}" if f"token_{branch}" in weights.coords else "token"
    theirs = [str(name) for name in weights[label].values]
    said = list(map(str, tokens)) or [str(name) for name in weights.token.values]
    kept = [k for k, name in enumerate(said) if name != PAD or PAD not in said[:k]]
    found = np.zeros((own.shape[0], len(kept), *own.shape[2:]), np.float32)
    for to, k in enumerate(kept):
        at = k if theirs == said else theirs.index(said[k]) if said[k] in theirs else None
        found[:, to] = np.where(np.isnan(own.values[:, k]), np.nan, 0) if at is None else own.values[:, at]
    return xr.DataArray(found, dims=own.dims, coords={
        "step": own.step, "t": ("step", own.t.values), "token": list(token_labels(said)), "layer": own.layer.values,
        "head": [str(h + 1) for h in range(own.sizes["head"])]})


def add_means(maps: xr.DataArray) -> xr.DataArray:
    """The same with one layer more, "all", and one head more, "mean", each the first. Heads that are not there are 0.

    Heads of different layers have nothing to do with each other: for "all" layers every head is the mean of them all.
    """
    steps, tokens, layers, heads, high, wide = maps.shape
    found = np.zeros((steps, tokens, layers + 1, heads + 1, high, wide), np.float32)
    for to, own in zip(found, maps.values, strict=True):  # step by step: what is needed in between is small
        to[:, 1:, 1:] = np.nan_to_num(own)
        to[:, 1:, 0] = np.nanmean(own, axis=2)
        to[:, 0] = np.nanmean(own, axis=(1, 2))[:, None]
    return xr.DataArray(found, dims=maps.dims, coords={
        "step": maps.step.values, "t": ("step", maps.t.values), "token": maps.token.values,
        "layer": [ALL_LAYERS, *maps.layer.values], "head": [MEAN_HEAD, *maps["head"].values]})


def select_heads(maps: xr.DataArray, layer: str = ALL_LAYERS, head: str = MEAN_HEAD) -> np.ndarray:
    """The maps of one step, (token, layer, head, y, x), of one layer and head or of all: (token, layers, heads, y, x).

    Raises:
        ValueError: no such layer or head.
    """
    asked = (("layer", layer, [ALL_LAYERS, *maps.layer.values]), ("head", head, [MEAN_HEAD, *maps["head"].values]))
    for name, value, known in asked:
        if value not in known:
            raise ValueError(f"{name} is {value!r}: choose one of {', '.join(map(str, known))}")
    chosen = maps if layer == ALL_LAYERS else maps.sel(layer=[layer])
    return (chosen if head == MEAN_HEAD or layer == ALL_LAYERS else chosen.sel(head=[head])).values


def scale_to_max(maps: np.ndarray, axes: Sequence[int] = (-2, -1)) -> np.ndarray:
    """Maps (…, y, x) as shares of their greatest value over `axes`; a map of zeros stays one."""
    return maps / np.maximum(maps.max(tuple(axes), keepdims=True), 1e-9)


# ---- maps and regions -----------------------------------------------------------------------------------------------


def standardize_heads(maps: np.ndarray) -> np.ndarray:
    """Each head's map of each word brought to the mean 0 and the spread 1 over the picture; a flat map to 0.

    maps: (token, layers, heads, y, x), NaN where a head is not there. Returns (token, layers x heads, y, x), 0 there.
    """
    units = maps.astype(np.float32).reshape(len(maps), -1, *maps.shape[-2:])
    mean, spread = units.mean((-2, -1), keepdims=True), units.std((-2, -1), keepdims=True)
    return np.nan_to_num(np.where(spread <= FLAT_SPREAD * mean, units * 0, (units - mean) / np.maximum(spread, 1e-9)))


def relative_attention(maps: np.ndarray, head_weights: np.ndarray | None = None) -> np.ndarray:
    """How far above its own average over the picture each word is read at each place, in spreads.

    maps: (token, layers, heads, y, x), NaN where a head is not there. Returns (token, y, x): 0 on average; 1 where
    heads read the word by one standard deviation over the picture more than on average, in the mean over heads.
    trust: (layers, heads), how much each head counts in that mean; without it all count alike.

    So words compete fairly: each head's map of each word has the mean 0 and the spread 1 before heads are averaged,
    for some heads speak much louder than others, and some words are read more than others everywhere. A flat map is 0.
    """
    there = ~np.isnan(maps[:, :, :, :1, :1]).reshape(len(maps), -1, 1, 1)
    weight = there if head_weights is None else there * np.asarray(head_weights, np.float32).reshape(1, -1, 1, 1)
    return (standardize_heads(maps) * weight).sum(1) / np.maximum(weight.sum(1), 1e-9)


def head_weights_for(maps: xr.DataArray, heads: Mapping[str, Sequence[float]] | None) -> np.ndarray | None:
    """What `standings` takes as trust, (layers, heads), for maps with axes `layer` and `head`.

    heads: by layer how much each of its heads counts, as a card has it. None where it knows nothing of these maps, or
    trusts none of their heads.
    """
    found = np.zeros((maps.sizes["layer"], maps.sizes["head"]), np.float32)
    for row, layer in zip(found, maps.layer.values, strict=True):
        own = list((heads or {}).get(str(layer), ()))[: len(row)]
        row[: len(own)] = own
    return found if found.any() else None


def coverage(mask: np.ndarray, size: int | Sequence[int] = MAP_SIZE) -> np.ndarray:
    """The share of each place that a mask (high, wide) covers, in a grid of so many rows and columns, or of a side."""
    (high, wide), (rows, columns) = mask.shape, (size, size) if isinstance(size, int) else size
    if high % rows == 0 and wide % columns == 0:
        return mask.reshape(rows, high // rows, columns, -1).mean((1, 3))
    return _overlap(rows, high) @ mask @ _overlap(columns, wide).T


@cache
def _overlap(places: int, pixels: int) -> np.ndarray:
    """The share of each place that each pixel takes, (places, pixels), where as many of both fill a line."""
    ends = np.arange(places + 1) * pixels / places
    low, high = ends[:-1, None], ends[1:, None]
    there = np.arange(pixels)
    return np.clip(np.minimum(high, there + 1) - np.maximum(low, there), 0, None) * places / pixels


def mean_by_region(maps: np.ndarray, regions: Mapping[str, np.ndarray]) -> np.ndarray:
    """The mean of each map (token, y, x) over each region, a mask (128, 128): (region, token)."""
    shares = np.stack([coverage(mask, maps.shape[1:]) for mask in regions.values()])
    return np.einsum("ryx,tyx->rt", shares, maps) / np.maximum(shares.sum((1, 2)), 1e-9)[:, None]


def named_regions(masks: Mapping[str, np.ndarray], least: int = MIN_REGION_PIXELS) -> dict[str, np.ndarray]:
    """The regions of a drawn picture, by name: its things, their parts and the elements of its place.

    masks: as `world.draw` gives them. Things of a kind are taken together, "car.0.wheels" and "car.1.wheels" as
    "car wheels"; what covers fewer than `least` pixels is left out.
    """
    found: dict[str, np.ndarray] = {}
    for name, mask in masks.items():
        label = " ".join(part for part in name.split(".") if not part.isdigit())
        found[label] = found[label] | mask if label in found else mask
    return {label: mask for label, mask in found.items() if mask.sum() >= least}


def ground_truth_words(region: np.ndarray, truths: Sequence[np.ndarray]) -> list[int]:
    """Which words speak of a region: those whose own pixels, (128, 128) each, hold at least half of it."""
    return [k for k, truth in enumerate(truths) if (truth & region).sum() >= MIN_WORD_SHARE * max(region.sum(), 1)]


# ---- maps and masks -------------------------------------------------------------------------------------------------


def coarse_mask(mask: np.ndarray) -> np.ndarray:
    """A mask (128, 128) at 16 x 16: places of which it covers at least half; the fullest where it covers none so."""
    share = coverage(mask)
    return share >= min(0.5, share.max()) if share.max() > 0 else np.zeros((MAP_SIZE, MAP_SIZE), bool)


def resize_maps(maps: np.ndarray, side: int = MAP_SIZE) -> np.ndarray:
    """Maps (…, y, x) with their places repeated, or averaged, to (…, side, side)."""
    if maps.shape[-1] == maps.shape[-2] and side % maps.shape[-1] == 0:
        times = side // maps.shape[-1]
        return maps.repeat(times, -1).repeat(times, -2)
    return _overlap(side, maps.shape[-2]) @ maps @ _overlap(side, maps.shape[-1]).T


def iou(a: np.ndarray, b: np.ndarray) -> float:
    """Intersection over union of two masks; 1 where both are empty."""
    union = (a | b).sum()
    return float((a & b).sum() / union) if union else 1.0


def threshold_map(scores: np.ndarray, threshold: float) -> np.ndarray:
    """Where a map reaches a share of the way from its least to its greatest value."""
    low, high = scores.min(), scores.max()
    return scores >= low + threshold * (high - low)


def best_iou(scores: np.ndarray, mask: np.ndarray) -> tuple[float, float]:
    """The IoU of a map (16, 16) with a mask (16, 16) at the threshold that serves it best, and that threshold."""
    found = [(iou(threshold_map(scores, float(c)), mask), float(c)) for c in THRESHOLDS]
    return max(found, key=lambda pair: pair[0])


# ---- maps and effects -----------------------------------------------------------------------------------------------


def pixel_difference(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """How far two pictures (…, y, x, 3) uint8 are apart at each pixel: root mean square over the colours, where 1 is
    black to white."""
    gap = (one.astype(np.float32) - other.astype(np.float32)) / 255
    return np.sqrt(np.square(gap).mean(-1))


def ranks(values: np.ndarray) -> np.ndarray:
    """The rank of each value from 1 on, flat; equal values share the mean of theirs. scipy's takes 60 MB to import."""
    _, which, counts = np.unique(values.ravel(), return_inverse=True, return_counts=True)
    return (counts.cumsum() - (counts - 1) / 2)[which.ravel()]


def rank_correlation(one: np.ndarray, other: np.ndarray) -> float:
    """Spearman's rank correlation of two arrays of one shape; NaN where either has but one value."""
    if np.isnan(one).any() or np.isnan(other).any():
        return float("nan")
    a, b = ranks(one), ranks(other)
    spread = a.std() * b.std()
    return float(((a - a.mean()) * (b - b.mean())).mean() / spread) if spread else float("nan")
