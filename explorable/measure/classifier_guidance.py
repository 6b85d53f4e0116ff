"""Does classifier guidance produce its target, how much diversity does it cost, and when is an image adversarial?

Table 4 of Dhariwal and Nichol 2021 in small: a model without a prompt, and one whose prompt names the target, each
guided towards the target by the classifier. The examiner, which never guides, decides whether an image shows it. An
image of which the guiding classifier is certain, and in which the examiner does not find the target, is an adversarial
one (Szegedy et al. 2014).
"""

from __future__ import annotations

import functools
import itertools
import random
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from tqdm.auto import tqdm

from ..analysis.classifier_readings import classifier_confidence
from ..analysis.image_statistics import diversity
from ..analysis.verdict import examine, examiner_features, shows
from ..diffusion.settings import Settings, check_settings
from ..pipeline import Pipeline, load
from ..world import COLOURS, KINDS, PLACES, TIMES, Group, Scene, held_out, write_caption
from .generation import generated_by
from .guidance import ALIKE, WORSE, compare_with_best
from .results import saved_table
from .statistics import interval_text, parse_interval, percent, percent_cells
from .table import Table

SCALES = (0.0, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0)
SAMPLERS = ("ddim", "ddpm")  # ddim shifts the denoised estimate, ddpm the mean of the next latent
PROMPTS = {"none": 0.0, "names the target": 1.0}  # and the guidance scale: only the classifier guides
TARGETS = {"thing": KINDS, "colour": tuple(COLOURS), "place": PLACES, "time": TIMES}
TARGETS_PER_KIND, SEEDS = 2, 4
CERTAIN = 0.9  # the classifier's p(target) from which on it counts as certain
QUANTITIES = {"shown": ("shown %", "95%", 100.0), "confidence": ("classifier %", "classifier 95%", 100.0),
              "adversarial": ("adversarial %", "adversarial 95%", 100.0),
              "diversity": ("diversity", "diversity 95%", 1.0)}
"""By quantity: the columns of its mean and interval, and by how much these are multiplied."""


@dataclass(frozen=True)
class Target:
    """A word that the classifier guides towards, its kind, and a prompt that contains it."""

    kind: str
    word: str
    prompt: str


def kind_of(word: str) -> str:
    """Return the kind of a target: "thing", "colour", "place" or "time".

    Raises:
        ValueError: no such word.
    """
    for kind, words in TARGETS.items():
        if word in words:
            return kind
    known = "; ".join(f"{kind}: {', '.join(words)}" for kind, words in TARGETS.items())
    raise ValueError(f"target is {word!r}: choose one of {known}")


def targets(count: int) -> list[Target]:
    """Return `count` random words of each kind, each with a prompt of a combination that occurred in training."""
    rng = random.Random("targets")
    return [Target(kind, word, write_caption(_scene(kind, word, rng), rng, everything=True))
            for kind, words in TARGETS.items() for word in rng.sample(words, count)]


def _scene(kind: str, word: str, rng: random.Random) -> Scene:
    """Return a scene with that word and little else."""
    while True:
        thing = Group(word if kind == "thing" else rng.choice(KINDS), word if kind == "colour" else None)
        scene = Scene(place=word) if kind == "place" else Scene((thing,), time=word if kind == "time" else None)
        if not held_out(scene):
            return scene


def classifier_guidance(model: str = "unet-flow", steps: int = 20, quick: bool = False) -> Table:
    """Measure against the classifier scale how many images show the target, what the classifier says, and diversity.

    Each target has seeds of its own, the same at every scale. Classifier: its mean probability of the target, of the
    finished image encoded again, at t = 0. Adversarial: images of which the classifier is at least 90% certain, and in
    which the examiner does not find the target. Diversity is the distance of two seeds of a target in the examiner's
    features. Without a prompt, scale 0 gives chance: how often an image shows the target anyway.

    quick: one target of each kind, two seeds, every other scale.
    """
    count, seeds, scales = (1, 2, SCALES[::2]) if quick else (TARGETS_PER_KIND, SEEDS, SCALES)
    check_settings(Settings("", steps=steps))
    pipe, wanted = load(model), targets(count)
    for target in wanted:
        pipe.classifier.check_target(target.word)
    cells = list(itertools.product(PROMPTS, SAMPLERS, scales))
    rows, shown = [], []
    for cell in tqdm(cells, desc="scales", leave=False):
        row, found = _row(pipe, wanted, seeds, steps, *cell)
        rows.append(row)
        shown.append(found)
    rows = [row | {"beside the best": standing} for row, standing in zip(rows, _standings(cells, shown), strict=True)]
    return Table(f"Classifier guidance of {model}, {steps} steps", rows, [
        *best_scales(rows), f"targets: {', '.join(t.word for t in wanted)}; {len(wanted)} targets x {seeds} seeds a "
                            "row; intervals are 95% bootstrap over targets; beside the best: by the interval of the "
                            "paired difference from the scale that shows the target most often"])


def _standings(cells: list[tuple[str, str, float]], shown: list[np.ndarray]) -> list[str]:
    """Return how each cell (prompt, sampler, scale) stands beside the best scale of its prompt and sampler.

    shown: for each cell, which images show their target, (targets, seeds) bool.
    """
    by_curve: dict[tuple[str, str], dict[float, np.ndarray]] = {}
    for (prompt, sampler, scale), found in zip(cells, shown, strict=True):
        by_curve.setdefault((prompt, sampler), {})[scale] = found
    standings = {curve: compare_with_best(by_scale) for curve, by_scale in by_curve.items()}
    return [standings[prompt, sampler][scale] for prompt, sampler, scale in cells]


