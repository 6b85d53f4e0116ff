"""Trajectories: agreement with the samplers and with exact flows, and the formulas of the scores."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from explorable.diffusion.paths import PATHS, Straight
from explorable.diffusion.samplers import SAMPLERS
from explorable.diffusion.timesteps import uniform_timesteps
from explorable.flow2d import (
    SOLVERS,
    endpoint_errors,
    exact_endpoints,
    ideal_field,
    integrate,
    marginal_field,
    paired_field,
    sample_distribution,
)

START = np.random.default_rng(3).standard_normal((50, 2))
POINTS = sample_distribution("two moons", 80)
FIELDS = {"bare points": ideal_field(POINTS), "wide points": ideal_field(POINTS, 0.1),
          "pairs": paired_field(POINTS, POINTS[::-1], 0.2)}
GAUSSIAN, MOONS = ideal_field([[0.7, -0.2]], 0.5), ideal_field(sample_distribution("two moons", 12), 0.6)
ORDER = {"euler": 1, "heun": 2}

each_path = pytest.mark.parametrize("path", PATHS.values(), ids=PATHS)
each_solver = pytest.mark.parametrize("solver", SOLVERS)


@each_path
@each_solver
@pytest.mark.parametrize("field", FIELDS.values(), ids=FIELDS)
def test_the_solvers_agree_with_the_samplers(path, solver, field):
    def denoise(x, t):
        return torch.from_numpy(field.denoised(x.numpy(), path.alpha(t), path.sigma(t)))

    for steps in (1, 2, 20):
        trajectories = integrate(field, path, START, uniform_timesteps(steps), solver)
        records = list(SAMPLERS[solver](denoise, path, torch.from_numpy(START), uniform_timesteps(steps)))
        theirs = torch.stack([records[0].x, *(r.next_x for r in records)]).numpy()
        np.testing.assert_allclose(trajectories.x, theirs, rtol=0, atol=1e-10)
        assert trajectories.evaluations == (2 * steps - 1 if solver == "heun" else steps)


@pytest.mark.parametrize("coupling", ["independent", "optimal"])
@each_path
def test_float32_weights_give_the_same_trajectories(path, coupling):
    field = marginal_field(POINTS, coupling)
    exact, fast = (integrate(f, path, START, uniform_timesteps(12), "heun")
                   for f in (field, replace(field, dtype=np.float32)))
    assert fast.x.shape == (13, 50, 2) and fast.x.dtype == np.float64
    np.testing.assert_allclose(fast.x, exact.x, atol=1e-3)
    assert exact.times.tolist() == uniform_timesteps(12) and exact.evaluations == 23


@pytest.mark.parametrize(("mean", "spread"), [((0.7, -0.2), 0.5), ((-1.5, 1.0), 2.0), ((0.3, 0.4), 0.0)])
@each_path
def test_the_exact_flow_of_a_gaussian_is_affine(path, mean, spread):
    """The flow conserves (x - alpha m) / sqrt(alpha^2 s^2 + sigma^2), so from pure noise x -> m + s x."""
    field, a, s = ideal_field([mean], spread), path.alpha(1.0), path.sigma(1.0)
    end = mean + spread / np.hypot(a * spread, s) * (START - a * np.array(mean))
    np.testing.assert_allclose(exact_endpoints(field, START, a, s), end, atol=1e-8)


@each_path
def test_many_steps_end_at_the_exact_endpoints(path):
    end = exact_endpoints(FIELDS["wide points"], START, path.alpha(1.0), path.sigma(1.0))
    trajectories = integrate(FIELDS["wide points"], path, START, uniform_timesteps(800), "heun")
    assert np.median(np.linalg.norm(trajectories.x[-1] - end, axis=1)) < 2e-4


@each_path
def test_the_exact_flow_may_start_at_any_t(path):
    field, t = FIELDS["wide points"], 0.5
    first_half = integrate(field, path, START[:5], [1.0 - k / 4000 for k in range(2001)], "heun")
    np.testing.assert_allclose(exact_endpoints(field, first_half.x[-1], path.alpha(t), path.sigma(t)),
                               exact_endpoints(field, START[:5], path.alpha(1.0), path.sigma(1.0)), atol=1e-4)
    np.testing.assert_allclose(exact_endpoints(field, START, 1.0, 0.0), START)


@each_path
@each_solver
@pytest.mark.parametrize("field", [GAUSSIAN, MOONS], ids=["gaussian", "moons"])
def test_the_error_falls_with_the_order_of_the_method(path, solver, field):
    steps = [64, 128, 256, 512]
    actual = endpoint_errors(field, path, START, solver, steps)
    assert actual.distances.shape == (4, 50)
    assert actual.evaluations == [2 * n - 1 if solver == "heun" else n for n in steps]
    slope = np.polyfit(np.log(steps), np.log(np.median(actual.distances, axis=1)), 1)[0]
    assert slope == pytest.approx(-ORDER[solver], abs=0.15)


@each_solver
def test_a_single_point_is_reached_in_one_step(solver):
    trajectories = integrate(ideal_field([[0.4, 1.2]]), Straight(), START, uniform_timesteps(1), solver)
    np.testing.assert_allclose(trajectories.x[-1], [[0.4, 1.2]] * 50)


@pytest.mark.parametrize(("changed", "message"), [
    ({"distribution": "mars"}, "distribution is 'mars': choose one of two moons"),
    ({"distribution": [[0.0, float("nan")]]}, "must be a number between"),
    ({"distribution": []}, "is empty: give at least one point"),
    ({"coupling": "lucky"}, "coupling is 'lucky': choose one of independent, optimal, reflowed"),
    ({"coupling": ["optimal"]}, "choose one of independent"),
    ({"solver": "leap"}, "solver is 'leap': choose one of euler, heun"),
    ({"steps": 0}, "times has 1 entries: give at least two"),
    ({"start": [[1.0, float("nan")]]}, "start: every coordinate"),
    ({"start": []}, "start is empty"),
    ({"width": -0.1}, "width is -0.1"),
])
def test_invalid_arguments_are_refused(changed, message):
    a = {"distribution": "spiral", "coupling": "independent", "width": 0.1, "start": START, "steps": 4,
         "solver": "euler"} | changed
    with pytest.raises(ValueError, match=message):
        integrate(marginal_field(sample_distribution(a["distribution"], 20), a["coupling"], a["width"]), Straight(),
                  a["start"], uniform_timesteps(a["steps"]), a["solver"])
