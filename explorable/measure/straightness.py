"""How straight are the paths that a denoiser walks? A straight one could be walked in a single step."""

from __future__ import annotations

import numpy as np
import torch
from tqdm.auto import tqdm

from ..analysis.straightness import path_length_ratio, to_straight_path
from ..analysis.straightness import straightness as path_straightness
from ..diffusion.settings import Settings, check_settings
from ..pipeline import Pipeline, load
from .denoisers import default_guidance, select_denoisers
from .exam import BATCH, seen_questions
from .statistics import bootstrap
from .table import Table, check_counts

PROMPTS = 6  # a task


@torch.inference_mode()
def walked(pipe: Pipeline, prompts: list[str], steps: int, guidance: float) -> tuple[np.ndarray, list[float]]:
    """Return latents sampled by ddim, (steps + 1, batch, 4, 16, 16) float64, and their times."""
    settings = Settings("", steps=steps, guidance=guidance, sampler="ddim")
    walks = []
    for start in tqdm(range(0, len(prompts), BATCH), desc=pipe.name, leave=False):
        part = prompts[start : start + BATCH]
        seeds = list(range(start, start + len(part)))
        records = list(pipe.sample_steps(pipe.guided_denoiser(part, settings), settings, seeds))
        walks.append(torch.stack([*(r.x for r in records), records[-1].next_x]))
    return torch.cat(walks, dim=1).numpy(), [*(r.t for r in records), records[-1].next_t]


def straightness(model: str = "all", steps: int = 50, prompts: int = PROMPTS, quick: bool = False) -> Table:
    """How far from straight, for every denoiser there is: in its own coordinates and in the straight path's.

    Walked by ddim (Euler's method on the straight path) without guidance, w = 1, and with the guidance that the
    denoiser is meant for. quick: one prompt a task.

    Raises:
        ValueError: a model, or a number of steps or prompts that cannot be.
    """
    check_counts(2, steps=steps)  # a single step is straight whatever the path
    check_counts(1, prompts=prompts)
    check_settings(Settings("", steps=steps))
    models, notes = select_denoisers(model)
    asked = [q.prompt for q in seen_questions(1 if quick else prompts)]
    rows = []
    for name in models:
        pipe = load(name)
        for w in sorted({1.0, default_guidance(name)}):
            x, times = walked(pipe, asked, steps, w)
            rows.append({"model": name, "path": pipe.path.name, "guidance": w} | _cells("", x, times)
                        | _cells(" rescaled", *to_straight_path(pipe.path, x, times)))
    return Table(f"Straightness of {steps} steps", rows, [
        "bend: mean squared difference of displacement and velocity (Liu et al. 2022); detour: length over the "
        "distance of the ends, with its 95% bootstrap interval; rescaled: by alpha + sigma, the straight path's "
        f"coordinates; {len(asked)} paths a row", *notes])


def _cells(where: str, x: np.ndarray, times: list[float]) -> dict[str, object]:
    longer, components = path_length_ratio(x), x[0, 0].size
    low, high = bootstrap(longer)
    return {f"bend{where}": float(f"{(path_straightness(x, times) / components).mean():.3g}"),
            f"detour{where}": round(float(np.mean(longer)), 3), f"95%{where}": f"{low:.3f} to {high:.3f}"}