def _row(pipe: Pipeline, wanted: list[Target], seeds: int, steps: int, prompt: str, sampler: str,
         scale: float) -> tuple[dict[str, Any], np.ndarray]:
    """Return a row of the table, and which images show their target, (targets, seeds). seeds: how many of each."""
    w, images = PROMPTS[prompt], []
    for k, t in enumerate(wanted):
        source = generated_by(pipe, steps, w, sampler=sampler, target=t.word, classifier_scale=scale)
        images.append(source([t.prompt if w else ""] * seeds, list(range(k * seeds, (k + 1) * seeds))))
    shown = np.array([[shows(v, t.word) for v in examine(some)] for some, t in zip(images, wanted, strict=True)])
    confidence = np.array([classifier_confidence(pipe, some, t.word)
                           for some, t in zip(images, wanted, strict=True)])
    apart = diversity(examiner_features(np.stack(images)))
    row = ({"prompt": prompt, "sampler": sampler, "scale": scale} | percent_cells(shown, "shown %", "95%")
           | {f"{kind} %": percent(shown[[t.kind == kind for t in wanted]]) for kind in TARGETS}
           | percent_cells(confidence, "classifier %", "classifier 95%")
           | percent_cells((confidence >= CERTAIN) & ~shown, "adversarial %", "adversarial 95%")
           | {"diversity": float(f"{apart.mean():.3g}"), "diversity 95%": interval_text(apart)})
    return row, shown


def best_scales(rows: list[dict[str, Any]]) -> list[str]:
    """Return a note for each prompt and sampler: the scale that shows the target most often, beside scale 0, and which
    scales are as good and which are worse, where the rows say so."""
    notes = []
    for prompt, sampler in dict.fromkeys((r["prompt"], r["sampler"]) for r in rows):
        same = [r for r in rows if (r["prompt"], r["sampler"]) == (prompt, sampler)]
        free, best = same[0], max(same, key=lambda r: r["shown %"])  # the first row is scale 0
        notes.append(f"prompt: {prompt}, {sampler}: {free['shown %']:g} % at scale 0, at best {best['shown %']:g} % at "
                     f"scale {best['scale']:g}; diversity {free['diversity']:g} and {best['diversity']:g}"
                     + "".join(f"; {what}: {', '.join(scales)}" for what, scales in _by_standing(same).items()))
    return notes


def _by_standing(rows: list[dict[str, Any]]) -> dict[str, list[str]]:
    """Return the scales that are not significantly worse than the best one, and those that are."""
    named = {ALIKE: "not significantly worse", WORSE: "worse"}
    found = {what: [f"{r['scale']:g}" for r in rows if r.get("beside the best") == standing]
             for standing, what in named.items()}
    return {what: scales for what, scales in found.items() if scales}


# ---- reading the table ----------------------------------------------------------------------------------------------


def sweep_of(table: Table) -> xr.Dataset:
    """Return the numbers of a table of `classifier_guidance`: each of QUANTITIES (prompt, sampler, scale, bound).

    bound: "mean", and the ends of the 95% interval, "low" and "high". Shares are from 0 to 1.
    """
    rows: dict[tuple, dict[str, Any]] = {(r["prompt"], r["sampler"], float(r["scale"])): r for r in table.rows}
    axes = {name: list(dict.fromkeys(key[k] for key in rows)) for k, name in enumerate(("prompt", "sampler", "scale"))}
    shape = [len(values) for values in axes.values()]

    def read(mean: str, interval: str, factor: float) -> np.ndarray:
        found = [(rows[key][mean], *parse_interval(rows[key][interval])) for key in itertools.product(*axes.values())]
        return np.array(found).reshape(*shape, 3) / factor

    return xr.Dataset({name: ((*axes, "bound"), read(*columns)) for name, columns in QUANTITIES.items()},
                      coords={**axes, "bound": ["mean", "low", "high"]})


@dataclass(frozen=True, eq=False)
class Sweep:
    """A saved table of `classifier_guidance`. curves: see `sweep_of`; is_current: whether the weights are the same."""

    curves: xr.Dataset
    is_current: bool

    def sentence(self, prompt: str, sampler: str) -> str:
        """Say at which scale most images show the target, and how many at the largest are adversarial."""
        curves = self.curves.sel(prompt=prompt, sampler=sampler)
        shown = curves.shown.sel(bound="mean")
        best = float(shown.scale[int(shown.values.argmax())])
        last = curves.adversarial.isel(scale=-1).sel(bound="mean")
        words = "without a prompt" if prompt == "none" else "with a prompt that names the target"
        stale = "" if self.is_current else ", before the weights changed"
        return (f"Measured {words}{stale}: {100 * float(shown[0]):.0f}% show the target at scale 0, "
                f"{100 * float(shown.max()):.0f}% at {best:g}; {100 * float(last):.0f}% of the images at "
                f"{float(last.scale):g} are adversarial.")


@functools.cache
def saved_sweep(model: str) -> Sweep | None:
    """Return the saved sweep of a model, or None if it was not measured."""
    saved = saved_table("classifier-guidance", model)
    return None if saved is None else Sweep(sweep_of(saved.table), saved.is_current)
