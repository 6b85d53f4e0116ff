"""Is a word attended to where its thing is? Attention maps scored against the picture world's ground-truth masks.

Drawings are noised and denoised in one evaluation with their caption, and the map of every word is compared with the
pixels that the word refers to. Layers, heads, noise times and thresholds are chosen on other drawings than those that
are scored. Where a model's attention was supervised with such masks in training, the tables say so.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from tqdm.auto import tqdm

from ..analysis.attention_maps import MAP_SIZE, THRESHOLDS, coarse_mask, iou, threshold_map
from ..pipeline import Pipeline, load
from ..training.data import scene
from ..world import Scene, draw, held_out, parse, word_masks, write_caption
from ..zoo import read_card
from .statistics import interval_text, percent
from .table import Table, check_counts

TIMES = (0.3, 0.5, 0.7)  # noise times
ROLES = {"noun": "thing", "colour": "colour", "place": "place", "time": "time"}
COUNT = 60  # drawings for choosing, and for each score
SPLITS = {"choosing": (False, 0), "seen": (False, 5_000), "held-out": (True, 0)}  # unseen; number of the first scene
SCORED = ("seen", "held-out")
WEIGHTS = ".cross.weights"


@dataclass(frozen=True)
class WordMaps:
    """The attention maps of one word of a drawing, (time, layer and head, 16, 16), and its mask, (16, 16) bool."""

    role: str
    word: str
    maps: np.ndarray
    mask: np.ndarray


def hits_mask(scores: np.ndarray, mask: np.ndarray) -> bool:
    """Return whether the maximum lies in the mask: the pointing game (Zhang et al. 2016)."""
    return bool(mask.flat[scores.argmax()])


def evaluation_scenes(count: int, unseen: bool, first: int = 0) -> list[Scene]:
    """Return scenes with a thing that training did not contain. unseen: each with a held-out combination."""
    found: list[Scene] = []
    k = 2 * first
    while len(found) < count:
        s = scene(k, "wide" if unseen else "test")
        if s.groups and held_out(s) == unseen:
            found.append(s)
        k += 2
    return found


def word_maps(pipe: Pipeline, shown: Scene, rng: random.Random) -> list[WordMaps]:
    """Draw a scene and return every word of a random caption that refers to pixels, with its maps at each of TIMES."""
    drawing = draw(shown)
    caption = write_caption(drawing.scene, rng, everything=True)
    recordings = [pipe.inspect(drawing.image, caption, t) for t in TIMES]
    maps = np.stack([_flat(recording["*" + WEIGHTS]) for recording in recordings])  # (time, map, y, x, token)
    found = []
    for k, (word, (text, pixels)) in enumerate(zip(parse(caption).words, word_masks(drawing, caption), strict=True)):
        mask = coarse_mask(pixels)
        if word.role in ROLES.values() and mask.any():
            found.append(WordMaps(word.role, text, maps[..., k + 1], mask))  # token 0 is the start token
    return found


def _flat(weights: xr.DataArray) -> np.ndarray:
    """Reshape (layer, step, branch, head, y, x, token) to (layer and head, 16, 16, token), without padded heads."""
    flat = weights.isel(step=0, branch=0).stack(unit=("layer", "head")).transpose("unit", "y", "x", "token")
    flat = flat.dropna("unit")
    side = flat.sizes["y"]
    return np.repeat(np.repeat(flat.values, MAP_SIZE // side, 1), MAP_SIZE // side, 2)


def map_names(pipe: Pipeline) -> list[tuple[str, int]]:
    """Return the layer and head of each map, in the order of `word_maps`."""
    return [(p.name.removesuffix(WEIGHTS), h) for p in pipe.points() if p.name.endswith(WEIGHTS)
            for h in range(p.shape[0])]


@dataclass(frozen=True)
class Rule:
    """A weighted mean of a word's maps, (time, layer and head), and the threshold above which it counts as the mask."""

    name: str
    weights: np.ndarray
    threshold: float = 0.5

    def scores(self, word: WordMaps) -> np.ndarray:
        """Return the weighted mean of a word's maps, each scaled to a maximum of 1."""
        top = word.maps.max((-1, -2), keepdims=True)
        return np.tensordot(self.weights, word.maps / np.maximum(top, 1e-9), axes=2)

    def fitted(self, words: Sequence[WordMaps]) -> Rule:
        """Return the rule with the threshold that gives these words the highest mean IoU."""
        scored = [(self.scores(w), w.mask) for w in words]
        means = [np.mean([iou(threshold_map(s, c), m) for s, m in scored]) for c in THRESHOLDS]
        return Rule(self.name, self.weights, float(THRESHOLDS[int(np.argmax(means))]))

    def ious(self, words: Sequence[WordMaps]) -> np.ndarray:
        """Return for every word the IoU of its thresholded map with its mask."""
        return np.array([iou(threshold_map(self.scores(w), self.threshold), w.mask) for w in words])


def fit_rules(words: Sequence[WordMaps], names: list[tuple[str, int]]) -> list[Rule]:
    """Fit three rules: the mean of all maps, the best single map, and all maps weighted by a ridge regression."""
    shape = words[0].maps.shape[:2]
    single = []
    for t, k in np.ndindex(shape):
        weights = np.zeros(shape)
        weights[t, k] = 1
        layer, head = names[k]
        single.append(Rule(f"best map: {layer} head {head}, t {TIMES[t]}", weights).fitted(words))
    best = max(single, key=lambda r: r.ious(words).mean())
    return [Rule("mean of all maps", np.full(shape, 1 / np.prod(shape))).fitted(words), best,
            Rule("all maps, weighted", _ridge(words)).fitted(words)]


