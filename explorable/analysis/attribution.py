"""Attribution by ablation: the image with and without each part of the model, by pixel, region and examiner.

    found = ex.attribute(pipe, "a red car on a mountain road", kinds=("word", "head"))
    found.by_region                        # xarray: (part, region), the change in each region
    found.sel(part="word red").without     # the image without it
    attribution_table(found)               # pandas: one row per part
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import xarray as xr
from tqdm.auto import tqdm

from ..hooks import Ablate, MaskToken, PointTable, check_pipeline, edit, record
from ..hooks.edits import Edit
from ..nn.examiner import Examiner
from ..nn.pixels import to_tensor
from ..nn.special_tokens import NOT_WORDS
from ..pipeline import Pipeline
from ..pipeline.arguments import check_samples_images
from .attention_maps import (
    WEIGHTS,
    branch_maps,
    coverage,
    gather_weights,
    mean_by_region,
    pixel_difference,
    rank_correlation,
    resize_maps,
)
from .verdict import Verdict, examine, preserved_traits, shipped_examiner

if TYPE_CHECKING:
    import pandas as pd

KINDS = ("word", "head", "skip", "block")
OTHER_NETWORKS = ("text.", "classifier.")  # prefixes of the points of other networks than the denoiser
MIN_CELLS = 2  # a smaller region is ignored


@dataclass(frozen=True)
class Part:
    """Something that can be ablated: the edits that do it, and whose attention is compared with the effect.

    kind: one of KINDS, or a name of your own. word: a word of the prompt. layer: an attention layer, such as
    "up.0.0.cross". head: its number, from 0; None: the mean over heads.
    """

    kind: str
    edits: Mapping[str, Edit]
    word: str | None = None
    layer: str | None = None
    head: int | None = None


def word_part(text: str) -> Part:
    """A word, masked in every cross-attention."""
    return Part("word", {WEIGHTS: MaskToken(text)}, word=text)


def head_part(layer: str, number: int) -> Part:
    """One head of an attention layer: head_part("up.0.0.cross", 1)."""
    return Part("head", {f"{layer}.weights": Ablate(heads=(number,))}, layer=layer, head=number)


def model_parts(points: PointTable, tokens: Sequence[str], kinds: Iterable[str] = KINDS) -> dict[str, Part]:
    """Return all parts that can be ablated, by name: words, heads, skips, and the residuals of blocks.

    points: of a pipeline. tokens: of a prompt. The text encoder's heads and blocks are not included. In joint
    attention a head is ablated as a whole, with its attention of image positions to each other.

    Raises:
        ValueError: an unknown kind.
    """
    kinds = tuple(kinds)
    if unknown := [k for k in kinds if k not in KINDS]:
        raise ValueError(f"kinds names {unknown[0]!r}: choose among {', '.join(KINDS)}")
    known = {p.name: p for p in points if not p.name.startswith(OTHER_NETWORKS)}
    parts: dict[str, Part] = {}
    if "word" in kinds:
        parts |= {f"word {w}": word_part(w) for w in dict.fromkeys(t for t in tokens if t not in NOT_WORDS)}
    for name, point in known.items():
        layer, _, last = name.rpartition(".")
        part_of_joint = name.replace(".cross.", ".joint.") != name and name.replace(".cross.", ".joint.") in known
        if "head" in kinds and last == "weights" and "head" in point.axes and not part_of_joint:
            parts |= {f"head {layer} {k}": head_part(layer, k) for k in range(point.shape[point.axes.index("head")])}
        elif "skip" in kinds and last == "skip":
            parts[f"skip {layer}"] = Part("skip", {name: Ablate()})
        elif "block" in kinds and last == "added":
            parts[f"block {layer}"] = Part("block", {name: Ablate()}, layer=layer)
    return dict(sorted(parts.items(), key=lambda pair: KINDS.index(pair[1].kind)))  # stable: keeps their order


def attribute(pipe: Pipeline, prompt: str, what: Mapping[str, Part] | None = None, kinds: Iterable[str] = KINDS,
              regions: Mapping[str, np.ndarray] | None = None, examiner: Examiner | None = None,
              **settings: Any) -> xr.Dataset:
    """Ablate parts one at a time and measure the effect, with one sampled image per part.

    Args:
        what: the parts by name, such as {"red": word_part("red"), "skips": Part("skips", {"*.skip": Ablate()})};
            None: all of `kinds`.
        kinds: of "word", "head", "skip" and "block".
        regions: masks (height, width) bool of the image by name; None: where the examiner sees each thing, and the
            rest; the whole image as "everywhere" where there is no examiner.
        examiner: of images like these; None: the shipped one. Opened pipelines generate other images, and have none.
        settings: seed, steps, guidance and so on.

    Returns: image (y, x, rgb) uint8 and, over `part` (with its `kind`):
        without (y, x, rgb) uint8: the image without the part.
        change (y, x): the difference, root mean square over colours, 1 is black to white. by_region (region): its mean.
        verdict: the examiner's, as text. kept (trait): the share of things, their colours, place and time that the
            examiner still sees, 0 to 1, NaN where there is none. Both are left out where there is no examiner.
        attention (row, column): at the finest layer's size, the mean over steps. For a word, the attention to it, over
            layers and heads; for a head or block of cross- or joint attention, the attention to all words of the
            prompt; for one of self-attention, the attention that each position receives; NaN for other parts.
        attended (region): the mean of that in each region, 1 is its mean over the image.

    Raises:
        ValueError: an unknown kind, or a mask of another size than the image. And what editing and sampling raise.
    """
    check_pipeline(pipe)
    check_samples_images(pipe, "ex.attribute")
    points = pipe.points()
    self_attention = [p.name for p in points
                      if p.axes == ("head", "query", "key") and not p.name.startswith(OTHER_NETWORKS)]
    with record(pipe, *self_attention, reduce="mean:query,step" if self_attention else "") as recorder:
        run = pipe(prompt, record=[WEIGHTS], **settings)
    what = model_parts(points, run.tokens, kinds) if what is None else what
    has_examiner = examiner is not None or pipe.has_examiner
    masks = regions if regions is not None else detected_regions(run.image, examiner) if has_examiner else {
        "everywhere": np.ones(run.image.shape[:2], bool)}
    for name, mask in masks.items():
        if mask.shape != run.image.shape[:2]:
            raise ValueError(f"the region {name!r} has the shape {mask.shape}: give a mask of the image's height and "
                             f"width, {run.image.shape[:2]}")
    maps = _AttentionMaps(run, recorder.last)
    without = []
    for part in tqdm(what.values(), desc="ablating", leave=False):
        with edit(pipe, dict(part.edits)):
            without.append(pipe(prompt, **settings).image)
    images = np.stack([run.image, *without])
    change = pixel_difference(images[1:], run.image)
    attention = np.stack([maps.map_of(part) for part in what.values()])
    found = xr.Dataset(
        {"image": (("y", "x", "rgb"), run.image), "without": (("part", "y", "x", "rgb"), images[1:]),
         "change": (("part", "y", "x"), change),
         "by_region": (("part", "region"), np.stack([change[:, mask].mean(1) for mask in masks.values()], 1)),
         "attention": (("part", "row", "column"), attention),
         "attended": (("part", "region"), mean_by_region(
             attention / np.maximum(attention.mean((1, 2), keepdims=True), 1e-9), masks).T)},
        coords={"part": list(what), "kind": ("part", [part.kind for part in what.values()]), "region": list(masks),
                "rgb": list("rgb")}, attrs={"prompt": prompt})
    return _with_verdicts(found, images, examiner) if has_examiner else found


def _with_verdicts(found: xr.Dataset, images: np.ndarray, examiner: Examiner | None) -> xr.Dataset:
    """Add the examiner's verdicts on the image and, one for each part, those without it."""
    original, *verdicts = examine(images, examiner)
    traits = [preserved_traits(original, v) for v in verdicts]
    found = found.assign(verdict=("part", [describe(v) for v in verdicts]),
                         kept=(("part", "trait"), np.array([list(t.values()) for t in traits])))
    return found.assign_coords(trait=[name.removesuffix(" kept") for name in traits[0]]).assign_attrs(
        {"verdict of the image": describe(original)})


