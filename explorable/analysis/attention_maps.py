"""Attention maps of words, gathered from all layers and heads, and their comparison with regions and masks.

    run = pipe("a red car", record=["*.cross.weights"])
    weights = gather_weights(run)              # (layer, step, branch, head, y, x, token)
    maps = branch_maps(weights, "cond")        # (step, token, layer, head, y, x), padding as one token
    mean_by_region(relative_attention(maps.isel(step=-1).values), {"left": mask})  # (region, token)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from functools import cache
from typing import Any

import numpy as np
import torch
import xarray as xr

from ..hooks.recording import stack_layers, to_single_precision

WEIGHTS = "*.cross.weights"
MAP_SIZE = 16  # positions per side at which maps and masks are compared
THRESHOLDS = np.linspace(0.1, 0.9, 17)
ALL_LAYERS, MEAN_HEAD = "all", "mean"  # the label for all layers, and for the mean over heads
MIN_REGION_PIXELS = 96  # smaller regions are left out; a position covers 64 pixels
MIN_WORD_SHARE = 0.5  # of a region that a word must describe to count as true
PAD = "<pad>"
FLAT_SPREAD = 1e-3  # a map whose standard deviation is below this share of its mean counts as flat


# ---- from a recording to maps ---------------------------------------------------------------------------------------


def gather_weights(recorded: Any) -> xr.DataArray:
    """Return all cross-attention weights of a run or a recording as one array, rounded to half precision.

    (layer, step, branch, head, y, x, token). Coarse maps are repeated to the size of the finest layer; heads that a
    layer does not have are NaN. It is float32, so that sums are right: 20 guided steps of the shipped U-Net take 41 MB.

    Raises:
        UnknownPointError: no weights were recorded.
        ValueError: a layer was not computed at all steps.
    """
    recording = getattr(recorded, "recorded", recorded)
    layers = [to_half_precision(recording[name]) for name in recording if fnmatchcase(name, WEIGHTS)]
    if not layers:
        return recorded[WEIGHTS]  # raises the error
    steps = [layer.sizes.get("step", 1) for layer in layers]
    if min(steps) < max(steps):
        name = layers[steps.index(min(steps))].layer.item()
        raise ValueError(f"{name} was computed at {min(steps)} of {max(steps)} steps, for the network has a cache that "
                         "skips the others: disable the cache, as in pipeline.transformer.disable_cache()")
    weights = to_single_precision(stack_layers(layers))
    return weights.assign_coords(layer=[name.removesuffix(".cross.weights") for name in weights.layer.values])


def to_half_precision(array: xr.DataArray) -> xr.DataArray:
    """Convert to half precision. numpy rounds alike, but takes ten times as long."""
    return array.copy(data=torch.from_numpy(np.ascontiguousarray(array.values)).half().numpy())


def token_labels(tokens: Sequence[str]) -> tuple[str, ...]:
    """Return a unique name for each token: repeated words are numbered, and all padding is one, "13 × <pad>"."""
    words = [name for name in tokens if name != PAD]
    labels = [name if words[:k].count(name) == 0 else f"{name} ({words[:k].count(name) + 1})"
              for k, name in enumerate(words)]
    padding = len(tokens) - len(words)
    return (*labels, *([f"{padding} × {PAD}"] if padding else ()))


def branch_maps(weights: xr.DataArray, branch: str, tokens: Sequence[str] = ()) -> xr.DataArray:
    """Return the maps of one branch, (step, token, layer, head, y, x) float32, labelled by the prompt's tokens.

    tokens: the prompt's, for recordings without it (guidance 0 has only the unconditional branch). In the
    unconditional branch, start and end tokens are its own, and words that it does not have get 0.
    """
    selected = weights.sel(branch=branch).transpose("step", "token", "layer", "head", "y", "x")
    label = f"token_{branch}" if f"token_{branch}" in weights.coords else "token"
    branch_tokens = [str(name) for name in weights[label].values]
    names = list(map(str, tokens)) or [str(name) for name in weights.token.values]
    shown = [k for k, name in enumerate(names) if name != PAD or PAD not in names[:k]]
    maps = np.zeros((selected.shape[0], len(shown), *selected.shape[2:]), np.float32)
    for target, k in enumerate(shown):
        if branch_tokens == names:
            maps[:, target] = selected.values[:, k]
        elif names[k] in branch_tokens:
            maps[:, target] = selected.values[:, branch_tokens.index(names[k])]
        else:
            maps[:, target] = np.where(np.isnan(selected.values[:, k]), np.nan, 0)
    return xr.DataArray(maps, dims=selected.dims, coords={
        "step": selected.step, "t": ("step", selected.t.values), "token": list(token_labels(names)),
        "layer": selected.layer.values, "head": [str(h + 1) for h in range(selected.sizes["head"])]})


def add_means(maps: xr.DataArray) -> xr.DataArray:
    """Return the maps with a first layer "all" and a first head "mean". Heads that a layer does not have become 0.

    Heads of different layers do not correspond: for "all" layers, every head is the mean of all heads.
    """
    steps, tokens, layers, heads, height, width = maps.shape
    extended = np.zeros((steps, tokens, layers + 1, heads + 1, height, width), np.float32)
    for target, source in zip(extended, maps.values, strict=True):  # one step at a time needs less memory
        target[:, 1:, 1:] = np.nan_to_num(source)
        target[:, 1:, 0] = np.nanmean(source, axis=2)
        target[:, 0] = np.nanmean(source, axis=(1, 2))[:, None]
    return xr.DataArray(extended, dims=maps.dims, coords={
        "step": maps.step.values, "t": ("step", maps.t.values), "token": maps.token.values,
        "layer": [ALL_LAYERS, *maps.layer.values], "head": [MEAN_HEAD, *maps["head"].values]})


def head_counts(maps: xr.DataArray) -> list[int]:
    """Return the number of heads of each layer. The maps of a layer with fewer heads than others end with NaN."""
    return np.isfinite(maps.values[0, 0, :, :, 0, 0]).sum(-1).tolist()


def select_heads(maps: xr.DataArray, layer: str = ALL_LAYERS, head: str = MEAN_HEAD) -> np.ndarray:
    """Select one layer and head, or all, from the maps of one step, (token, layer, head, y, x). Keeps the axes.

    Raises:
        ValueError: no such layer or head.
    """
    choices = (("layer", layer, [ALL_LAYERS, *maps.layer.values]), ("head", head, [MEAN_HEAD, *maps["head"].values]))
    for name, value, known in choices:
        if value not in known:
            raise ValueError(f"{name} is {value!r}: choose one of {', '.join(map(str, known))}")
    chosen = maps if layer == ALL_LAYERS else maps.sel(layer=[layer])
    return (chosen if head == MEAN_HEAD or layer == ALL_LAYERS else chosen.sel(head=[head])).values


def scale_to_max(maps: np.ndarray, axes: Sequence[int] = (-2, -1)) -> np.ndarray:
    """Divide maps (…, y, x) by their maximum over `axes`; a map of zeros stays zero."""
    return maps / np.maximum(maps.max(tuple(axes), keepdims=True), 1e-9)


# ---- maps and regions -----------------------------------------------------------------------------------------------


def standardize_heads(maps: np.ndarray) -> np.ndarray:
    """Standardize each head's map of each word to mean 0 and standard deviation 1 over the image; a flat map to 0.

    maps: (token, layers, heads, y, x), NaN for absent heads. Returns (token, layers x heads, y, x), with 0 there.
    """
    heads = maps.astype(np.float32).reshape(len(maps), -1, *maps.shape[-2:])
    mean, spread = heads.mean((-2, -1), keepdims=True), heads.std((-2, -1), keepdims=True)
    return np.nan_to_num(np.where(spread <= FLAT_SPREAD * mean, heads * 0, (heads - mean) / np.maximum(spread, 1e-9)))


def relative_attention(maps: np.ndarray, head_weights: np.ndarray | None = None) -> np.ndarray:
    """Return the attention to each word relative to its average over the image, (token, y, x), in standard deviations.

    maps: (token, layers, heads, y, x), NaN for absent heads. head_weights: (layers, heads), the weight of each head in
    the mean over heads; None: all alike.

    Each head's map of each word is standardized before heads are averaged, since heads differ in the size of their
    weights, and some words get more attention than others everywhere.
    """
    present = ~np.isnan(maps[:, :, :, :1, :1]).reshape(len(maps), -1, 1, 1)
    weight = present if head_weights is None else present * np.asarray(head_weights, np.float32).reshape(1, -1, 1, 1)
    return (standardize_heads(maps) * weight).sum(1) / np.maximum(weight.sum(1), 1e-9)


def head_weights_for(maps: xr.DataArray, heads: Mapping[str, Sequence[float]] | None) -> np.ndarray | None:
    """Return head weights, (layers, heads), for maps with the axes `layer` and `head`.

    heads: the weights of each layer's heads, from a card. Returns None if it has no weight for these maps.
    """
    weights = np.zeros((maps.sizes["layer"], maps.sizes["head"]), np.float32)
    for row, layer in zip(weights, maps.layer.values, strict=True):
        values = list((heads or {}).get(str(layer), ()))[: len(row)]
        row[: len(values)] = values
    return weights if weights.any() else None


def coverage(mask: np.ndarray, size: int | Sequence[int] = MAP_SIZE) -> np.ndarray:
    """Return the share of each position that a mask (height, width) covers. size: (rows, columns), or one for both."""
    (height, width), (rows, columns) = mask.shape, (size, size) if isinstance(size, int) else size
    if height % rows == 0 and width % columns == 0:
        return mask.reshape(rows, height // rows, columns, -1).mean((1, 3))
    return _overlap(rows, height) @ mask @ _overlap(columns, width).T


@cache
def _overlap(positions: int, pixels: int) -> np.ndarray:
    """Return the share of each position that each pixel takes, (positions, pixels), if both divide the same line."""
    ends = np.arange(positions + 1) * pixels / positions
    low, high = ends[:-1, None], ends[1:, None]
    starts = np.arange(pixels)
    return np.clip(np.minimum(high, starts + 1) - np.maximum(low, starts), 0, None) * positions / pixels


def mean_by_region(maps: np.ndarray, regions: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return the mean of each map (token, y, x) over each region, a mask (128, 128), as (region, token)."""
    shares = np.stack([coverage(mask, maps.shape[1:]) for mask in regions.values()])
    return np.einsum("ryx,tyx->rt", shares, maps) / np.maximum(shares.sum((1, 2)), 1e-9)[:, None]


