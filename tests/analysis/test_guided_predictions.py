"""The two predictions that guidance combines: their sum is the run's own estimate, and the image is unchanged."""

from __future__ import annotations

import numpy as np
import pytest
import tiny_pipelines as tp
import tiny_pipes
from tiny_pipes import PROMPT

import explorable as ex
from explorable.analysis.guided_predictions import ESTIMATES, angles, sample_guided


@pytest.fixture(scope="module", params=[("unet", "straight"), ("dit", "linear")], ids="-".join)
def pipe(request):
    return tiny_pipes.tiny(*request.param)


@pytest.mark.parametrize("w", [0, 0.5, 1, 4])
@pytest.mark.parametrize("sampler", ["euler", "heun"])
def test_the_guided_estimate_is_without_plus_w_times_the_difference(pipe, w, sampler):
    guided = sample_guided(pipe, PROMPT, guidance=w, steps=3, seed=2, sampler=sampler)
    same = pipe(PROMPT, guidance=w, steps=3, seed=2, sampler=sampler)
    assert tiny_pipes.same(guided.run, same) and guided.run.settings == same.settings
    np.testing.assert_allclose(guided.uncond + w * guided.difference, guided.run.denoised, atol=2e-4)
    assert np.abs(guided.difference.values).max() > 0.01


def test_each_estimate_is_what_the_network_predicts_there(pipe):
    guided = sample_guided(pipe, PROMPT, guidance=3.0, steps=3, negative="two dogs")
    for w, estimate in ((1.0, guided.cond), (0.0, guided.uncond)):
        alone = guided.run.branch(1, guidance=w)  # from the same latent, with one branch
        np.testing.assert_allclose(alone.denoised.values[1], estimate.values[1], atol=2e-4)


def test_interval_and_rescale_change_the_guided_estimate_and_not_its_parts(pipe):
    """Outside of the interval the guided estimate is the one with the prompt, and so at w = 1."""
    late = sample_guided(pipe, PROMPT, guidance=3.0, steps=4, interval=(0.0, 0.6))
    outside = late.run.denoised.t.values > 0.6
    np.testing.assert_allclose(late.run.denoised.values[outside], late.cond.values[outside], atol=1e-5)
    np.testing.assert_allclose(
        (late.uncond + 3 * late.difference).values[~outside], late.run.denoised.values[~outside], atol=2e-4)
    off = sample_guided(pipe, PROMPT, guidance=1.0, steps=4, interval=(0.0, 0.6), rescale=0.7)
    np.testing.assert_allclose(off.cond, off.run.denoised, atol=2e-4)


def test_a_prompt_compared_with_itself_makes_no_difference(pipe):
    guided = sample_guided(pipe, "", guidance=4.0, steps=2)
    assert not guided.difference.values.any() and not guided.geometry.angle.values.any()


def test_lengths_and_angle_obey_the_law_of_cosines(pipe):
    g = sample_guided(pipe, PROMPT, guidance=4.0, steps=3).geometry
    assert g.estimate.values.tolist() == list(ESTIMATES)
    u, c, d = (g.norm.sel(estimate=name).values for name in ("uncond", "cond", "difference"))
    np.testing.assert_allclose(d**2, u**2 + c**2 - 2 * u * c * np.cos(np.radians(g.angle.values)), rtol=1e-5)


def test_angles_are_known_for_small_large_and_no_vectors():
    one = np.zeros((4, 1, 1, 2))
    one[:, 0, 0] = [[1, 0], [3, 0], [1, 0], [0, 0]]
    other = np.zeros_like(one)
    other[:, 0, 0] = [[0, 2], [-1, 0], [1, 1e-9], [1, 1]]
    np.testing.assert_allclose(angles(one, other), [90, 180, np.degrees(1e-9), np.nan], rtol=1e-6)


def test_progress_counts_the_second_run_where_guidance_is_off(pipe):
    counted = []
    sample_guided(pipe, PROMPT, guidance=1.0, steps=2, progress=lambda *done: counted.append(done))
    assert counted == [(1, 4), (2, 4), (3, 4), (4, 4)]


@pytest.mark.parametrize("family", ["sd", "sd3", "pixart"])
@pytest.mark.parametrize("w", [1, 3])
def test_the_predictions_of_an_opened_pipeline_combine_to_its_own(family, w):
    with ex.open(tp.shared(family), **tp.CALL_DEFAULTS[family]) as opened:
        guided = sample_guided(opened, tp.PROMPT, guidance=w, steps=3, seed=1)
        assert np.array_equal(guided.run.image, opened(tp.PROMPT, guidance=w, steps=3, seed=1).image)
        scale = np.abs(guided.run.denoised).max()
        np.testing.assert_allclose((guided.uncond + w * guided.difference) / scale, guided.run.denoised / scale,
                                   atol=1e-4)
        assert np.abs(guided.difference.values).max() > 0


def test_a_distilled_pipeline_is_refused_with_what_its_guidance_means():
    with (ex.open(tp.shared("flux"), **tp.CALL_DEFAULTS["flux"]) as opened,
          pytest.raises(ValueError, match=r"makes no prediction without the prompt.*distilled")):
        sample_guided(opened, tp.PROMPT, guidance=3.0, steps=2)


def test_an_opened_pipeline_takes_no_scale_below_one():
    with (ex.open(tp.shared("sd")) as opened,
          pytest.raises(ValueError, match="guidance is 0: choose a number from 1 to 100")):
        sample_guided(opened, tp.PROMPT, guidance=0.0, steps=2)
