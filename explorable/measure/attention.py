"""Do the places that read a word lie where the word's thing is? Attention against the picture world's masks.

Drawn pictures are noised and looked at once, with their caption; every word's map is held against the pixels that
the caption's word truly speaks of. What is fixed (which layers and heads, which noise times, where the threshold
lies) is chosen on other pictures than those that are scored. A model that was told in training where its words lie
shows what it was taught: its tables say so.
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
from .statistics import bootstrap
from .table import Table, check_counts

TIMES = (0.3, 0.5, 0.7)
ROLES = {"noun": "thing", "colour": "colour", "place": "place", "time": "time"}
PICTURES = 60  # for choosing, and as many for scoring, seen and held-out apart


@dataclass(frozen=True)
class Mapped:
    """One word of one picture: its maps (time, layer and head, 16, 16), and where it truly is (16, 16) bool."""

    role: str
    word: str
    maps: np.ndarray
    mask: np.ndarray


def pointing(scores: np.ndarray, mask: np.ndarray) -> bool:
    """The pointing game (Zhang et al. 2016): does the highest place lie in the mask?"""
    return bool(mask.flat[scores.argmax()])


def scenes(count: int, unseen: bool, first: int = 0) -> list[Scene]:
    """Scenes that training never had; `unseen`: with a combination that it never had either. Those with a thing."""
    found: list[Scene] = []
    k = 2 * first
    while len(found) < count:
        s = scene(k, "wide" if unseen else "test")
        if s.groups and held_out(s) == unseen:
            found.append(s)
        k += 2
    return found


def words_of(pipe: Pipeline, drawn: Scene, rng: random.Random) -> list[Mapped]:
    """Every word of a fresh caption of the scene that speaks of pixels, with its maps at each of TIMES."""
    picture = draw(drawn)
    caption = write_caption(picture.scene, rng, everything=True)
    recordings = [pipe.inspect(picture.image, caption, t) for t in TIMES]
    maps = np.stack([_flat(recording["*.cross.weights"]) for recording in recordings])
    # (time, layer and head, y, x, token)
    out = []
    for k, (word, (text, pixels)) in enumerate(zip(parse(caption).words, word_masks(picture, caption), strict=True)):
        mask = coarse_mask(pixels)
        if word.role in ROLES.values() and mask.any():
            out.append(Mapped(word.role, text, maps[..., k + 1], mask))  # token 0 is the start
    return out


def _flat(weights: xr.DataArray) -> np.ndarray:
    """(layer, step, branch, head, y, x, token) to (layer and head, 16, 16, token), without heads that are not there."""
    flat = weights.isel(step=0, branch=0).stack(unit=("layer", "head")).transpose("unit", "y", "x", "token")
    flat = flat.dropna("unit")
    side = flat.sizes["y"]
    return np.repeat(np.repeat(flat.values, MAP_SIZE // side, 1), MAP_SIZE // side, 2)


def units(pipe: Pipeline) -> list[str]:
    """The names of the maps: a layer and a head each, in the order in which `words_of` has them."""
    return [f"{p.name.removesuffix('.cross.weights')} head {h}" for p in pipe.points()
            if p.name.endswith("cross.weights") for h in range(p.shape[0])]


@dataclass(frozen=True)
class Rule:
    """A way to read maps: the weight of each (time, layer and head), and the threshold."""

    name: str
    weights: np.ndarray
    threshold: float = 0.5

    def scores(self, word: Mapped) -> np.ndarray:
        """The map that the rule makes of a word's maps, each first brought to a largest value of 1."""
        top = word.maps.max((-1, -2), keepdims=True)
        return np.tensordot(self.weights, word.maps / np.maximum(top, 1e-9), axes=2)

    def fitted(self, words: Sequence[Mapped]) -> Rule:
        """The same with the threshold that serves these words best."""
        scored = [(self.scores(w), w.mask) for w in words]
        means = [np.mean([iou(threshold_map(s, c), m) for s, m in scored]) for c in THRESHOLDS]
        return Rule(self.name, self.weights, float(THRESHOLDS[int(np.argmax(means))]))

    def ious(self, words: Sequence[Mapped]) -> np.ndarray:
        """Of every word, how well its map fits its mask."""
        return np.array([iou(threshold_map(self.scores(w), self.threshold), w.mask) for w in words])


def rules(words: Sequence[Mapped], names: list[str]) -> list[Rule]:
    """Rules fitted on these words: all maps alike, the best one alone, and all weighed by a ridge regression."""
    shape = words[0].maps.shape[:2]
    single = []
    for t, u in np.ndindex(shape):
        weights = np.zeros(shape)
        weights[t, u] = 1
        single.append(Rule(f"best map: {names[u]}, t {TIMES[t]}", weights).fitted(words))
    best = max(single, key=lambda r: r.ious(words).mean())
    return [Rule("mean of all maps", np.full(shape, 1 / np.prod(shape))).fitted(words), best,
            Rule("all maps, weighed", _ridge(words)).fitted(words)]


