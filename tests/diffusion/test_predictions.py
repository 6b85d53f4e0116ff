"""Predictions: whatever is predicted, the same picture comes back; and each is what its paper says."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from explorable.diffusion.paths import PATHS, Straight
from explorable.diffusion.predictions import (
    PREDICTIONS,
    PredictionError,
    check_prediction,
    convert,
    error_gain,
    from_denoised,
    to_denoised,
)

paths = st.sampled_from(tuple(PATHS.values()))
kinds = st.sampled_from(tuple(PREDICTIONS))
times = st.floats(0.01, 0.99)


def pair(seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """A picture and a noise, float64."""
    return tuple(torch.randn(2, 2, 4, 5, generator=torch.Generator().manual_seed(seed), dtype=torch.float64))


@given(paths, kinds, times, st.integers(0, 2**31))
def test_conversions_are_inverse(path, kind, t, seed):
    """Denoised to prediction to denoised, and prediction to denoised to prediction."""
    x, anything = pair(seed)
    there = from_denoised(kind, path, x, anything, t)
    torch.testing.assert_close(to_denoised(kind, path, x, there, t), anything, rtol=1e-8, atol=1e-8)
    back = to_denoised(kind, path, x, anything, t)
    torch.testing.assert_close(from_denoised(kind, path, x, back, t), anything, rtol=1e-8, atol=1e-8)


@given(paths, times, st.integers(0, 2**31))
def test_each_prediction_matches_its_paper(path, t, seed):
    x0, e = pair(seed)
    a, s, da, ds = path.alpha(t), path.sigma(t), path.d_alpha(t), path.d_sigma(t)
    x = a * x0 + s * e
    said = {"noise": e, "x0": x0, "v": a * e - s * x0, "velocity": da * x0 + ds * e}
    assert said.keys() == PREDICTIONS.keys(), "say what the new prediction is"
    for kind, prediction in said.items():
        torch.testing.assert_close(from_denoised(kind, path, x, x0, t), prediction, rtol=1e-8, atol=1e-8)
        torch.testing.assert_close(to_denoised(kind, path, x, prediction, t), x0, rtol=1e-8, atol=1e-8)


@given(paths, kinds, kinds, times, st.integers(0, 2**31))
def test_any_prediction_is_converted_into_any_other(path, kind, to, t, seed):
    x, prediction = pair(seed)
    through_x0 = from_denoised(to, path, x, to_denoised(kind, path, x, prediction, t), t)
    torch.testing.assert_close(convert(kind, to, path, x, prediction, t), through_x0, rtol=1e-7, atol=1e-7)


@given(paths, kinds, kinds, times, st.integers(0, 2**31))
def test_an_error_grows_by_the_gain_when_it_is_converted(path, kind, to, t, seed):
    x, prediction = pair(seed)
    error = torch.full_like(x, 0.5)
    moved = convert(kind, to, path, x, prediction + error, t) - convert(kind, to, path, x, prediction, t)
    torch.testing.assert_close(moved.abs(), error_gain(kind, to, path, t) * error, rtol=1e-6, atol=1e-9)


def test_where_conversions_are_ill_conditioned():
    straight, linear = PATHS["straight"], PATHS["linear"]
    assert error_gain("noise", "x0", straight, 1.0) == float("inf")  # pure noise: nothing is known of the image
    assert error_gain("x0", "noise", straight, 0.0) == float("inf")  # no noise is left to be seen
    for t in (0.0, 0.3, 1.0):
        assert error_gain("velocity", "x0", straight, t) <= 1 and error_gain("velocity", "noise", straight, t) <= 1
        assert error_gain("v", "x0", linear, t) <= 1 and error_gain("v", "noise", linear, t) <= 1
    assert error_gain("noise", "x0", linear, 0.999) > 100


@given(kinds.filter(lambda kind: kind != "noise"), paths, st.integers(0, 2**31))
def test_every_prediction_but_noise_works_at_pure_noise(kind, path, seed):
    x0, e = pair(seed)
    x = path.alpha(1.0) * x0 + path.sigma(1.0) * e
    out = to_denoised(kind, path, x, from_denoised(kind, path, x, x0, 1.0), 1.0)
    torch.testing.assert_close(out, x0, rtol=1e-6, atol=1e-6)
    check_prediction(kind, path)


def test_a_prediction_that_cannot_be_sampled_from_is_refused():
    check_prediction("noise", PATHS["linear"])
    with pytest.raises(PredictionError, match=r"straight path.*v or velocity"):
        check_prediction("noise", Straight())
    with pytest.raises(PredictionError, match=r"'score'.*noise, x0, v, velocity"):
        check_prediction("score", Straight())
