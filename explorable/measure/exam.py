"""The exam: GenEval's six tasks (Ghosh et al. 2023) made small and exact, answered by the examiner.

A picture passes if everything the prompt states is so in it, and nothing else is there. Each task is
given twice: on combinations that training had, and on combinations that it never had (the protocol of
Okawa et al. 2023).
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from tqdm.auto import tqdm

from ..analysis.verdict import examine, matches_scene
from ..diffusion.settings import Settings, check_settings
from ..pipeline import Pipeline, load
from ..world import COLOURS, KINDS, PLACES, RELATIONS, TIMES, Group, Scene, draw, held_out, parse, write_caption
from .statistics import percent, percent_cells
from .table import Table, check_counts

LESSON_PROMPTS = ("a golden retriever", "a majestic lion at sunset", "a red sports car on a mountain road",
          "a cozy cabin in snowy mountains", "a magical forest at twilight")
SEEDS = (0, 1, 2, 3)
PROMPTS = 40  # a task, of each sort
BATCH = 32

Paint = Callable[[list[str], list[int]], np.ndarray]  # prompts and seeds, one each, to pictures


@dataclass(frozen=True)
class Question:
    """A prompt, and the scene it states."""

    task: str
    prompt: str
    said: Scene
    held_out: bool


def _one(rng: random.Random) -> Scene:
    return Scene((Group(rng.choice(KINDS)),), place=rng.choice(PLACES), time=rng.choice((None, *TIMES)))


def _two(rng: random.Random) -> Scene:
    a, b = rng.sample(KINDS, 2)
    return Scene((Group(a), Group(b)), place=rng.choice((None, *PLACES)))


def _counting(rng: random.Random) -> Scene:
    group = Group(rng.choice(KINDS), rng.choice((None, *COLOURS)), count=rng.choice((2, 3)))
    return Scene((group,), place=rng.choice((None, *PLACES)))


def _colours(rng: random.Random) -> Scene:
    return Scene((Group(rng.choice(KINDS), rng.choice(tuple(COLOURS))),), time=rng.choice((None, *TIMES)))


def _position(rng: random.Random) -> Scene:
    a, b = rng.sample(KINDS, 2)
    return Scene((Group(a), Group(b)), relation=rng.choice(RELATIONS), place=rng.choice((None, *PLACES)))


def _binding(rng: random.Random) -> Scene:
    a, b = rng.sample(KINDS, 2)
    one, other = rng.sample(tuple(COLOURS), 2)
    return Scene((Group(a, one), Group(b, other)))


TASKS: dict[str, Callable[[random.Random], Scene]] = {
    "one thing": _one, "two things": _two, "counting": _counting, "colours": _colours, "position": _position,
    "binding": _binding,
}


def questions(task: str, unseen: bool, count: int = PROMPTS) -> list[Question]:
    """`count` different prompts of a task; `unseen`: each with a combination that training never had."""
    rng = random.Random(f"exam {task} {unseen}")
    found: dict[str, Question] = {}
    while len(found) < count:
        scene = TASKS[task](rng)
        if held_out(scene) == unseen:
            prompt = write_caption(scene, rng, everything=True)
            said = parse(prompt).scene
            found.setdefault(prompt, Question(task, prompt, said, unseen))
    return list(found.values())


def seen_questions(count: int) -> list[Question]:
    """`count` questions of each task, all of combinations that training had."""
    return [question for task in TASKS for question in questions(task, False, count)]


def grade(asked: list[Question], seeds: tuple[int, ...], paint: Paint, label: str = "") -> np.ndarray:
    """Which pictures pass, (questions, seeds) bool."""
    return passes(sheet([q.prompt for q in asked], seeds, paint, label), asked)


def sheet(prompts: list[str], seeds: tuple[int, ...], paint: Paint, label: str = "") -> np.ndarray:
    """A picture for every prompt and every seed, (prompts, seeds, 128, 128, 3) uint8."""
    jobs = list(itertools.product(prompts, seeds))
    images = painted([p for p, _ in jobs], [s for _, s in jobs], paint, label)
    return images.reshape(len(prompts), len(seeds), *images.shape[1:])


def painted(prompts: list[str], seeds: list[int], paint: Paint, label: str = "") -> np.ndarray:
    """A picture for each prompt with its seed, (prompts, 128, 128, 3) uint8, some at a time."""
    starts = tqdm(range(0, len(prompts), BATCH), desc=label, leave=False)
    return np.concatenate([paint(prompts[k : k + BATCH], seeds[k : k + BATCH]) for k in starts])


def passes(images: np.ndarray, asked: list[Question]) -> np.ndarray:
    """Which of the pictures (questions, seeds, 128, 128, 3) bear out their question, (questions, seeds) bool."""
    count, seeds = images.shape[:2]
    verdicts = examine(images.reshape(count * seeds, *images.shape[2:]))
    said = (question.said for question in asked for _ in range(seeds))
    return np.array([matches_scene(v, s) for v, s in zip(verdicts, said, strict=True)]).reshape(count, seeds)


def painter(pipe: Pipeline, steps: int, guidance: float, **more: Any) -> Paint:
    """A function from prompts and seeds to pictures. more: other fields of `Settings`.

    Raises:
        SettingError: at once, not at the first picture.
    """
    settings = check_settings(Settings("", steps=steps, guidance=guidance, **more))
    return lambda prompts, seeds: pipe.sample_images(prompts, seeds, settings)


def true_drawings(prompts: list[str], seeds: list[int]) -> np.ndarray:
    """What a perfect painter would hand in: the prompts, drawn by the picture world itself."""
    return np.stack([draw(replace(parse(p).scene, seed=seed), masks=False).image
                     for p, seed in zip(prompts, seeds, strict=True)])


def exam(model: str = "unet-flow", steps: int = 20, guidance: float | None = None, quick: bool = False,
         prompts: int = PROMPTS) -> Table:
    """The whole exam: six tasks, seen and held-out; beside it a perfect painter and shuffled prompts.

    guidance: None is what the model is meant for. quick: eight prompts and one seed a cell, about half a minute.

    Raises:
        ValueError: a model, or a number of steps or prompts, or a guidance that cannot be.
    """
    check_counts(1, prompts=prompts)
    seeds, count = ((0,), 8) if quick else (SEEDS, prompts)
    pipe = load(model)
    guidance = pipe.default_guidance if guidance is None else guidance
    paint = painter(pipe, steps, guidance)
    rows = []
    totals: dict[bool, list[np.ndarray]] = {False: [], True: []}
    for task in TASKS:
        row: dict[str, object] = {"task": task}
        for unseen in (False, True):
            asked = questions(task, unseen, count)
            passed = grade(asked, seeds, paint, task)
            totals[unseen].append(passed)
            name = "held-out" if unseen else "seen"
            row |= percent_cells(passed, f"{name} %", f"{name} 95%")
            row |= _controls(f"{name} " if unseen else "", asked, seeds)
        rows.append(row)
    last: dict[str, object] = {"task": "all"}
    for unseen, parts in totals.items():
        name = "held-out" if unseen else "seen"
        last |= percent_cells(np.concatenate(parts), f"{name} %", f"{name} 95%")
    for key in rows[0]:
        if key.startswith(("true", "wrong")):
            last[key] = round(float(np.mean([float(str(r[key])) for r in rows])), 1)
    rows.append({k: last[k] for k in rows[0]})
    n = len(seeds) * count
    return Table(f"Exam of {model}, {steps} steps, guidance {guidance:g}: {count} prompts x {len(seeds)} seeds a cell",
                 rows, [f"{n} pictures a cell; intervals are 95% bootstrap over prompts",
                        "true: what the picture world itself draws for these prompts; "
                        "wrong: the same drawings, marked against the next prompt of the task"])


def _controls(name: str, asked: list[Question], seeds: tuple[int, ...]) -> dict[str, float]:
    """The examiner's own check: right on true drawings, at chance on another question's drawings.

    Chance is near nothing here: two prompts of a task seldom say the same.
    """
    right = grade(asked, seeds, true_drawings)
    others = asked[1:] + asked[:1]
    shifted = [replace(q, prompt=other.prompt) for q, other in zip(asked, others, strict=True)]
    wrong = grade(shifted, seeds, true_drawings)
    return {f"true {name}%": percent(right), f"wrong {name}%": percent(wrong)}


def lesson(model: str = "unet-flow", steps: int = 20, guidance: float | None = None) -> Table:
    """The lesson's five prompts: how many of four seeds bear out everything the prompt says."""
    pipe = load(model)
    paint = painter(pipe, steps, pipe.default_guidance if guidance is None else guidance)
    asked = [Question("lesson", p, parse(p).scene, False) for p in LESSON_PROMPTS]
    passed = grade(asked, SEEDS, paint, "lesson")
    rows: list[dict] = [{"prompt": q.prompt, "right": f"{int(row.sum())} of {len(SEEDS)}"}
                        for q, row in zip(asked, passed, strict=True)]
    return Table(f"The lesson's prompts on {model}", rows)
