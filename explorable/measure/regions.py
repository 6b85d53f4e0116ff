"""Region-by-word tables over many drawn pictures: does the true word of a region rank first in its row?

A region is a thing, a part of one, or an element of the place, where it can be seen; its true words are those that
speak of at least half of it. What is fixed (which layer, how much each head counts) is chosen on other pictures than
those that are scored.
And attention beside ablation: is a word read where silencing it changes the picture?
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import minimize
from scipy.special import softmax
from tqdm.auto import tqdm

from ..analysis import attention_maps as mapping
from ..analysis.word_attention import WordAttention, WordWeight, attention_in_image
from ..pipeline import Pipeline, load
from ..world import KINDS, Scene, draw, parse, word_masks, write_caption
from .attention import SPLITS, TIMES, enough, scenes, taught
from .statistics import bootstrap
from .table import Table

PICTURES = 200  # drawn for each score, seen and held-out apart; a quarter as many for choosing
EFFECT_PICTURES = 30
EFFECT_TIME = 0.5
REGION_KINDS = ("thing", "part", "place")
WAYS = {"unread": WordWeight(), "unread and unheard": WordWeight(mask_in_text_encoder=True)}


@dataclass(frozen=True)
class Row:
    """One row of one picture's table: which words are the region's true ones, and its values by head and word.

    values: (layers x heads, words). true, speaking: of each word, does it speak of this region, and does it speak of
    pixels at all.
    """

    sort: str
    region: str
    values: np.ndarray
    true: np.ndarray
    speaking: np.ndarray

    def first(self, trust: np.ndarray, everything: bool = False) -> bool:
        """Is the word that ranks first a true one, among words that speak of pixels, or among all?

        trust: (layers x heads,), how much each head counts.
        """
        values = trust @ self.values
        return bool(self.true[np.where(self.speaking | everything, values, -np.inf).argmax()])

    @property
    def chance(self) -> float:
        """How often a true word would be first if one that speaks of pixels were drawn by lot."""
        return float(self.true[self.speaking].mean())


def sort_of(region: str) -> str:
    """What a region is: a thing, a part of one, or an element of the place."""
    for kind in sorted(KINDS, key=len, reverse=True):
        if region.startswith(kind):
            return "thing" if region == kind else "part"
    return "place"


def region_rows(pipe: Pipeline, drawn: Scene, rng: random.Random, times: Sequence[float] = TIMES) -> list[Row]:
    """The table of one picture, under a fresh caption: those of its rows that have a true word.

    Values are standings head by head (`hooks.maps.by_head`), the mean over the noise times.
    """
    picture = draw(drawn)
    caption = write_caption(picture.scene, rng, everything=True)
    truths = [mask for _, mask in word_masks(picture, caption)]
    recordings = [pipe.inspect(picture.image, caption, t) for t in times]
    looks = [mapping.branch_maps(mapping.gather_weights(recording), "cond").isel(step=0) for recording in recordings]
    words = slice(1, 1 + len(truths))  # token 0 is the start
    maps = np.mean([mapping.standardize_heads(look.values)[words] for look in looks], axis=0)
    # (word, layers x heads, y, x)
    regions = mapping.named_regions(picture.masks)
    values = np.stack([mapping.mean_by_region(word, regions) for word in maps], axis=2)
    # (region, layers x heads, word)
    speaking, found = np.array([mask.any() for mask in truths]), []
    for (name, mask), row in zip(regions.items(), values, strict=True):
        true = np.isin(np.arange(len(truths)), mapping.ground_truth_words(mask, truths))
        if true.any():
            found.append(Row(sort_of(name), name, row, true, speaking))
    return found


def trusted(rows: Sequence[Row], strength: float = 0.01) -> np.ndarray:
    """How much each head should count for a true word to rank first, (layers x heads,): none below 0, 1 in all.

    Softmax regression (McFadden 1974's conditional logit) on the rows: the likelihood of the true words among those
    that speak of pixels, less `strength` times the sum of squares.
    """
    known = [(row.values[:, row.speaking], row.true[row.speaking]) for row in rows]

    def cost(trust: np.ndarray) -> tuple[float, np.ndarray]:
        value, slope = strength * float(trust @ trust), 2 * strength * trust
        for values, true in known:
            scores = trust @ values
            shares, among = softmax(scores), softmax(np.where(true, scores, -np.inf))
            value -= float(np.log(shares[true].sum())) / len(known)
            slope = slope + values @ (shares - among) / len(known)
        return value, slope

    heads = len(rows[0].values)
    found = minimize(cost, np.full(heads, 1 / heads), jac=True, method="L-BFGS-B", bounds=[(0, None)] * heads).x
    return found / max(found.sum(), 1e-9)


def regions(model: str = "unet-flow", count: int = PICTURES, quick: bool = False) -> Table:
    """In which share of regions does a true word rank first in the region-by-word table?

    count: drawn pictures, seen and held-out each. quick: a tenth of them.

    Raises:
        ValueError: a model or a number of pictures that cannot be.
    """
    count = enough(count, quick)
    pipe, rng = load(model), random.Random("regions")
    points = [p for p in pipe.points() if p.name.endswith("cross.weights")]
    layers, heads = [p.name.removesuffix(".cross.weights") for p in points], max(p.shape[0] for p in points)
    parts = {part: [region_rows(pipe, s, rng) for s in tqdm(scenes(max(2, count // 4) if part == "choosing" else count,
                                                                *SPLITS[part]), desc=part, leave=False)]
             for part in ("choosing", "seen", "held-out")}
    chosen = [row for rows in parts["choosing"] for row in rows]
    alone = np.repeat(np.eye(len(layers)), heads, axis=1)
    best = int(np.argmax([np.mean([row.first(one) for row in chosen]) for one in alone]))
    trust = trusted(chosen)
    found: list[dict[str, Any]] = []
    for name, by in (("all heads alike", np.ones_like(trust)), (f"best layer, {layers[best]}", alone[best]),
                     ("heads weighed", trust)):
        for sort in ("all", *REGION_KINDS):
            line: dict[str, Any] = {"read in": name, "regions": sort}
            for part in ("seen", "held-out"):
                line |= _cells([[r for r in rows if sort in ("all", r.sort)] for rows in parts[part]], by, part)
            found.append(line)
    return Table(f"A true word of a region ranks first in its row, {model}", found, [
        f"{count} drawn pictures each, read in one pass at t {', '.join(map(str, TIMES))}; 95% bootstrap over pictures",
        "each head's map of each word has mean 0 and spread 1 over the picture, then the mean over heads and times",
        "first %: among the caption's words that speak of pixels; of all words %: among grammar's words too",
        "by chance: the share of true words among those that speak of pixels, the mean over regions",
        f"best layer, and what each head weighs, were fixed on {max(2, count // 4)} other pictures",
        f"the heads that weigh most: {_heaviest(trust, layers, heads)}",
        *taught(model)], {"head_weights": _kept(trust, layers, heads, found)})


def _kept(trust: np.ndarray, layers: Sequence[str], heads: int, found: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """What a card keeps of trust: by layer how much each of its heads counts, and what it was good for."""
    parts = ("first seen %", "first held-out %")
    alike, weighed = ({part: line[part] for part in parts} for line in found
                      if line["regions"] == "all" and line["read in"] in ("all heads alike", "heads weighed"))
    by_layer = trust.reshape(len(layers), heads)
    return {"heads": {layer: [round(float(v), 4) for v in row] for layer, row in zip(layers, by_layer, strict=True)},
            "heads weighed": weighed, "all heads alike": alike}


def _heaviest(trust: np.ndarray, layers: Sequence[str], heads: int, count: int = 5) -> str:
    most = np.argsort(-trust)[:count]
    return ", ".join(f"{layers[k // heads]} head {k % heads + 1} {100 * trust[k]:.0f}%" for k in most)


def _cells(pictures: list[list[Row]], trust: np.ndarray, part: str) -> dict[str, Any]:
    rows = [row for picture in pictures for row in picture]
    if not rows:
        return {f"n {part}": 0, f"first {part} %": None, f"95% {part}": "", f"by chance {part} %": None,
                f"of all words {part} %": None}
    means = np.array([np.mean([row.first(trust) for row in picture]) for picture in pictures if picture])
    low, high = bootstrap(means)
    return {f"n {part}": len(rows), f"first {part} %": round(100 * float(np.mean([r.first(trust) for r in rows])), 1),
            f"95% {part}": f"{100 * low:.0f} to {100 * high:.0f}",
            f"by chance {part} %": round(100 * float(np.mean([r.chance for r in rows])), 1),
            f"of all words {part} %": round(100 * float(np.mean([r.first(trust, True) for r in rows])), 1)}


def attention_ablation(model: str = "unet-flow", count: int = EFFECT_PICTURES, quick: bool = False) -> Table:
    """Attention beside ablation: Spearman's rank correlation, over places, of where a word is read and of what
    silencing it changes in the denoised estimate; and over the words of a picture, of how much of each.

    count: drawn pictures, of combinations that training had. quick: a tenth of them.

    Raises:
        ValueError: a model or a number of pictures that cannot be.
    """
    count = enough(count, quick)
    pipe, rng = load(model), random.Random("beside")
    found: dict[str, dict[str, list[float]]] = {}
    for scene in tqdm(scenes(count, False, 10_000), desc="silencing", leave=False):
        picture = draw(scene)
        caption = write_caption(picture.scene, rng, everything=True)
        roles = [word.role for word in parse(caption).words]
        reading = attention_in_image(pipe, picture.image, caption, times=(EFFECT_TIME,))
        look, words = reading.maps("cond").isel(step=0), slice(1, 1 + len(roles))  # token 0 is the start
        standing = mapping.relative_attention(look.values)[words]
        weight = np.nanmean(look.values[words], axis=(1, 2, 3, 4))
        for way, volume in WAYS.items():
            effects = np.stack([_effect(reading, name, volume) for name in reading.label_tokens[words]])
            for role, stands, effect in zip(roles, standing, effects, strict=True):
                rho = mapping.rank_correlation(stands, mapping.coverage(effect, stands.shape[-1]))
                found.setdefault(f"over places, {role} words", {}).setdefault(way, []).append(rho)
            rho = mapping.rank_correlation(weight, effects.mean((1, 2)))
            found.setdefault("over the words of a picture", {}).setdefault(way, []).append(rho)
    rows = [{"rank correlation": what} | _correlated(ways) for what, ways in sorted(found.items(), reverse=True)]
    return Table(f"Attention beside ablation, {model}", rows, [
        f"{count} drawings at t {EFFECT_TIME}; unread: silent in every cross-attention; unheard: in the text encoder",
        "1 would say that attention tells what a word does, 0 that it tells nothing; intervals are 95% bootstrap"])


def _effect(reading: WordAttention, name: str, volume: WordWeight) -> np.ndarray:
    """What a word's volume changes at the one noise time, (128, 128)."""
    return mapping.pixel_difference(reading.edit_word(name, volume), reading.original)[0]


def _correlated(ways: dict[str, list[float]]) -> dict[str, Any]:
    cells: dict[str, Any] = {}
    for way, values in ways.items():
        known = np.array([v for v in values if np.isfinite(v)])
        low, high = bootstrap(known) if len(known) else (float("nan"), float("nan"))
        cells |= {"n": len(known), way: round(float(known.mean()), 2) if len(known) else None,
                  f"95% {way}": f"{low:.2f} to {high:.2f}" if len(known) else ""}
    return cells
