"""Computation of Studio: a run, and its recording as images."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from ...analysis.verdict import Verdict
from ...diffusion.settings import Settings
from ...pipeline import PipelineProtocol
from ...pipeline.progress import Progress, ProgressCounter, shown_steps
from ...run import Run
from ..core.verdict import examine_images

MAX_FRAMES = 101  # a recording of more steps shows this many of them, evenly spread
RUN_SETTINGS = ("prompt", "negative", "steps", "guidance", "seed", "sampler")


@dataclass(frozen=True, eq=False)
class Result:
    """A run and its recording.

    noisy, denoised: the noisy latent and the denoised estimate after each of `steps`, decoded: (frames, 128, 128, 3)
    uint8. Both end with the finished image. decode_seconds: the time that decoding them took. verdict: the examiner's,
    None without one.
    """

    run: Run
    steps: np.ndarray
    noisy: np.ndarray
    denoised: np.ndarray
    decode_seconds: float
    verdict: Verdict | None = None


def sample(pipe: PipelineProtocol, settings: Settings, progress: Progress,
           on_run: Callable[[Run], None] = lambda run: None, examined: bool = True) -> Result:
    """Sample an image, and decode the frames of the recording.

    on_run: called with the run before these are decoded. examined: False for a preview, which shows no verdict.
    """
    counter = ProgressCounter(progress, settings.steps + len(shown_steps(settings.steps, MAX_FRAMES)))
    run = pipe(**{name: getattr(settings, name) for name in RUN_SETTINGS}, progress=counter.step)
    on_run(run)
    steps = shown_steps(run.steps, MAX_FRAMES)  # an opened pipeline may take more steps than requested
    started = time.perf_counter()
    noisy, denoised = (counter.decode(pipe, latents.values[steps[:-1]]) for latents in (run.latents, run.denoised))
    seconds = time.perf_counter() - started
    # The last frame is the run's own image: decoded again in a batch, it could differ by rounding.
    image = run.image[None]
    verdict = next(iter(examine_images(run.image)), None) if examined and pipe.has_examiner else None
    return Result(run, steps, np.concatenate([noisy, image]), np.concatenate([denoised, image]), seconds, verdict)


def with_image(preview: Result, image: np.ndarray) -> Result:
    """Return a preview that ends with the finished image (128, 128, 3) of the full run."""
    return replace(preview, noisy=np.concatenate([preview.noisy[:-1], image[None]]),
                   denoised=np.concatenate([preview.denoised[:-1], image[None]]))