def _ridge(words: Sequence[Mapped], strength: float = 10.0) -> np.ndarray:
    """Weights of the maps whose sum comes nearest to the masks (Hoerl and Kennard 1970), each word counted alike."""
    rows, targets = [], []
    for w in words:
        maps = w.maps.reshape(-1, MAP_SIZE * MAP_SIZE)
        maps = maps / np.maximum(maps.max(1, keepdims=True), 1e-9)
        rows.append((maps - maps.mean(1, keepdims=True)).T)
        targets.append(w.mask.ravel() - w.mask.mean())
    x, y = np.concatenate(rows), np.concatenate(targets)
    solved = np.linalg.solve(x.T @ x + strength * np.eye(x.shape[1]), x.T @ y)
    return solved.reshape(words[0].maps.shape[:2])


SPLITS = {"choosing": (False, 0), "seen": (False, 5_000), "held-out": (True, 0)}  # unseen, and the first scene's number


def enough(count: int, quick: bool) -> int:
    """How many pictures a part has: a tenth, if it shall be quick."""
    check_counts(2, count=count)
    return max(6, count // 10) if quick else count


def mapped(pipe: Pipeline, count: int, *parts: str) -> tuple[list[str], dict[str, list[Mapped]]]:
    """The names of the maps, and every word of `count` pictures of each part with its maps."""
    rng = random.Random("attention")
    return units(pipe), {part: [word for s in tqdm(scenes(count, *SPLITS[part]), desc=part, leave=False)
                                for word in words_of(pipe, s, rng)] for part in parts}


def taught_layers(model: str) -> list[str]:
    """The layers whose maps were held against the true masks while the model trained, as its card says."""
    return [point.removesuffix(".cross.weights") for point in read_card(model).get("supervised_attention", ())]


def taught(model: str) -> list[str]:
    """What has to be read with a score of such a model's maps, as notes; none of a model that was not taught."""
    layers = taught_layers(model)
    return [f"{model} was taught in training, by masks like those it is scored against, to read the words of things "
            f"where they lie (in {', '.join(layers)}); words of places and times were not taught"] if layers else []


def attention(model: str = "unet-flow", count: int = PICTURES, quick: bool = False) -> Table:
    """IoU and pointing game of each sort of word, by rules that were fixed on other pictures.

    quick: a tenth of the pictures.

    Raises:
        ValueError: a model or a number of pictures that cannot be.
    """
    count = enough(count, quick)
    names, parts = mapped(load(model), count, "choosing", "seen", "held-out")
    rows: list[dict[str, Any]] = []
    for sort, role in ROLES.items():
        of = {part: [w for w in words if w.role == role] for part, words in parts.items()}
        for rule in rules(of["choosing"], names):
            row: dict[str, Any] = {"word": sort, "rule": rule.name}
            for part in ("seen", "held-out"):
                row |= _cells(rule, of[part], part)
            rows.append(row)
    return Table(f"Attention of {model} against the true masks, at 16 x 16", rows, [
        f"{count} pictures for choosing, {count} for each score; intervals are 95% bootstrap over words",
        f"threshold, layer, head, time ({', '.join(map(str, TIMES))}) and weights are fixed on the choosing pictures",
        *taught(model)])


def _cells(rule: Rule, words: list[Mapped], part: str) -> dict[str, Any]:
    values = rule.ious(words)
    low, high = bootstrap(values)
    hits = np.mean([pointing(rule.scores(w), w.mask) for w in words])
    return {f"IoU {part}": round(float(values.mean()), 3), f"95% {part}": f"{low:.2f} to {high:.2f}",
            f"pointing {part} %": round(100 * float(hits), 1)}


def attention_layers(model: str = "unet-flow", count: int = PICTURES, quick: bool = False) -> Table:
    """Which layers carry it: the IoU of nouns and colours by the mean map of one layer at one noise time.

    Raises:
        ValueError: a model or a number of pictures that cannot be.
    """
    count = enough(count, quick)
    names, parts = mapped(load(model), count, "choosing", "seen", "held-out")
    told = taught_layers(model)
    rows: list[dict[str, Any]] = []
    for sort in ("noun", "colour"):
        of = {part: [w for w in words if w.role == ROLES[sort]] for part, words in parts.items()}
        for layer in dict.fromkeys(n.rsplit(" head ", 1)[0] for n in names):
            row: dict[str, Any] = {"word": sort, "layer": layer, "taught": "yes" if layer in told else "no"}
            by_time = [_mean_of(layer, k, names).fitted(of["choosing"]) for k in range(len(TIMES))]
            row |= {f"t {t}": round(float(rule.ious(of["seen"]).mean()), 3)
                    for t, rule in zip(TIMES, by_time, strict=True)}
            best = max(by_time, key=lambda rule: rule.ious(of["choosing"]).mean())
            for part in ("seen", "held-out"):
                values = best.ious(of[part])
                low, high = bootstrap(values)
                row |= {part: round(float(values.mean()), 3), f"95% {part}": f"{low:.2f} to {high:.2f}"}
            rows.append(row)
    return Table(f"IoU by layer and noise time, {model}", rows, [
        f"mean over heads; {count} pictures for choosing, {count} for each score; 95% bootstrap over words",
        "t: on seen combinations; seen, held-out: at the noise time that was best for choosing, as the threshold was",
        *taught(model)])


def _mean_of(layer: str, time: int, names: list[str]) -> Rule:
    """The mean map of a layer's heads at one of TIMES."""
    own = np.array([n.rsplit(" head ", 1)[0] == layer for n in names])
    weights = np.zeros((len(TIMES), len(names)))
    weights[time, own] = 1 / own.sum()
    return Rule(layer, weights)
