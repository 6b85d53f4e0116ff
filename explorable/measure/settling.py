"""What of an image is settled first: its light, its place, its thing or the silhouette? Branches with other words."""

from __future__ import annotations

import itertools
import random
from typing import Any

import numpy as np
from tqdm.auto import tqdm

from ..analysis.verdict import Verdict, examine, silhouettes
from ..diffusion.settings import Settings, check_settings
from ..pipeline import load
from ..world import COLOURS, KINDS, PLACES, TIMES, Group, Scene, held_out, write_caption
from .statistics import bootstrap, interval_text, percent
from .table import Table, check_counts

PAIRS, QUICK_PAIRS = 24, 4  # of prompts
STEPS = 20
TRAITS = ("light", "place", "thing", "silhouette")
SAME_SILHOUETTE = 0.7  # intersection over union from which on two silhouettes count as the same


def settling(model: str = "unet-flow", pairs: int = PAIRS, steps: int = STEPS, guidance: float | None = None,
             quick: bool = False, show_progress: bool = True) -> Table:
    """Measure up to which step other words still change the light, the place, the thing and the silhouette.

    A run is rewound to each of its steps and continues with a prompt of another thing, place and time of day. A trait
    of the parent's image is kept if the branch's image shows the same place or time, the parent's thing and not the
    new one, or a silhouette with an intersection over union of 0.7 with the parent's. It is settled from the step on
    from which every later branch keeps it.

    quick: four pairs of prompts. show_progress: whether to draw a progress bar.
    """
    check_counts(1, pairs=pairs)
    check_counts(2, steps=steps)  # a single step has no middle to branch from
    pipe, rng = load(model), random.Random("settling")
    guidance = pipe.default_guidance if guidance is None else guidance
    check_settings(Settings("", steps=steps, guidance=guidance))
    kept = []  # by pair: (trait, step)
    for k in tqdm(range(QUICK_PAIRS if quick else pairs), desc="settling", leave=False, disable=not show_progress):
        scene = _scene(rng, None)
        other = _scene(rng, scene)
        run = pipe(write_caption(scene, rng, everything=True), steps=steps, guidance=guidance, seed=k)
        words = write_caption(other, rng, everything=True)
        images = np.stack([run.image, *(run.branch(step, prompt=words).image for step in range(steps))])
        kept.append(_kept(images, scene.groups[0].kind, other.groups[0].kind))
    return _table(np.array(kept), model, guidance)


def _scene(rng: random.Random, unlike: Scene | None) -> Scene:
    """Return a coloured thing in a place at a time, seen in training, with nothing in common with another scene."""
    while True:
        scene = Scene((Group(rng.choice(KINDS), rng.choice(tuple(COLOURS))),), place=rng.choice(PLACES),
                      time=rng.choice(TIMES))
        shared = unlike is not None and (scene.groups[0].kind == unlike.groups[0].kind or scene.place == unlike.place
                                         or scene.time == unlike.time)
        if not held_out(scene) and not shared:
            return scene


def _kept(images: np.ndarray, kind: str, new_kind: str) -> np.ndarray:
    """Return which traits of the first image the others keep, (trait, image) bool."""
    parent, *branches = examine(images)
    first, *shapes = silhouettes(images)

    def shows_same(branch: Verdict, shape: np.ndarray) -> tuple[bool, bool, bool, bool]:
        union = (first | shape).sum()
        overlap = (first & shape).sum() / union if union else 1.0
        return (branch.time == parent.time, branch.place == parent.place,
                kind in branch.things and new_kind not in branch.things, bool(overlap >= SAME_SILHOUETTE))

    return np.array([shows_same(branch, shape) for branch, shape in zip(branches, shapes, strict=True)]).T


def settled_from(kept: np.ndarray) -> np.ndarray:
    """Return the first step from which on all values are true, the number of steps if there is none: (..., step) to
    (...)."""
    later = np.flip(np.logical_and.accumulate(np.flip(kept, -1), -1), -1)
    return kept.shape[-1] - later.sum(-1)


def _table(kept: np.ndarray, model: str, guidance: float) -> Table:
    """kept: (pair, trait, step) bool."""
    steps = kept.shape[-1]
    settled = settled_from(kept)  # (pair, trait)
    shares = (0.25, 0.5, 0.75)
    rows: list[dict[str, Any]] = []
    for k, trait in enumerate(TRAITS):
        row = {"trait": trait, "settled from step": round(float(settled[:, k].mean()), 1),
               "95%": interval_text(settled[:, k], 1)}
        rows.append(row | {f"kept by a branch at step {int(share * steps)}, %": percent(kept[:, k, int(share * steps)])
                           for share in shares})
    return Table(f"What other words can still change, by step of {steps}, {model}, guidance {guidance:g}", rows,
                 [_order(settled), f"{len(kept)} runs; at each step a branch goes on with another thing, place and "
                  "time of day; settled: from there on every branch keeps it; intervals are 95% bootstrap over runs",
                  f"silhouette: where the examiner finds any thing, kept at an IoU of {SAME_SILHOUETTE:g} or more"])


def _order(settled: np.ndarray) -> str:
    """Say by how many steps each trait is settled before the next one, from the paired differences of the runs."""
    order = np.argsort(settled.mean(0), kind="stable")
    parts = []
    for one, other in itertools.pairwise(order):
        gaps = settled[:, other] - settled[:, one]
        low, high = bootstrap(gaps)
        certain = "before" if low > 0 else "perhaps before"
        parts.append(f"{TRAITS[one]} {certain} {TRAITS[other]} (by {gaps.mean():.1f} steps, {low:.1f} to {high:.1f})")
    return "; ".join(parts)