def _ridge(words: Sequence[WordMaps], strength: float = 10.0) -> np.ndarray:
    """Regress the masks on the maps (Hoerl and Kennard 1970), every word with equal weight."""
    rows, targets = [], []
    for w in words:
        maps = w.maps.reshape(-1, MAP_SIZE * MAP_SIZE)
        maps = maps / np.maximum(maps.max(1, keepdims=True), 1e-9)
        rows.append((maps - maps.mean(1, keepdims=True)).T)
        targets.append(w.mask.ravel() - w.mask.mean())
    x, y = np.concatenate(rows), np.concatenate(targets)
    solved = np.linalg.solve(x.T @ x + strength * np.eye(x.shape[1]), x.T @ y)
    return solved.reshape(words[0].maps.shape[:2])


def drawing_count(count: int, quick: bool) -> int:
    """Return the number of drawings per split: `count`, or a tenth of it."""
    check_counts(2, count=count)
    return max(6, count // 10) if quick else count


def words_by_role(pipe: Pipeline, count: int, roles: Sequence[str]) -> dict[str, dict[str, list[WordMaps]]]:
    """Return the words of `count` drawings of each split, by the name of their role and by split."""
    rng = random.Random("attention")
    words = {split: [word for s in tqdm(evaluation_scenes(count, *where), desc=split, leave=False)
                     for word in word_maps(pipe, s, rng)] for split, where in SPLITS.items()}
    return {role: {split: [w for w in found if w.role == ROLES[role]] for split, found in words.items()}
            for role in roles}


def supervised_layers(model: str) -> list[str]:
    """Return the layers whose attention was supervised with masks in training, from the model's card."""
    return [point.removesuffix(WEIGHTS) for point in read_card(model).get("supervised_attention", ())]


def supervision_note(model: str) -> list[str]:
    """Return the note that belongs below scores of supervised attention; none for other models."""
    layers = supervised_layers(model)
    return [f"the attention of {model} to words for things was supervised in training, with masks like those it is "
            f"scored against (in {', '.join(layers)}); words for places and times were not"] if layers else []


def attention(model: str = "unet-flow", count: int = COUNT, quick: bool = False) -> Table:
    """Measure IoU and pointing game of each kind of word, with rules that were fitted on other drawings.

    quick: a tenth of the drawings.
    """
    count, pipe = drawing_count(count, quick), load(model)
    names, rows = map_names(pipe), []
    for role, words in words_by_role(pipe, count, list(ROLES)).items():
        for rule in fit_rules(words["choosing"], names):
            row: dict[str, Any] = {"word": role, "rule": rule.name}
            for split in SCORED:
                values = rule.ious(words[split])
                pointing = [hits_mask(rule.scores(w), w.mask) for w in words[split]]
                row |= {f"IoU {split}": round(float(values.mean()), 3), f"95% {split}": interval_text(values),
                        f"pointing {split} %": percent(pointing)}
            rows.append(row)
    return Table(f"Attention of {model} against the true masks, at 16 x 16", rows, [
        f"{count} drawings for choosing, {count} for each score; intervals are 95% bootstrap over words",
        f"threshold, layer, head, time ({', '.join(map(str, TIMES))}) and weights are fitted on the choosing drawings",
        *supervision_note(model)])


def attention_layers(model: str = "unet-flow", count: int = COUNT, quick: bool = False) -> Table:
    """Measure the IoU of nouns and colours with the mean map of each layer alone, at each noise time.

    quick: a tenth of the drawings.
    """
    count, pipe = drawing_count(count, quick), load(model)
    names, supervised = map_names(pipe), supervised_layers(model)
    rows: list[dict[str, Any]] = []
    for role, words in words_by_role(pipe, count, ("noun", "colour")).items():
        for layer in dict.fromkeys(layer for layer, _ in names):
            by_time = [layer_mean(layer, k, names).fitted(words["choosing"]) for k in range(len(TIMES))]
            best = max(by_time, key=lambda rule: rule.ious(words["choosing"]).mean())
            row: dict[str, Any] = {"word": role, "layer": layer, "supervised": "yes" if layer in supervised else "no"}
            row |= {f"t {t}": round(float(rule.ious(words["seen"]).mean()), 3)
                    for t, rule in zip(TIMES, by_time, strict=True)}
            for split in SCORED:
                values = best.ious(words[split])
                row |= {split: round(float(values.mean()), 3), f"95% {split}": interval_text(values)}
            rows.append(row)
    return Table(f"IoU by layer and noise time, {model}", rows, [
        f"mean over heads; {count} drawings for choosing, {count} for each score; 95% bootstrap over words",
        "t: on seen combinations; seen, held-out: at the noise time and threshold that were best for choosing",
        *supervision_note(model)])


def layer_mean(layer: str, time: int, names: list[tuple[str, int]]) -> Rule:
    """Return the mean over a layer's heads, at one of TIMES, as a rule."""
    own = np.array([name == layer for name, _ in names])
    weights = np.zeros((len(TIMES), len(names)))
    weights[time, own] = 1 / own.sum()
    return Rule(layer, weights)
