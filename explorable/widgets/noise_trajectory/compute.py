"""The computation of NoiseTrajectory: a forward process into noise, a run back from it, and a branch of the run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import xarray as xr

from ...analysis.trajectory import Plane, distances_to_end, noised_latents, predicted_noise, principal_plane
from ...diffusion.settings import Settings
from ...pipeline import PipelineProtocol
from ...pipeline.image_size import resize_to_fit
from ...pipeline.progress import Progress, ProgressCounter, shown_steps
from ...run import Run
from ...world import GrammarError, draw, parse
from ..core.notice import computing_frames
from ..core.preview import PREVIEW_STEPS, to_preview_step

MAX_FRAMES = 51  # of a run; a longer one shows this many of its steps, evenly spaced


@dataclass(frozen=True)
class BranchRequest:
    """The step at which a branch leaves its parent run, and the settings that it changes."""

    step: int
    changes: tuple[tuple[str, Any], ...]


@dataclass(frozen=True)
class Request:
    """The run's settings, the image that the forward process noises ("drawing" or "generated"), and the branch."""

    settings: Settings
    forward_image: str
    branch: BranchRequest | None


@dataclass(frozen=True, eq=False)
class Forward:
    """A forward process: an image that is noised with the run's initial noise.

    Args:
        image: (128, 128, 3) uint8.
        is_drawing: whether the image is a drawing of the picture world. Otherwise it is the run's own image.
        times: (frames,), increasing from 0, without 1.
        latents, images: at these times, (frames, 4, 16, 16) and decoded, (frames, 128, 128, 3) uint8.
    """

    image: np.ndarray
    is_drawing: bool
    times: np.ndarray
    latents: np.ndarray
    images: np.ndarray


@dataclass(frozen=True, eq=False)
class Trajectory:
    """A run at its shown steps.

    Args:
        steps: the shown steps, the last included.
        first: index of the first shown step with images: 0, or for a branch the one where it leaves its parent.
        noisy, denoised: decoded noisy latents and predicted images from there on, (frames, 128, 128, 3) uint8.
        noise: the predicted noise from there on, (frames, 4, 16, 16).
    """

    run: Run
    steps: np.ndarray
    first: int
    noisy: np.ndarray
    denoised: np.ndarray
    noise: np.ndarray

    @property
    def latents(self) -> np.ndarray:
        """The noisy latents x_t at every shown step, a parent's steps included, (steps, 4, 16, 16)."""
        return self.run.latents.values[self.steps]

    @property
    def denoised_latents(self) -> np.ndarray:
        """The denoised estimates at every shown step. The last, which has none, is the final latent."""
        return np.concatenate([self.run.denoised.values, self.run.latents.values[-1:]])[self.steps]

    @cached_property
    def distances(self) -> xr.Dataset:
        """Distances from the run's own final latent at every step; NaN before a branch leaves its parent."""
        from_end = distances_to_end(self.run)
        return from_end.where(from_end.step >= (self.run.branched_at or 0))


@dataclass(frozen=True, eq=False)
class Result:
    """The forward process, the run and its branch.

    Frames of the stage: one per time of the forward process, then one per shown step of the run.
    """

    request: Request
    forward: Forward
    parent: Trajectory
    branch: Trajectory | None

    @property
    def trajectories(self) -> dict[str, Trajectory]:
        """The trajectories by their names, "parent" and "branch"."""
        return {"parent": self.parent} if self.branch is None else {"parent": self.parent, "branch": self.branch}

    @cached_property
    def distances(self) -> xr.Dataset:
        """Distances from each run's own final latent, (run, step)."""
        runs = self.trajectories
        return xr.concat([t.distances for t in runs.values()], xr.DataArray(list(runs), dims="run", name="run"))

    @cached_property
    def plane(self) -> Plane:
        """The plane of the principal components of all noisy and denoised latents."""
        return principal_plane(np.concatenate([latents for t in self.trajectories.values()
                                             for latents in (t.latents, t.denoised_latents)]))

    def step_at(self, frame: int) -> int | None:
        """Return the step that a frame shows, or None in the forward process."""
        k = frame - len(self.forward.times)
        return None if k < 0 else int(self.parent.steps[min(k, len(self.parent.steps) - 1)])


def frame_steps(steps: int) -> np.ndarray:
    """Return the steps of a run of `steps` steps that have a frame."""
    return shown_steps(steps, MAX_FRAMES)


def frame_of_step(step: int, steps: int) -> int:
    """Return the first frame that shows a step of a run of `steps` steps, or a later step."""
    shown = frame_steps(steps)
    return len(shown) - 1 + int(np.searchsorted(shown, step))


def preview_request(request: Request) -> Request:
    """Return the same request in the few steps of a preview."""
    branch = request.branch and replace(
        request.branch, step=to_preview_step(request.branch.step, request.settings.steps))
    return replace(request, settings=replace(request.settings, steps=PREVIEW_STEPS), branch=branch)


