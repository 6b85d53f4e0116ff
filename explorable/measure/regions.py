"""Region-by-word tables over many drawings: does a correct word rank first in a region's row?

A region is a thing, a part of one, or an element of the place. Its correct words are those that refer to at least half
of its visible pixels. The best layer and the weights of heads are fitted on other drawings than those that are scored.
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
from ..pipeline import Pipeline, load
from ..world import KINDS, Scene, draw, word_masks, write_caption
from .attention import SCORED, SPLITS, TIMES, WEIGHTS, drawing_count, evaluation_scenes, supervision_note
from .statistics import interval_text, percent
from .table import Table

COUNT = 200  # drawings for each score; a quarter as many for choosing
REGION_KINDS = ("thing", "part", "place")
EQUAL, WEIGHTED = "all heads equal", "heads weighted"


@dataclass(frozen=True)
class RegionRow:
    """One row of a drawing's table.

    scores: relative attention, (layers x heads, words). correct: which words refer to this region. visual: which words
    refer to any pixels. Both (words,) bool.
    """

    kind: str
    region: str
    scores: np.ndarray
    correct: np.ndarray
    visual: np.ndarray

    def ranks_first(self, head_weights: np.ndarray, all_words: bool = False) -> bool:
        """Return whether the word with the highest score is correct, among visual words or all words.

        head_weights: (layers x heads,).
        """
        scores = head_weights @ self.scores
        return bool(self.correct[np.where(self.visual | all_words, scores, -np.inf).argmax()])

    @property
    def chance(self) -> float:
        """The probability that a random visual word is correct."""
        return float(self.correct[self.visual].mean())


def region_kind(region: str) -> str:
    """Return whether a region is a "thing", a "part" of one, or an element of the "place"."""
    for kind in sorted(KINDS, key=len, reverse=True):
        if region.startswith(kind):
            return "thing" if region == kind else "part"
    return "place"


def region_rows(pipe: Pipeline, scene: Scene, rng: random.Random, times: Sequence[float] = TIMES) -> list[RegionRow]:
    """Return the rows of one drawing's table, under a random caption, that have a correct word.

    Scores are relative attention by head (`analysis.attention_maps.standardize_heads`), averaged over the noise times.
    """
    drawing = draw(scene)
    caption = write_caption(drawing.scene, rng, everything=True)
    masks = [mask for _, mask in word_masks(drawing, caption)]
    recordings = [pipe.inspect(drawing.image, caption, t) for t in times]
    weights = [mapping.branch_maps(mapping.gather_weights(recording), "cond").isel(step=0) for recording in recordings]
    words = slice(1, 1 + len(masks))  # token 0 is the start token
    maps = np.mean([mapping.standardize_heads(w.values)[words] for w in weights], axis=0)  # (word, head, y, x)
    regions = mapping.named_regions(drawing.masks)
    scores = np.stack([mapping.mean_by_region(word, regions) for word in maps], axis=2)  # (region, head, word)
    visual, rows = np.array([mask.any() for mask in masks]), []
    for (name, mask), row in zip(regions.items(), scores, strict=True):
        correct = np.isin(np.arange(len(masks)), mapping.ground_truth_words(mask, masks))
        if correct.any():
            rows.append(RegionRow(region_kind(name), name, row, correct, visual))
    return rows


def fit_head_weights(rows: Sequence[RegionRow], strength: float = 0.01) -> np.ndarray:
    """Fit the weights of heads with which correct words rank first, (layers x heads,): not negative, with sum 1.

    Softmax regression (the conditional logit of McFadden 1974): maximise the likelihood of the correct words among the
    visual ones, less `strength` times the sum of squares.
    """
    known = [(row.scores[:, row.visual], row.correct[row.visual]) for row in rows]

    def cost(weights: np.ndarray) -> tuple[float, np.ndarray]:
        value, slope = strength * float(weights @ weights), 2 * strength * weights
        for scores, correct in known:
            logits = weights @ scores
            shares, among = softmax(logits), softmax(np.where(correct, logits, -np.inf))
            value -= float(np.log(shares[correct].sum())) / len(known)
            slope = slope + scores @ (shares - among) / len(known)
        return value, slope

    heads = len(rows[0].scores)
    found = minimize(cost, np.full(heads, 1 / heads), jac=True, method="L-BFGS-B", bounds=[(0, None)] * heads).x
    return found / max(found.sum(), 1e-9)


def regions(model: str = "unet-flow", count: int = COUNT, quick: bool = False) -> Table:
    """Measure in how many regions a correct word ranks first, with equal heads, the best layer, and weighted heads.

    count: drawings, seen and held-out each. quick: a tenth of them.
    """
    count = drawing_count(count, quick)
    choosing_count = max(2, count // 4)
    pipe, rng = load(model), random.Random("regions")
    points = [p for p in pipe.points() if p.name.endswith(WEIGHTS)]
    layers, heads = [p.name.removesuffix(WEIGHTS) for p in points], max(p.shape[0] for p in points)
    tables = {split: [region_rows(pipe, s, rng) for s in tqdm(evaluation_scenes(
        choosing_count if split == "choosing" else count, *where), desc=split, leave=False)]
        for split, where in SPLITS.items()}
    choosing = [row for rows in tables["choosing"] for row in rows]
    single_layers = np.repeat(np.eye(len(layers)), heads, axis=1)
    best = int(np.argmax([np.mean([row.ranks_first(one) for row in choosing]) for one in single_layers]))
    weights = fit_head_weights(choosing)
    found: list[dict[str, Any]] = []
    for name, by in ((EQUAL, np.ones_like(weights)), (f"best layer, {layers[best]}", single_layers[best]),
                     (WEIGHTED, weights)):
        for kind in ("all", *REGION_KINDS):
            line: dict[str, Any] = {"heads": name, "regions": kind}
            for split in SCORED:
                line |= _cells([[r for r in rows if kind in ("all", r.kind)] for rows in tables[split]], by, split)
            found.append(line)
    return Table(f"A correct word of a region ranks first in its row, {model}", found, [
        f"{count} drawings each, one evaluation at each t of {', '.join(map(str, TIMES))}; 95% bootstrap over drawings",
        "each head's map of each word is standardised over the image, then averaged over heads and times",
        "first %: among the caption's words that refer to pixels; of all words %: among function words too",
        "by chance: the share of correct words among those that refer to pixels, averaged over regions",
        f"best layer and head weights were fitted on {choosing_count} other drawings",
        f"the heads with the largest weights: {_largest(weights, layers, heads)}",
        *supervision_note(model)], {"head_weights": _card_facts(weights, layers, heads, found)})


def _card_facts(weights: np.ndarray, layers: Sequence[str], heads: int, found: Sequence[dict[str, Any]],
                ) -> dict[str, Any]:
    """Return what goes onto a card: the weights of each layer's heads, and the scores with and without them."""
    columns = [f"first {split} %" for split in SCORED]
    scores = {line["heads"]: {column: line[column] for column in columns} for line in found
              if line["regions"] == "all" and line["heads"] in (EQUAL, WEIGHTED)}
    by_layer = weights.reshape(len(layers), heads)
    return {"heads": {layer: [round(float(v), 4) for v in row] for layer, row in zip(layers, by_layer, strict=True)},
            WEIGHTED: scores[WEIGHTED], EQUAL: scores[EQUAL]}


def _largest(weights: np.ndarray, layers: Sequence[str], heads: int, count: int = 5) -> str:
    return ", ".join(f"{layers[k // heads]} head {k % heads + 1} {100 * weights[k]:.0f}%"
                     for k in np.argsort(-weights)[:count])


def _cells(tables: list[list[RegionRow]], weights: np.ndarray, split: str) -> dict[str, Any]:
    columns = [f"n {split}", f"first {split} %", f"95% {split}", f"by chance {split} %", f"of all words {split} %"]
    rows = [row for table in tables for row in table]
    if not rows:
        return dict(zip(columns, (0, None, "", None, None), strict=True))
    means = np.array([np.mean([row.ranks_first(weights) for row in table]) for table in tables if table])
    values = (len(rows), percent([r.ranks_first(weights) for r in rows]), interval_text(means, 0, 100),
              percent([r.chance for r in rows]), percent([r.ranks_first(weights, True) for r in rows]))
    return dict(zip(columns, values, strict=True))
