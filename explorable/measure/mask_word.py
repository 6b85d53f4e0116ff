"""What does a word do? The picture with and without it, beside where it is read."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
from tqdm.auto import tqdm

from ..analysis.verdict import examine
from ..hooks import MaskToken, edit
from ..pipeline import Pipeline, load
from ..world import COLOURS, KINDS, PLACES, Group, Scene, held_out, parse, write_caption
from .statistics import percent_cells
from .table import Table, check_counts

CASES = 100
READ = "*.cross.weights"
WAYS = {"unread": (READ,), "unread and unheard": (READ, "text.words")}


def cases(count: int) -> list[tuple[str, Scene]]:
    """Prompts of one coloured thing in a place, of combinations that training had, and what they state."""
    rng = random.Random("silence")
    found: dict[str, Scene] = {}
    while len(found) < count:
        scene = Scene((Group(rng.choice(KINDS), rng.choice(tuple(COLOURS))),), place=rng.choice(PLACES))
        if not held_out(scene):
            prompt = write_caption(scene, rng, everything=True)
            found.setdefault(prompt, parse(prompt).scene)
    return list(found.items())


def colour_word(prompt: str) -> str:
    """The colour's own word in a prompt: "crimson" where it says so."""
    return next(w.text for w in parse(prompt).words if w.role == "colour")


def mask_word(model: str = "unet-flow", count: int = CASES, quick: bool = False) -> Table:
    """Silence the colour word: does the thing lose its colour, and the rest stay?

    In two ways: in every cross-attention alone; and before the text encoder too, which otherwise mixes the word into
    the vectors of its neighbours. Counted over the pictures that had thing, colour and place right before. quick: a
    tenth of the cases.

    Raises:
        ValueError: a model or a number of cases that cannot be.
    """
    check_counts(1, count=count)
    pipe = load(model)
    rows: list[dict[str, Any]] = []
    asked = cases(max(5, count // 10) if quick else count)
    for way, points in WAYS.items():
        drawn = [_drawn(pipe, prompt, said, seed, points)
                 for seed, (prompt, said) in enumerate(tqdm(asked, desc=f"silencing, {way}", leave=False))]
        fair = [d for d in drawn if d["before"]]
        row: dict[str, Any] = {"the colour word is": way}
        for what in ("colour gone", "thing kept", "place kept", "all three"):
            row |= percent_cells(np.array([d[what] for d in fair]), f"{what} %", f"{what} 95%")
        rows.append(row)
    return Table(f"The colour word silenced in {model}, guidance {pipe.default_guidance:g}", rows,
                 [f"{len(fair)} of {len(drawn)} pictures were right before, and count"])


def _drawn(pipe: Pipeline, prompt: str, said: Scene, seed: int, points: tuple[str, ...]) -> dict[str, bool]:
    group = said.groups[0]
    plain = pipe(prompt, seed=seed).image
    with edit(pipe, dict.fromkeys(points, MaskToken(colour_word(prompt)))):
        quiet = pipe(prompt, seed=seed).image
    before, after = examine(np.stack([plain, quiet]))
    there, still = before.things.get(group.kind), after.things.get(group.kind)
    right = there is not None and there.colour == group.colour and before.place == said.place
    gone, kept, place = still is None or still.colour != group.colour, still is not None, after.place == said.place
    return {"before": right, "colour gone": gone, "thing kept": kept, "place kept": place,
            "all three": gone and kept and place}
