"""The benefit and cost of guidance: accuracy in the exam, saturation and diversity against w."""

from __future__ import annotations

import numpy as np

from ..analysis.image_statistics import clipped_share, diversity, saturation
from ..analysis.verdict import examiner_features
from ..pipeline import load
from .exam import SEEDS, passes
from .generation import drawn, generated_by, image_grid
from .prompts import all_task_prompts
from .statistics import paired_difference, percent_cells
from .table import Table, check_counts

W = (0.0, 1.0, 2.0, 4.0, 7.0, 12.0, 15.0, 30.0)
PROMPTS = 4  # per task


def guidance(model: str = "unet-flow", steps: int = 20, prompts: int = PROMPTS, quick: bool = False) -> Table:
    """Generate the same prompts and seeds at every w; the last row has the picture world's drawings of the prompts.

    w = 0 ignores the prompt, w = 1 is plain conditional sampling. Saturation: 0 for grey, 1 for pure colours.
    Clipped: pixels with a colour channel at an end of its range. Diversity: distance of two seeds of a prompt in the
    examiner's features. quick: one prompt per task, two seeds.
    """
    check_counts(1, prompts=prompts)
    seeds, exam_prompts = (SEEDS[:2], all_task_prompts(1)) if quick else (SEEDS, all_task_prompts(prompts))
    pipe, texts = load(model), [p.text for p in exam_prompts]
    passed: dict[float, np.ndarray] = {}
    rows = []
    for w in W:
        images = image_grid(generated_by(pipe, steps, w), texts, seeds, f"guidance {w:g}")
        passed[w] = passes(images, exam_prompts)
        rows.append({"guidance": f"{w:g}"} | _cells(images, passed[w]))
    drawings = image_grid(drawn, texts, seeds)
    rows.append({"guidance": "drawn"} | _cells(drawings, passes(drawings, exam_prompts)))
    return Table(f"{model} against guidance, {steps} steps", rows, [
        best_guidance(passed),
        f"{len(exam_prompts)} prompts x {len(seeds)} seeds a row; intervals are 95% bootstrap over prompts; "
        "drawn: images drawn by the picture world for these prompts"])


def _cells(images: np.ndarray, passed: np.ndarray) -> dict[str, object]:
    return percent_cells(passed, "right %", "95%") | {
        "saturation": round(saturation(images), 3), "clipped %": round(100 * clipped_share(images), 1),
        "diversity": float(f"{diversity(examiner_features(images)).mean():.3g}")}


def best_guidance(passed: dict[float, np.ndarray]) -> str:
    """Name the w that passes most often, the smaller of two equal ones, and all w whose difference is not significant.

    passed: for each w, which images pass, (prompts, seeds) bool.
    """
    best = max(sorted(passed), key=lambda w: passed[w].mean())
    if not passed[best].any():
        return "no image passes at any w, so there is no best w"
    alike = [f"{w:g}" for w in passed if w != best and paired_difference(passed[best], passed[w])[1] <= 0]
    others = f"not significantly worse: {', '.join(alike)}" if alike else "all others are significantly worse"
    return f"best in the exam: w = {best:g} ({100 * passed[best].mean():.0f} %); {others}"
