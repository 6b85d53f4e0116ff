"""The two estimates that classifier-free guidance combines, at each step of a run: without the prompt and with it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
import xarray as xr

from ..diffusion.predictions import to_denoised
from ..hooks import Scale, edit
from ..pipeline import PipelineProtocol
from ..run import Run

ESTIMATES = ("uncond", "cond", "difference", "guided")
BOTH_EVALUATED = 2.0  # a guidance scale at which every pipeline evaluates both branches


@dataclass(frozen=True, eq=False)
class GuidedRun:
    """A run, and the two denoised estimates of which guidance made one at each step.

    Args:
        uncond, cond: without the prompt (or with the negative one) and with it, (step, channel, y, x) float32. The
            guided estimate, uncond + w (cond - uncond), is `run.denoised`.
    """

    run: Run
    uncond: xr.DataArray
    cond: xr.DataArray

    @property
    def difference(self) -> xr.DataArray:
        """The estimate with the prompt minus the one without it."""
        return self.cond - self.uncond

    @cached_property
    def geometry(self) -> xr.Dataset:
        """Lengths and angle of the estimates by step.

        norm (estimate, step): root mean square over the latent, for uncond, cond, difference and guided. angle (step):
        between uncond and cond as vectors, in degrees; NaN where one of them is 0.
        """
        arrays = (self.uncond, self.cond, self.difference, self.run.denoised)
        norms = [np.sqrt(np.square(a.values.astype(np.float64)).mean((-3, -2, -1))) for a in arrays]
        return xr.Dataset({"norm": (("estimate", "step"), np.stack(norms)),
                           "angle": ("step", angles(self.uncond.values, self.cond.values))},
                          coords={"estimate": list(ESTIMATES), "step": self.uncond.step, "t": self.uncond.t})


def angles(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return the angles in degrees between latents (n, channel, y, x), as vectors: (n,). NaN where one of them is 0.

    By Kahan's formula, which unlike the arc cosine is accurate for small angles too.
    """
    a, b = (x.reshape(len(x), -1).astype(np.float64) for x in (one, other))
    with np.errstate(invalid="ignore"):
        a, b = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (a, b))
    return np.degrees(2 * np.arctan2(np.linalg.norm(a - b, axis=1), np.linalg.norm(a + b, axis=1)))


def check_comparison(pipe: PipelineProtocol, guidance: float) -> None:
    """Refuse a pipeline that compares no two predictions, and a scale that it would silently treat as another.

    Raises:
        ValueError: says what guidance means in this pipeline.
    """
    if not pipe.uses_cfg:
        raise ValueError(f"{pipe.name} makes no prediction without the prompt that could be compared with the one with "
                         f"it. Guidance in this pipeline: {pipe.guidance_meaning}")
    if guidance < 1 and not pipe.has_own_guidance:
        raise ValueError(f"guidance is {guidance:g}: choose a number from 1 to 100. In this pipeline "
                         f"{pipe.guidance_meaning}")


def sample_guided(pipe: PipelineProtocol, prompt: str, *, guidance: float,
                  progress: Callable[[int, int], None] | None = None, **settings: Any) -> GuidedRun:
    """Sample an image, and keep both estimates of each step. The image is that of `pipe(prompt, guidance=…)`.

    At w = 1 and w = 0 a pipeline evaluates only the branch that it needs. Both are then taken from a second run, at
    w = 2 with the difference scaled by w / 2, which follows the same trajectory up to rounding; `interval` and
    `rescale` have no effect there. Where the prompt and the one it is compared with are the same, there is one branch,
    and both estimates are equal.

    Args:
        settings: other settings of the pipeline's call: steps, seed, negative, interval, rescale, …
        progress: as in calling the pipeline. It counts the steps of both runs.

    Raises:
        ValueError: see `check_comparison`; and what calling the pipeline raises.
    """
    check_comparison(pipe, guidance)
    runs, is_off = 0, guidance in (0, 1)

    def count(done: int, total: int) -> None:
        if progress:
            progress(runs * total + done, (1 + is_off) * total)

    run = pipe(prompt, guidance=guidance, record=() if is_off else "prediction", progress=count, **settings)
    recorded = run
    if is_off:
        runs = 1
        settings = {name: value for name, value in settings.items() if name not in ("interval", "rescale")}
        with edit(pipe, {"sampler.difference": Scale(guidance / BOTH_EVALUATED)}):
            recorded = pipe(prompt, guidance=BOTH_EVALUATED, record="prediction", progress=count, **settings)
    uncond, cond = recorded_estimates(pipe, recorded)
    return GuidedRun(run, uncond, cond)


def recorded_estimates(pipe: PipelineProtocol, run: Run) -> tuple[xr.DataArray, xr.DataArray]:
    """Return the denoised estimates without the prompt and with it, from the point "prediction" recorded in a run.

    Where one branch was evaluated, both are that one.
    """
    predictions, channels = run["prediction"], run.denoised.sizes["channel"]  # further channels: a learned variance
    if "branch" not in predictions.dims:
        predictions = predictions.expand_dims(branch=["cond"])

    def estimates(branch: str) -> xr.DataArray:
        rows = predictions.sel(branch=branch).values[:, :channels]
        denoised = [to_denoised(pipe.prediction, getattr(step, "level", pipe.path), step.x.double(),
                                torch.from_numpy(row)[None].double(), step.t)
                    for step, row in zip(run.steps_taken, rows, strict=True)]
        return run.denoised.copy(data=torch.cat(denoised).float().numpy())

    found = [estimates(branch) for branch in ("uncond", "cond") if branch in predictions.branch.values]
    return found[0], found[-1]
