"""Closed-form fields against automatic differentiation, brute force and the continuity equation."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from explorable.diffusion.paths import PATHS
from explorable.flow2d import (
    MixtureField,
    conditional_paths,
    conditional_position,
    conditional_velocity,
    ideal_field,
    paired_field,
)

RNG = np.random.default_rng(0)
POINTS, NOISES, X = RNG.standard_normal((60, 2)), RNG.standard_normal((60, 2)), 1.5 * RNG.standard_normal((40, 2))
FIELDS = {"bare points": ideal_field(POINTS), "wide points": ideal_field(POINTS, 0.2),
          "pairs": paired_field(POINTS, NOISES, 0.15)}
TIMES = (0.05, 0.3, 0.7, 0.97, 1.0)

each_field = pytest.mark.parametrize("field", FIELDS.values(), ids=FIELDS)
each_path = pytest.mark.parametrize("path", PATHS.values(), ids=PATHS)
each_time = pytest.mark.parametrize("t", TIMES)


def assert_close(actual, expected, tolerance: float = 1e-9) -> None:
    """Assert equality up to a fraction of the largest expected value."""
    np.testing.assert_allclose(actual, expected, rtol=0, atol=tolerance * max(1.0, np.abs(expected).max()))


def log_density(field: MixtureField, x: Tensor, alpha: Tensor, sigma: Tensor) -> Tensor:
    """Return the log density by its definition, in torch: (m, 2) to (m,)."""
    centres = alpha * torch.tensor(field.points) + sigma * torch.tensor(field.noises)
    variance = alpha**2 * field.point_variance + sigma**2 * field.noise_variance + 2 * alpha * sigma * field.covariance
    each = -(x[:, None] - centres).square().sum(-1) / (2 * variance) - torch.log(2 * math.pi * variance)
    return torch.logsumexp(each, dim=1) - math.log(len(centres))


def differentiated(field: MixtureField, x: np.ndarray, alpha: float, sigma: float,
                   ) -> tuple[Tensor, Tensor, list[Tensor]]:
    """Return the log density (m,), its gradient in x (m, 2), and its derivatives in alpha and sigma, by autograd."""
    at = torch.tensor(x, requires_grad=True)
    a, s = (torch.full((len(x), 1, 1), value, dtype=torch.float64, requires_grad=True) for value in (alpha, sigma))
    value = torch.cat([log_density(field, at[k : k + 1], a[k], s[k]) for k in range(len(x))])
    slope, *rates = torch.autograd.grad(value.sum(), [at, a, s])
    return value.detach(), slope, [r.flatten() for r in rates]


@each_path
@each_time
@pytest.mark.parametrize("name", ["wide points", "pairs"])
def test_the_variance_of_x0_is_the_slope_of_its_mean(path, t, name):
    """Tweedie's formula of second order: Cov[x0 | x] = (sigma^2 / alpha) d E[x0 | x] / dx, for independent noise; for
    the pairs it is compared with the sum over all Gaussians."""
    field, alpha, sigma = FIELDS[name], path.alpha(t), path.sigma(t)
    x = np.random.default_rng(0).standard_normal((6, 2))
    log_weights = -np.square(x[:, None] - field.centres(alpha, sigma)).sum(-1) / (2 * field.variance(alpha, sigma))
    weights = np.exp(log_weights - log_weights.max(1, keepdims=True))
    weights /= weights.sum(1, keepdims=True)
    covariance = alpha * field.point_variance + sigma * field.covariance
    slope = covariance / field.variance(alpha, sigma)
    means = field.points + slope * (x[:, None] - field.centres(alpha, sigma))  # (x, Gaussian, axis)
    mean = (weights[..., None] * means).sum(1, keepdims=True)
    expected = (weights * np.square(means - mean).sum(-1)).sum(1) + 2 * (field.point_variance - slope * covariance)
    assert_close(field.denoised_variance(x, alpha, sigma), expected, 1e-8)
    if name == "wide points" and alpha > 0.01:
        small = 1e-5
        slopes = [(field.denoised(x + small * axis, alpha, sigma) - field.denoised(x - small * axis, alpha, sigma))
                  @ axis / (2 * small) for axis in np.eye(2)]
        assert_close(sigma**2 / alpha * sum(slopes), expected, 1e-6)


@each_field
@each_path
@each_time
def test_density_and_score_agree_with_autograd(field, path, t):
    a, s = path.alpha(t), path.sigma(t)
    value, slope, _ = differentiated(field, X, a, s)
    assert_close(field.log_density(X, a, s), value.numpy())
    assert_close(field.score(X, a, s), slope.numpy())


@pytest.mark.parametrize("width", [0.0, 0.2])
@each_path
@pytest.mark.parametrize("t", TIMES[:-1])
def test_the_velocity_is_the_probability_flow_of_the_score(width, path, t):
    """Song et al. 2021, equation 13, with the score by autograd: drift minus half the squared diffusion of it."""
    field, a, s = ideal_field(POINTS, width), path.alpha(t), path.sigma(t)
    shrink = path.d_alpha(t) / a
    flow = shrink * X - s * (path.d_sigma(t) - s * shrink) * differentiated(field, X, a, s)[1].numpy()
    assert_close(field.velocity(X, a, s, path.d_alpha(t), path.d_sigma(t)), flow)


@each_field
@each_path
@pytest.mark.parametrize("t", TIMES[1:])
def test_the_velocity_satisfies_the_continuity_equation(field, path, t):
    """d log p / dt + div v + v . score = 0, by autograd in t and central differences in x."""
    at, h = (path.alpha(t), path.sigma(t), path.d_alpha(t), path.d_sigma(t)), 1e-5
    _, slope, (in_alpha, in_sigma) = differentiated(field, X, *at[:2])
    change = in_alpha.numpy() * at[2] + in_sigma.numpy() * at[3]
    spread = sum((field.velocity(X + h * e, *at) - field.velocity(X - h * e, *at))[:, k] / (2 * h)
                 for k, e in enumerate(np.eye(2)))
    carried = (field.velocity(X, *at) * slope.numpy()).sum(axis=1)
    np.testing.assert_allclose(change + spread + carried, 0, atol=1e-6 * (1 + np.abs(carried).max()))


@each_field
@each_path
@each_time
def test_the_posterior_mean_agrees_with_brute_force(field, path, t):
    """Condition (x0, noise) on x for each Gaussian separately, by the formulas of a joint normal distribution."""
    a, s = path.alpha(t), path.sigma(t)
    joint = np.array([[field.point_variance, field.covariance], [field.covariance, field.noise_variance]])
    mix = np.array([a, s])
    variance, gain = mix @ joint @ mix, joint @ mix / (mix @ joint @ mix)
    for x, denoised, noise in zip(X, field.denoised(X, a, s), field.noise(X, a, s), strict=True):
        gaps = [x - a * p - s * e for p, e in zip(field.points, field.noises, strict=True)]
        nearest = min(gap @ gap for gap in gaps)
        weights = [math.exp((nearest - gap @ gap) / (2 * variance)) for gap in gaps]
        for kind, mean, actual in ((0, field.points, denoised), (1, field.noises, noise)):
            each = [w * (m + gain[kind] * gap) for w, m, gap in zip(weights, mean, gaps, strict=True)]
            assert_close(actual, sum(each) / math.fsum(weights))


@each_field
def test_denoised_and_noise_add_up_to_x_and_to_the_velocity(field):
    a, s = 0.6, 0.8
    assert_close(a * field.denoised(X, a, s) + s * field.noise(X, a, s), X)
    assert_close(field.velocity(X, a, s, -2.0, 3.0), -2 * field.denoised(X, a, s) + 3 * field.noise(X, a, s))


def test_tweedies_formula():
    """With normal noise, E[noise | x] = -sigma score and E[x0 | x] = (x + sigma^2 score) / alpha (Efron 2011)."""
    field, a, s = FIELDS["wide points"], 0.7, 0.5
    assert_close(field.noise(X, a, s), -s * field.score(X, a, s))
    assert_close(field.denoised(X, a, s), (X + s**2 * field.score(X, a, s)) / a)


def test_far_from_all_points_the_denoised_estimate_is_the_nearest():
    """Every weight underflows there, which must give neither 0 / 0 nor a warning."""
    far = 1e3 * X
    for dtype in (np.float64, np.float32):
        field = replace(ideal_field(POINTS), dtype=dtype)
        gaps = np.linalg.norm(far[:, None] - 0.9 * POINTS, axis=-1)
        has_clear_nearest = np.sort(gaps, axis=1)[:, 1] - gaps.min(axis=1) > 1e-1
        nearest = POINTS[gaps.argmin(axis=1)]
        assert has_clear_nearest.any() and np.isfinite(field.log_density(far, 0.9, 0.05)).all()
        assert_close(field.denoised(far, 0.9, 0.05)[has_clear_nearest], nearest[has_clear_nearest], 1e-5)


@each_field
def test_float32_weights_are_accurate(field):
    at = (0.6, 0.4, -1.0, 1.0)
    assert_close(replace(field, dtype=np.float32).velocity(X, *at), field.velocity(X, *at), 1e-5)


def test_a_width_makes_the_field_smooth_at_the_end():
    """At t = 0 the points have a width and no noise, so the score is that of the data distribution."""
    field = FIELDS["wide points"]
    assert_close(field.score(X, 1.0, 0.0), field.score(X, 1.0, 1e-8), 1e-6)
    assert_close(field.denoised(X, 1.0, 0.0), X)
    with pytest.raises(ValueError, match="give a width above 0"):
        FIELDS["bare points"].score(X, 1.0, 0.0)


@each_path
def test_a_conditional_path_has_the_conditional_velocity(path):
    for t in TIMES[:-1]:
        h = 1e-6
        before, after = (conditional_position(POINTS, NOISES, path.alpha(u), path.sigma(u)) for u in (t - h, t + h))
        assert_close(conditional_velocity(POINTS, NOISES, path.d_alpha(t), path.d_sigma(t)), (after - before) / (2 * h),
              1e-6)
    paths = conditional_paths(path, POINTS, NOISES, TIMES)
    assert paths.shape == (len(TIMES), 60, 2)
    np.testing.assert_array_equal(paths[1], conditional_position(POINTS, NOISES, path.alpha(0.3), path.sigma(0.3)))


def test_the_field_of_one_point_is_its_conditional_velocity():
    """With one data point, a single conditional path runs through each x."""
    field = ideal_field(POINTS[:1])
    noise = (X - 0.3 * POINTS[:1]) / 0.7
    assert_close(field.velocity(X, 0.3, 0.7, -1.0, 1.0), conditional_velocity(POINTS[:1], noise, -1.0, 1.0))


@pytest.mark.parametrize(("make", "message"), [
    (lambda: ideal_field(np.zeros((0, 2))), "is empty: give at least one point"),
    (lambda: ideal_field(POINTS, -1), "width is -1"),
    (lambda: ideal_field(POINTS, math.nan), "width is nan"),
    (lambda: paired_field(POINTS, NOISES, 0.0), "width above 0"),
    (lambda: paired_field(POINTS, NOISES[:5], 0.1), "5 noises and 60 points"),
])
def test_an_invalid_field_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