def named_regions(masks: Mapping[str, np.ndarray], min_pixels: int = MIN_REGION_PIXELS) -> dict[str, np.ndarray]:
    """Return the regions of a drawing by name: its things, their parts and the elements of its place.

    masks: from `world.draw`. Things of a kind are merged: "car.0.wheels" and "car.1.wheels" are "car wheels". Regions
    of fewer than `min_pixels` pixels are left out.
    """
    regions: dict[str, np.ndarray] = {}
    for name, mask in masks.items():
        label = " ".join(part for part in name.split(".") if not part.isdigit())
        regions[label] = regions[label] | mask if label in regions else mask
    return {label: mask for label, mask in regions.items() if mask.sum() >= min_pixels}


def ground_truth_words(region: np.ndarray, truths: Sequence[np.ndarray]) -> list[int]:
    """Return the words that describe a region: those whose true mask, (128, 128) each, covers at least half of it."""
    return [k for k, truth in enumerate(truths) if (truth & region).sum() >= MIN_WORD_SHARE * max(region.sum(), 1)]


# ---- maps and masks -------------------------------------------------------------------------------------------------


def coarse_mask(mask: np.ndarray) -> np.ndarray:
    """Reduce a mask (128, 128) to 16 x 16: positions covered by at least half, or else the most covered ones."""
    share = coverage(mask)
    return share >= min(0.5, share.max()) if share.max() > 0 else np.zeros((MAP_SIZE, MAP_SIZE), bool)


