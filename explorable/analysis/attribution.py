"""What does a part of the model do? The picture with it and without it: by pixel, by region, by the examiner.

    found = ex.attribute(pipe, "a red car on a mountain road", kinds=("word", "head"))
    found.by_region                        # xarray: (part, region), how much each changes
    found.sel(part="word red").without     # the picture without it
    table(found)                           # pandas: a row a part, the same columns for all
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import xarray as xr
from tqdm.auto import tqdm

from ..hooks import Ablate, MaskToken, PointTable, edit, record
from ..hooks.edits import Edit
from ..nn.examiner import Examiner
from ..nn.pixels import to_tensor
from ..pipeline import Pipeline
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
OTHER_NETWORKS = ("text.", "classifier.")  # how the names of points begin that are not the denoiser's
MIN_CELLS = 2  # cells: less is no region


@dataclass(frozen=True)
class Part:
    """Something that can be taken away: the edits that do it, and whose attention is shown beside what that changes.

    kind: one of KINDS, or a name of your own. word: of the prompt. layer: of an attention, as "up.0.0.cross".
    head: its number, from 0; None: the mean of all.
    """

    kind: str
    edits: Mapping[str, Edit]
    word: str | None = None
    layer: str | None = None
    head: int | None = None


def word_part(text: str) -> Part:
    """A word, silenced in every cross-attention."""
    return Part("word", {WEIGHTS: MaskToken(text)}, word=text)


def head_part(layer: str, number: int) -> Part:
    """One head of an attention layer: head("up.0.0.cross", 1)."""
    return Part("head", {f"{layer}.weights": Ablate(heads=(number,))}, layer=layer, head=number)


def model_parts(points: PointTable, tokens: Sequence[str], kinds: Iterable[str] = KINDS) -> dict[str, Part]:
    """What can be taken away, by name: every word, head and skip, and every block by what it adds.

    points, tokens: a pipeline's, and those of a prompt. The text encoder's own heads and blocks are not among them; in
    a joint attention a head is taken away whole, for what pictures read in pictures too.

    Raises:
        ValueError: no such kind.
    """
    kinds = tuple(kinds)
    if unknown := [k for k in kinds if k not in KINDS]:
        raise ValueError(f"kinds names {unknown[0]!r}: choose among {', '.join(KINDS)}")
    here = {p.name: p for p in points if not p.name.startswith(OTHER_NETWORKS)}
    found: dict[str, Part] = {}
    if "word" in kinds:
        found |= {f"word {w}": word_part(w) for w in dict.fromkeys(t for t in tokens if not t.startswith("<"))}
    for name, point in here.items():
        own, _, last = name.rpartition(".")
        part_of_joint = name.replace(".cross.", ".joint.") != name and name.replace(".cross.", ".joint.") in here
        if "head" in kinds and last == "weights" and "head" in point.axes and not part_of_joint:
            found |= {f"head {own} {k}": head_part(own, k) for k in range(point.shape[point.axes.index("head")])}
        elif "skip" in kinds and last == "skip":
            found[f"skip {own}"] = Part("skip", {name: Ablate()})
        elif "block" in kinds and last == "added":
            found[f"block {own}"] = Part("block", {name: Ablate()}, layer=own)
    return dict(sorted(found.items(), key=lambda pair: KINDS.index(pair[1].kind)))  # stable: in a kind, as they run


def attribute(pipe: Pipeline, prompt: str, what: Mapping[str, Part] | None = None, kinds: Iterable[str] = KINDS,
              regions: Mapping[str, np.ndarray] | None = None, examiner: Examiner | None = None,
              **settings: Any) -> xr.Dataset:
    """Take parts away one at a time, and see what changes: one picture is drawn for each.

    Args:
        what: the parts by name, such as {"red": word("red"), "skips": Part("skips", {"*.skip": ex.Scale(0.0)})};
            None: all of `kinds` that there are.
        kinds: of "word", "head", "skip" and "block".
        regions: masks (128, 128) bool by name; None: where the examiner sees each thing, and all the rest.
        settings: seed, steps, guidance and so on.

    Returns: picture (y, x, rgb) uint8 and, over `part` (with its `kind`), all of one shape for every kind:
        without (y, x, rgb) uint8, the picture without it;
        change (y, x), the root mean square over the colours, where 1 is black to white; by_region (region), its mean;
        verdict, what the examiner says of that picture; kept (trait), what it still says: of things, of the colours of
        those still there, place and time, 0 to 1, NaN where there is none;
        attention (row, column), at the finest layer's size, the mean over steps: for a word, how much it is read from
        there, in the mean over layers and heads; for a head or block of cross or joint attention, how much it reads the
        prompt's words from there; for one of self-attention, how much it reads what is there; NaN for other parts;
        attended (region), the mean of that over each region, where 1 is its mean over the picture.

    Raises:
        ValueError: no such kind; UnknownPointError, EditError and the rest, as in editing and drawing.
    """
    points = pipe.points()
    own = [p.name for p in points if p.axes == ("head", "query", "key") and not p.name.startswith(OTHER_NETWORKS)]
    with record(pipe, *own, reduce="mean:query,step") as recorder:
        run = pipe(prompt, record=[WEIGHTS], **settings)
    what = model_parts(points, run.tokens, kinds) if what is None else what
    maps = _Maps(run, recorder.last)
    without = []
    for part in tqdm(what.values(), desc="taking away", leave=False):
        with edit(pipe, dict(part.edits)):
            without.append(pipe(prompt, **settings).image)
    pictures = np.stack([run.image, *without])
    change = pixel_difference(pictures[1:], run.image)
    masks = detected_regions(run.image, examiner) if regions is None else regions
    plain, *verdicts = examine(pictures, examiner)
    traits = [preserved_traits(plain, v) for v in verdicts]
    attention = np.stack([maps.of(part) for part in what.values()])
    return xr.Dataset(
        {"picture": (("y", "x", "rgb"), run.image), "without": (("part", "y", "x", "rgb"), pictures[1:]),
         "change": (("part", "y", "x"), change),
         "by_region": (("part", "region"), np.stack([change[:, mask].mean(1) for mask in masks.values()], 1)),
         "verdict": ("part", [describe(v) for v in verdicts]),
         "kept": (("part", "trait"), np.array([list(t.values()) for t in traits])),
         "attention": (("part", "row", "column"), attention),
         "attended": (("part", "region"), mean_by_region(
             attention / np.maximum(attention.mean((1, 2), keepdims=True), 1e-9), masks).T)},
        coords={"part": list(what), "kind": ("part", [part.kind for part in what.values()]), "region": list(masks),
                "trait": [name.removesuffix(" kept") for name in traits[0]], "rgb": list("rgb")},
        attrs={"prompt": prompt, "verdict of the picture": describe(plain)})


def attribution_table(found: xr.Dataset) -> pd.DataFrame:
    """What `attribute` found, a row a part, what changes most first: its kind; the change over the whole picture and in
    each region; what is kept; the verdict; and whether the part attends where it changes the picture: the rank
    correlation of the two maps, NaN where there is no attention."""
    frame = found.change.mean(("y", "x")).to_dataframe(name="change")[["kind", "change"]]
    for name, prefix in (("by_region", "in "), ("kept", "keeps ")):
        frame = frame.join(found[name].transpose("part", ...).to_pandas().add_prefix(prefix))
    frame["verdict"] = found.verdict.values
    frame["attention agrees"] = [
        np.nan if np.isnan(attention).any() else rank_correlation(attention, coverage(change, len(attention)))
        for attention, change in zip(found.attention.values, found.change.values, strict=True)]
    return frame.sort_values("change", ascending=False)


class _Maps:
    """Where parts attend in a run, each (row, column)."""

    def __init__(self, run: Any, recording: Mapping[str, xr.DataArray]):
        weights = gather_weights(run)
        maps = branch_maps(weights, str(weights.branch.values[-1]), run.tokens).mean("step")
        self.cross, self.side = maps, maps.sizes["y"]  # (token, layer, head, y, x)
        self.own = {name.removesuffix(".weights"): own for name, own in recording.items()}  # each (branch, head, key)
        self.words = [k for k, label in enumerate(maps.token.values) if "<" not in label]

    def of(self, part: Part) -> np.ndarray:
        """The part's map, (row, column)."""
        if part.word is not None:
            said = [k for k in self.words if self.cross.token.values[k].split(" (")[0] == part.word]
            return self.cross.isel(token=said).sum("token", skipna=False).mean(("layer", "head")).values
        layer = part.layer or ""
        for suffix in (".cross", ".joint", ".img.attn"):
            if layer.removesuffix(suffix) in self.cross.layer.values:
                words = self.cross.sel(layer=layer.removesuffix(suffix)).isel(token=self.words)
                return _picked(words.sum("token", skipna=False).values, part.head)
        if layer in self.own:
            keys = self.own[layer].isel(branch=-1).values  # (head, key)
            side = round(keys.shape[1] ** 0.5)
            return _picked(resize_maps(keys.reshape(-1, side, side), self.side), part.head)
        return np.full((self.side, self.side), np.nan, np.float32)


def _picked(heads: np.ndarray, head: int | None) -> np.ndarray:
    """One head of maps (head, row, column), or their mean, heads left out that a layer does not have."""
    return np.nanmean(heads, axis=0) if head is None else heads[head]


@torch.inference_mode()
def detected_regions(image: np.ndarray, examiner: Examiner | None = None) -> dict[str, np.ndarray]:
    """Where the examiner sees each kind of thing in a picture, masks (128, 128) bool; and the rest, "elsewhere"."""
    examiner = examiner or shipped_examiner()
    kinds = np.array([*examiner.config.kinds, "elsewhere"])
    cells = kinds[examiner(to_tensor(image[None])).cells[0].argmax(0).numpy()]  # (16, 16)
    found = {str(k): cells == k for k in kinds if (cells == k).sum() >= MIN_CELLS}
    return {k: mask.repeat(8, 0).repeat(8, 1) for k, mask in found.items()}


def describe(verdict: Verdict) -> str:
    """A verdict in a few words: "1 red car; mountain road, day"."""
    things = ", ".join(f"{t.count} {t.colour} {kind}" for kind, t in verdict.things.items()) or "nothing"
    return f"{things}; {', '.join(filter(None, (verdict.place, verdict.time, verdict.mood)))}"
