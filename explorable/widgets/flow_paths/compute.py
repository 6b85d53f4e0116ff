"""The computation of FlowPaths in the plane: trajectories, the field's arrows and the scores of one request."""

from __future__ import annotations

import functools
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import xarray as xr

from ...analysis.straightness import path_length_ratio, straightness
from ...diffusion.paths import PATHS, Path
from ...diffusion.timesteps import uniform_timesteps
from ...flow2d import (
    SOLVERS,
    Field,
    MixtureField,
    Pairs,
    conditional_paths,
    exact_endpoints,
    ideal_field,
    integrate,
    paired_field,
    sample_distribution,
    sample_pairs,
    word_points,
)
from ...flow2d.couplings import DEFAULT_WIDTH

DRAWN = "drawn"  # the distribution that the user draws
HALF_EXTENT = 3.2  # panels show x and y from -3.2 to 3.2, which contains 99.9% of a standard normal distribution
MIN_FRAMES = 40  # so that particles move smoothly where the solver takes few steps
MIN_EXACT_STEPS = 160  # of Heun's method, for the path shown as exact
ARROWS_PER_SIDE = 13
MIN_ARROW_TIME = 0.01  # at t = 0 the velocity of curved paths is infinite
STEP_COUNTS = (1, 2, 4, 8, 16, 32, 64)  # of the chart
SCORED_PARTICLES = 64
MAX_CACHED_SCORES = 16

Array = np.ndarray


@dataclass(frozen=True)
class Data:
    """A data distribution: its name, the text of "word", the points of "drawn", and the number and seed of points."""

    distribution: str
    text: str
    drawing: tuple[tuple[float, float], ...] | None
    count: int
    seed: int

    @property
    def is_blank(self) -> bool:
        """Whether there are no points: an empty drawing."""
        return self.distribution == DRAWN and not self.drawing


@dataclass(frozen=True)
class Request:
    """The settings of one computation. start: where the user's own path begins."""

    data: Data
    coupling: str
    path: str
    solver: str
    steps: int
    start: tuple[float, float]


@dataclass(frozen=True, eq=False)
class Frames:
    """What the stage shows apart from the user's own path, which is all that a drag changes.

    Args:
        times: (frames,) from 1 to 0.
        points: of the data, (points, 2).
        marginal, conditional: paths from the same noises, (frames, particles, 2).
        arrows: of the field, from (x0, y0) to (x1, y1), (frames, arrows, 4).
    """

    times: Array
    points: Array
    marginal: Array
    conditional: Array
    arrows: Array


@dataclass(frozen=True, eq=False)
class OwnPath:
    """The path from the user's start (frames, 2), as the solver takes it and exactly."""

    solver: Array
    exact: Array
    evaluations: int

    @property
    def error(self) -> float:
        """The distance between the two endpoints."""
        return float(np.linalg.norm(self.solver[-1] - self.exact[-1]))


@dataclass(frozen=True, eq=False)
class Scores:
    """The scores of a distribution, a coupling and a path, over fresh noises.

    Args:
        errors: `distance` (solver, steps, particle) to the exact endpoint, and `evaluations` (solver, steps).
        straightness, path_length_ratio: mean and median over trajectories of many steps.
    """

    errors: xr.Dataset
    straightness: float
    path_length_ratio: float


@dataclass(frozen=True, eq=False)
class Result:
    """The result of a request. scores and chosen (evaluations, median error) are None until they are computed, and of
    an empty drawing."""

    request: Request
    frames: Frames
    own: OwnPath
    seconds: float
    scores: Scores | None = None
    chosen: tuple[int, float] | None = None


def compute(request: Request, progress: Callable[[int, int], None], show_partial: Callable[[Result], object]) -> Result:
    """Compute a request. `show_partial` receives the result without its scores where those are not cached."""
    if request.data.is_blank:
        return blank_result(request)
    started = time.perf_counter()
    frames = compute_frames(replace(request, start=(0.0, 0.0)))  # so that a drag finds them in the cache
    result = Result(request, frames, compute_own_path(request), time.perf_counter() - started)
    if not is_scored(request):
        progress(0, 1)
        show_partial(result)
    return replace(result, scores=compute_scores(request, progress), chosen=chosen_error(request))


