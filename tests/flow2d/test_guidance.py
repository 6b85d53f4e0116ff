"""Guidance in two dimensions, against automatic differentiation in float64 and Bayes' theorem."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from test_field import log_density

from explorable.diffusion.guidance import shift_denoised
from explorable.diffusion.paths import PATHS
from explorable.diffusion.timesteps import uniform_timesteps
from explorable.flow2d import (
    CLASSES,
    DISTRIBUTIONS,
    exact_endpoints,
    guided_field,
    ideal_field,
    integrate,
    sample_classes,
    sample_distribution,
    sharpened_density,
    with_scale,
)
from explorable.flow2d.guidance import GridDensity

POINTS, LABELS = sample_classes("eight gaussians", 96, seed=1)
FIELD = guided_field(POINTS, LABELS, target=2, w=3.0, width=0.3)
X = 1.5 * np.random.default_rng(0).standard_normal((40, 2))
HALF_EXTENT = 3.2

each_path = pytest.mark.parametrize("path", PATHS.values(), ids=PATHS)
each_time = pytest.mark.parametrize("t", (0.05, 0.3, 0.7, 0.97))


def log_posteriors(x: torch.Tensor, alpha: float, sigma: float) -> torch.Tensor:
    """Return log p(class | x) of every class by Bayes' theorem, in torch: (m, 2) to (m, classes)."""
    a, s = (torch.tensor(v, dtype=torch.float64) for v in (alpha, sigma))
    members = [k == LABELS for k in range(8)]
    joint = [log_density(ideal_field(POINTS[m], 0.3), x, a, s) + math.log(m.mean()) for m in members]
    return torch.log_softmax(torch.stack(joint, dim=1), dim=1)


@each_path
@each_time
def test_the_posterior_and_its_gradient_agree_with_autograd(path, t):
    a, s = path.alpha(t), path.sigma(t)
    x = torch.tensor(X, requires_grad=True)
    value = log_posteriors(x, a, s)[:, 2]
    [gradient] = torch.autograd.grad(value.sum(), x)
    np.testing.assert_allclose(FIELD.log_posterior(X, a, s), value.detach().numpy(), rtol=0, atol=1e-6)
    scale = max(1.0, gradient.abs().max().item())
    np.testing.assert_allclose(FIELD.classifier_score(X, a, s), gradient.numpy(), rtol=0, atol=1e-6 * scale)


@each_path
@each_time
def test_the_arrows_add_up(path, t):
    """grad log p(x | y) = grad log p(x) + grad log p(y | x), where each of the three is differentiated by itself."""
    a, s = path.alpha(t), path.sigma(t)
    x = torch.tensor(X, requires_grad=True)
    at = [torch.tensor(v, dtype=torch.float64) for v in (a, s)]
    [data] = torch.autograd.grad(log_density(FIELD.marginal, x, *at).sum(), x)
    [classifier] = torch.autograd.grad(log_posteriors(x, a, s)[:, 2].sum(), x)
    [both] = torch.autograd.grad(log_density(FIELD.conditional, x, *at).sum(), x)
    scale = both.abs().max().item()
    torch.testing.assert_close(data + classifier, both, rtol=0, atol=1e-6 * scale)
    np.testing.assert_allclose(with_scale(FIELD, 1).score(X, a, s), both.numpy(), rtol=0, atol=1e-6 * scale)
    np.testing.assert_allclose(FIELD.score(X, a, s), (data + 3 * classifier).numpy(), rtol=0, atol=1e-6 * 3 * scale)


@each_path
@each_time
def test_the_guided_estimate_is_classifier_guidance_of_the_denoised_estimate(path, t):
    """With an exact classifier, the formula that shifts an image's estimate is that of classifier-free guidance."""
    a, s = path.alpha(t), path.sigma(t)
    plain, gradient = (torch.from_numpy(v) for v in (FIELD.marginal.denoised(X, a, s), FIELD.classifier_score(X, a, s)))
    shifted = shift_denoised(path, plain, gradient, 3.0, t)
    np.testing.assert_allclose(FIELD.denoised(X, a, s), shifted.numpy(), atol=1e-9 * shifted.abs().max().item())


@each_path
@each_time
def test_the_velocity_is_that_of_the_guided_estimate(path, t):
    a, s, da, ds = path.alpha(t), path.sigma(t), path.d_alpha(t), path.d_sigma(t)
    denoised = FIELD.denoised(X, a, s)
    np.testing.assert_allclose(FIELD.velocity(X, a, s, da, ds), da * denoised + ds * (X - a * denoised) / s, atol=1e-8)


@each_path
@each_time
def test_a_posterior_of_t_0_shifts_the_estimate_as_a_classifier_that_is_told_t_0(path, t):
    a, s, da, ds = path.alpha(t), path.sigma(t), path.d_alpha(t), path.d_sigma(t)
    field = replace(FIELD, noise_aware=False)
    x = torch.tensor(X, requires_grad=True)
    [gradient] = torch.autograd.grad(log_posteriors(x, 1.0, 0.0)[:, 2].sum(), x)
    scale = max(1.0, gradient.abs().max().item())
    np.testing.assert_allclose(field.classifier_score(X, a, s), gradient.numpy(), rtol=0, atol=1e-6 * scale)
    shifted = shift_denoised(path, torch.from_numpy(FIELD.marginal.denoised(X, a, s)), gradient, 3.0, t).numpy()
    largest = np.abs(shifted).max()
    np.testing.assert_allclose(field.denoised(X, a, s), shifted, atol=1e-6 * largest)
    np.testing.assert_allclose(field.velocity(X, a, s, da, ds), da * shifted + ds * (X - a * shifted) / s,
                               atol=1e-6 * (abs(da) + abs(ds * a / s)) * largest)


