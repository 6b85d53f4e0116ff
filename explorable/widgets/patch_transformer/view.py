"""What PatchTransformer shows of a result: images and maps on the stage, sentences, and labelled arrays and tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from ...analysis.attention_maps import PAD
from ...analysis.patch_attention import KEPT, MEAN, PatchEdits, PatchLayout
from ...analysis.patch_influence import (
    Patch,
    correlation_with_others,
    mean_distance,
    partial_correlation,
    share_by_distance,
)
from ..core.verdict import describe_losses, describe_verdict
from ..stage.stage import Axis, Heatmap, Images, Layer, Panel, Points
from .compute import Result

BLOCK, HEAD = "block", "head"
RUNS = ("edited", "original")
MAPS = ("attention", "influence", "U-Net")
MARK_SIZE = 20.0  # of the mark on the chosen patch, in thousandths of a panel's width


# ---- the stage ------------------------------------------------------------------------------------------------------


def axes_of(layout: PatchLayout) -> tuple[Axis, ...]:
    """Return the axes of the stage: the block and the head whose attention is shown."""
    return (Axis(BLOCK, "block", (MEAN, *layout.blocks), ("the mean over all blocks",)),
            Axis(HEAD, "head", (MEAN, *(str(k + 1) for k in range(layout.heads))), ("the mean over the heads",)))


def scaled_to_others(maps: np.ndarray, patch: Patch) -> np.ndarray:
    """Divide maps (..., rows, columns) by their largest value but the chosen patch's own, which becomes 1 at most."""
    others = np.array(maps, np.float64)
    others[(..., *patch)] = 0
    return np.clip(maps / np.maximum(others.max((-2, -1), keepdims=True), 1e-30), 0, 1)


def layers_of(result: Result) -> list[Layer]:
    """Return the stage's layers: two images, attention, influence, that of the U-Net, and the ring."""
    patch, (rows, columns) = result.request.patch, result.layout.grid
    images = {"edited": result.edited, "original": result.original}
    layers: list[Layer] = [Images(f"image {name}", f"Predicted image, {name} run", images[name].previews,
                                  "the denoised estimate at this step, decoded") for name in RUNS]
    attention, _ = result.edited.attention.of_patch(patch)
    layers.append(Heatmap("attention", "Attention of the patch", scaled_to_others(attention, patch),
                          "1 at the largest of the other patches", axes=("frame", BLOCK, HEAD), high=1.0))
    for name, field in (("influence", result.influence), ("U-Net", result.unet_influence)):
        shown = np.zeros((rows, columns)) if field is None else scaled_to_others(field, patch)
        layers.append(Heatmap(name, "Influence on the patch", shown, "1 at the largest of the other patches", axes=(),
                              high=1.0, colour="image" if name == "influence" else "guidance"))
    centre = np.array([[(patch[1] + 0.5) / columns, 1 - (patch[0] + 0.5) / rows]])
    layers.append(Points("ring", "The chosen patch", centre, axes=(), extent=(0.0, 1.0, 0.0, 1.0),
                         colours=("guidance",), highlighted=(0,), size=MARK_SIZE))
    return layers


def panels_of(result: Result, note: str = "") -> list[Panel]:
    """Return the panels in a row. note: added to the titles of the images."""
    step = result.request.step
    edited = "image" if result.edited is result.original else "edited"
    titles = {"edited": f"{edited}{note}", "original": f"unedited{note}"}
    maps = {"attention": "attention of the patch", "influence": f"influence on it, step {step}",
            "U-Net": f"… in {result.unet}, step {step}"}
    shown = MAPS if result.unet else MAPS[:2]
    return [*(Panel(f"image {name}", (f"image {name}", "ring") if name == "edited" else (f"image {name}",), title,
                    interaction="click" if name == "edited" else "") for name, title in titles.items()),
            *(Panel(name, ("image edited", name, "ring"), maps[name], interaction="click",
                    of_frame=None if name == "attention" else step) for name in shown)]


# ---- numbers --------------------------------------------------------------------------------------------------------