def resize_maps(maps: np.ndarray, side: int = MAP_SIZE) -> np.ndarray:
    """Resize maps (…, y, x) to (…, side, side) by repeating or averaging positions."""
    if maps.shape[-1] == maps.shape[-2] and side % maps.shape[-1] == 0:
        times = side // maps.shape[-1]
        return maps.repeat(times, -1).repeat(times, -2)
    return _overlap(side, maps.shape[-2]) @ maps @ _overlap(side, maps.shape[-1]).T


def iou(a: np.ndarray, b: np.ndarray) -> float:
    """Return the intersection over union of two masks; 1 if both are empty."""
    union = (a | b).sum()
    return float((a & b).sum() / union) if union else 1.0


def threshold_map(scores: np.ndarray, threshold: float) -> np.ndarray:
    """Return where a map reaches this share of the way from its minimum to its maximum."""
    low, high = scores.min(), scores.max()
    return scores >= low + threshold * (high - low)


def best_iou(scores: np.ndarray, mask: np.ndarray) -> tuple[float, float]:
    """Return the IoU of a map (16, 16) with a mask (16, 16) at the best threshold, and that threshold."""
    scored = [(iou(threshold_map(scores, float(c)), mask), float(c)) for c in THRESHOLDS]
    return max(scored, key=lambda pair: pair[0])


# ---- maps and effects -----------------------------------------------------------------------------------------------


def pixel_difference(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return the difference of two images (…, y, x, 3) uint8 at each pixel: RMS over colours, 1 is black to white."""
    difference = (one.astype(np.float32) - other.astype(np.float32)) / 255
    return np.sqrt(np.square(difference).mean(-1))


def ranks(values: np.ndarray) -> np.ndarray:
    """Return the 1-based ranks of the flattened values; ties share their mean. Importing scipy would take 60 MB."""
    _, inverse, counts = np.unique(values.ravel(), return_inverse=True, return_counts=True)
    return (counts.cumsum() - (counts - 1) / 2)[inverse.ravel()]


def rank_correlation(one: np.ndarray, other: np.ndarray) -> float:
    """Return Spearman's rank correlation of two arrays of one shape; NaN if either is constant or has NaN."""
    if np.isnan(one).any() or np.isnan(other).any():
        return float("nan")
    a, b = ranks(one), ranks(other)
    spread = a.std() * b.std()
    return float(((a - a.mean()) * (b - b.mean())).mean() / spread) if spread else float("nan")
