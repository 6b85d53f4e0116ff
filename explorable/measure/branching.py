"""When is an image decided? Branches that leave a run at each step, with another prompt or with new noise."""

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
from .prompts import coloured_things
from .statistics import interval_text
from .table import Table, check_counts

PAIRS = 8  # of prompts
SHARES = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8)  # of the steps, after which a branch leaves its parent


def branching(model: str = "unet-flow", pairs: int = PAIRS, steps: int = 20, guidance: float | None = None,
              quick: bool = False) -> Table:
    """Measure how far the result of a branch is from its parent's, by the step at which it leaves.

    Apart: root mean square difference of the finished latents. New prompt %, old prompt %: images that show all that
    the branch's, or the parent's, prompt states. quick: two pairs of prompts.
    """
    check_counts(1, pairs=pairs)
    check_counts(2, steps=steps)  # a single step has no middle to branch from
    pipe = load(model)
    guidance = pipe.default_guidance if guidance is None else guidance
    check_settings(Settings("", steps=steps, guidance=guidance))
    prompts = coloured_things(2 * (2 if quick else pairs))
    leaving = sorted({round(share * steps) for share in SHARES})
    prompt_gap, noise_gap = (np.zeros((len(prompts) // 2, len(leaving))) for _ in range(2))
    new, old = (np.zeros(prompt_gap.shape, bool) for _ in range(2))
    settled_steps = []
    for k in tqdm(range(len(prompt_gap)), desc="branching", leave=False):
        parent_prompt, other = prompts[2 * k : 2 * k + 2]
        parent = pipe(parent_prompt.text, steps=steps, guidance=guidance, seed=k)
        settled_steps.append(settled_step(distances_to_end(parent).estimate.values))
        for j, (changed, fresh) in enumerate(_branches(parent, other.text, leaving)):
            prompt_gap[k, j], noise_gap[k, j] = _gap(parent, changed), _gap(parent, fresh)
            verdict = examine(changed.image[None])[0]
            new[k, j], old[k, j] = matches_scene(verdict, other.scene), matches_scene(verdict, parent_prompt.scene)
    rows = [{"from step": step, "t": round(float(parent.latents.t[step]), 2)}
            | _cells("prompt", prompt_gap[:, j]) | _cells("noise", noise_gap[:, j])
            | {"new prompt %": round(100 * float(new[:, j].mean())),
               "old prompt %": round(100 * float(old[:, j].mean()))}
            for j, step in enumerate(leaving)]
    return Table(f"Branches of {steps} steps by the step they leave at, {model}, guidance {guidance:g}", rows, [
        f"{len(prompt_gap)} runs; at every step one branch goes on with another prompt, and one from new noise",
        "apart: root mean square difference of the finished latents from the parent's, with its 95% bootstrap interval",
        f"from step {median(settled_steps):g} on (median), the denoised estimate stays within {SETTLED_SHARE:.0%} "
        "of its first distance from the end"])


def _branches(parent: Run, other: str, leaving: list[int]) -> Iterator[tuple[Run, Run]]:
    """Yield for every step a branch with another prompt, and one from new noise."""
    for step in leaving:
        yield parent.branch(step, prompt=other), parent.branch(step, seed=parent.settings.seed + 1000)


def _gap(one: Run, other: Run) -> float:
    return float(rms_distance(one.latents.values[-1], other.latents.values[-1]))


def _cells(changed: str, values: np.ndarray) -> dict[str, object]:
    return {f"{changed} changed: apart": float(f"{values.mean():.3g}"), f"{changed} 95%": interval_text(values)}
