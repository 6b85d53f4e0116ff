"""How straight are the trajectories that a denoiser is sampled along? A straight one would need a single step."""

from __future__ import annotations

import numpy as np
import torch
from tqdm.auto import tqdm

from ..analysis.straightness import path_length_ratio, to_straight_path
from ..analysis.straightness import straightness as path_straightness
from ..diffusion.settings import Settings, check_settings
from ..pipeline import Pipeline, load
from .denoisers import default_guidance, select_denoisers
from .generation import BATCH_SIZE
from .prompts import all_task_prompts
from .statistics import interval_text
from .table import Table, check_counts

PROMPTS = 6  # per task


@torch.inference_mode()
def sample_trajectories(pipe: Pipeline, prompts: list[str], steps: int, guidance: float,
                        ) -> tuple[np.ndarray, list[float]]:
    """Return the latents of ddim sampling, (steps + 1, prompts, 4, 16, 16) float64, and their noise times."""
    settings = Settings("", steps=steps, guidance=guidance, sampler="ddim")
    batches = []
    for start in tqdm(range(0, len(prompts), BATCH_SIZE), desc=pipe.name, leave=False):
        part = prompts[start : start + BATCH_SIZE]
        seeds = list(range(start, start + len(part)))
        records = list(pipe.sample_steps(pipe.guided_denoiser(part, settings), settings, seeds))
        batches.append(torch.stack([*(r.x for r in records), records[-1].next_x]))
    return torch.cat(batches, dim=1).numpy(), [*(r.t for r in records), records[-1].next_t]


def straightness(model: str = "all", steps: int = 50, prompts: int = PROMPTS, quick: bool = False) -> Table:
    """Measure how far from straight the trajectories of every denoiser are, as sampled and in straight coordinates.

    Sampled with ddim (Euler's method on the straight path), without guidance, w = 1, and with the denoiser's default
    guidance. quick: one prompt per task.
    """
    check_counts(2, steps=steps)  # a single step is always straight
    check_counts(1, prompts=prompts)
    check_settings(Settings("", steps=steps))
    models, notes = select_denoisers(model)
    texts = [p.text for p in all_task_prompts(1 if quick else prompts)]
    rows = []
    for name in models:
        pipe = load(name)
        for w in sorted({1.0, default_guidance(name)}):
            x, times = sample_trajectories(pipe, texts, steps, w)
            rows.append({"model": name, "path": pipe.path.name, "guidance": w} | _cells("", x, times)
                        | _cells(" rescaled", *to_straight_path(pipe.path, x, times)))
    return Table(f"Straightness of {steps} steps", rows, [
        "bend: mean squared difference of displacement and velocity (Liu et al. 2022); detour: length over the "
        "distance of the ends, with its 95% bootstrap interval; rescaled: by alpha + sigma, the straight path's "
        f"coordinates; {len(texts)} trajectories a row", *notes])


def _cells(suffix: str, x: np.ndarray, times: list[float]) -> dict[str, object]:
    ratio, components = path_length_ratio(x), x[0, 0].size
    return {f"bend{suffix}": float(f"{(path_straightness(x, times) / components).mean():.3g}"),
            f"detour{suffix}": round(float(np.mean(ratio)), 3), f"95%{suffix}": interval_text(ratio, 3)}
