"""The computation of Learning in the plane: a training that can be paused, and what is recorded of it on the way."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ...diffusion.paths import PATHS
from ...diffusion.timesteps import uniform_timesteps
from ...flow2d import ideal_field, integrate, sample_distribution
from ...flow2d.couplings import DEFAULT_WIDTH
from ...flow2d.learnt import FieldTest, expected_loss, learnt_field
from ...flow2d.training import Training, TrainingSettings
from ..flow_paths.compute import DRAWN, velocity_arrows

POINT_COUNT = 1024  # of the data
SAMPLE_COUNT, SAMPLING_STEPS = 200, 20
FIELD_TIMES = (0.1, 0.3, 0.5, 0.7, 0.9)  # at which the stage shows the field
CHECKPOINTS = 24  # close to each other at the beginning, where most is learnt
SECONDS_BETWEEN_VIEWS = 0.4  # of a training that runs
MAX_POSITION = 1e3  # samples of a network that predicts nonsense

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


