"""Learning without a page: pausing, checkpoints, and one training step taken apart."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from tiny_pipes import tiny

from explorable.diffusion.paths import PATHS
from explorable.diffusion.predictions import PREDICTIONS
from explorable.flow2d.training import Training, TrainingSettings
from explorable.widgets.flow_paths.compute import DRAWN, velocity_arrows
from explorable.widgets.learning import microscope
from explorable.widgets.learning.compute import (
    FIELD_TIMES,
    POINT_COUNT,
    Data,
    ImageRequest,
    LiveTraining,
    Request,
    checkpoint_steps,
    compute_image,
    smoothed,
)
from explorable.widgets.learning.microscope import PLANE_TIMES, StepRequest, compute_step, possible_points

MOONS = Data("two moons", None)
SETTINGS = TrainingSettings(width=16, batch=32, steps=40)
REQUEST = Request(MOONS, SETTINGS, False)


class Stop(Exception):
    pass


def ignore(*args: object) -> None:
    pass


def stop_at(step: int):
    def progress(done: int, total: int) -> None:
        if done == step:
            raise Stop

    return progress


def test_a_training_that_is_interrupted_goes_on_where_it_stopped():
    through = LiveTraining(MOONS, SETTINGS).run(REQUEST, ignore, ignore)
    live = LiveTraining(MOONS, SETTINGS)
    for step in (0, 17, 33):
        with pytest.raises(Stop):
            live.run(REQUEST, stop_at(step), ignore)
        assert live.training.steps_taken == step
        paused = live.run(replace(REQUEST, paused=True), ignore, ignore)
        assert paused.steps_taken == step and not paused.is_finished  # looked at between checkpoints
    rested = live.run(REQUEST, ignore, ignore)
    assert rested.is_finished and np.array_equal(through.losses, rested.losses)
    assert [c.steps for c in rested.checkpoints] == [c.steps for c in through.checkpoints] == checkpoint_steps(40)
    for one, other in zip(rested.checkpoints, through.checkpoints, strict=True):
        assert np.array_equal(one.samples, other.samples) and np.array_equal(one.arrows, other.arrows)
        assert one.share == other.share


def test_a_finished_training_is_shown_again_without_a_step():
    live = LiveTraining(MOONS, SETTINGS)
    first, again = (live.run(REQUEST, ignore, ignore) for _ in range(2))
    assert len(again.losses) == 40 and again.checkpoints == first.checkpoints


def test_checkpoints_begin_close_to_each_other():
    steps = checkpoint_steps(2500)
    gaps = np.diff(steps)
    assert steps[0] == 0 and steps[-1] == 2500 and len(steps) == 25 and (np.diff(gaps) >= 0).mean() > 0.9
    assert checkpoint_steps(1) == [0, 1]


def test_the_first_view_is_of_the_untrained_network():
    shown = []
    LiveTraining(MOONS, SETTINGS).run(REQUEST, ignore, shown.append)
    assert shown[0].steps_taken == 0 and shown[0].checkpoints[0].share == pytest.approx(1)
    assert len(shown[0].losses) == 0


def test_the_exact_field_beside_it_is_that_of_the_data():
    live = LiveTraining(MOONS, SETTINGS)
    for k, t in enumerate(FIELD_TIMES):
        assert np.array_equal(live.exact_arrows[k], velocity_arrows(live.exact, PATHS["straight"], t))


@pytest.mark.parametrize("prediction", PREDICTIONS)
@pytest.mark.parametrize("path", PATHS)
def test_samples_can_be_shown_whatever_an_untrained_network_says(path, prediction):
    settings = TrainingSettings(path, prediction, width=8, batch=8, steps=1)
    result = LiveTraining(MOONS, settings).run(Request(MOONS, settings, False), ignore, ignore)
    for checkpoint in result.checkpoints:
        assert np.isfinite(checkpoint.samples).all() and np.isfinite(checkpoint.arrows).all()


def test_data_are_named_or_drawn():
    assert MOONS.points().shape == (POINT_COUNT, 2)
    drawing = ((0.0, 0.0), (1.0, 0.0), (0.0, 2.0))
    assert np.array_equal(Data(DRAWN, drawing).points(), drawing), "where it is drawn"
    with pytest.raises(ValueError, match="the drawing is empty"):
        Data(DRAWN, None).points()


def test_smoothing_keeps_the_mean():
    losses = np.random.default_rng(0).random(1000)
    steps, means = smoothed(losses)
    assert len(means) == 100 and means.mean() == pytest.approx(losses.mean()) and steps.mean() == pytest.approx(500.5)
    assert [len(part) for part in smoothed(np.empty(0))] == [0, 0] and len(smoothed(losses[:7])[1]) == 7


# ---- one step -------------------------------------------------------------------------------------------------------


@pytest.fixture(params=[("straight", "velocity"), ("linear", "noise"), ("linear", "x0")], ids="-".join)
def step(request):
    settings = TrainingSettings(*request.param, width=16, batch=32, steps=40)
    live = LiveTraining(MOONS, settings)
    live.run(Request(MOONS, settings, False), ignore, ignore)
    return live, compute_step(live, StepRequest(MOONS, settings, draw=5))


def test_a_step_mixes_one_pair_at_every_time(step):
    a, path = step[1].arrays, PATHS[step[1].arrays.attrs["path"]]
    for k, t in enumerate(PLANE_TIMES):
        np.testing.assert_allclose(a.x[k], path.alpha(t) * a.x0 + path.sigma(t) * a.noise, atol=1e-9)
    np.testing.assert_allclose(a.loss, np.square(a.prediction - a.target).mean("axis"), rtol=1e-4)
    assert step[1].trained == 40


def test_the_target_is_the_draw_in_every_kind_of_prediction(step):
    a = step[1].arrays
    for k in range(len(PLANE_TIMES)):
        np.testing.assert_allclose(a.truth.sel(kind="x0")[k], a.x0, atol=1e-6)
        np.testing.assert_allclose(a.truth.sel(kind="noise")[k], a.noise, atol=1e-6)
    error = np.linalg.norm(a.converted - a.truth, axis=-1)
    np.testing.assert_allclose(error, a.gain * np.linalg.norm(a.prediction - a.target, axis=-1), rtol=1e-5, atol=1e-7)


def test_the_gradient_is_that_of_a_batch_of_one(step):
    live, result = step
    a, k = result.arrays, 20
    network = live.training.network
    x, t, target = (torch.tensor(v, dtype=torch.float32)
                    for v in (a.x.values[k : k + 1], [PLANE_TIMES[k]], a.target.values[k : k + 1]))
    network.zero_grad()
    (network(x, t) - target).square().mean().backward()
    norm = torch.cat([p.grad.flatten() for p in network.parameters()]).norm()
    assert float(a.gradient_norm[k]) == pytest.approx(norm.item(), rel=1e-4)


def test_looking_at_a_step_trains_nothing():
    live, other = LiveTraining(MOONS, SETTINGS), Training(MOONS.points(), SETTINGS)
    with torch.inference_mode():  # as on the worker's thread
        compute_step(live, StepRequest(MOONS, SETTINGS, 0))
    assert live.training.step() == other.step() and live.training.steps_taken == 1


def test_possible_points_have_the_mean_that_is_the_best_prediction(monkeypatch):
    monkeypatch.setattr(microscope, "POSSIBLE_POINTS", 20_000)
    live = LiveTraining(MOONS, SETTINGS)
    x = np.linspace([1.0, 0.5], [0.6, 0.2], len(PLANE_TIMES))
    drawn, path = possible_points(live.exact, "straight", x), PATHS["straight"]
    for k, t in list(enumerate(PLANE_TIMES))[::8]:
        expected = live.exact.denoised(x[k : k + 1], path.alpha(t), path.sigma(t))[0]
        np.testing.assert_allclose(drawn[k].mean(0), expected, atol=5 * drawn[k].std(0).max() / np.sqrt(20_000))


def test_an_image_is_drawn_of_the_prompt_and_previewed():
    pipe, shown = tiny(), []
    result = compute_image(pipe, ImageRequest("a red car", 2), ignore, shown.append)
    assert result.image.shape == (128, 128, 3) and len(result.noisy) == len(result.step.t)
    assert [len(partial.noisy) for partial in shown] == [1, 4]
    for partial in shown:
        same = result.step.sel(t=partial.step.t)
        np.testing.assert_allclose(same.loss, partial.step.loss, rtol=1e-5)