def test_pure_noise_is_not_guided_by_a_posterior_of_t_0():
    field, at = replace(FIELD, noise_aware=False), (0.0, 1.0, -1.0, 1.0)
    np.testing.assert_array_equal(field.velocity(X, *at), FIELD.marginal.velocity(X, *at))


def test_at_scale_1_only_a_posterior_of_the_noise_level_samples_the_class():
    points, labels = sample_classes("two moons", 128)
    start, times = np.random.default_rng(5).standard_normal((1500, 2)), uniform_timesteps(60)
    field = guided_field(points, labels, 1, 1.0, width=0.35)
    density = sharpened_density(field, HALF_EXTENT).coarsen(8)
    aware, told = (density.total_variation(integrate(f, PATHS["straight"], start, times, "heun").x[-1])
                   for f in (field, replace(field, noise_aware=False)))
    assert aware < 1.1 * density.noise_floor(len(start))[2] and told > 2 * density.noise_floor(len(start))[2]


def test_scale_0_ignores_the_class_and_scale_1_is_its_field():
    at = (0.6, 0.4, -1.0, 1.0)
    np.testing.assert_array_equal(with_scale(FIELD, 0).velocity(X, *at), FIELD.marginal.velocity(X, *at))
    np.testing.assert_allclose(with_scale(FIELD, 1).velocity(X, *at), FIELD.conditional.velocity(X, *at), atol=1e-12)


def test_the_posterior_is_a_probability():
    far = np.concatenate([X, 40 * X])
    total = sum(np.exp(guided_field(POINTS, LABELS, k, width=0.3).log_posterior(far, 0.8, 0.2)) for k in range(8))
    np.testing.assert_allclose(total, 1, atol=1e-9)


@pytest.mark.parametrize("w", [0.0, 0.5, 1.0, 4.0])
def test_the_sharpened_density_is_the_product_of_both(w):
    density = sharpened_density(with_scale(FIELD, w), HALF_EXTENT, 96)
    middle = (np.arange(96) + 0.5) / 96 * 2 * HALF_EXTENT - HALF_EXTENT
    rows, columns = np.array([20, 48, 60, 71]), np.array([48, 30, 66, 40])
    at = np.stack([middle[columns], middle[rows]], axis=1)
    product = np.exp(FIELD.marginal.log_density(at, 1, 0) + w * FIELD.log_posterior(at, 1, 0))
    mass = density.mass[rows, columns]
    np.testing.assert_allclose(mass / mass.sum(), product / product.sum(), rtol=1e-9)
    assert density.mass.sum() == pytest.approx(1)


def test_samples_of_a_density_are_as_far_from_it_as_its_noise_floor():
    density = sharpened_density(FIELD, HALF_EXTENT).coarsen(8)
    mean, low, high = density.noise_floor(1000)
    distances = [density.total_variation(density.samples(1000, seed)) for seed in range(40)]
    assert low < mean < high and np.mean(distances) == pytest.approx(mean, abs=0.01)
    assert np.mean([low <= d <= high for d in distances]) >= 0.8


def test_total_variation_of_known_distributions():
    left = GridDensity(np.array([[0.5, 0.0], [0.5, 0.0]]), 1.0)
    points = np.array([[-0.5, -0.5], [-0.5, 0.5]])
    assert left.total_variation(points) == 0 and left.total_variation(-points) == 1
    assert left.total_variation(np.concatenate([points, 5 * points])) == pytest.approx(0.5), "outside of the square"
    assert left.total_variation(points[:1]) == pytest.approx(0.5)


def test_without_extrapolation_guided_samples_follow_the_density_and_with_it_they_do_not():
    """The claim of the 2-D view: p(x | y) at w = 1, within the noise floor; not p(x) p(y | x)^w at w = 4."""
    points, labels = sample_classes("two moons", 128)
    start = np.random.default_rng(5).standard_normal((1500, 2))
    distance, floor = {}, {}
    for w in (1.0, 4.0):
        field = guided_field(points, labels, 1, w, width=0.35)
        density = sharpened_density(field, HALF_EXTENT).coarsen(8)
        distance[w] = density.total_variation(exact_endpoints(field, start))
        floor[w] = density.noise_floor(len(start))[2]
    assert distance[1.0] < 1.1 * floor[1.0] and distance[4.0] > 1.3 * floor[4.0]


@pytest.mark.parametrize("name", CLASSES)
def test_the_points_of_a_class_lie_together(name):
    """Points are those of the distribution, and a class's spread is smaller than that of all."""
    points, labels = sample_classes(name, 160, seed=3)
    np.testing.assert_array_equal(points, sample_distribution(name, 160, 3))
    assert sorted(set(labels)) == list(range(CLASSES[name])) and set(CLASSES) <= set(DISTRIBUTIONS)
    spread = np.mean([points[labels == k].var(axis=0).mean() for k in range(CLASSES[name])])
    assert spread < 0.8 * points.var(axis=0).mean()


@pytest.mark.parametrize(("make", "message"), [
    (lambda: sample_classes("spiral"), "distribution is 'spiral': choose one of two moons"),
    (lambda: guided_field(POINTS, LABELS, 9), "no point is of this class; there are 0, 1, 2"),
    (lambda: guided_field(POINTS, LABELS[:5], 0), "one class for each of the 96 points"),
    (lambda: guided_field(POINTS, LABELS, 0, w=-1), "w is -1: choose a number from 0 to 1000"),
    (lambda: with_scale(FIELD, math.nan), "w is nan"),
    (lambda: sharpened_density(guided_field(POINTS, LABELS, 0, width=0.0), 3.0), "give a width above 0"),
    (lambda: sharpened_density(FIELD, 3.0, 20).coarsen(3), "choose a divisor of 20"),
])
def test_an_invalid_argument_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
