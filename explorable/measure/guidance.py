"""What guidance gives and what it takes: the exam, saturation and diversity against w."""

from __future__ import annotations

import numpy as np

from ..analysis.image_statistics import clipped_share, diversity, saturation
from ..analysis.verdict import examiner_features
from ..pipeline import load
from .exam import SEEDS, painter, passes, seen_questions, sheet, true_drawings
from .statistics import paired_difference, percent_cells
from .table import Table, check_counts

W = (0.0, 1.0, 2.0, 4.0, 7.0, 12.0, 15.0, 30.0)
PROMPTS = 4  # a task


def guidance(model: str = "unet-flow", steps: int = 20, prompts: int = PROMPTS, quick: bool = False) -> Table:
    """The same prompts and seeds at every w; below them what the picture world itself draws for these prompts.

    w = 0 ignores the prompt, 1 is plain conditional. Saturation: 0 for grey, 1 for pure colours. Clipped: pixels
    with a colour at an end of its range. Diversity: distance of two seeds of one prompt in the examiner's
    features. quick: one prompt a task, two seeds.

    Raises:
        ValueError: a model, or a number of steps or prompts that cannot be.
    """
    check_counts(1, prompts=prompts)
    seeds, asked = (SEEDS[:2], seen_questions(1)) if quick else (SEEDS, seen_questions(prompts))
    pipe, words = load(model), [q.prompt for q in asked]
    passed: dict[float, np.ndarray] = {}
    rows = []
    for w in W:
        images = sheet(words, seeds, painter(pipe, steps, w), f"guidance {w:g}")
        passed[w] = passes(images, asked)
        rows.append({"guidance": f"{w:g}"} | _look(images, passed[w]))
    drawn = sheet(words, seeds, true_drawings)
    rows.append({"guidance": "drawn"} | _look(drawn, passes(drawn, asked)))
    return Table(f"{model} against guidance, {steps} steps", rows,
                 [sweet_spot(passed), f"{len(asked)} prompts x {len(seeds)} seeds a row; intervals are 95% bootstrap "
                                      "over prompts; drawn: what the picture world draws for these prompts"])


def _look(images: np.ndarray, right: np.ndarray) -> dict[str, object]:
    return percent_cells(right, "right %", "95%") | {
            "saturation": round(saturation(images), 3), "clipped %": round(100 * clipped_share(images), 1),
            "diversity": float(f"{diversity(examiner_features(images)).mean():.3g}")}


def sweet_spot(passed: dict[float, np.ndarray]) -> str:
    """The w that passes most often, the smaller of two alike, and those that so few pictures cannot tell from it."""
    best = max(sorted(passed), key=lambda w: passed[w].mean())
    if not passed[best].any():
        return "no picture passes at any w, so there is no sweet spot"
    alike = [f"{w:g}" for w in passed if w != best and paired_difference(passed[best], passed[w])[1] <= 0]
    beside = f"not told apart from it by these prompts: {', '.join(alike)}" if alike else "no other comes near"
    return f"the sweet spot by the exam: w = {best:g} ({100 * passed[best].mean():.0f} %); {beside}"
