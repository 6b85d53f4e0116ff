"""The laboratory of FlowPaths: from its settings to what is on the stage and in the chart. No widget is in it."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import xarray as xr

from ...diffusion.paths import PATHS
from ...diffusion.timesteps import uniform_timesteps
from ...flow2d import (
    SOLVERS,
    MixtureField,
    Pairs,
    conditional_paths,
    exact_endpoints,
    ideal_field,
    integrate,
    paired_field,
    path_length_ratio,
    sample_distribution,
    sample_pairs,
    straightness,
    word_points,
)
from ...flow2d.couplings import DEFAULT_WIDTH

DRAWN = "drawn"  # the world of the reader's own hand
SIDE = 3.2  # the stage shows x and y from -SIDE to SIDE: of 1000 normal numbers, one lies beyond
FRAMES = 40  # at least, so that the field and the conditional paths move smoothly where a solver leaps
FINE = 160  # steps of heun for the line that is called exact
ARROWS = 13  # a side
STEPS = (1, 2, 4, 8, 16, 32, 64)
SCORED = 64  # particles that the chart and the score are taken over
EARLIEST = 0.01  # the noise time of the last arrows: at t = 0 curved paths are infinitely fast

Array = np.ndarray


@dataclass(frozen=True)
class Lab:
    """What the laboratory is asked for. start: where the path begins that the reader drags."""

    distribution: str
    text: str
    drawing: tuple[tuple[float, float], ...] | None
    path: str
    coupling: str
    solver: str
    steps: int
    count: int
    seed: int
    start: tuple[float, float]


@dataclass(frozen=True, eq=False)
class Scene:
    """All that a drag leaves as it is: times (frames,) from 1 to 0, the points of the world (points, 2), marginal and
    conditional paths (frames, particles, 2) from the same noises, and the field's arrows (frames, arrows, 4)."""

    times: Array
    points: Array
    marginal: Array
    conditional: Array
    arrows: Array


@dataclass(frozen=True, eq=False)
class Strand:
    """The path from the reader's own start, (frames, 2): as the solver walks it, and exactly."""

    walked: Array
    exact: Array
    evaluations: int

    @property
    def gap(self) -> float:
        """How far the solver ends from the exact end."""
        return float(np.linalg.norm(self.walked[-1] - self.exact[-1]))


@dataclass(frozen=True, eq=False)
class Scores:
    """errors: `distance` (solver, steps, particle) to the exact end, and `evaluations` (solver, steps). bend: the mean
    straightness, detour: the median length over distance, both of fine walks."""

    errors: xr.Dataset
    bend: float
    path_length_ratio: float


@functools.lru_cache(maxsize=16)
def ground(distribution: str, text: str, drawing: tuple | None, count: int, seed: int) -> Array:
    """The points of a world (points, 2).

    Raises:
        ValueError: a drawing or a text that makes no world, in words.
    """
    if distribution == DRAWN:
        if not drawing:
            raise ValueError("nothing is drawn yet: draw with the pointer in the right panel")
        return sample_distribution(np.array(drawing))
    return word_points(count, seed, text) if distribution == "word" else sample_distribution(distribution, count, seed)


@functools.lru_cache(maxsize=16)
def joined(distribution: str, text: str, drawing: tuple | None, count: int, seed: int, coupling: str,
           ) -> tuple[Pairs, MixtureField]:
    """Which noise goes with which point, and the field that this makes.

    The field is `marginal` of these points; here the pairs, which reflow takes long to find, are found once for both.
    """
    points = ground(distribution, text, drawing, count, seed)
    coupled = sample_pairs(points, coupling, DEFAULT_WIDTH, seed)
    if coupling == "independent":
        return coupled, ideal_field(points, DEFAULT_WIDTH)
    return coupled, paired_field(*coupled, DEFAULT_WIDTH)


def joined_for(lab: Lab) -> tuple[Pairs, MixtureField]:
    return joined(lab.distribution, lab.text, lab.drawing, lab.count, lab.seed, lab.coupling)


def parts_of(steps: int) -> int:
    """Into how many frames each step is cut."""
    return math.ceil(FRAMES / steps)


@functools.lru_cache(maxsize=4)
def scene(lab: Lab) -> Scene:
    """The stage's recording but for the reader's own path. Ask with `anywhere(lab)`, so that a drag finds it made."""
    path, (coupled, field) = PATHS[lab.path], joined_for(lab)
    field = replace(field, dtype=np.float32)
    walked = integrate(field, path, coupled.noises, uniform_timesteps(lab.steps), lab.solver)
    times = uniform_timesteps(lab.steps * parts_of(lab.steps))
    return Scene(np.array(times), ground(lab.distribution, lab.text, lab.drawing, lab.count, lab.seed),
                 between(walked.x, parts_of(lab.steps)), conditional_paths(path, *coupled, times),
                 np.stack([arrows(field, lab.path, t) for t in times]))


def anywhere(lab: Lab) -> Lab:
    """The same wish without its start."""
    return replace(lab, start=(0.0, 0.0))


def between(x: Array, parts: int) -> Array:
    """A walk (steps + 1, …) cut finer: in each step a solver moves along a straight line. (steps * parts + 1, …)"""
    share = (np.arange(parts) / parts).reshape(1, parts, *[1] * (x.ndim - 1))
    cut = x[:-1, None] + share * np.diff(x, axis=0)[:, None]
    return np.concatenate([cut.reshape(-1, *x.shape[1:]), x[-1:]])


