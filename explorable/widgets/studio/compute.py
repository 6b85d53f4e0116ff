"""Computation of Studio: a run, that of another model beside it, and their recordings as images."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import xarray as xr

from ...analysis.guided_predictions import recorded_estimates
from ...analysis.verdict import Verdict
from ...diffusion.settings import Settings
from ...hooks import edit
from ...hooks.edits import Edit
from ...pipeline import PipelineProtocol
from ...pipeline.progress import Progress, ProgressCounter, shown_steps
from ...run import Run
from ..core.notice import computing_frames
from ..core.picture import Picture
from ..core.preview import (
    IMAGE_LABEL,
    PREVIEW_LABEL,
    cancellable_only,
    nearest_frames,
    needs_preview,
    preview_settings,
)
from ..core.verdict import examine_images
from ..pipeline_map.edits import active_edits

MAX_FRAMES = 101  # a recording of more steps shows this many of them, evenly spread
PREDICTION = "prediction"  # the point whose recording holds the predictions of both branches: a few kilobytes a step
SECOND_LABEL = f"the first finished image, and {PREVIEW_LABEL} of the model beside it"
BOTH_LABEL = "both finished images; the steps before them are a preview"
RUN_SETTINGS = ("prompt", "negative", "steps", "guidance", "seed", "sampler")


@dataclass(frozen=True)
class Request:
    """A run of a model, and the edits that act on it, by point as in `ex.edit`.

    picture: what it starts from, with the noise of settings.strength; None: from noise alone. beside: another model,
    which is shown beside it; "" for none.
    """

    model: str
    settings: Settings
    edits: Mapping[str, tuple[Edit, ...]]
    picture: Picture | None = None
    beside: str = ""

    def of_beside(self) -> Request:
        """Return the request of the model beside it: the same settings and start, without the edits, which are of
        points that it need not have."""
        return replace(self, model=self.beside, edits={}, beside="")

    @property
    def active_edits(self) -> dict[str, tuple[Edit, ...]]:
        """The edits that change this run: not those of words that the prompt does not contain."""
        return active_edits(self.edits, self.settings.prompt)

    def arguments(self, pipe: PipelineProtocol) -> dict[str, Any]:
        """Return what a pipeline is called with."""
        arguments = {name: getattr(self.settings, name) for name in RUN_SETTINGS}
        if self.picture is not None:
            arguments |= {"image": self.picture.fitted(pipe.image_size), "strength": self.settings.strength}
        return arguments


@dataclass(frozen=True, eq=False)
class Result:
    """A run of a request, and its recording.

    noisy, denoised: the noisy latent and the denoised estimate after each of `steps`, decoded: (frames, 128, 128, 3)
    uint8. Both end with the finished image. decode_seconds: the time that decoding them took. verdict: the examiner's,
    None without one. numbers: see `step_numbers`; None for a preview. start: the image that it starts from, at the
    pipeline's size; None where it starts from noise. beside: that of the model beside it, or None.
    """

    request: Request
    run: Run
    steps: np.ndarray
    noisy: np.ndarray
    denoised: np.ndarray
    decode_seconds: float
    verdict: Verdict | None = None
    numbers: xr.Dataset | None = None
    start: np.ndarray | None = None
    beside: Result | None = None

    @property
    def first_step(self) -> int:
        """The step at which the run starts, among those of a run from noise: above 0 for one from a picture."""
        return self.request.settings.steps - self.request.settings.sampled_steps

    @property
    def decoded(self) -> tuple[np.ndarray, np.ndarray]:
        """The latents whose images are there, and these. A last estimate that is the final latent has its image."""
        run, shown = self.run, self.steps[:-1]
        latents = [run.denoised.values[shown], run.latents.values[shown], run.latents.values[-1:]]
        return np.concatenate(latents), np.concatenate([self.denoised[:-1], self.noisy[:-1], run.image[None]])


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


class Show(Protocol):
    """What shows images before all steps are decoded."""

    def __call__(self, results: Sequence[Result], frames: np.ndarray, label: str, is_finished: bool = False) -> None:
        """Show previews, the first model's first. frames: the frame of each for every frame of the full recording.
        label: what is shown, in words. is_finished: whether the first of them ends with its finished image."""


def compute(pipes: Sequence[PipelineProtocol], request: Request, progress: Progress, show: Show, preview_of: str = "",
            ) -> Result:
    """Sample an image, and then that of the model beside it; decode the steps when all images are there.

    pipes: that of the request, and that of the model beside it if there is one. preview_of: see `sample_preview`.

    Raises:
        ValueError: a setting is invalid, or the strength leaves no step.
    """
    requests = [request, *([request.of_beside()] if request.beside else [])]
    sampled = request.settings.sampled_steps
    counter = ProgressCounter(progress, len(requests) * (sampled + len(shown_steps(sampled, MAX_FRAMES))))
    runs: list[Run] = []
    shown: list[Result] = []
    for pipe, each in zip(pipes, requests, strict=True):
        with edit(pipe, each.active_edits) if each.active_edits else nullcontext():
            if pipe.supports_preview and needs_preview(sampled):
                few = sample_preview(pipe, each, cancellable_only(progress), preview_of or "noisy")
                frames = nearest_frames(shown_steps(sampled, MAX_FRAMES), sampled, few.run.steps)
                show([*shown, few], frames, SECOND_LABEL if shown else PREVIEW_LABEL, is_finished=bool(shown))
            runs.append(pipe(**each.arguments(pipe), progress=counter.step, record=PREDICTION))
            if pipe.supports_preview and needs_preview(sampled):
                shown.append(with_image(few, runs[-1].image))
                show(shown, frames, BOTH_LABEL if len(shown) > 1 else IMAGE_LABEL, is_finished=True)
    results = [record(*each, counter) for each in zip(pipes, requests, runs, strict=True)]
    return replace(results[0], beside=results[1] if request.beside else None)


def sample_preview(pipe: PipelineProtocol, request: Request, progress: Progress, layer: str) -> Result:
    """Sample a preview in a few steps. Nothing is examined.

    layer: the one on the screen: of "noisy" and "denoised", the frames of the other one are a notice, since decoding
    them would delay the finished image.
    """
    few = replace(request, settings=preview_settings(request.settings))
    run = pipe(**few.arguments(pipe), progress=progress)
    return _decode(pipe, few, run, ProgressCounter(progress, 2 * run.steps), (layer,))


def record(pipe: PipelineProtocol, request: Request, run: Run, counter: ProgressCounter) -> Result:
    """Decode the frames of a run's recording, and examine its image."""
    verdict = next(iter(examine_images(run.image)), None) if pipe.has_examiner else None
    return replace(_decode(pipe, request, run, counter), verdict=verdict, numbers=step_numbers(pipe, run))


