"""Does classifier guidance produce its target, and how much diversity does it cost?

Table 4 of Dhariwal and Nichol 2021 in small: a model without a prompt, and one whose prompt names the target, each
guided towards the target by the classifier. The examiner, which never guides, decides whether an image shows it.
"""

from __future__ import annotations

import itertools
import random
from dataclasses import dataclass
from typing import Any

import numpy as np
from tqdm.auto import tqdm

from ..analysis.image_statistics import diversity
from ..analysis.verdict import Verdict, examine, examiner_features
from ..diffusion.settings import Settings, check_settings
from ..pipeline import Pipeline, load
from ..world import COLOURS, KINDS, PLACES, TIMES, Group, Scene, held_out, write_caption
from .generation import generated_by, image_grid
from .statistics import percent, percent_cells
from .table import Table

SCALES = (0.0, 1.0, 3.0, 10.0, 30.0, 100.0)
SAMPLERS = ("ddim", "ddpm")  # ddim shifts the denoised estimate, ddpm the mean of the next latent
PROMPTS = {"none": 0.0, "names the target": 1.0}  # and the guidance scale: only the classifier guides
TARGETS = {"thing": KINDS, "colour": tuple(COLOURS), "place": PLACES, "time": TIMES}
TARGETS_PER_KIND, SEEDS = 2, tuple(range(8))


@dataclass(frozen=True)
class Target:
    """A word that the classifier guides towards, its kind, and a prompt that contains it."""

    kind: str
    word: str
    prompt: str


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


def shows(verdict: Verdict, word: str) -> bool:
    """Return whether the examiner finds that thing, a thing of that colour, that place or that time."""
    return word in {*verdict.things, *(seen.colour for seen in verdict.things.values()), verdict.place, verdict.time}


def classifier_guidance(model: str = "unet-flow", steps: int = 20, quick: bool = False) -> Table:
    """Measure against the classifier scale how many images show the target, and their diversity.

    Diversity is the distance of two seeds of a target in the examiner's features. Without a prompt, scale 0 gives
    chance: how often an image shows the target anyway. quick: one target of each kind, two seeds, three scales.
    """
    count, seeds, scales = (1, SEEDS[:2], SCALES[::2]) if quick else (TARGETS_PER_KIND, SEEDS, SCALES)
    check_settings(Settings("", steps=steps))
    pipe, wanted = load(model), targets(count)
    for target in wanted:
        pipe.classifier.check_target(target.word)
    cells = list(itertools.product(PROMPTS, SAMPLERS, scales))
    rows = [_row(pipe, wanted, seeds, steps, *cell) for cell in tqdm(cells, desc="scales", leave=False)]
    return Table(f"Classifier guidance of {model}, {steps} steps", rows, [
        *best_scales(rows), f"targets: {', '.join(t.word for t in wanted)}; {len(wanted)} x {len(seeds)} seeds a row; "
                            "intervals are 95% bootstrap over targets"])


def _row(pipe: Pipeline, wanted: list[Target], seeds: tuple[int, ...], steps: int, prompt: str, sampler: str,
         scale: float) -> dict[str, Any]:
    w = PROMPTS[prompt]
    sources = [generated_by(pipe, steps, w, sampler=sampler, target=t.word, classifier_scale=scale) for t in wanted]
    images = np.concatenate([image_grid(source, [t.prompt if w else ""], seeds)
                             for source, t in zip(sources, wanted, strict=True)])  # (targets, seeds, 128, 128, 3)
    shown = np.array([[shows(v, t.word) for v in examine(row)] for row, t in zip(images, wanted, strict=True)])
    row = {"prompt": prompt, "sampler": sampler, "scale": scale} | percent_cells(shown, "shown %", "95%")
    row |= {f"{kind} %": percent(shown[[t.kind == kind for t in wanted]]) for kind in TARGETS}
    return row | {"diversity": float(f"{diversity(examiner_features(images)).mean():.3g}")}


def best_scales(rows: list[dict[str, Any]]) -> list[str]:
    """Return a note for each prompt and sampler: the scale that shows the target most often, beside scale 0."""
    notes = []
    for prompt, sampler in dict.fromkeys((r["prompt"], r["sampler"]) for r in rows):
        same = [r for r in rows if (r["prompt"], r["sampler"]) == (prompt, sampler)]
        free, best = same[0], max(same, key=lambda r: r["shown %"])  # the first row is scale 0
        notes.append(f"prompt: {prompt}, {sampler}: {free['shown %']:g} % at scale 0, at best {best['shown %']:g} % at "
                     f"scale {best['scale']:g}; diversity {free['diversity']:g} and {best['diversity']:g}")
    return notes