def attention_at(result: Result, step: int, block: int, head: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the chosen patch's attention to patches (rows, columns) and to words (token,). block, head: indices on
    the stage, 0 for the mean."""
    patches, words = result.edited.attention.of_patch(result.request.patch)
    k = min(step, len(patches) - 1)
    return patches[k, block, head], words[k, block, head]


def shares(result: Result, attention: np.ndarray) -> dict[str, np.ndarray]:
    """Return the shares by distance of each map that there is, and of a map in which all patches are alike."""
    patch = result.request.patch
    maps = {"attention": attention, "influence": result.influence, "U-Net": result.unet_influence,
            "all patches alike": np.ones(result.layout.grid)}
    return {name: share_by_distance(field, patch) for name, field in maps.items() if field is not None}


def words_shown(tokens: Sequence[str], attention: np.ndarray) -> tuple[list[str], np.ndarray]:
    """Return the words without padding, with the attention to each."""
    kept = [k for k, token in enumerate(tokens) if token != PAD]
    return [tokens[k] for k in kept], attention[kept]


def correlations(result: Result) -> np.ndarray:
    """Return the rank correlation of attention and influence at the chosen step, (block, head), means first."""
    patch, step = result.request.patch, result.request.step
    maps = result.edited.attention.of_patch(patch)[0][step]
    influence = np.zeros(result.layout.grid) if result.influence is None else result.influence
    return np.array([[correlation_with_others(m, influence, patch) for m in row] for row in maps])


# ---- sentences ------------------------------------------------------------------------------------------------------


def describe_edits(edits: PatchEdits, layout: PatchLayout) -> str:
    """Describe the edits; empty without any."""
    if not edits:
        return ""
    parts = []
    if edits.radius is not None:
        parts.append(f"attention limited to a radius of {edits.radius:g} patches")
    if edits.block:
        whole = f"block {edits.block}" if edits.drops_whole_block(layout) else f"the attention of block {edits.block}"
        parts.append(f"head {edits.head + 1} of block {edits.block} dropped" if edits.head is not None
                     else f"{whole} dropped")
    if edits.positions != KEPT:
        parts.append(f"positions {edits.positions}")
    first, end = edits.steps or (0, 0)
    where = "" if edits.steps is None else f", on steps {first} to {end - 1}" if end > first else ", on no step"
    return f"Edited: {'; '.join(parts)}{where}."


def describe_verdicts(result: Result) -> str:
    """Say what the examiner sees in both images, and what the edits lost; empty without verdicts."""
    if not result.verdicts:
        return ""
    original, edited = map(describe_verdict, result.verdicts)
    if result.edited is result.original:
        return f"The examiner sees {edited}."
    return (f"The examiner sees {edited}; without the edits "
            f"{'the same' if edited == original else original}. {describe_losses(result.verdicts)}")


def describe_distances(result: Result, attention: np.ndarray) -> str:
    """Say how far attention and influence reach, and the U-Net's influence on the same latent."""
    patch = result.request.patch
    maps = {"attention": attention, "influence": result.influence, f"in {result.unet}": result.unet_influence,
            "all patches alike": np.ones(result.layout.grid)}
    reach = [f"{name} {mean_distance(field, patch):.1f}" for name, field in maps.items() if field is not None]
    return f"Mean distance in patches: {', '.join(reach)}."


def describe_training(steps: Mapping[str, int]) -> str:
    """Say whether the two networks had the same training. steps: of training, by name."""
    (one, steps_of_one), (other, steps_of_other) = steps.items()
    if steps_of_one == steps_of_other:
        return f"Both networks were trained for {steps_of_one:,} steps."
    return (f"Not trained equally long: {one} {steps_of_one:,} steps, {other} {steps_of_other:,}. For an equal pair "
            "choose dit-diffusion.")


def describe_correlation(result: Result, block: int, head: int) -> tuple[str, str]:
    """Return the score, the rank correlation of attention and influence, and how to read it."""
    table, (blocks, heads) = correlations(result), (axis.labels for axis in axes_of(result.layout))
    if not np.isfinite(table[block, head]):
        return "no rank correlation", "this attention treats all other patches alike"
    attention, _ = attention_at(result, result.request.step, block, head)
    beyond = partial_correlation(attention, result.influence, result.request.patch)  # type: ignore[arg-type]
    named = [f"{name} {label}" for name, label in ((BLOCK, blocks[block]), (HEAD, heads[head])) if label != MEAN]
    shown = ", ".join(named) or "mean of heads"
    return (f"rank correlation {table[block, head]:.2f}",
            f"({shown}); {beyond:.2f} with distance held constant")


# ---- arrays and tables ----------------------------------------------------------------------------------------------


def to_dataset(result: Result) -> xr.Dataset:
    """Return a whole result as labelled arrays: see PatchTransformer.data."""
    patches, words = result.edited.attention.of_patch(result.request.patch)
    runs, pixels = (result.edited, result.original), ("row", "column", "rgb")
    arrays: dict[str, Any] = {
        "image": (("run", *pixels), np.stack([run.run.image for run in runs])),
        "previews": (("run", "step", *pixels), np.stack([run.previews for run in runs])),
        "attention": (("step", BLOCK, HEAD, "y", "x"), patches),
        "attention_to_words": (("step", BLOCK, HEAD, "token"), words), "influence": (("y", "x"), result.influence),
        "correlation": ((BLOCK, HEAD), correlations(result))}
    if result.unet_influence is not None:
        arrays["unet_influence"] = (("y", "x"), result.unet_influence)
    block, head = axes_of(result.layout)
    return xr.Dataset(arrays, coords={
        "run": list(RUNS), "step": range(result.edited.run.steps), BLOCK: list(block.labels), HEAD: list(head.labels),
        "token": list(result.edited.attention.tokens), "rgb": list("rgb")}, attrs={
            "patch": list(result.request.patch), "influence_step": result.request.step})


def head_table(result: Result) -> Any:
    """Return a row for each block and head: see PatchTransformer.table."""
    patch, step = result.request.patch, result.request.step
    patches, words = (values[step] for values in result.edited.attention.of_patch(patch))
    block, head = axes_of(result.layout)
    return xr.Dataset({
        "mean distance, patches": ((BLOCK, HEAD), mean_distance(patches, patch)),
        "attention to words": ((BLOCK, HEAD), words.sum(-1)),
        "correlation with influence": ((BLOCK, HEAD), correlations(result))},
        coords={BLOCK: list(block.labels), HEAD: list(head.labels)}).to_dataframe()
