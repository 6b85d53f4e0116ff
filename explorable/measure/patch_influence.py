"""How far do a transformer and a U-Net see? Attention and influence of patches, at the same latents and noise times."""

from __future__ import annotations

import numpy as np
from tqdm.auto import tqdm

from ..analysis import patch_influence as influence
from ..analysis.patch_attention import gather_attention, patch_layout
from ..hooks import record
from ..pipeline import Pipeline, load
from ..zoo import read_card
from .prompts import all_task_prompts
from .statistics import interval_text
from .table import Table, check_counts

PAIRS = {"dit-diffusion": "unet-diffusion", "dit-flow": "unet-flow"}
STEPS = 20
MEASURED_STEPS = (2, 10, 17)
PATCHES = ((4, 4), (1, 6))  # one near the centre, and one near a corner
PROMPTS = 4  # per task


def patch_influence(prompts: int = PROMPTS, quick: bool = False) -> Table:
    """Measure how far attention and influence reach in both transformers, and influence in their U-Nets.

    quick: the pair with equal training and one prompt per task.
    """
    check_counts(1, prompts=prompts)
    texts = [p.text for p in all_task_prompts(1 if quick else prompts)]
    rows = []
    for name, unet in list(PAIRS.items())[: 1 if quick else None]:
        counted = enumerate(tqdm(texts, name, leave=False, disable=quick))
        found = [_reach(load(name), load(unet), text, seed) for seed, text in counted]
        values = np.array(found)  # (image, step, quantity), the mean over patches
        for k, step in enumerate(MEASURED_STEPS):
            t = f"{1 - step / STEPS:.2f}"
            cells: dict[str, object] = {"transformer": name, "t": t}
            for column, quantity in zip(values[:, k].T, QUANTITIES, strict=True):
                cells |= {quantity: round(float(column.mean()), 2), f"95% {quantity}": interval_text(column)}
            rows.append(cells)
    steps = "; ".join(f"{a} {read_card(a)['steps']:,}, {b} {read_card(b)['steps']:,}" for a, b in PAIRS.items())
    return Table("Attention and influence of patches", rows, [
        f"mean distance in patches of {len(texts)} images at {len(PATCHES)} patches; 95%: over images",
        "attention: mean of blocks and heads; influence: Frobenius norms of the Jacobian's blocks; correlation: of "
        "ranks over the other patches, and the same with the distance held constant", f"training steps: {steps}"])


QUANTITIES = ("attention", "influence", "U-Net's influence", "all alike", "correlation", "at equal distance")


def _reach(pipe: Pipeline, unet: Pipeline, prompt: str, seed: int) -> np.ndarray:
    """Return the mean over patches of each of `QUANTITIES`, (step, quantity), in one image."""
    layout = patch_layout(pipe.points(optional=False))
    with record(pipe, *layout.record) as recorder:
        run = pipe(prompt, steps=STEPS, seed=seed)
    attention = gather_attention(recorder.last, layout)
    found = []
    for step in MEASURED_STEPS:
        for patch in PATCHES:
            mean = attention.of_patch(patch)[0][step, 0, 0]
            own, other = (influence.patch_influence(p, run, step, patch, layout.grid) for p in (pipe, unet))
            distances = [float(influence.mean_distance(m, patch)) for m in (mean, own, other, np.ones(layout.grid))]
            found.append([*distances, influence.correlation_with_others(mean, own, patch),
                          influence.partial_correlation(mean, own, patch)])
    return np.array(found).reshape(len(MEASURED_STEPS), len(PATCHES), -1).mean(1)
