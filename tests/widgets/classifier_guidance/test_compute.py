"""What ClassifierGuidance computes of one image and of many: two runs of the same noise, and what both judges say."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import tiny_pipelines as tp
import tiny_pipes
import torch
from tiny_pipes import PROMPT

import explorable as ex
from explorable.analysis import verdict
from explorable.analysis.classifier_readings import classifier_confidence
from explorable.analysis.verdict import target_probability
from explorable.diffusion.settings import Settings
from explorable.nn.classifier import Classifier
from explorable.pipeline.progress import no_progress
from explorable.training.classifier import CONFIG
from explorable.widgets.classifier_guidance import scales as module
from explorable.widgets.classifier_guidance import view
from explorable.widgets.classifier_guidance.compute import (
    MAX_ARROW,
    PlaneRequest,
    Request,
    SideCache,
    call_arguments,
    compute,
    compute_arrows,
    drawn_arrows,
    gradient_map,
    names_target,
    without_classifier,
)
from explorable.widgets.classifier_guidance.scales import (
    LivePoints,
    ScalesComputation,
    ScalesRequest,
    scales_code,
    side_facts,
)
from explorable.widgets.core.scale_grid import DONE, GREY, MISSING
from explorable.widgets.guidance_scale import compute as planes

SETTINGS = Settings(PROMPT, steps=3, guidance=1.0, seed=2, sampler="ddim", target="lion", classifier_scale=5.0)
FEW = ScalesRequest("", replace(SETTINGS, classifier_scale=0.0, seed=0), (4, 5), (0.0, 3.0, 30.0))


@pytest.fixture(scope="module")
def pipe():
    pipe = tiny_pipes.tiny()
    torch.manual_seed(3)
    pipe.classifier = tiny_pipes.shaken(Classifier(CONFIG), 0.1).eval()
    return pipe


@pytest.fixture(autouse=True)
def examiner(monkeypatch):
    made = tiny_pipes.tiny_examiner()
    monkeypatch.setattr(verdict, "shipped_examiner", lambda: made)


def computed(pipe, settings=SETTINGS, **more):
    return compute(pipe, Request("", settings), no_progress, **more)


# ---- two runs -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sampler", ["ddim", "ddpm"])
def test_both_runs_are_those_of_the_pipeline_from_the_same_noise(pipe, sampler):
    result = computed(pipe, replace(SETTINGS, sampler=sampler))
    plain = pipe(PROMPT, steps=3, guidance=1.0, seed=2, sampler=sampler)
    guided = pipe(PROMPT, steps=3, guidance=1.0, seed=2, sampler=sampler, target="lion", classifier_scale=5.0)
    for side, run in ((result.unguided, plain), (result.guided, guided)):
        assert np.array_equal(side.images[-1], run.image) and tiny_pipes.same(side.run, run)
        assert np.array_equal(side.images[:-1], pipe.decode(run.denoised.values)[:-1])
    assert np.array_equal(result.unguided.run.latents[0], result.guided.run.latents[0])
    assert not np.array_equal(result.unguided.run.image, result.guided.run.image)


def test_both_judges_look_at_the_same_images(pipe):
    side = computed(pipe).guided
    np.testing.assert_allclose(side.examined, target_probability(side.images, "lion"))
    assert side.confidence == pytest.approx(classifier_confidence(pipe, side.run.image[None], "lion")[0])
    assert side.shows == ("lion" in side.verdict.things)


def test_an_image_is_adversarial_if_only_the_classifier_is_certain(pipe):
    side = computed(pipe).guided
    found = {(p, shows): replace(side, confidence=p, shows=shows).is_adversarial
             for p in (0.5, 0.95) for shows in (True, False)}
    assert [case for case, is_adversarial in found.items() if is_adversarial] == [(0.95, False)]


def test_the_unguided_run_is_sampled_once_for_all_scales(pipe, monkeypatch):
    cache, sampled = SideCache(), []
    call = type(pipe).__call__
    monkeypatch.setattr(type(pipe), "__call__", lambda self, prompt, **given: sampled.append(
        given.get("classifier_scale", 0)) or call(self, prompt, **given))
    first = computed(pipe, cache=cache)
    other = computed(pipe, replace(SETTINGS, classifier_scale=9.0, target="red", noise_aware=False), cache=cache)
    assert sampled == [5.0, 0, 9.0] and other.unguided.run is first.unguided.run
    assert computed(pipe, replace(SETTINGS, classifier_scale=7.0), cache=cache).unguided is first.unguided
    assert "red" in other.unguided.readings.label and "red" not in first.unguided.readings.label, "not of that target"
    assert computed(pipe, replace(SETTINGS, seed=3), cache=cache).unguided.run is not first.unguided.run
    cache.forget()
    assert cache.get("", without_classifier(SETTINGS)) is None


def test_the_guided_images_come_first(pipe):
    seen: list[np.ndarray] = []
    result = computed(pipe, on_guided=seen.append)
    assert len(seen) == 1 and np.array_equal(seen[0], result.guided.images)


def test_progress_reaches_its_end_and_what_it_raises_stops_the_run(pipe):
    counted: list[tuple[int, int]] = []
    compute(pipe, Request("", SETTINGS), lambda *done: counted.append(done))
    assert counted[-1][1] - counted[-1][0] <= 1 and [d for d, _ in counted] == sorted(d for d, _ in counted)
    with pytest.raises(ZeroDivisionError):
        compute(pipe, Request("", SETTINGS), lambda done, total: 1 // 0)


def test_the_code_gives_the_images_and_both_probabilities(pipe, monkeypatch):
    monkeypatch.setattr(ex, "load", lambda name: pipe)
    settings = replace(SETTINGS, classifier_interval=(0.2, 0.9), noise_aware=False)
    found: dict = {"pipe": pipe}
    exec(compile(view.code(Request("", settings), ""), "code", "exec"), found)
    result = computed(pipe, settings)
    assert np.array_equal(found["guided"].image, result.guided.run.image)
    assert np.array_equal(found["unguided"].image, result.unguided.run.image)
    assert found["to_examiner"] == pytest.approx(result.guided.examined[-1])
    assert found["to_classifier"] == pytest.approx(result.guided.confidence)
    np.testing.assert_allclose(found["readings"].probability, result.guided.readings.probability)
    assert "classifier" not in str(call_arguments(without_classifier(settings)))


def test_a_map_has_the_size_of_the_gradient_relative_to_its_largest():
    gradient = np.zeros((2, 4, 3, 3))
    gradient[0, :, 1, 2], gradient[0, 0, 0, 0] = 2.0, 2.0
    found = gradient_map(gradient)
    assert found[0, 1, 2] == 1 and found[0, 0, 0] == pytest.approx(0.5) and found[0].sum() == pytest.approx(1.5)
    assert not found[1].any(), "no gradient at all"


def test_a_prompt_names_a_target_in_whichever_words():
    assert names_target("two cars at night", "car") and names_target("two cars at night", "night")
    assert not names_target("two cars at night", "lion") and not names_target("", "lion")
    assert not names_target("red on red", "red"), "no scene"


def test_a_pipeline_without_a_classifier_is_refused_in_words():
    with ex.open(tp.shared("sd")) as opened, pytest.raises(ValueError, match="has no classifier of its noisy latents"):
        compute(opened, Request("", SETTINGS), no_progress)


# ---- many scales ----------------------------------------------------------------------------------------------------


def test_each_image_at_every_scale_is_that_of_a_run(pipe):
    grid = ScalesComputation().compute(pipe, FEW, no_progress, lambda: (3.0, 4))
    alone = pipe(PROMPT, **call_arguments(replace(SETTINGS, classifier_scale=30.0, seed=5)))
    assert np.abs(grid.images.sel(scale=30.0, seed=5).values.astype(int) - alone.image).max() <= 1
    assert (grid.state == DONE).all() and set(grid.facts) == {"shown", "confidence", "adversarial", "diversity"}
    assert grid.facts.confidence.sel(scale=30.0, seed=5) == pytest.approx(
        classifier_confidence(pipe, grid.images.sel(scale=30.0, seed=5).values[None], "lion")[0], abs=1e-5)


def test_the_scale_of_interest_comes_first_and_images_are_kept(pipe, monkeypatch):
    computation, states = ScalesComputation(), []
    computation.compute(pipe, FEW, no_progress, lambda: (30.0, 4), lambda grid: states.append(grid.state[:, 0]))
    assert [s.tolist() for s in states] == [[MISSING, MISSING, DONE], [MISSING, DONE, DONE]]
    monkeypatch.setattr(type(pipe), "sample_images", lambda *args: pytest.fail("it was sampled again"))
    again = computation.compute(pipe, FEW, no_progress, lambda: (0.0, 4))
    assert (again.state == DONE).all() and not np.isnan(again.facts.diversity).any()
    computation.forget()
    with pytest.raises(pytest.fail.Exception):
        computation.compute(pipe, FEW, no_progress, lambda: (0.0, 4))


def test_a_long_run_is_preceded_by_a_preview_of_each_scale(pipe):
    grids = []
    request = replace(FEW, settings=replace(FEW.settings, steps=9))
    ScalesComputation().compute(pipe, request, no_progress, lambda: (0.0, 5), grids.append)
    assert (grids[0].images.sel(seed=4) == GREY).all() and np.isnan(grids[2].facts.shown).all()
    assert len(grids) == 3 + 2 and (grids[-1].state[:2] == DONE).all()


def test_the_code_of_many_scales_gives_their_images(pipe):
    found: dict = {"pipe": pipe}
    exec(compile(scales_code(FEW, ""), "code", "exec"), found)
    grid = ScalesComputation().compute(pipe, FEW, no_progress, lambda: (3.0, 4))
    for (scale, seed), image in found["images"].items():
        assert np.abs(grid.images.sel(scale=scale, seed=seed).values.astype(int) - image).max() <= 1


def test_points_are_means_over_the_seeds_of_one_prompt_and_target(pipe, monkeypatch):
    live, settings = LivePoints(), replace(SETTINGS, classifier_scale=3.0)
    said = iter([[[1.0, 0.9, 0.0]], [[0.0, 0.95, 1.0]]])
    for seed in (0, 1):
        facts = side_facts(computed(pipe, replace(settings, seed=seed)))
        [row] = next(said)
        for name, value in zip(module.IMAGE_QUANTITIES, row, strict=True):
            facts[name].loc[{"scale": 3.0}] = value
        live.add("", replace(settings, seed=seed), facts)
    means = live.means()
    assert means.scale.values.tolist() == [0.0, 3.0] and np.isnan(means.diversity).all()
    assert [float(means[name].sel(scale=3.0)) for name in module.IMAGE_QUANTITIES] == pytest.approx([0.5, 0.925, 0.5])
    live.add("", replace(settings, target="red"), facts)
    assert float(live.means().shown.sel(scale=3.0)) == 0, "another target begins anew"


# ---- two dimensions -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("noise_aware", [True, False])
def test_the_arrows_are_the_exact_gradients_and_add_up(monkeypatch, noise_aware):
    monkeypatch.setattr(planes, "PLANE_PARTICLES", 200)
    monkeypatch.setattr(planes, "PLANE_SHOWN", 50)
    planes.plane_samples.cache_clear()
    result = compute_arrows(PlaneRequest("two moons", 2.0, 0, noise_aware), no_progress)
    field = replace(planes.plane_field("two moons", 0)[2], w=2.0, noise_aware=noise_aware)
    k, t = 20, float(result.plane.times[20])
    total = t**2 * field.score(result.origins, 1 - t, t)
    largest = np.abs(total).max()
    np.testing.assert_allclose(result.data[k] + result.classifier[k], total, atol=1e-6 * largest)
    drawn = drawn_arrows(result)
    np.testing.assert_allclose(drawn["sum"][..., 2:], drawn["classifier"][..., 2:])
    np.testing.assert_allclose(drawn["classifier"][..., :2], drawn["data"][..., 2:])
    lengths = np.linalg.norm(drawn["sum"][..., 2:] - drawn["sum"][..., :2], axis=-1)
    assert 0 < lengths.max() <= MAX_ARROW + 1e-9
    assert "gradient_classifier" in result.to_dataset()


def test_the_code_of_two_dimensions_gives_the_distance(monkeypatch):
    monkeypatch.setattr(planes, "PLANE_PARTICLES", 500)
    planes.plane_samples.cache_clear()
    for noise_aware in (True, False):
        request = PlaneRequest("two moons", 1.0, 0, noise_aware)
        result, found = compute_arrows(request, no_progress), {}
        exec(compile(view.plane_code(request), "code", "exec"), found)
        assert found["distance"] == pytest.approx(float(result.plane.distances.distance.sel(w=1.0)), abs=0.02)
