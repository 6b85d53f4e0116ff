"""The exam: GenEval's six tasks (Ghosh et al. 2023) in small, graded by the examiner network.

An image passes if the examiner finds everything that the prompt states, and nothing else. Each task has two sets of
prompts: combinations that occurred in training, and held-out ones (the protocol of Okawa et al. 2023).
"""

from __future__ import annotations

import numpy as np

from ..analysis.verdict import examine, matches_scene
from ..pipeline import load
from ..world import parse
from .generation import ImageSource, drawn, generated_by, image_grid
from .prompts import LESSON_PROMPTS, TASKS, Prompt, task_prompts
from .statistics import percent, percent_cells
from .table import Table, check_counts

SEEDS = (0, 1, 2, 3)
PROMPTS = 40  # per task, seen and held-out each
SPLITS = {"seen": False, "held-out": True}


def grade(prompts: list[Prompt], seeds: tuple[int, ...], source: ImageSource, label: str = "") -> np.ndarray:
    """Return which images pass, (prompts, seeds) bool."""
    return passes(image_grid(source, [p.text for p in prompts], seeds, label), prompts)


def passes(images: np.ndarray, prompts: list[Prompt]) -> np.ndarray:
    """Return which images (prompts, seeds, 128, 128, 3) show what their prompt states, (prompts, seeds) bool."""
    count, seeds = images.shape[:2]
    verdicts = examine(images.reshape(count * seeds, *images.shape[2:]))
    scenes = (prompt.scene for prompt in prompts for _ in range(seeds))
    return np.array([matches_scene(v, s) for v, s in zip(verdicts, scenes, strict=True)]).reshape(count, seeds)


def exam(model: str = "unet-flow", steps: int = 20, guidance: float | None = None, quick: bool = False,
         prompts: int = PROMPTS) -> Table:
    """Measure the accuracy in all six tasks, seen and held-out, beside two controls of the examiner.

    guidance: None for the model's default. quick: eight prompts and one seed per cell, about half a minute.
    """
    check_counts(1, prompts=prompts)
    seeds, count = ((0,), 8) if quick else (SEEDS, prompts)
    pipe = load(model)
    guidance = pipe.default_guidance if guidance is None else guidance
    source = generated_by(pipe, steps, guidance)
    rows: list[dict[str, object]] = []
    results: dict[str, list[np.ndarray]] = {split: [] for split in SPLITS}
    for task in TASKS:
        row: dict[str, object] = {"task": task}
        for split, unseen in SPLITS.items():
            exam_prompts = task_prompts(task, unseen, count)
            passed = grade(exam_prompts, seeds, source, task)
            results[split].append(passed)
            row |= _split_cells(split, passed) | _controls("held-out " if unseen else "", exam_prompts, seeds)
        rows.append(row)
    total: dict[str, object] = {"task": "all"}
    for split, parts in results.items():
        total |= _split_cells(split, np.concatenate(parts))
    for key in rows[0]:
        if key.startswith(("true", "wrong")):
            total[key] = round(float(np.mean([float(str(r[key])) for r in rows])), 1)
    rows.append({k: total[k] for k in rows[0]})
    return Table(f"Exam of {model}, {steps} steps, guidance {guidance:g}: {count} prompts x {len(seeds)} seeds a cell",
                 rows, [f"{len(seeds) * count} images a cell; intervals are 95% bootstrap over prompts",
                        "true: images drawn by the picture world for these prompts; "
                        "wrong: the same drawings, graded against the next prompt of the task"])


def _split_cells(split: str, passed: np.ndarray) -> dict[str, object]:
    return percent_cells(passed, f"{split} %", f"{split} 95%")


def _controls(name: str, prompts: list[Prompt], seeds: tuple[int, ...]) -> dict[str, object]:
    """Grade drawings of the prompts, which should pass, and of each next prompt, which should fail.

    Chance is near 0 here: two prompts of a task seldom describe the same scene.
    """
    shifted = [p._replace(text=other.text) for p, other in zip(prompts, prompts[1:] + prompts[:1], strict=True)]
    return {f"true {name}%": percent(grade(prompts, seeds, drawn)),
            f"wrong {name}%": percent(grade(shifted, seeds, drawn))}


def lesson(model: str = "unet-flow", steps: int = 20, guidance: float | None = None) -> Table:
    """Count for each of a popular lesson's five prompts in how many of four seeds the image passes."""
    pipe = load(model)
    source = generated_by(pipe, steps, pipe.default_guidance if guidance is None else guidance)
    prompts = [Prompt(text, parse(text).scene) for text in LESSON_PROMPTS]
    rows = [{"prompt": prompt.text, "right": f"{int(row.sum())} of {len(SEEDS)}"}
            for prompt, row in zip(prompts, grade(prompts, SEEDS, source, "lesson"), strict=True)]
    return Table(f"The prompts of a popular lesson on {model}", rows)
