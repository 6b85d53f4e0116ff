"""Is flow matching easier to train? Small networks on points in the plane, against the closed form, over seeds."""

from __future__ import annotations

import functools
import time
from dataclasses import replace

import numpy as np
from tqdm.auto import tqdm

from ..diffusion.paths import PATHS
from ..diffusion.timesteps import uniform_timesteps
from ..flow2d import MixtureField, exact_endpoints, ideal_field, integrate, sample_distribution
from ..flow2d.couplings import DEFAULT_WIDTH
from ..flow2d.learnt import FieldTest, LearntField, expected_loss, learnt_field, levels
from ..flow2d.training import Training, TrainingSettings
from .statistics import interval_text
from .table import Table, check_counts

DATA = ("two moons", "eight gaussians")
POINTS = 1024
WAYS = (  # path, prediction, distribution of t
    ("straight", "velocity", "uniform"), ("straight", "velocity", "logit-normal"), ("linear", "noise", "uniform"),
    ("linear", "v", "uniform"), ("cosine", "v", "uniform"), ("straight", "x0", "uniform"),
    ("straight", "noise", "uniform"))
SETTINGS = TrainingSettings(batch=256, steps=1500)
SEEDS = 5
RATIOS = tuple(np.geomspace(0.1, 10, 9))  # sigma / alpha: the same noise on every path
STARTS, MANY_STEPS, FEW_STEPS = 128, 50, 8
DRAWS = 400
QUANTITIES = ("x0 error", "ends apart", f"in {FEW_STEPS} steps")  # the columns that have an interval
TIMED_STEPS = (500, 1000, 1500, 2500)  # in place of the default training's


def learning(seeds: int = SEEDS, quick: bool = False) -> Table:
    """Train the same network in each way, from several seeds, and compare it with the exact field.

    Errors that do not depend on the path: of `denoised`, the estimate of x0, at equal noise ratios sigma / alpha; and
    the distance of samples from where the exact flow takes the same noise, in many steps and in few. quick: the first
    data, one seed and a fifth of the steps.
    """
    check_counts(1, seeds=seeds)
    settings, seeds = (replace(SETTINGS, steps=SETTINGS.steps // 5), 1) if quick else (SETTINGS, seeds)
    rows = []
    for data in DATA[:1] if quick else DATA:
        points = sample_distribution(data, POINTS)
        for path, prediction, times in WAYS:
            way = replace(settings, path=path, prediction=prediction, times=times)
            label = f"{data}, {path}, {prediction}"
            found = [_errors(points, replace(way, seed=seed)) for seed in tqdm(range(seeds), desc=label, leave=False)]
            columns = {name: np.array([errors[name] for errors in found]) for name in found[0]}
            rows.append({"data": data, "path": path, "predicts": prediction, "t": times}
                        | {key: cell for name in QUANTITIES for key, cell in _cells(columns[name], name).items()}
                        | {"lowest": round(float(columns["lowest"].mean()), 3),
                           "above it": round(float(columns["above it"].mean()), 4)})
    return Table("Training in the plane", rows, [
        f"{settings.steps} steps of {settings.batch} draws, width {settings.width}, {seeds} seeds a row; intervals are "
        "95% bootstrap over seeds",
        "x0 error: root mean square of denoised minus its closed form, at sigma / alpha from 0.1 to 10; the data have "
        "a standard deviation of 1",
        f"ends apart: median distance of samples, in {MANY_STEPS} steps of Heun's method, from the exact flow's ends; "
        f"in {FEW_STEPS} steps: the same in few steps",
        "lowest: the loss of the best possible prediction; above it: how much higher the network's is"])


def learning_time(seeds: int = 3, quick: bool = False) -> Table:
    """Measure the error of the default training's field in fewer and more steps, with the time on one thread.

    quick: one seed, and the shortest training alone.
    """
    check_counts(1, seeds=seeds)
    counts, seeds = (TIMED_STEPS[:1], 1) if quick else (TIMED_STEPS, seeds)
    rows = []
    for data in DATA:
        points = sample_distribution(data, POINTS)
        test = FieldTest(ideal_field(points, DEFAULT_WIDTH), PATHS[TrainingSettings.path])
        for steps in counts:
            shares, worst, seconds = [], [], []
            for seed in tqdm(range(seeds), desc=f"{data}, {steps} steps", leave=False):
                training, began = Training(points, TrainingSettings(steps=steps, seed=seed)), time.thread_time()
                _finish(training)
                seconds.append(time.thread_time() - began)
                errors = test.errors(learnt_field(training))
                shares.append(100 * errors.share)
                worst.append(100 * errors.shares.max())
            rows.append({"data": data, "steps": steps, "seconds": round(float(np.median(seconds)), 1),
                         "error %": round(float(np.mean(shares)), 1), "95%": interval_text(np.array(shares), 1),
                         "worst t %": round(float(np.mean(worst)), 1)})
    return Table("Error of the learnt velocity against the exact one", rows, [
        f"share of the exact velocity's norm over t from 0.1 to 0.9; worst t: the largest of nine times; {seeds} seeds "
        "a row, intervals are 95% bootstrap over seeds; seconds: median processor time of the training thread"])


def _finish(training: Training) -> None:
    while not training.is_finished:
        training.step()


@functools.cache
def _exact(data: bytes) -> MixtureField:
    return ideal_field(np.frombuffer(data).reshape(-1, 2), DEFAULT_WIDTH)


@functools.cache
def _exact_ends(data: bytes, path_name: str) -> np.ndarray:
    path = PATHS[path_name]
    return exact_endpoints(_exact(data), _starts(), path.alpha(1.0), path.sigma(1.0))


def _starts() -> np.ndarray:
    return np.random.default_rng(1).standard_normal((STARTS, 2))


def _errors(points: np.ndarray, settings: TrainingSettings) -> dict[str, float]:
    """Train once. Returns the errors and the two parts of the loss."""
    training = Training(points, settings)
    _finish(training)
    learnt, path, data = learnt_field(training), PATHS[settings.path], points.tobytes()
    ends, losses = _exact_ends(data, settings.path), expected_loss(training, _exact(data))

    def apart(steps: int) -> float:
        found = integrate(learnt, path, _starts(), uniform_timesteps(steps), "heun").x[-1]
        return float(np.median(np.linalg.norm(found - ends, axis=1)))

    return {"x0 error": denoised_error(learnt, _exact(data)), "ends apart": apart(MANY_STEPS),
            f"in {FEW_STEPS} steps": apart(FEW_STEPS), "lowest": losses.lowest, "above it": losses.excess}


def denoised_error(learnt: LearntField, exact: MixtureField) -> float:
    """Return the root mean square error of `denoised` at RATIOS of sigma to alpha, the same noise on every path."""
    rng, squares = np.random.default_rng(2), []
    for ratio in RATIOS:
        alpha, sigma = levels(learnt.path, learnt.path.time_at(float(ratio)))[:2]
        x0 = exact.points[rng.integers(len(exact.points), size=DRAWS)]
        x0 = x0 + np.sqrt(exact.point_variance) * rng.standard_normal(x0.shape)
        x = alpha * x0 + sigma * rng.standard_normal(x0.shape)
        apart = learnt.denoised(x, alpha, sigma) - exact.denoised(x, alpha, sigma)
        squares.append(np.square(apart).sum(axis=1).mean())
    return float(np.sqrt(np.mean(squares)))


def _cells(values: np.ndarray, name: str) -> dict[str, object]:
    return {name: round(float(values.mean()), 3), f"{name} 95%": interval_text(values, 3)}