def with_image(preview: Result, image: np.ndarray) -> Result:
    """Return a preview whose run ends with the finished image (128, 128, 3) of the full run."""
    run = preview.parent
    noisy, denoised = (np.concatenate([frames[:-1], image[None]]) for frames in (run.noisy, run.denoised))
    return replace(preview, parent=replace(run, noisy=noisy, denoised=denoised))


def compute(pipe: PipelineProtocol, request: Request, progress: Progress, same_run: Result | None = None,
            previous: Result | None = None, on_run: Callable[[Run], None] = lambda run: None,
            on_undecoded: Callable[[Result], None] = lambda result: None) -> Result:
    """Compute a request.

    Args:
        on_run: called with a new run before its steps are decoded.
        same_run: a result of the same run, whose unchanged parts are reused.
        previous: any result, whose forward process is reused if it is the same.
        on_undecoded: called with the result before a new forward process is decoded.
    """
    steps = request.settings.steps if same_run is None else same_run.parent.run.steps
    frames, branch_steps = len(frame_steps(steps)), steps - request.branch.step if request.branch else 0
    counter = ProgressCounter(progress, (0 if same_run else steps + frames) + frames / 2 + 2 * branch_steps)
    parent = _sample(pipe, request.settings, counter, on_run) if same_run is None else same_run.parent
    if same_run is not None and same_run.request.branch == request.branch:
        branch = same_run.branch
    else:
        branch = _sample_branch(pipe, parent, request.branch, counter) if request.branch else None
    if same_run is not None and same_run.request.forward_image == request.forward_image:
        forward = same_run.forward
    elif previous is not None and previous.forward.is_drawing and _has_same_forward(previous.request, request):
        forward = previous.forward
    else:
        forward = _noise_image(pipe, request, parent)
        on_undecoded(Result(request, forward, parent, branch))
        forward = replace(forward, images=counter.decode(pipe, forward.latents))
    return Result(request, forward, parent, branch)


def _sample(pipe: PipelineProtocol, settings: Settings, counter: ProgressCounter,
            on_run: Callable[[Run], None]) -> Trajectory:
    run = pipe(settings.prompt, steps=settings.steps, guidance=settings.guidance, seed=settings.seed,
               sampler=settings.sampler, progress=counter.step)
    on_run(run)
    return _decode_run(pipe, run, frame_steps(run.steps), counter)  # some samplers take more steps than requested


def _sample_branch(pipe: PipelineProtocol, parent: Trajectory, branch: BranchRequest, counter: ProgressCounter,
                   ) -> Trajectory:
    step = min(branch.step, parent.run.steps - 1)
    run = parent.run.branch(step, progress=counter.step, **dict(branch.changes))
    return _decode_run(pipe, run, parent.steps, counter)


def _decode_run(pipe: PipelineProtocol, run: Run, shown: np.ndarray, counter: ProgressCounter) -> Trajectory:
    first = int(np.searchsorted(shown, run.branched_at or 0))
    steps = shown[first:-1]  # the last frame is run.image: decoded in a batch, its lowest bits could differ
    noisy, denoised = (np.concatenate([counter.decode(pipe, latents.values[steps]), run.image[None]])
                       for latents in (run.latents, run.denoised))
    noise = predicted_noise(pipe.path, run)
    return Trajectory(run, shown, first, noisy, denoised, noise[[*steps, len(noise) - 1]])


def _has_same_forward(one: Request, other: Request) -> bool:
    """Whether both noise a drawing, which does not depend on the run, and the drawing and the noise are the same."""

    def key(request: Request) -> tuple:
        s = request.settings
        return request.forward_image, s.prompt, s.seed, s.steps, s.sampler

    return one.forward_image == "drawing" and key(one) == key(other)


def _noise_image(pipe: PipelineProtocol, request: Request, parent: Trajectory) -> Forward:
    """Return the forward process, not decoded yet."""
    latents = parent.run.latents
    drawing = _draw_prompt(request.settings, pipe) if request.forward_image == "drawing" else None
    latent = latents.values[-1] if drawing is None else pipe.encode(drawing[None]).numpy()[0]
    times = latents.t.values[parent.steps[:0:-1]]
    noised = noised_latents(pipe.path, latent, latents.values[0], times)
    return Forward(parent.run.image if drawing is None else drawing, drawing is not None, times, noised,
                   computing_frames(len(noised), pipe.image_size))


def _draw_prompt(settings: Settings, pipe: PipelineProtocol) -> np.ndarray | None:
    """Draw the prompt at the pipeline's image size. None where it cannot be drawn, or images are not square."""
    height, width = pipe.image_size
    try:
        scene = parse(settings.prompt).scene
    except GrammarError:
        return None
    if height != width:
        return None
    return resize_to_fit(draw(replace(scene, seed=settings.seed), masks=False).image, pipe)
