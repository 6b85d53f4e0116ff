"""What does supervising attention buy? Two small denoisers that differ in nothing else.

One had its cross-attention trained on the masks of things (Wang et al. 2024, TokenCompose), the other had not. The exam
says what that changed in the images, and the true masks say what attention shows with it and by itself.
"""

from __future__ import annotations

import numpy as np

from ..pipeline import load
from ..training.denoiser import SMALL_PAIR
from .attention import COUNT, ROLES, SCORED, WordMaps, drawing_count, fit_rules, hits_mask, map_names, words_by_role
from .exam import SEEDS, SPLITS, grade
from .generation import generated_by
from .prompts import TASKS, task_prompts
from .statistics import bootstrap
from .table import Table, check_counts

UNSUPERVISED, SUPERVISED = sorted(SMALL_PAIR, key=lambda name: SMALL_PAIR[name].supervised)
MODELS = (SUPERVISED, UNSUPERVISED)
PROMPTS = 20  # per task, seen and held-out each
STEPS = 20
RULES = ("mean of all maps", "best single map", "all maps, weighted")  # in the order of `fit_rules`
Scores = dict[str, tuple[np.ndarray, np.ndarray]]  # what was scored: its values, in percent, of both models


def supervision(prompts: int = PROMPTS, count: int = COUNT, quick: bool = False) -> Table:
    """Measure the exam by task, and IoU and pointing game of the attention maps, of the pair.

    prompts: per task and split. count: drawings for choosing rules, and for each score. quick: a tenth of both, and one
    seed.
    """
    check_counts(1, prompts=prompts)
    count, prompts = drawing_count(count, quick), max(2, prompts // 10) if quick else prompts
    seeds = SEEDS[:1] if quick else SEEDS
    scores = _exam_scores(prompts, seeds) | _attention_scores(count)
    rows = [_row(what, *both) for what, both in scores.items()]
    return Table("A pair that differs in the supervision of its attention", rows, [
        f"exam: images that pass, {STEPS} steps, default guidance, {prompts} prompts a task, seen and held-out each, "
        f"with {len(seeds)} seeds each; attention: of the words of unseen drawings against their true masks; n: "
        "prompts or words",
        "the best single map, weights and thresholds are fitted for each model on other drawings",
        "difference: supervised less unsupervised, of the same prompts or words; 95% bootstrap over these"])


def _row(what: str, supervised: np.ndarray, unsupervised: np.ndarray) -> dict[str, object]:
    gap = supervised - unsupervised
    low, high = bootstrap(gap)
    return {"%": what, "supervised": round(float(supervised.mean()), 1),
            "unsupervised": round(float(unsupervised.mean()), 1), "difference": round(float(gap.mean()), 1),
            "95% difference": f"{low:.1f} to {high:.1f}", "n": len(gap)}


def _exam_scores(prompts: int, seeds: tuple[int, ...]) -> Scores:
    """Return how many images of each prompt pass."""
    passed: dict[str, dict[str, np.ndarray]] = {}
    for model in MODELS:
        pipe = load(model)
        source = generated_by(pipe, STEPS, pipe.default_guidance)
        for task in TASKS:
            for split, unseen in SPLITS.items():
                shares = 100 * grade(task_prompts(task, unseen, prompts), seeds, source, task).mean(1)
                passed.setdefault(f"exam, {task}, {split}", {})[model] = shares
    for split in SPLITS:
        each = [by_model for what, by_model in passed.items() if what.endswith(f", {split}")]
        passed[f"exam, all, {split}"] = {m: np.concatenate([by_model[m] for by_model in each]) for m in each[0]}
    return {what: (by_model[SUPERVISED], by_model[UNSUPERVISED]) for what, by_model in passed.items()}


def _attention_scores(count: int) -> Scores:
    """Return the IoU of each word by three rules, and whether the maximum of the best single map lies in the mask."""
    scores: dict[str, list[np.ndarray]] = {}
    for model in MODELS:
        pipe = load(model)
        for role, words in words_by_role(pipe, count, list(ROLES)).items():
            scored: list[WordMaps] = [word for split in SCORED for word in words[split]]
            rules = dict(zip(RULES, fit_rules(words["choosing"], map_names(pipe)), strict=True))
            for name, rule in rules.items():
                scores.setdefault(f"IoU of {role}s, {name}", []).append(100 * rule.ious(scored))
            hits = [hits_mask(rules["best single map"].scores(word), word.mask) for word in scored]
            scores.setdefault(f"pointing game of {role}s, best single map", []).append(100 * np.array(hits, float))
    return {what: (both[0], both[1]) for what, both in scores.items()}