def blank_result(request: Request) -> Result:
    """Return what there is of an empty drawing: the noises, before the first step."""
    noises = sample_pairs(np.zeros((1, 2)), seed=request.data.seed).noises[None]
    frames = Frames(np.ones(1), np.empty((0, 2)), noises, noises, np.empty((1, 0, 4)))
    start = np.array([request.start])
    return Result(request, frames, OwnPath(start, start, 0), 0.0)


@functools.lru_cache(maxsize=16)
def data_points(data: Data) -> Array:
    """Return the points of a distribution (points, 2).

    Raises:
        ValueError: an invalid drawing or text.
    """
    if data.distribution == DRAWN:
        return sample_distribution(np.array(data.drawing))
    if data.distribution == "word":
        return word_points(data.count, data.seed, data.text)
    return sample_distribution(data.distribution, data.count, data.seed)


@functools.lru_cache(maxsize=16)
def pairs_and_field(data: Data, coupling: str) -> tuple[Pairs, MixtureField]:
    """Return the pairs of a coupling and its `marginal_field`, with the pairs (slow for reflow) computed once."""
    points = data_points(data)
    pairs = sample_pairs(points, coupling, DEFAULT_WIDTH, data.seed)
    if coupling == "independent":
        return pairs, ideal_field(points, DEFAULT_WIDTH)
    return pairs, paired_field(*pairs, DEFAULT_WIDTH)


def frames_per_step(steps: int) -> int:
    """Return the number of frames that show each step of the solver."""
    return math.ceil(MIN_FRAMES / steps)


@functools.lru_cache(maxsize=4)
def compute_frames(request: Request) -> Frames:
    """Compute everything on the stage but the user's own path. It does not depend on `request.start`."""
    path, (pairs, field) = PATHS[request.path], pairs_and_field(request.data, request.coupling)
    field = replace(field, dtype=np.float32)
    trajectories = integrate(field, path, pairs.noises, uniform_timesteps(request.steps), request.solver)
    times = uniform_timesteps(request.steps * frames_per_step(request.steps))
    return Frames(np.array(times), data_points(request.data),
                  interpolate_steps(trajectories.x, frames_per_step(request.steps)),
                  conditional_paths(path, *pairs, times), np.stack([velocity_arrows(field, path, t) for t in times]))


def interpolate_steps(x: Array, parts: int) -> Array:
    """Cut each step of x (steps + 1, …) into equal parts: (steps * parts + 1, …). Solvers move straight in a step."""
    share = (np.arange(parts) / parts).reshape(1, parts, *[1] * (x.ndim - 1))
    cut = x[:-1, None] + share * np.diff(x, axis=0)[:, None]
    return np.concatenate([cut.reshape(-1, *x.shape[1:]), x[-1:]])


def velocity_arrows(field: Field, path: Path, t: float) -> Array:
    """Return arrows of a particle's motion at t on a grid: (arrows, 4). From noise to data it is -dx/dt.

    The length of an arrow is speed / (speed + 1) of a grid cell, so that slow and fast motion are both visible.
    """
    t = max(t, MIN_ARROW_TIME)
    ticks = np.linspace(-HALF_EXTENT, HALF_EXTENT, ARROWS_PER_SIDE + 2)[1:-1]
    grid = np.stack(np.meshgrid(ticks, ticks), axis=-1).reshape(-1, 2)
    motion = -field.velocity(grid, path.alpha(t), path.sigma(t), path.d_alpha(t), path.d_sigma(t))
    speed = np.linalg.norm(motion, axis=1, keepdims=True)
    half = 0.5 * (ticks[1] - ticks[0]) * motion / (speed + 1)
    return np.concatenate([grid - half, grid + half], axis=1)


