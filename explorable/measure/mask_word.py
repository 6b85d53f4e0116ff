"""What does a word change? Images with and without their colour word, compared by the examiner."""

from __future__ import annotations

from typing import Any

import numpy as np
from tqdm.auto import tqdm

from ..analysis.verdict import examine
from ..hooks import MaskToken, edit
from ..pipeline import Pipeline, load
from ..world import Scene, parse
from .prompts import coloured_things
from .statistics import percent_cells
from .table import Table, check_counts

PROMPTS = 100
CROSS_ATTENTION = "*.cross.weights"
POINTS = {"in cross-attention": (CROSS_ATTENTION,),
          "in cross-attention and text encoder": (CROSS_ATTENTION, "text.words")}
OUTCOMES = ("colour gone", "thing kept", "place kept", "all three")


def colour_word(prompt: str) -> str:
    """Return the word of a prompt that names the colour: "red", or a synonym as "crimson"."""
    return next(w.text for w in parse(prompt).words if w.role == "colour")


def mask_word(model: str = "unet-flow", count: int = PROMPTS, quick: bool = False) -> Table:
    """Mask the colour word: does the thing lose its colour, and does the rest stay?

    The word is masked in every cross-attention only, and there and in the text encoder's input, as the text encoder
    mixes it into the vectors of its neighbours. Counted are the images in which thing, colour and place were right
    before. quick: a tenth of the prompts.
    """
    check_counts(1, count=count)
    pipe = load(model)
    rows: list[dict[str, Any]] = []
    prompts = coloured_things(max(5, count // 10) if quick else count)
    for where, points in POINTS.items():
        outcomes = [_outcome(pipe, prompt, scene, seed, points)
                    for seed, (prompt, scene) in enumerate(tqdm(prompts, desc=f"masking {where}", leave=False))]
        counted = [o for o in outcomes if o["before"]]
        row: dict[str, Any] = {"the colour word is masked": where}
        for name in OUTCOMES:
            row |= percent_cells(np.array([o[name] for o in counted]), f"{name} %", f"{name} 95%")
        rows.append(row)
    return Table(f"The colour word masked in {model}, guidance {pipe.default_guidance:g}", rows,
                 [f"{len(counted)} of {len(outcomes)} images were right before, and count"])


def _outcome(pipe: Pipeline, prompt: str, scene: Scene, seed: int, points: tuple[str, ...]) -> dict[str, bool]:
    group = scene.groups[0]
    plain = pipe(prompt, seed=seed).image
    with edit(pipe, dict.fromkeys(points, MaskToken(colour_word(prompt)))):
        masked = pipe(prompt, seed=seed).image
    before, after = examine(np.stack([plain, masked]))
    thing, masked_thing = before.things.get(group.kind), after.things.get(group.kind)
    right = thing is not None and thing.colour == group.colour and before.place == scene.place
    gone = masked_thing is None or masked_thing.colour != group.colour
    kept, place = masked_thing is not None, after.place == scene.place
    return {"before": right, "colour gone": gone, "thing kept": kept, "place kept": place,
            "all three": gone and kept and place}
