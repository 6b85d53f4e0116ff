"""Does a teacher's pull put the target into the picture, and what does it cost in diversity?

Dhariwal and Nichol 2021, table 4, made small: a painter without a prompt, and one that was told the target in
words, both pulled by the classifier towards it; the examiner, who never guides, says whether it is there.
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
from .exam import painter, sheet
from .statistics import percent, percent_cells
from .table import Table

PULLS = (0.0, 1.0, 3.0, 10.0, 30.0, 100.0)
SAMPLERS = ("ddim", "ddpm")  # a push on the estimate, and a push on the mean of the next latent
PAINTERS = {"without a prompt": 0.0, "told in words": 1.0}  # and its guidance: the teacher alone shall guide
SORTS = {"thing": KINDS, "colour": tuple(COLOURS), "place": PLACES, "time": TIMES}
EACH, SEEDS = 2, tuple(range(8))


@dataclass(frozen=True)
class Target:
    """A word to pull towards, what sort of word it is, and a prompt that says it."""

    sort: str
    word: str
    prompt: str


def targets(each: int) -> list[Target]:
    """`each` words of every sort, by lot, each with a prompt of a combination that training had."""
    rng = random.Random("targets")
    return [Target(sort, word, write_caption(_scene(sort, word, rng), rng, everything=True))
            for sort, words in SORTS.items() for word in rng.sample(words, each)]


def _scene(sort: str, word: str, rng: random.Random) -> Scene:
    """A scene with that word in it and little else."""
    while True:
        thing = Group(word if sort == "thing" else rng.choice(KINDS), word if sort == "colour" else None)
        scene = Scene(place=word) if sort == "place" else Scene((thing,), time=word if sort == "time" else None)
        if not held_out(scene):
            return scene


def shows(verdict: Verdict, word: str) -> bool:
    """Whether the examiner sees that thing, a thing of that colour, that place or that time."""
    return word in {*verdict.things, *(seen.colour for seen in verdict.things.values()), verdict.place, verdict.time}


def classifier_guidance(model: str = "unet-flow", steps: int = 20, quick: bool = False) -> Table:
    """The pull against the examiner's verdict and against diversity (distance of two seeds of one target).

    At pull 0 without a prompt stands chance: how often a picture shows the target by itself.
    quick: one target of each sort, two seeds, three pulls.

    Raises:
        ValueError: a model or a number of steps that cannot be; there is no classifier in the zoo.
    """
    each, seeds, pulls = (1, SEEDS[:2], PULLS[::2]) if quick else (EACH, SEEDS, PULLS)
    check_settings(Settings("", steps=steps))
    pipe, wanted = load(model), targets(each)
    for target in wanted:
        pipe.classifier.check_target(target.word)
    cells = list(itertools.product(PAINTERS, SAMPLERS, pulls))
    rows = [_row(pipe, wanted, seeds, steps, *cell) for cell in tqdm(cells, desc="pulls", leave=False)]
    return Table(f"{model} pulled by the classifier, {steps} steps", rows, [
        *best(rows), f"targets: {', '.join(t.word for t in wanted)}; {len(wanted)} x {len(seeds)} seeds a row; "
                     "intervals are 95% bootstrap over targets"])


def _row(pipe: Pipeline, wanted: list[Target], seeds: tuple[int, ...], steps: int, who: str, sampler: str,
         classifier_scale: float) -> dict[str, Any]:
    w = PAINTERS[who]
    images = np.concatenate([
        sheet([t.prompt if w else ""], seeds, painter(pipe, steps, w, sampler=sampler, target=t.word,
                                                                  classifier_scale=classifier_scale))
        for t in wanted])  # (targets, seeds, 128, 128, 3)
    shown = np.array([[shows(v, t.word) for v in examine(row)] for row, t in zip(images, wanted, strict=True)])
    row = {"painter": who, "sampler": sampler, "pull": classifier_scale} | percent_cells(shown, "shown %", "95%")
    for sort in SORTS:
        row[f"{sort} %"] = percent(shown[[t.sort == sort for t in wanted]])
    return row | {"diversity": float(f"{diversity(examiner_features(images)).mean():.3g}")}


def best(rows: list[dict[str, Any]]) -> list[str]:
    """For every painter and sampler the pull that shows the target most often, beside no pull."""
    notes = []
    for who, sampler in dict.fromkeys((r["painter"], r["sampler"]) for r in rows):
        own = [r for r in rows if (r["painter"], r["sampler"]) == (who, sampler)]
        free, top = own[0], max(own, key=lambda r: r["shown %"])  # the first row is pull 0
        notes.append(f"{who}, {sampler}: {free['shown %']:g} % without a pull, at best {top['shown %']:g} % at pull "
                     f"{top['pull']:g}; diversity {free['diversity']:g} and {top['diversity']:g}")
    return notes
