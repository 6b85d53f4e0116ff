"""The computation of Learning: a training that can be paused, a step on an image, and a real run's checkpoints."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import cast

import numpy as np
import xarray as xr

from ...analysis.training_step import training_step
from ...analysis.verdict import Verdict
from ...diffusion.paths import PATHS
from ...diffusion.timesteps import uniform_timesteps
from ...flow2d import ideal_field, integrate, sample_distribution
from ...flow2d.couplings import DEFAULT_WIDTH
from ...flow2d.learnt import FieldTest, expected_loss, learnt_field
from ...flow2d.training import Training, TrainingSettings
from ...pipeline import Pipeline, PipelineProtocol
from ...pipeline.progress import Progress, ProgressCounter
from ...run import Run
from ...world import draw as draw_scene
from ...world import parse
from ...zoo import model_names, read_card
from ..core.explorable import shipped_pipeline
from ..core.preview import PREVIEW_STEPS
from ..core.verdict import examine_images
from ..flow_paths.compute import DRAWN, velocity_arrows

POINT_COUNT = 1024  # of the data
SAMPLE_COUNT, SAMPLING_STEPS = 200, 20
FIELD_TIMES = (0.1, 0.3, 0.5, 0.7, 0.9)  # at which the stage shows the field
CHECKPOINTS = 24  # close to each other at the beginning, where most is learnt
SECONDS_BETWEEN_VIEWS = 0.4  # of a training that runs
MAX_POSITION = 1e3  # samples of a network that predicts nonsense
IMAGE_TIMES = tuple(round(1 - 0.05 * k, 2) for k in range(20))
FIRST_TIME = 0.5  # shown first
PREVIEW_TIMES = ((FIRST_TIME,), IMAGE_TIMES[::5])  # of the previews: a step at 20 times takes two seconds
REAL_RUN = "unet-small-unsupervised"  # the model whose checkpoints are kept
REAL_RUN_STEPS = 20  # of the sampler

Array = np.ndarray


@dataclass(frozen=True)
class Data:
    """The data: a name of `flow2d.DISTRIBUTIONS`, or "drawn" and the points of the drawing."""

    distribution: str
    drawing: tuple[tuple[float, float], ...] | None

    def points(self) -> Array:
        """Return the points (n, 2).

        Raises:
            ValueError: an invalid drawing.
        """
        if self.distribution == DRAWN:
            if not self.drawing:
                raise ValueError("the drawing is empty: draw with the pointer in the panel of the samples")
            return sample_distribution(np.array(self.drawing))
        return sample_distribution(self.distribution, POINT_COUNT, 0)


@dataclass(frozen=True)
class Request:
    """A training to run, or with `paused` to show as far as it is."""

    data: Data
    settings: TrainingSettings
    paused: bool


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """What was recorded after some steps of a training.

    Args:
        steps: taken. arrows: of the learnt field at FIELD_TIMES, (time, arrow, 4). samples: (sample, 2).
        share, shares: the error of the learnt velocity as a share of the exact one's norm, over all ERROR_TIMES
            together and at each of them, (error_t,).
    """

    steps: int
    arrows: Array
    samples: Array
    share: float
    shares: Array


@dataclass(frozen=True, eq=False)
class Result:
    """A training as far as it is.

    Args:
        checkpoints: the first is of the untrained network, the last of the present one.
        losses: of all steps taken. floor: the lowest possible loss; None while it is not computed.
        exact_arrows: of the exact field, (time, arrow, 4). points: the data (point, 2).
        seconds: of training alone, without what is recorded.
    """

    request: Request
    checkpoints: tuple[Checkpoint, ...]
    losses: Array
    floor: float | None
    exact_arrows: Array
    points: Array
    seconds: float

    @property
    def steps_taken(self) -> int:
        """The number of steps of the last checkpoint."""
        return self.checkpoints[-1].steps

    @property
    def is_finished(self) -> bool:
        """Whether all steps are taken."""
        return self.steps_taken == self.request.settings.steps


def checkpoint_steps(steps: int) -> list[int]:
    """Return the numbers of steps after which a training of `steps` steps is recorded, from 0 to `steps`."""
    return sorted({round(steps * (k / CHECKPOINTS) ** 2) for k in range(CHECKPOINTS + 1)})


class LiveTraining:
    """A training with its recording. It rests when `run` is interrupted, and goes on when it is called again."""

    def __init__(self, data: Data, settings: TrainingSettings):
        self.points, self.path = data.points(), PATHS[settings.path]
        self.exact = ideal_field(self.points, DEFAULT_WIDTH)
        self.training = Training(self.points, settings)
        self.test = FieldTest(self.exact, self.path)
        self.exact_arrows = np.stack([velocity_arrows(self.exact, self.path, t) for t in FIELD_TIMES])
        self.noises = np.random.default_rng(1).standard_normal((SAMPLE_COUNT, 2))
        self.checkpoints: list[Checkpoint] = []
        self.floor: float | None = None
        self.seconds = 0.0

    def run(self, request: Request, progress: Callable[[int, int], None],
            show_partial: Callable[[Result], object]) -> Result:
        """Train to the end, unless the request is a pause. `progress` may raise an exception between two steps."""
        total, due, shown = request.settings.steps, set(checkpoint_steps(request.settings.steps)), 0.0
        while True:
            if self.training.steps_taken in due and self.recorded_steps < self.training.steps_taken:
                self.checkpoints.append(self.record())
                if time.monotonic() - shown > SECONDS_BETWEEN_VIEWS and not self.training.is_finished:
                    show_partial(self.result(request))
                    shown = time.monotonic()
            progress(self.training.steps_taken, total)
            if self.floor is None:
                self.floor = expected_loss(self.training, self.exact).lowest
            if request.paused or self.training.is_finished:
                return self.result(request)
            started = time.perf_counter()
            self.training.step()
            self.seconds += time.perf_counter() - started

    @property
    def recorded_steps(self) -> int:
        """The steps of the last checkpoint; -1 if there is none."""
        return self.checkpoints[-1].steps if self.checkpoints else -1

    def record(self) -> Checkpoint:
        """Return a checkpoint of the present network."""
        learnt = learnt_field(self.training)
        samples = integrate(learnt, self.path, self.noises, uniform_timesteps(SAMPLING_STEPS), "heun").x[-1]
        errors = self.test.errors(learnt)
        return Checkpoint(self.training.steps_taken,
                          np.stack([velocity_arrows(learnt, self.path, t) for t in FIELD_TIMES]),
                          np.nan_to_num(samples, nan=MAX_POSITION).clip(-MAX_POSITION, MAX_POSITION),
                          errors.share, errors.shares)

    def result(self, request: Request) -> Result:
        """Return what there is so far. A network between two checkpoints is recorded for this result alone."""
        extra = [self.record()] if self.recorded_steps < self.training.steps_taken else []
        return Result(request, (*self.checkpoints, *extra), np.array(self.training.losses), self.floor,
                      self.exact_arrows, self.points, self.seconds)


def smoothed(losses: Array, parts: int = 100) -> tuple[Array, Array]:
    """Return the mean losses of up to `parts` equal parts of a training, and the step in the middle of each."""
    if len(losses) == 0:
        return np.empty(0), np.empty(0)
    split = np.array_split(np.arange(len(losses)), min(parts, len(losses)))
    return np.array([part.mean() + 1 for part in split]), np.array([losses[part].mean() for part in split])


# ---- a step on an image ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ImageRequest:
    """A training step on a drawing of a prompt. draw: the seed of the drawing and of the noise."""

    prompt: str
    draw: int


@dataclass(frozen=True, eq=False)
class ImageResult:
    """A training step on an image at several times.

    Args:
        step: see `analysis.training_step`. image: the drawing, (y, x, rgb) uint8.
        noisy, denoised: decoded, (t, y, x, rgb) uint8.
    """

    request: ImageRequest
    step: xr.Dataset
    image: Array
    noisy: Array
    denoised: Array


def compute_image(pipe: PipelineProtocol, request: ImageRequest, progress: Progress,
                  show_partial: Callable[[ImageResult], object]) -> ImageResult:
    """Take a step on a drawing apart; at one time and at a few first, which show_partial receives.

    Raises:
        ValueError: the pipeline was not trained on the picture world, or a word is unknown.
    """
    if not pipe.has_limited_vocabulary:
        raise ValueError(f"{pipe.name} was not trained on drawings of the picture world, on which this step is taken: "
                         "choose the mode “train” or “one step”, or open Learning without a pipeline")
    pipe = cast(Pipeline, pipe)
    image = draw_scene(replace(parse(request.prompt).scene, seed=request.draw), masks=False).image
    for times in PREVIEW_TIMES:
        few = training_step(pipe, image, request.prompt, times, request.draw, lambda done, total: progress(0, 1))
        show_partial(_decoded(pipe, request, image, few))
    step = training_step(pipe, image, request.prompt, IMAGE_TIMES, request.draw, progress)
    return _decoded(pipe, request, image, step)


def _decoded(pipe: Pipeline, request: ImageRequest, image: Array, step: xr.Dataset) -> ImageResult:
    return ImageResult(request, step, image, pipe.decode(step.noisy.values), pipe.decode(step.denoised.values))


# ---- a real run -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class RealRunRequest:
    """The prompt to paint, and the seed of the noise."""

    prompt: str
    seed: int


@dataclass(frozen=True, eq=False)
class TrainedFor:
    """A model after some steps of its training: a run of it, its denoised estimates, decoded (step, y, x, rgb) uint8,
    the last the finished image, and the examiner's verdict on that."""

    model: str
    trained: int
    run: Run
    images: np.ndarray
    verdict: Verdict


