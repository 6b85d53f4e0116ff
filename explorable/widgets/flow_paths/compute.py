"""The computation of FlowPaths in the plane: trajectories, the field's arrows and the scores of one request."""

from __future__ import annotations

import functools
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import xarray as xr

from ...analysis.straightness import straightness
from ...diffusion.paths import PATHS
from ...diffusion.timesteps import uniform_timesteps
from ...flow2d import (
    SOLVERS,
    MixtureField,
    Pairs,
    Trajectories,
    conditional_paths,
    exact_endpoints,
    ideal_field,
    integrate,
    integrate_ddim,
    interpolate_steps,
    make_noise_sampler,
    paired_field,
    sample_distribution,
    sample_pairs,
    velocity_arrows,
    walk_errors,
    word_points,
)
from ...flow2d.couplings import DEFAULT_WIDTH

STOCHASTIC = "ddim"  # the solver that can add noise
WALKS = 12  # from the user's start, with noise
DRAWN = "drawn"  # the distribution that the user draws
HALF_EXTENT = 3.2  # panels show x and y from -3.2 to 3.2, which contains 99.9% of a standard normal distribution
MIN_FRAMES = 40  # so that particles move smoothly where the solver takes few steps
MIN_EXACT_STEPS = 160  # of Heun's method, for the path shown as exact
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
    """The settings of one computation. start: where the user's own path begins. eta: see `integrate_ddim`."""

    data: Data
    coupling: str
    path: str
    solver: str
    steps: int
    start: tuple[float, float]
    eta: float = 0.0

    @property
    def has_noise(self) -> bool:
        """Whether the solver adds fresh noise."""
        return self.solver == STOCHASTIC and self.eta > 0


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
    """The path from the user's start, as the solver takes it (frames, walks, 2) and exactly (frames, 2)."""

    solver: Array
    exact: Array
    evaluations: int

    @property
    def error(self) -> float:
        """The distance between the two endpoints, of the first walk."""
        return float(np.linalg.norm(self.solver[-1, 0] - self.exact[-1]))


@dataclass(frozen=True, eq=False)
class Scores:
    """The scores of a distribution, a coupling and a path, over fresh noises.

    errors: `distance` (solver, steps, particle) to the exact endpoint, and `evaluations` (solver, steps). straightness:
    mean over trajectories of many steps.
    """

    errors: xr.Dataset
    straightness: float


@dataclass(frozen=True, eq=False)
class Result:
    """The result of a request. scores and chosen (evaluations, median error) are None until they are computed, and of
    an empty drawing. walks: in their place, the `walk_errors` of a solver with noise."""

    request: Request
    frames: Frames
    own: OwnPath
    seconds: float
    scores: Scores | None = None
    walks: xr.Dataset | None = None
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
    if request.has_noise:
        if (key := _walks_key(request)) not in _walks:
            field, path = _fast_field(request), PATHS[request.path]
            _keep(_walks, key, walk_errors(field, path, request.eta, STEP_COUNTS, progress))
        return replace(result, walks=_walks[key])
    return replace(result, scores=compute_scores(request, progress), chosen=chosen_error(request))


def blank_result(request: Request) -> Result:
    """Return what there is of an empty drawing: the noises, before the first step."""
    noises = sample_pairs(np.zeros((1, 2)), seed=request.data.seed).noises[None]
    frames = Frames(np.ones(1), np.empty((0, 2)), noises, noises, np.empty((1, 0, 4)))
    start = np.array([request.start])
    return Result(request, frames, OwnPath(start[:, None], start, 0), 0.0)


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
    path, pairs, field = PATHS[request.path], pairs_and_field(request.data, request.coupling)[0], _fast_field(request)
    trajectories = follow(request, field, pairs.noises)
    times = uniform_timesteps(request.steps * frames_per_step(request.steps))
    return Frames(np.array(times), data_points(request.data),
                  interpolate_steps(trajectories.x, frames_per_step(request.steps)),
                  conditional_paths(path, *pairs, times),
                  np.stack([velocity_arrows(field, path, t, HALF_EXTENT) for t in times]))


def _fast_field(request: Request) -> MixtureField:
    return replace(pairs_and_field(request.data, request.coupling)[1], dtype=np.float32)


def follow(request: Request, field: MixtureField, start: Array) -> Trajectories:
    """Follow the field from `start` with the solver of a request."""
    arguments = field, PATHS[request.path], start, uniform_timesteps(request.steps)
    if request.solver == STOCHASTIC:
        return integrate_ddim(*arguments, request.eta, make_noise_sampler(request.data.seed, start.shape))
    return integrate(*arguments, request.solver)


def compute_own_path(request: Request) -> OwnPath:
    """Compute the path from the user's start: all that a drag costs."""
    path, (_, field) = PATHS[request.path], pairs_and_field(request.data, request.coupling)
    start, count = np.array([request.start]), request.steps * frames_per_step(request.steps)
    own = follow(request, field, np.tile(start, (WALKS if request.has_noise else 1, 1)))
    steps_per_frame = math.ceil(MIN_EXACT_STEPS / count)
    exact = integrate(field, path, start, uniform_timesteps(count * steps_per_frame), "heun")
    return OwnPath(interpolate_steps(own.x, frames_per_step(request.steps)), exact.x[::steps_per_frame, 0],
                   own.evaluations)


def scored_noises(seed: int) -> Array:
    """Return the starts of the scored particles, which no coupling uses."""
    return np.random.default_rng([seed, 2]).standard_normal((SCORED_PARTICLES, 2))


@functools.lru_cache(maxsize=32)
def scored_endpoints(data: Data, coupling: str, path_name: str) -> Array:
    """Return the exact endpoints of the scored particles, (particles, 2)."""
    field, path = pairs_and_field(data, coupling)[1], PATHS[path_name]
    return exact_endpoints(field, scored_noises(data.seed), path.alpha(1.0), path.sigma(1.0))


_walks: dict[tuple[Data, str, float], xr.Dataset] = {}
_scores: dict[tuple[Data, str, str], Scores] = {}  # not an lru_cache, since `progress` is not part of the key


def compute_scores(request: Request, progress: Callable[[int, int], None] = lambda done, total: None) -> Scores:
    """Compute or look up the scores of a distribution, a coupling and a path, whatever the solver and its steps."""
    key = (request.data, request.coupling, request.path)
    if key not in _scores:
        _keep(_scores, key, _score(*key, progress))
    return _scores[key]


def _keep(cache: dict, key: tuple, value: Any) -> None:
    """Add a value to a cache, in place of the oldest one if it is full."""
    while len(cache) >= MAX_CACHED_SCORES:
        cache.pop(next(iter(cache)))
    cache[key] = value


def is_scored(request: Request) -> bool:
    """Whether the scores, or the errors of walks, are in their cache."""
    if request.has_noise:
        return _walks_key(request) in _walks
    return (request.data, request.coupling, request.path) in _scores


def _walks_key(request: Request) -> tuple[Data, str, float]:
    return request.data, request.path, request.eta


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
    return Scores(errors, float(straightness(fine.x, fine.times).mean()))


def chosen_error(request: Request) -> tuple[int, float]:
    """Return the evaluations and the median endpoint error of the chosen solver and number of steps."""
    trajectories = follow(request, pairs_and_field(request.data, request.coupling)[1], scored_noises(request.data.seed))
    ends = scored_endpoints(request.data, request.coupling, request.path)
    return trajectories.evaluations, float(np.median(np.linalg.norm(trajectories.x[-1] - ends, axis=1)))
