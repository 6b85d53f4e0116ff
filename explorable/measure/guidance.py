"""The benefit and cost of guidance: accuracy in the exam, saturation, clipping and diversity against w."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import xarray as xr

from ..analysis.image_statistics import clipped_share, diversity, saturation
from ..analysis.verdict import examiner_features
from ..pipeline import load
from .exam import SEEDS, passes
from .generation import drawn, generated_by, image_grid
from .prompts import all_task_prompts
from .results import saved_table
from .statistics import interval_text, paired_difference, parse_interval, percent, percent_cells
from .table import Table, check_counts

W = (0.0, 1.0, 2.0, 4.0, 7.0, 12.0, 15.0, 30.0)
PROMPTS = 4  # per task
DRAWN = "drawn"  # the row of the picture world's own drawings
BEST, ALIKE, WORSE = "best", "as good", "worse"  # beside the best w, by the 95% interval of the paired difference
QUANTITIES = {"right": ("right %", "95%", 100.0), "clipped": ("clipped %", "clipped 95%", 100.0),
              "saturation": ("saturation", "saturation 95%", 1.0), "diversity": ("diversity", "diversity 95%", 1.0)}
"""By quantity: the columns of its mean and interval, and by how much these are multiplied."""


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
    standings = compare_with_best(passed)
    rows = [row | {"beside the best": standing} for row, standing in zip(rows, standings.values(), strict=True)]
    drawings = image_grid(drawn, texts, seeds)
    rows.append({"guidance": DRAWN} | _cells(drawings, passes(drawings, exam_prompts)) | {"beside the best": ""})
    return Table(f"{model} against guidance, {steps} steps", rows, [
        best_guidance(passed),
        f"{len(exam_prompts)} prompts x {len(seeds)} seeds a row; intervals are 95% bootstrap over prompts; "
        "drawn: images drawn by the picture world for these prompts"])


def _cells(images: np.ndarray, passed: np.ndarray) -> dict[str, object]:
    """Return the cells of one row. images: (prompts, seeds, y, x, 3)."""
    colourful, clipped = (np.array([[measure(image) for image in row] for row in images])
                          for measure in (saturation, clipped_share))
    apart = diversity(examiner_features(images))
    return percent_cells(passed, "right %", "95%") | {
        "saturation": round(float(colourful.mean()), 3), "saturation 95%": interval_text(colourful, 3),
        "clipped %": percent(clipped), "clipped 95%": interval_text(clipped, 1, 100),
        "diversity": float(f"{apart.mean():.3g}"), "diversity 95%": interval_text(apart)}


def compare_with_best(passed: Mapping[float, np.ndarray]) -> dict[float, str]:
    """Return for each w how it stands beside the one that passes most often, the smaller of two equal ones.

    passed: for each w, which images pass, (prompts, seeds) bool. If none passes at any w, all are WORSE.
    """
    best = max(sorted(passed), key=lambda w: passed[w].mean())
    if not passed[best].any():
        return dict.fromkeys(passed, WORSE)
    return {w: BEST if w == best else ALIKE if paired_difference(passed[best], passed[w])[1] <= 0 else WORSE
            for w in passed}


def best_guidance(passed: Mapping[float, np.ndarray]) -> str:
    """Name the w that passes most often, and all w whose difference is not significant."""
    standings = compare_with_best(passed)
    found = [w for w, standing in standings.items() if standing == BEST]
    if not found:
        return "no image passes at any w, so there is no best w"
    alike = [f"{w:g}" for w, standing in standings.items() if standing == ALIKE]
    others = f"not significantly worse: {', '.join(alike)}" if alike else "all others are significantly worse"
    return f"best in the exam: w = {found[0]:g} ({100 * passed[found[0]].mean():.0f} %); {others}"


# ---- reading the table ----------------------------------------------------------------------------------------------


def sweep_of(table: Table) -> xr.Dataset:
    """Return the numbers of a table of `guidance`: each quantity of QUANTITIES (w, bound), shares from 0 to 1.

    bound: "mean", and the ends of the 95% interval, "low" and "high".
    """
    rows = [row for row in table.rows if row["guidance"] != DRAWN]
    values = {name: (("w", "bound"), np.array([(row[mean], *parse_interval(row[interval])) for row in rows]) / factor)
              for name, (mean, interval, factor) in QUANTITIES.items()}
    return xr.Dataset(values, coords={"w": [float(row["guidance"]) for row in rows], "bound": ["mean", "low", "high"]})


def best_range(table: Table) -> tuple[float, float] | None:
    """Return the smallest and the largest w, without a gap, at which images are as often right as at the best w, and
    not significantly more clipped than the drawings. None if there is no such w."""
    *rows, drawings = table.rows
    allowed = parse_interval(drawings["clipped 95%"])[1]
    good = [row["beside the best"] in (BEST, ALIKE) and parse_interval(row["clipped 95%"])[0] <= allowed
            for row in rows]
    runs = [[*group] for is_good, group in itertools.groupby(range(len(rows)), lambda k: good[k]) if is_good]
    if not runs:
        return None
    longest = max(runs, key=len)
    return float(rows[longest[0]]["guidance"]), float(rows[longest[-1]]["guidance"])


@dataclass(frozen=True, eq=False)
class Sweep:
    """A saved table of `guidance`. curves: see `sweep_of`; best: see `best_range`; sentence: says which w is best."""

    curves: xr.Dataset
    best: tuple[float, float] | None
    sentence: str


@functools.cache
def saved_sweep(model: str) -> Sweep | None:
    """Return the saved sweep of a model, or None if it was not measured."""
    saved = saved_table("guidance", model)
    if saved is None:
        return None
    best = best_range(saved.table)
    text = "no w" if best is None else (
        f"w = {best[0]:g}" if best[0] == best[1] else f"w from {best[0]:g} to {best[1]:g}")
    stale = "" if saved.is_current else ", before its weights changed"
    return Sweep(sweep_of(saved.table), best, f"Best for {model}, measured{stale}: {text}.")