@dataclass(frozen=True, eq=False)
class RealRunResult:
    """The stages of a training, in order."""

    request: RealRunRequest
    stages: tuple[TrainedFor, ...]


def stage_models() -> dict[int, str]:
    """Return the kept models of the run, by the steps that they were trained for."""
    kept = [name for name in model_names() if name.startswith(f"{REAL_RUN}-")]
    return dict(sorted((read_card(name)["steps"], name) for name in (*kept, REAL_RUN)))


def compute_real_run(request: RealRunRequest, progress: Progress, show_partial: Callable[[RealRunResult], object],
                     ) -> RealRunResult:
    """Paint the prompt from the same noise with every stage; in few steps first, shown as a preview.

    Raises:
        ValueError: the prompt describes no scene of the picture world.
    """
    parse(request.prompt)
    models = stage_models()
    show_partial(_painted(request, models, PREVIEW_STEPS, lambda done, total: progress(0, 1)))
    return _painted(request, models, REAL_RUN_STEPS, progress)


def _painted(request: RealRunRequest, models: dict[int, str], steps: int, progress: Progress) -> RealRunResult:
    counter, stages = ProgressCounter(progress, 1.5 * steps * len(models)), []
    for trained, name in models.items():
        pipe = shipped_pipeline(name)
        run = pipe(request.prompt, steps=steps, seed=request.seed, progress=counter.step)
        images = np.concatenate([counter.decode(pipe, run.denoised.values[:-1]), run.image[None]])
        stages.append(TrainedFor(name, trained, run, images, *examine_images(run.image)))
    return RealRunResult(request, tuple(stages))
