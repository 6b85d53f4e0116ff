"""Up to which step a run's image can still change: branches with another prompt, or with fresh noise."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median

import numpy as np
from tqdm.auto import tqdm

from ..analysis.trajectory import SETTLED_SHARE, distances_to_end, rms_distance, settled_step
from ..analysis.verdict import examine, matches_scene
from ..diffusion.settings import Settings, check_settings
from ..pipeline import load
from ..run import Run
from .mask_word import cases
from .statistics import bootstrap
from .table import Table, check_counts

PAIRS = 8
SHARES = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8)  # of the steps, at which a branch leaves its parent


def branching(model: str = "unet-flow", pairs: int = PAIRS, steps: int = 20, guidance: float | None = None,
              quick: bool = False) -> Table:
    """When is a picture decided? Runs are rewound to a step, and go on with other words, or with fresh noise.

    Apart: root mean square difference of the finished latents of branch and parent. New words, old words: pictures in
    which the examiner finds all that the new, or the parent's, prompt states. quick: two pairs of prompts.

    Raises:
        ValueError: a model, or a number of pairs or steps that cannot be.
    """
    check_counts(1, pairs=pairs)
    check_counts(2, steps=steps)  # a single step has no middle to branch off in
    pipe = load(model)
    guidance = pipe.default_guidance if guidance is None else guidance
    check_settings(Settings("", steps=steps, guidance=guidance))
    asked = cases(2 * (2 if quick else pairs))
    leaving = sorted({round(share * steps) for share in SHARES})
    words, noise = (np.zeros((len(asked) // 2, len(leaving))) for _ in range(2))
    new, old = (np.zeros(words.shape, bool) for _ in range(2))
    when = []
    for k in tqdm(range(len(words)), desc="branching", leave=False):
        (prompt, said), (other, other_said) = asked[2 * k : 2 * k + 2]
        parent = pipe(prompt, steps=steps, guidance=guidance, seed=k)
        when.append(settled_step(distances_to_end(parent).estimate.values))
        for j, (changed, fresh) in enumerate(_branches(parent, other, leaving)):
            words[k, j], noise[k, j] = _ends(parent, changed), _ends(parent, fresh)
            verdict = examine(changed.image[None])[0]
            new[k, j], old[k, j] = matches_scene(verdict, other_said), matches_scene(verdict, said)
    rows = [{"from step": step, "t": round(float(parent.latents.t[step]), 2)}
            | _apart("words", words[:, j]) | _apart("noise", noise[:, j])
            | {"new words %": round(100 * float(new[:, j].mean())), "old words %": round(100 * float(old[:, j].mean()))}
            for j, step in enumerate(leaving)]
    return Table(f"Branches of {steps} steps by the step they leave at, {model}, guidance {guidance:g}", rows, [
        f"{len(words)} runs, each rewound to every step twice: once to go on with another prompt, once in fresh noise",
        "apart: root mean square difference of the finished latents from the parent's, with its 95% bootstrap interval",
        f"a parent's estimate stays within {SETTLED_SHARE:.0%} of its first distance from step {median(when):g} on "
        "(median)"])


def _branches(parent: Run, other: str, leaving: list[int]) -> Iterator[tuple[Run, Run]]:
    """For every step a branch with other words, and one with fresh noise."""
    for step in leaving:
        yield parent.branch(step, prompt=other), parent.branch(step, seed=parent.settings.seed + 1000)


def _ends(one: Run, other: Run) -> float:
    return float(rms_distance(one.latents.values[-1], other.latents.values[-1]))


def _apart(what: str, values: np.ndarray) -> dict[str, object]:
    low, high = bootstrap(values)
    return {f"{what} changed: apart": float(f"{values.mean():.3g}"), f"{what} 95%": f"{low:.2f} to {high:.2f}"}
