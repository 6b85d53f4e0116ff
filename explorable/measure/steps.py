"""How few steps are enough? The exam against the number of steps, for every denoiser there is."""

from __future__ import annotations

import numpy as np

from ..diffusion.settings import Settings, check_settings
from ..pipeline import load
from .denoisers import default_guidance, select_denoisers
from .exam import grade, painter, seen_questions
from .statistics import paired_difference, percent_cells
from .table import Table, check_counts

STEPS = (1, 2, 4, 8, 16, 20, 50)
PROMPTS = 12  # a task
SEEDS = (0,)  # more prompts say more than more seeds

Cell = tuple[str, int]  # a denoiser, and its steps
CLAIMS: tuple[tuple[Cell, Cell], ...] = (  # is the first as good as the second?
    (("unet-flow", 20), ("unet-diffusion", 50)), (("dit-flow", 20), ("dit-diffusion", 50)),
    (("unet-reflow", 1), ("unet-flow", 1)), (("unet-reflow", 2), ("unet-flow", 2)),
)


def steps(model: str = "all", sampler: str = "ddim", prompts: int = PROMPTS, quick: bool = False) -> Table:
    """The share of pictures that pass, all tasks together, on combinations that training had.

    sampler: ddim takes the picture and the noise apart and mixes them anew, which is exact on any path while the
        estimate stands still; on the straight path it is Euler's method. So no path is favoured.
    quick: two prompts a task.

    Raises:
        ValueError: a model, sampler or number of prompts that cannot be.
    """
    check_counts(1, prompts=prompts)
    check_settings(Settings("", sampler=sampler))
    models, notes = select_denoisers(model)
    asked = seen_questions(2 if quick else prompts)
    passed: dict[Cell, np.ndarray] = {}
    for name in models:
        pipe = load(name)
        for count in STEPS:
            paint = painter(pipe, count, default_guidance(name), sampler=sampler)
            passed[name, count] = grade(asked, SEEDS, paint, f"{name}, {count} steps")
    notes = [f"{len(asked) * len(SEEDS)} pictures a row, the same prompts and seeds in each; "
             "intervals are 95% bootstrap over prompts", *verdicts(passed), *notes]
    return Table(f"The exam against the number of steps, sampler {sampler}", _rows(passed), notes)


def _rows(passed: dict[Cell, np.ndarray]) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    for (name, count), right in passed.items():
        rows.append({"model": name, "guidance": default_guidance(name), "steps": count}
                    | percent_cells(right, "right %", "95%"))
    return rows


def verdicts(passed: dict[Cell, np.ndarray]) -> list[str]:
    """What the table says of the claims that are made of steps, where both sides are in it."""
    notes = []
    for one, other in CLAIMS:
        if one in passed and other in passed:
            points, low, high = paired_difference(passed[one], passed[other])
            notes.append(f"{one[0]} at {one[1]} less {other[0]} at {other[1]}: {points:+.1f} points "
                         f"(95%: {low:+.1f} to {high:+.1f}, paired)")
    return notes