def arrows(field: MixtureField, path_name: str, t: float) -> Array:
    """Which way a particle goes at t, on a grid: (arrows, 4). As we go from noise to points, against dx/dt.

    An arrow grows with the speed v as v / (v + 1) of a cell, so that the slow and the fast can both be seen.
    """
    path, t = PATHS[path_name], max(t, EARLIEST)
    ticks = np.linspace(-SIDE, SIDE, ARROWS + 2)[1:-1]
    grid = np.stack(np.meshgrid(ticks, ticks), axis=-1).reshape(-1, 2)
    way = -field.velocity(grid, path.alpha(t), path.sigma(t), path.d_alpha(t), path.d_sigma(t))
    speed = np.linalg.norm(way, axis=1, keepdims=True)
    half = 0.5 * (ticks[1] - ticks[0]) * way / (speed + 1)
    return np.concatenate([grid - half, grid + half], axis=1)


def strand(lab: Lab) -> Strand:
    """The path from the reader's start: all that a drag computes."""
    path, (_, field) = PATHS[lab.path], joined_for(lab)
    start, frames = np.array([lab.start]), lab.steps * parts_of(lab.steps)
    walked = integrate(field, path, start, uniform_timesteps(lab.steps), lab.solver)
    finer = math.ceil(FINE / frames)
    exact = integrate(field, path, start, uniform_timesteps(frames * finer), "heun")
    return Strand(between(walked.x, parts_of(lab.steps))[:, 0], exact.x[::finer, 0], walked.evaluations)


def fresh(seed: int) -> Array:
    """The starts that are scored: noise that no coupling has seen."""
    return np.random.default_rng([seed, 2]).standard_normal((SCORED, 2))


@functools.lru_cache(maxsize=32)
def exact_ends(distribution: str, text: str, drawing: tuple | None, count: int, seed: int, coupling: str, path: str,
               ) -> Array:
    """Where the exact flow takes the scored starts, (particles, 2)."""
    field = joined(distribution, text, drawing, count, seed, coupling)[1]
    return exact_endpoints(field, fresh(seed), PATHS[path].alpha(1.0), PATHS[path].sigma(1.0))


def exact_ends_for(lab: Lab) -> Array:
    return exact_ends(lab.distribution, lab.text, lab.drawing, lab.count, lab.seed, lab.coupling, lab.path)


_scored: dict[Lab, Scores] = {}  # the last few; not an lru_cache, for `progress` is no part of the question
KEPT = 16


def scores(lab: Lab, progress: Callable[[int, int], None] = lambda done, of: None) -> Scores:
    """The chart and the straightness of a world, a coupling and a path. The solver and the steps do not matter."""
    request = replace(anywhere(lab), solver="", steps=0)
    if request not in _scored:
        made = _score(request, progress)
        while len(_scored) >= KEPT:
            _scored.pop(next(iter(_scored)))
        _scored[request] = made
    return _scored[request]


def is_scored(lab: Lab) -> bool:
    """Whether `scores` has its answer ready."""
    return replace(anywhere(lab), solver="", steps=0) in _scored


def _score(lab: Lab, progress: Callable[[int, int], None]) -> Scores:
    path, field, start = PATHS[lab.path], joined_for(lab)[1], fresh(lab.seed)
    of = 2 + len(SOLVERS) * len(STEPS)
    progress(1, of)
    ends = exact_ends_for(lab)
    distance, evaluations = [], []
    for solver in SOLVERS:
        for steps in STEPS:
            walked = integrate(field, path, start, uniform_timesteps(steps), solver)
            distance.append(np.linalg.norm(walked.x[-1] - ends, axis=1))
            evaluations.append(walked.evaluations)
            progress(1 + len(distance), of)
    fine = integrate(field, path, start, uniform_timesteps(100), "heun")
    errors = xr.Dataset(
        {"distance": (("solver", "steps", "particle"), np.reshape(distance, (len(SOLVERS), len(STEPS), -1))),
         "evaluations": (("solver", "steps"), np.reshape(evaluations, (len(SOLVERS), len(STEPS))))},
        coords={"solver": list(SOLVERS), "steps": list(STEPS)})
    return Scores(errors, float(straightness(fine).mean()), float(np.nanmedian(path_length_ratio(fine))))


def chosen_error(lab: Lab) -> tuple[int, float]:
    """Evaluations and the median distance to the exact end, of the chosen solver at the chosen number of steps."""
    walked = integrate(joined_for(lab)[1], PATHS[lab.path], fresh(lab.seed), uniform_timesteps(lab.steps), lab.solver)
    return walked.evaluations, float(np.median(np.linalg.norm(walked.x[-1] - exact_ends_for(lab), axis=1)))


def dataset(lab: Lab, made: Scene, own: Strand, scored: Scores | None) -> xr.Dataset:
    """The whole laboratory as labelled arrays."""
    way = ("frame", "walker", "axis")
    paths = xr.Dataset(
        {"marginal": (way, made.marginal), "conditional": (way, made.conditional), "own": (way[::2], own.walked),
         "own_exact": (way[::2], own.exact), "points": (("point", "axis"), made.points),
         "arrows": (("frame", "arrow", "end"), made.arrows)},
        coords={"t": ("frame", made.times), "axis": ["x", "y"], "end": ["x0", "y0", "x", "y"]},
        attrs={"distribution": lab.distribution, "path": lab.path, "coupling": lab.coupling, "solver": lab.solver,
               "seed": lab.seed, "start": lab.start})
    return paths if scored is None else paths.merge(scored.errors)


def table(scored: Scores) -> Any:
    """A pandas row for each solver and number of steps: evaluations, median and quartiles of the distance."""
    low, middle, high = scored.errors.distance.quantile([0.25, 0.5, 0.75], "particle").drop_vars("quantile")
    return xr.Dataset({"evaluations": scored.errors.evaluations, "median": middle, "lower quartile": low,
                       "upper quartile": high}).to_dataframe()
