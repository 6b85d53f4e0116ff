"""Computation of Studio: a run, and its recording as images."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import xarray as xr

from ...analysis.guided_predictions import recorded_estimates
from ...analysis.verdict import Verdict
from ...diffusion.settings import Settings
from ...hooks.edits import Edit
from ...pipeline import PipelineProtocol
from ...pipeline.progress import Progress, ProgressCounter, shown_steps
from ...run import Run
from ..core.notice import notice
from ..core.verdict import examine_images
from ..pipeline_map.edits import active_edits

MAX_FRAMES = 101  # a recording of more steps shows this many of them, evenly spread
PREDICTION = "prediction"  # the point whose recording holds the predictions of both branches: a few kilobytes a step
FOLLOWS = "follows with\nthe full run"
RUN_SETTINGS = ("prompt", "negative", "steps", "guidance", "seed", "sampler")


@dataclass(frozen=True)
class Request:
    """A run of a model, and the edits that act on it, by point as in `ex.edit`."""

    model: str
    settings: Settings
    edits: Mapping[str, tuple[Edit, ...]]

    @property
    def active_edits(self) -> dict[str, tuple[Edit, ...]]:
        """The edits that change this run: not those of words that the prompt does not contain."""
        return active_edits(self.edits, self.settings.prompt)


@dataclass(frozen=True, eq=False)
class Result:
    """A run and its recording.

    noisy, denoised: the noisy latent and the denoised estimate after each of `steps`, decoded: (frames, 128, 128, 3)
    uint8. Both end with the finished image. decode_seconds: the time that decoding them took. verdict: the examiner's,
    None without one. numbers: see `step_numbers`; None for a preview.
    """

    run: Run
    steps: np.ndarray
    noisy: np.ndarray
    denoised: np.ndarray
    decode_seconds: float
    verdict: Verdict | None = None
    numbers: xr.Dataset | None = None


def step_numbers(pipe: PipelineProtocol, run: Run) -> xr.Dataset:
    """Return what flows along the arrows at each step: t, next_t, alpha, sigma, and the root mean squares over the
    latent of `latent`, `uncond`, `cond`, `difference`, `guided` and `next`. uncond and difference are NaN where only
    one branch was evaluated."""
    uncond, cond = recorded_estimates(pipe, run)
    is_single = run.branches == 1

    def size(values: np.ndarray) -> np.ndarray:
        return np.sqrt(np.square(values.astype(np.float64)).mean((1, 2, 3)))

    t = run.latents.t.values
    numbers = {"next_t": t[1:], "alpha": [pipe.path.alpha(float(v)) for v in t[:-1]],
               "sigma": [pipe.path.sigma(float(v)) for v in t[:-1]], "latent": size(run.latents.values[:-1]),
               "uncond": size(uncond.values) * (np.nan if is_single else 1), "cond": size(cond.values),
               "difference": size((cond - uncond).values) * (np.nan if is_single else 1),
               "guided": size(run.denoised.values), "next": size(run.latents.values[1:])}
    return xr.Dataset({name: ("step", np.asarray(values)) for name, values in numbers.items()},
                      coords={"step": range(run.steps), "t": ("step", t[:-1])})


def sample(pipe: PipelineProtocol, settings: Settings, progress: Progress,
           on_run: Callable[[Run], None] = lambda run: None, preview_of: str = "") -> Result:
    """Sample an image, and decode the frames of the recording.

    on_run: called with the run before these are decoded. preview_of: the layer on the screen, "noisy" or "denoised",
    for a preview: the frames of the other one are a notice, since decoding them would delay the finished image, and
    nothing is examined.
    """
    counter = ProgressCounter(progress, settings.steps + len(shown_steps(settings.steps, MAX_FRAMES)))
    run = pipe(**{name: getattr(settings, name) for name in RUN_SETTINGS}, progress=counter.step,
               record=() if preview_of else PREDICTION)
    on_run(run)
    steps = shown_steps(run.steps, MAX_FRAMES)  # an opened pipeline may take more steps than requested
    started = time.perf_counter()
    noisy, denoised = (
        counter.decode(pipe, latents.values[steps[:-1]]) if preview_of in ("", name) else
        np.repeat(notice(FOLLOWS, pipe.image_size)[None], len(steps) - 1, 0)
        for name, latents in (("noisy", run.latents), ("denoised", run.denoised)))
    seconds = time.perf_counter() - started
    # The last frame is the run's own image: decoded again in a batch, it could differ by rounding.
    image = run.image[None]
    if preview_of:
        return Result(run, steps, np.concatenate([noisy, image]), np.concatenate([denoised, image]), seconds)
    verdict = next(iter(examine_images(run.image)), None) if pipe.has_examiner else None
    numbers = step_numbers(pipe, run)
    return Result(run, steps, np.concatenate([noisy, image]), np.concatenate([denoised, image]), seconds, verdict,
                  numbers)


def with_image(preview: Result, image: np.ndarray) -> Result:
    """Return a preview that ends with the finished image (128, 128, 3) of the full run."""
    return replace(preview, noisy=np.concatenate([preview.noisy[:-1], image[None]]),
                   denoised=np.concatenate([preview.denoised[:-1], image[None]]))
