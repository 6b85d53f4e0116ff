"""What GuidanceScale computes of one image: the same run as without it, and both predictions decoded."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import tiny_pipelines as tp
import tiny_pipes
from tiny_pipes import PROMPT

import explorable as ex
from explorable.analysis import verdict
from explorable.diffusion.settings import Settings
from explorable.pipeline.progress import no_progress
from explorable.widgets.core.verdict import scene_of
from explorable.widgets.guidance_scale import view
from explorable.widgets.guidance_scale.compute import GREY, Request, call_arguments, compute, mix_images

SETTINGS = Settings(PROMPT, steps=3, guidance=4.0, seed=2)


@pytest.fixture(scope="module")
def pipe():
    return tiny_pipes.tiny()


@pytest.fixture(autouse=True)
def examiner(monkeypatch):
    monkeypatch.setattr(verdict, "shipped_examiner", tiny_pipes.tiny_examiner)


def computed(pipe, settings=SETTINGS, mixes_images=False, progress=no_progress):
    return compute(pipe, Request("", settings, mixes_images), progress)


def run_code(text: str, pipe: Any) -> dict[str, Any]:
    found: dict[str, Any] = {"pipe": pipe}
    exec(compile(text, "code", "exec"), found)
    return found


def test_the_images_are_the_decoded_estimates_and_the_last_is_the_finished_image(pipe):
    result = computed(pipe)
    run = pipe(PROMPT, steps=3, guidance=4.0, seed=2)
    assert np.array_equal(result.run.image, run.image) and np.array_equal(result.guided[-1], run.image)
    assert result.guided.shape == result.uncond.shape == (3, 128, 128, 3)
    for shown, latents in ((result.uncond, result.guided_run.uncond), (result.cond, result.guided_run.cond)):
        assert np.abs(shown.astype(int) - pipe.decode(latents.values)).max() <= 1


def test_the_difference_is_grey_where_the_predictions_agree(pipe):
    result = computed(pipe)
    gap = result.cond.astype(int) - result.uncond
    small = np.abs(gap) < GREY
    assert np.array_equal(result.difference[small], (GREY + gap)[small])
    assert (computed(pipe, replace(SETTINGS, prompt="")).difference == GREY).all()


def test_a_long_run_shows_evenly_spaced_steps_with_both_ends(pipe):
    result = computed(pipe, replace(SETTINGS, steps=40))
    assert len(result.guided) == 26 and result.steps[[0, -1]].tolist() == [0, 39]
    assert result.guided_run.geometry.sizes["step"] == 40


def test_progress_reaches_its_end_and_what_it_raises_stops_the_run(pipe):
    for settings, mixes in ((SETTINGS, False), (SETTINGS, True), (replace(SETTINGS, guidance=1.0), True)):
        counted: list[tuple[int, int]] = []
        computed(pipe, settings, mixes, lambda *done: counted.append(done))  # noqa: B023
        assert counted[-1][1] - counted[-1][0] <= 1 and [d for d, _ in counted] == sorted(d for d, _ in counted)
    with pytest.raises(ZeroDivisionError):
        computed(pipe, progress=lambda done, total: 1 // 0)


@pytest.mark.parametrize("changes", [{"interval": (0.2, 0.8)}, {"rescale": 0.7}, {"negative": "two dogs"}])
def test_every_setting_acts_and_the_code_reproduces_the_image(pipe, changes):
    settings = replace(SETTINGS, **changes)
    result, plain = computed(pipe, settings), computed(pipe)
    assert not np.array_equal(result.run.latents.values, plain.run.latents.values)
    assert call_arguments(settings).items() >= changes.items() and not call_arguments(SETTINGS).keys() & changes.keys()
    assert np.array_equal(run_code(view.code(settings, False, ""), pipe)["image"], result.run.image)


def test_the_popular_formula_mixes_two_other_runs_in_pixels(pipe):
    result = computed(pipe, mixes_images=True)
    uncond, cond = pipe("", guidance=1.0, steps=3, seed=2), pipe(PROMPT, guidance=1.0, steps=3, seed=2)
    mix = result.mix
    assert np.array_equal(mix.uncond[-1], uncond.image) and np.array_equal(mix.cond[-1], cond.image)
    assert np.array_equal(mix.mixed[-1], mix_images(uncond.image, cond.image, 4.0))
    np.testing.assert_allclose(run_code(view.code(SETTINGS, True, ""), pipe)["mixed"], mix.mixed[-1], atol=0.5)


def test_mixing_is_exact_at_both_ends_and_clips():
    black, grey = np.zeros((1, 1, 3), np.uint8), np.full((1, 1, 3), 100, np.uint8)
    assert [int(mix_images(black, grey, w)[0, 0, 0]) for w in (0, 0.5, 1, 2, 3)] == [0, 50, 100, 200, 255]
    assert int(mix_images(grey, black, 2)[0, 0, 0]) == 0


def test_what_the_examiner_sees_is_compared_with_the_prompt(pipe):
    result = computed(pipe)
    assert result.facts.verdict is not None and result.facts.is_right in (True, False)
    assert 0 <= result.facts.clipped <= 1 and 0 <= result.facts.saturation <= 1
    free = computed(pipe, replace(SETTINGS, prompt="red on red"))
    assert scene_of("red on red") is None and free.facts.is_right is None
    assert "what the prompt says" not in view.describe(free) and "the examiner sees" in view.describe(free)


def test_a_preview_is_not_examined(pipe):
    request = Request("", SETTINGS, True)
    whole, few = (compute(pipe, request, no_progress, examined=examined) for examined in (True, False))
    assert whole.facts.verdict is not None and few.facts.verdict is None
    assert whole.mix.facts.verdict is not None and few.mix.facts.verdict is None
    assert np.array_equal(whole.guided, few.guided) and whole.facts.saturation == few.facts.saturation


@pytest.mark.parametrize("family", ["sd", "pixart"])
def test_an_opened_pipeline_shows_its_own_image_and_mixes(family):
    with ex.open(tp.shared(family), **tp.CALL_DEFAULTS[family]) as opened:
        result = compute(opened, Request("", Settings(tp.PROMPT, steps=3, guidance=3.0), True), no_progress)
        assert np.array_equal(result.guided[-1], opened(tp.PROMPT, steps=3, guidance=3.0, seed=0).image)
    assert result.facts.verdict is None and result.mix.mixed.shape == result.guided.shape
    assert "examiner" not in view.describe(result)
