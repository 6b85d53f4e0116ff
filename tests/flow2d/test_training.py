"""Training in the plane: the draws, the targets, and that a training can rest and go on."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from explorable.diffusion.paths import PATHS
from explorable.diffusion.predictions import PREDICTIONS, to_denoised
from explorable.flow2d import sample_distribution
from explorable.flow2d.training import (
    NOISE_TIMES,
    PEAK_RATE,
    TIME_DISTRIBUTIONS,
    WARMUP_STEPS,
    Training,
    TrainingSettings,
    learning_rate,
    mix,
)

POINTS = sample_distribution("two moons", 64)
SMALL = TrainingSettings(width=16, batch=32, steps=30)


def weights(training: Training) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in training.network.parameters()])


def run(training: Training, steps: int) -> Training:
    for _ in range(steps):
        training.step()
    return training


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("prediction", PREDICTIONS)
def test_the_target_gives_back_the_point_that_was_mixed(path, prediction):
    batch = mix(torch.randn(50, 2).double(), torch.randn(50, 2).double(), torch.rand(50).double(), path, prediction)
    for k, t in enumerate(batch.t.tolist()):
        found = to_denoised(prediction, PATHS[path], batch.x[k], batch.target[k], t)
        torch.testing.assert_close(found, batch.x0[k], rtol=1e-6, atol=1e-6)


def test_an_untrained_network_predicts_zero_so_its_loss_is_the_mean_square_of_the_target():
    training = Training(POINTS, SMALL)
    batch = Training(POINTS, SMALL).draw()  # the same draws
    assert training.step() == pytest.approx(batch.target.square().mean().item(), rel=1e-6)


def test_a_training_that_rests_is_continued_bit_for_bit():
    through, rested = run(Training(POINTS, SMALL), 30), run(Training(POINTS, SMALL), 11)
    rested.draw(torch.Generator().manual_seed(5))  # what looks at it draws from a generator of its own
    assert through.is_finished and not rested.is_finished
    run(rested, 19)
    assert torch.equal(weights(through), weights(rested)) and through.losses == rested.losses


def test_a_seed_decides_everything_and_the_random_state_of_torch_nothing():
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = run(Training(POINTS, SMALL), 5)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    second = run(Training(POINTS, SMALL), 5)
    other = run(Training(POINTS, TrainingSettings(width=16, batch=32, steps=30, seed=1)), 5)
    assert torch.equal(weights(first), weights(second)) and not torch.equal(weights(first), weights(other))


def test_it_trains_in_inference_mode_too():
    with torch.inference_mode():
        inside = run(Training(POINTS, SMALL), 3)
    assert inside.losses == run(Training(POINTS, SMALL), 3).losses


def test_a_step_moves_the_weights_down_the_gradient():
    settings = TrainingSettings(width=16, batch=512, steps=400)
    training = run(Training(POINTS, settings), 400)
    assert np.mean(training.losses[-50:]) < 0.8 * np.mean(training.losses[:10])


def test_every_batch_has_one_time_in_each_equal_part():
    t = Training(POINTS, TrainingSettings(batch=100)).draw().t
    assert torch.equal((t * 100).long(), torch.arange(100))


def test_logit_normal_times_have_a_normal_logit():
    t = Training(POINTS, TrainingSettings(batch=4096, times="logit-normal")).draw().t
    logit = torch.logit(t.double())
    assert abs(logit.mean()) < 0.02 and abs(logit.std() - 1) < 0.02
    assert set(TIME_DISTRIBUTIONS) == {"uniform", "logit-normal"}


@pytest.mark.parametrize("times", TIME_DISTRIBUTIONS)
def test_no_time_is_at_an_end_where_a_path_has_no_derivative(times):
    t = Training(POINTS, TrainingSettings(batch=4096, times=times)).draw().t
    assert t.min() >= 0.4 / NOISE_TIMES and t.max() <= 1 - 0.4 / NOISE_TIMES


def test_points_are_drawn_with_their_width():
    training = Training(np.array([[1.0, 2.0]]), TrainingSettings(batch=4096), width=0.3)
    x0 = training.draw().x0
    torch.testing.assert_close(x0.mean(0), torch.tensor([1.0, 2.0]), rtol=0, atol=0.03)
    torch.testing.assert_close(x0.std(0), torch.tensor([0.3, 0.3]), rtol=0.05, atol=0)


def test_the_learning_rate_rises_stays_and_falls_to_zero():
    rates = [learning_rate(k, 1000) for k in range(1001)]
    assert rates[0] == pytest.approx(PEAK_RATE / WARMUP_STEPS) and max(rates) == pytest.approx(PEAK_RATE)
    assert rates[200] == pytest.approx(PEAK_RATE) and rates[1000] == pytest.approx(0, abs=1e-12)
    assert all(a >= b for a, b in itertools.pairwise(rates[300:])) and 0 < learning_rate(0, 1) < PEAK_RATE


@pytest.mark.parametrize(("setting", "message"), [
    ({"path": "bent"}, "path is 'bent': choose one of straight"), ({"prediction": "x1"}, "prediction is 'x1'"),
    ({"times": "normal"}, "times is 'normal': choose one of uniform"), ({"width": 0}, "width is 0: choose a whole"),
    ({"steps": 0}, "steps is 0"), ({"batch": 10**6}, "batch is 1000000"), ({"seed": -1}, "seed is -1: choose")])
def test_a_setting_out_of_range_is_refused_by_name(setting, message):
    with pytest.raises(ValueError, match=message):
        TrainingSettings(**setting)
