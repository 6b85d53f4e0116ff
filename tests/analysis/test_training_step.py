"""One training step on an image: the mixture, the loss, and the gradient against finite differences."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from tiny_pipes import tiny
from torch.nn import functional as F

from explorable.analysis.training_step import training_step
from explorable.diffusion.predictions import from_denoised
from explorable.world import draw, parse

IMAGE = draw(parse("a red car").scene, masks=False).image
TIMES = (0.9, 0.5, 0.1)


@pytest.fixture(scope="module", params=[("unet", "straight"), ("dit", "linear")], ids=str)
def pipe(request):
    return tiny(*request.param)


def test_what_is_predicted_is_what_the_pipeline_predicts(pipe):
    step = training_step(pipe, IMAGE, "a red car", TIMES, seed=3)
    for k, t in enumerate(TIMES):
        recording = pipe.inspect(IMAGE, "a red car", t, seed=3, record=["sampler.latent", "sampler.denoised"])
        for name, point in (("noisy", "sampler.latent"), ("denoised", "sampler.denoised")):
            np.testing.assert_allclose(step[name][k].values, np.squeeze(recording[point].values), atol=2e-4)


def test_the_loss_compares_prediction_and_target(pipe):
    step = training_step(pipe, IMAGE, "a red car", TIMES)
    expected = np.square(step.prediction - step.target).mean(["channel", "y", "x"])
    np.testing.assert_allclose(step.loss, expected, rtol=1e-4)
    for k, t in enumerate(TIMES):
        expected = from_denoised(pipe.prediction, pipe.path, torch.tensor(step.noisy.values[k]),
                                 torch.tensor(step.x0.values), t)
        np.testing.assert_allclose(step.target[k], expected, atol=1e-9)


def test_the_gradient_is_the_slope_of_the_loss_along_it(pipe):
    """Along the unit vector g / |g| the slope of the loss is |g|: a central difference finds it."""
    t, step = 0.5, training_step(pipe, IMAGE, "a red car", (0.5,))
    network = copy.deepcopy(pipe.denoiser).requires_grad_(True)
    context = pipe.text.encode(["a red car"])
    vectors, keep = context.vectors.detach().clone(), context.keep
    x, target = (torch.tensor(step[name].values, dtype=torch.float32) for name in ("noisy", "target"))

    def loss() -> torch.Tensor:
        cache = network.project_context(vectors, keep)
        return F.mse_loss(network(x, torch.tensor([t]), cache), target)

    gradients = torch.autograd.grad(loss(), list(network.parameters()), allow_unused=True)
    norm, small, ends = float(step.gradient_norm[0]), 3e-3, []
    for sign in (1, -2):
        with torch.no_grad():
            for parameter, gradient in zip(network.parameters(), gradients, strict=True):
                if gradient is not None:
                    parameter += sign * small * gradient / norm
            ends.append(float(loss()))
    assert (ends[0] - ends[1]) / (2 * small) == pytest.approx(norm, rel=1e-2)


def test_no_weight_changes_and_gradients_exist_in_inference_mode(pipe):
    before = {name: p.clone() for name, p in pipe.denoiser.named_parameters()}
    with torch.inference_mode():
        step = training_step(pipe, IMAGE, "a red car", TIMES)
    assert (step.gradient_norm > 0).all()
    assert all(torch.equal(p, before[name]) for name, p in pipe.denoiser.named_parameters())


def test_it_can_be_stopped_and_refuses_times_out_of_range(pipe):
    class Stop(Exception):
        pass

    def stop(done: int, total: int) -> None:
        if done == 1:
            raise Stop

    with pytest.raises(Stop):
        training_step(pipe, IMAGE, "a red car", TIMES, progress=stop)
    with pytest.raises(ValueError, match=r"choose noise times from 0.001 to 1"):
        training_step(pipe, IMAGE, "a red car", (0.0,))
