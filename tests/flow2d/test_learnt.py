"""The field of a trained network against the exact one."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from explorable.diffusion.paths import PATHS
from explorable.diffusion.predictions import PREDICTIONS
from explorable.diffusion.timesteps import uniform_timesteps
from explorable.flow2d import ideal_field, integrate, sample_distribution
from explorable.flow2d.couplings import DEFAULT_WIDTH
from explorable.flow2d.learnt import FieldTest, LearntField, exact_prediction, expected_loss, learnt_field, levels
from explorable.flow2d.training import LAST_TIME, Training, TrainingSettings

POINTS = sample_distribution("two moons", 128)
EXACT = ideal_field(POINTS, DEFAULT_WIDTH)


class Perfect:
    """In a network's place: the closed form of what it is trained to predict."""

    def __init__(self, settings: TrainingSettings):
        self.settings = settings

    def __call__(self, x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        return torch.tensor(exact_prediction(EXACT, self.settings, x.double().numpy(), t.double().numpy()))


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("prediction", PREDICTIONS)
def test_the_perfect_prediction_is_the_exact_field_whatever_it_predicts(path, prediction):
    settings = TrainingSettings(path=path, prediction=prediction)
    learnt = LearntField(Perfect(settings), PATHS[path], prediction)
    errors = FieldTest(EXACT, PATHS[path], draws=40).errors(learnt)
    assert errors.share < 1e-4, errors.shares  # x and t pass through float32
    x, t = np.random.default_rng(0).standard_normal((20, 2)), 0.4
    np.testing.assert_allclose(learnt.denoised(x, *levels(PATHS[path], t)[:2]),
                               EXACT.denoised(x, *levels(PATHS[path], t)[:2]), atol=1e-4)


@pytest.mark.parametrize("path", PATHS)
def test_a_prediction_of_no_velocity_is_wrong_by_the_whole_field(path):
    training = Training(POINTS, TrainingSettings(path=path, prediction="velocity", width=8, batch=8))
    errors = FieldTest(EXACT, PATHS[path], draws=20).errors(learnt_field(training))
    np.testing.assert_allclose(errors.shares, 1, rtol=1e-9)
    assert errors.share == pytest.approx(1)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("prediction", ["noise", "x0", "v"])
def test_the_floor_and_the_exact_prediction_make_up_the_target(path, prediction):
    """The law of total variance: E target^2 = E Var(target | x, t) + E (mean of the target | x, t)^2."""
    training = Training(POINTS, TrainingSettings(path=path, prediction=prediction, batch=512))
    batches = [training.draw(torch.Generator().manual_seed(k)) for k in range(8)]
    target = torch.cat([b.target for b in batches]).double().numpy()
    lowest, excess = expected_loss(training, EXACT)  # the untrained network predicts 0: it explains nothing
    assert lowest + excess == pytest.approx(np.square(target).mean(), rel=0.05) and lowest > 0 and excess > 0


@pytest.mark.parametrize("prediction", PREDICTIONS)
def test_the_perfect_prediction_has_the_lowest_loss(prediction):
    training = Training(POINTS, TrainingSettings(prediction=prediction, batch=512))
    training.network = Perfect(training.settings)
    lowest, excess = expected_loss(training, EXACT)
    batches = [training.draw(torch.Generator().manual_seed(k)) for k in range(16)]
    losses = [(training.network(b.x, b.t) - b.target).square().mean().item() for b in batches]
    assert excess < 1e-9 and np.mean(losses) == pytest.approx(lowest, rel=0.05)


def test_a_solver_follows_a_learnt_field_from_pure_noise_on_every_path():
    for path in PATHS.values():
        for prediction in PREDICTIONS:
            training = Training(POINTS, TrainingSettings(path=path.name, prediction=prediction, width=8, batch=8))
            start = np.random.default_rng(0).standard_normal((5, 2))
            ends = integrate(learnt_field(training), path, start, uniform_timesteps(4), "heun").x[-1]
            assert ends.shape == (5, 2) and np.isfinite(ends).all()
    assert LAST_TIME < 1


def test_short_training_goes_most_of_the_way():
    training = Training(POINTS, TrainingSettings(width=48, batch=256, steps=250))
    while not training.is_finished:
        training.step()
    assert FieldTest(EXACT, PATHS["straight"], draws=200).errors(learnt_field(training)).share < 0.3


@pytest.mark.slow
@pytest.mark.parametrize("distribution", ["two moons", "eight gaussians"])
def test_the_default_training_comes_within_a_tenth_of_the_exact_field(distribution):
    points = sample_distribution(distribution, 1024)
    training = Training(points)
    while not training.is_finished:
        training.step()
    errors = FieldTest(ideal_field(points, DEFAULT_WIDTH), PATHS["straight"]).errors(learnt_field(training))
    assert errors.share < 0.1