def _decode(pipe: PipelineProtocol, request: Request, run: Run, counter: ProgressCounter,
            layers: Collection[str] = ("noisy", "denoised")) -> Result:
    steps = shown_steps(run.steps, MAX_FRAMES)  # an opened pipeline may take more steps than requested
    started = time.perf_counter()
    # The last frame is the run's own image: decoded again in a batch, it could differ by rounding.
    noisy, denoised = (np.concatenate([
        counter.decode(pipe, latents.values[steps[:-1]]) if name in layers else
        computing_frames(len(steps) - 1, pipe.image_size), run.image[None]])
        for name, latents in (("noisy", run.latents), ("denoised", run.denoised)))
    seconds = time.perf_counter() - started
    start = None if request.picture is None else request.picture.fitted(pipe.image_size)
    return Result(request, run, steps, noisy, denoised, seconds, start=start)


def sample_seeds(pipe: PipelineProtocol, request: Request, seeds: list[int], progress: Progress) -> np.ndarray:
    """Return the images of a request with other seeds, (seed, height, width, 3) uint8: in one batch, or from a picture
    one after the other."""
    if request.picture is None:
        return pipe.sample_images([request.settings.prompt] * len(seeds), seeds, request.settings, progress)
    arguments = request.arguments(pipe)
    return np.stack([pipe(**arguments | {"seed": seed}, progress=progress).image for seed in seeds])


def with_image(preview: Result, image: np.ndarray) -> Result:
    """Return a preview that ends with the finished image (128, 128, 3) of the full run."""
    return replace(preview, noisy=np.concatenate([preview.noisy[:-1], image[None]]),
                   denoised=np.concatenate([preview.denoised[:-1], image[None]]))
