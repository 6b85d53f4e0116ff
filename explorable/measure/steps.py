"""How few steps are enough? Accuracy in the exam against the number of sampling steps, for every denoiser."""

from __future__ import annotations

import numpy as np

from ..diffusion.settings import Settings, check_settings
from ..pipeline import load
from .denoisers import default_guidance, select_denoisers
from .exam import grade
from .generation import generated_by
from .prompts import all_task_prompts
from .statistics import paired_difference, percent_cells
from .table import Table, check_counts

STEPS = (1, 2, 4, 8, 16, 20, 50)
PROMPTS = 12  # per task
SEEDS = (0,)  # further prompts are more informative than further seeds

Setting = tuple[str, int]  # a denoiser, and its number of steps
COMPARISONS: tuple[tuple[Setting, Setting], ...] = (
    (("unet-flow", 20), ("unet-diffusion", 50)), (("dit-flow", 20), ("dit-diffusion", 50)),
    (("unet-reflow", 1), ("unet-flow", 1)), (("unet-reflow", 2), ("unet-flow", 2)),
)


def steps(model: str = "all", sampler: str = "ddim", prompts: int = PROMPTS, quick: bool = False) -> Table:
    """Measure the share of images that pass, over all tasks, on combinations that occurred in training.

    sampler: ddim splits a latent into denoised estimate and noise and recombines them at the next noise level. That
        is exact on any path while the estimate does not change, and equals Euler's method on the straight path, so
        it favours no path.
    quick: two prompts per task.
    """
    check_counts(1, prompts=prompts)
    check_settings(Settings("", sampler=sampler))
    models, notes = select_denoisers(model)
    exam_prompts = all_task_prompts(2 if quick else prompts)
    passed: dict[Setting, np.ndarray] = {}
    for name in models:
        pipe = load(name)
        for count in STEPS:
            source = generated_by(pipe, count, default_guidance(name), sampler=sampler)
            passed[name, count] = grade(exam_prompts, SEEDS, source, f"{name}, {count} steps")
    rows = [{"model": name, "guidance": default_guidance(name), "steps": count} | percent_cells(right, "right %", "95%")
            for (name, count), right in passed.items()]
    return Table(f"The exam against the number of steps, sampler {sampler}", rows, [
        f"{len(exam_prompts) * len(SEEDS)} images a row, the same prompts and seeds in each; "
        "intervals are 95% bootstrap over prompts", *compare(passed), *notes])


def compare(passed: dict[Setting, np.ndarray]) -> list[str]:
    """Return a note on each of COMPARISONS that has both sides: the difference, and its 95% interval."""
    notes = []
    for one, other in COMPARISONS:
        if one in passed and other in passed:
            points, low, high = paired_difference(passed[one], passed[other])
            notes.append(f"{one[0]} at {one[1]} less {other[0]} at {other[1]}: {points:+.1f} points "
                         f"(95%: {low:+.1f} to {high:+.1f}, paired)")
    return notes