def attribution_table(found: xr.Dataset) -> pd.DataFrame:
    """Return the results of `attribute` as a table, one row per part, the largest change first.

    Columns: kind; the change of the whole image and of each region; what is kept, and the verdict, if there is an
    examiner; and the rank correlation of the attention map with the change (NaN without attention).
    """
    frame = found.change.mean(("y", "x")).to_dataframe(name="change")[["kind", "change"]]
    for name, prefix in (("by_region", "in "), ("kept", "keeps ")):
        if name in found:
            frame = frame.join(found[name].transpose("part", ...).to_pandas().add_prefix(prefix))
    if "verdict" in found:
        frame["verdict"] = found.verdict.values
    frame["attention agrees"] = [
        np.nan if np.isnan(attention).any() else rank_correlation(attention, coverage(change, len(attention)))
        for attention, change in zip(found.attention.values, found.change.values, strict=True)]
    return frame.sort_values("change", ascending=False)


class _AttentionMaps:
    """The attention maps of parts in a run, each (row, column)."""

    def __init__(self, run: Any, recording: Mapping[str, xr.DataArray]):
        weights = gather_weights(run)
        maps = branch_maps(weights, str(weights.branch.values[-1]), run.tokens).mean("step")
        self.cross, self.shape = maps, (maps.sizes["y"], maps.sizes["x"])  # (token, layer, head, y, x)
        self.self_attention = {name.removesuffix(".weights"): a for name, a in recording.items()}  # (branch, head, key)
        self.words = [k for k, label in enumerate(maps.token.values)
                      if label.split(" (")[0] not in NOT_WORDS]

    def map_of(self, part: Part) -> np.ndarray:
        """Return the map of a part, (row, column)."""
        if part.word is not None:
            occurrences = [k for k in self.words if self.cross.token.values[k].split(" (")[0] == part.word]
            return self.cross.isel(token=occurrences).sum("token", skipna=False).mean(("layer", "head")).values
        layer = part.layer or ""
        for suffix in (".cross", ".joint", ".img.attn"):
            if layer.removesuffix(suffix) in self.cross.layer.values:
                words = self.cross.sel(layer=layer.removesuffix(suffix)).isel(token=self.words)
                return _select_head(words.sum("token", skipna=False).values, part.head)
        if layer in self.self_attention and self.shape[0] == self.shape[1]:
            keys = self.self_attention[layer].isel(branch=-1).values  # (head, key)
            side = round(keys.shape[1] ** 0.5)
            return _select_head(resize_maps(keys.reshape(-1, side, side), self.shape[0]), part.head)
        return np.full(self.shape, np.nan, np.float32)


def _select_head(heads: np.ndarray, head: int | None) -> np.ndarray:
    """Return one head of maps (head, row, column), or the mean over the heads that the layer has."""
    return np.nanmean(heads, axis=0) if head is None else heads[head]


@torch.inference_mode()
def detected_regions(image: np.ndarray, examiner: Examiner | None = None) -> dict[str, np.ndarray]:
    """Return where the examiner sees each kind of thing, masks (128, 128) bool, and the rest as "elsewhere"."""
    examiner = examiner or shipped_examiner()
    kinds = np.array([*examiner.config.kinds, "elsewhere"])
    cells = kinds[examiner(to_tensor(image[None])).cells[0].argmax(0).numpy()]  # (16, 16)
    regions = {str(k): cells == k for k in kinds if (cells == k).sum() >= MIN_CELLS}
    return {k: mask.repeat(8, 0).repeat(8, 1) for k, mask in regions.items()}


def describe(verdict: Verdict) -> str:
    """Summarize a verdict: "1 red car; mountain road, day"."""
    things = ", ".join(f"{t.count} {t.colour} {kind}" for kind, t in verdict.things.items()) or "nothing"
    return f"{things}; {', '.join(filter(None, (verdict.place, verdict.time, verdict.mood)))}"