def compute_own_path(request: Request) -> OwnPath:
    """Compute the path from the user's start: all that a drag costs."""
    path, (_, field) = PATHS[request.path], pairs_and_field(request.data, request.coupling)
    start, count = np.array([request.start]), request.steps * frames_per_step(request.steps)
    own = integrate(field, path, start, uniform_timesteps(request.steps), request.solver)
    steps_per_frame = math.ceil(MIN_EXACT_STEPS / count)
    exact = integrate(field, path, start, uniform_timesteps(count * steps_per_frame), "heun")
    return OwnPath(interpolate_steps(own.x, frames_per_step(request.steps))[:, 0], exact.x[::steps_per_frame, 0],
                   own.evaluations)


def scored_noises(seed: int) -> Array:
    """Return the starts of the scored particles, which no coupling uses."""
    return np.random.default_rng([seed, 2]).standard_normal((SCORED_PARTICLES, 2))


@functools.lru_cache(maxsize=32)
def scored_endpoints(data: Data, coupling: str, path_name: str) -> Array:
    """Return the exact endpoints of the scored particles, (particles, 2)."""
    field, path = pairs_and_field(data, coupling)[1], PATHS[path_name]
    return exact_endpoints(field, scored_noises(data.seed), path.alpha(1.0), path.sigma(1.0))


_scores: dict[tuple[Data, str, str], Scores] = {}  # not an lru_cache, since `progress` is not part of the key


def compute_scores(request: Request, progress: Callable[[int, int], None] = lambda done, total: None) -> Scores:
    """Compute or look up the scores of a distribution, a coupling and a path, whatever the solver and its steps."""
    key = (request.data, request.coupling, request.path)
    if key not in _scores:
        scores = _score(*key, progress)
        while len(_scores) >= MAX_CACHED_SCORES:
            _scores.pop(next(iter(_scores)))
        _scores[key] = scores
    return _scores[key]


def is_scored(request: Request) -> bool:
    """Whether `compute_scores` has the scores in its cache."""
    return (request.data, request.coupling, request.path) in _scores


def _score(data: Data, coupling: str, path_name: str, progress: Callable[[int, int], None]) -> Scores:
    path, field, start = PATHS[path_name], pairs_and_field(data, coupling)[1], scored_noises(data.seed)
    total = 2 + len(SOLVERS) * len(STEP_COUNTS)
    progress(1, total)
    ends = scored_endpoints(data, coupling, path_name)
    distance, evaluations = [], []
    for solver in SOLVERS:
        for steps in STEP_COUNTS:
            trajectories = integrate(field, path, start, uniform_timesteps(steps), solver)
            distance.append(np.linalg.norm(trajectories.x[-1] - ends, axis=1))
            evaluations.append(trajectories.evaluations)
            progress(1 + len(distance), total)
    fine = integrate(field, path, start, uniform_timesteps(100), "heun")
    shape = (len(SOLVERS), len(STEP_COUNTS))
    errors = xr.Dataset({"distance": (("solver", "steps", "particle"), np.reshape(distance, (*shape, -1))),
                         "evaluations": (("solver", "steps"), np.reshape(evaluations, shape))},
                        coords={"solver": list(SOLVERS), "steps": list(STEP_COUNTS)})
    return Scores(errors, float(straightness(fine.x, fine.times).mean()),
                  float(np.nanmedian(path_length_ratio(fine.x))))


def chosen_error(request: Request) -> tuple[int, float]:
    """Return the evaluations and the median endpoint error of the chosen solver and number of steps."""
    trajectories = integrate(pairs_and_field(request.data, request.coupling)[1], PATHS[request.path],
                             scored_noises(request.data.seed), uniform_timesteps(request.steps), request.solver)
    ends = scored_endpoints(request.data, request.coupling, request.path)
    return trajectories.evaluations, float(np.median(np.linalg.norm(trajectories.x[-1] - ends, axis=1)))
