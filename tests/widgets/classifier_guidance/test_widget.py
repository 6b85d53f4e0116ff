"""ClassifierGuidance: its modes and controls, what it says of both judges, and how it refuses."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import tiny_pipelines as tp
import tiny_pipes
import torch
from ipywidgets import HTML, Checkbox, Dropdown, SelectionSlider, ToggleButtons

import explorable as ex
from explorable.analysis import verdict
from explorable.measure.classifier_guidance import QUANTITIES, SCALES, Sweep, sweep_of
from explorable.measure.table import Table
from explorable.nn.classifier import Classifier
from explorable.training.classifier import CONFIG
from explorable.widgets.classifier_guidance import compute as computing
from explorable.widgets.classifier_guidance import view
from explorable.widgets.classifier_guidance import widget as module
from explorable.widgets.classifier_guidance.figure import PRESENT
from explorable.widgets.classifier_guidance.widget import ClassifierGuidance
from explorable.widgets.core import model_choice
from explorable.widgets.core.layout import descendants
from explorable.widgets.guidance_scale import compute as planes


@pytest.fixture(scope="module")
def pipe():
    pipe = tiny_pipes.tiny()
    torch.manual_seed(3)
    pipe.classifier = tiny_pipes.shaken(Classifier(CONFIG), 0.1).eval()
    return pipe


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    made = tiny_pipes.tiny_examiner()
    monkeypatch.setattr(verdict, "shipped_examiner", lambda: made)
    monkeypatch.setattr(planes, "PLANE_PARTICLES", 500)
    monkeypatch.setattr(planes, "PLANE_SHOWN", 50)
    planes.plane_samples.cache_clear()


@pytest.fixture
def made(pipe):
    """Make explorables, wait for their results, and close them."""
    open_ones = []

    def make(pipe=pipe, **values):
        explorable = ClassifierGuidance(pipe, **{"steps": 2, **values})
        open_ones.append(explorable)
        explorable.wait(60)
        assert explorable.error is None, explorable.error
        return explorable

    yield make
    for explorable in open_ones:
        explorable.close()


def control(explorable, kind, name):
    return next(w for w in descendants(explorable) if isinstance(w, kind) and w.description.startswith(name))


def caption(explorable) -> str:
    return explorable.status_area.caption.value


# ---- one image ------------------------------------------------------------------------------------------------------


def test_the_unguided_image_stands_beside_the_guided_one_and_its_gradient(made):
    explorable = made()
    panels = {p["name"]: p for p in explorable.stage.panels}
    assert [panels[name]["grid_area"][0] for name in ("unguided", "guided", "gradient")] == [1, 2, 3]
    assert panels["gradient"]["layers"] == ["guided", "gradient"] and "lion, scale 30" in panels["guided"]["title"]
    data = explorable.data
    assert np.array_equal(data.images.sel(run="guided")[-1], explorable.run.image)
    assert data.gradient.dims == ("run", "step", "channel", "y", "x") and data.probability.sizes["step"] == 3
    table = explorable.table()
    assert len(table) == 2 and {"classifier, guided", "examiner, unguided", "gradient_rms"} <= set(table.columns)


def test_each_caption_has_both_judges_of_that_step(made):
    explorable = made()
    for step, text in enumerate(explorable.stage.captions):
        row = explorable.table().loc[step]
        assert text.endswith(f"p(lion) {row['classifier, guided']:.0%} classifier, {row['examiner, guided']:.0%} "
                             "examiner")
    last, score = explorable.result.guided, explorable.status_area.score.value
    assert f"{last.examined[-1]:.0%} and {last.confidence:.0%}" in score


def test_the_controls_set_the_run(made):
    explorable = made()
    control(explorable, Dropdown, "target").value = "beach"
    control(explorable, SelectionSlider, "classifier scale").value = 100.0
    control(explorable, Checkbox, "noise-unaware classifier").value = True
    control(explorable, ToggleButtons, "the gradient in").value = "ddpm"
    explorable.classifier_interval = (0.2, 0.9)
    explorable.wait()
    s = explorable.run.settings
    assert (s.target, s.classifier_scale, s.noise_aware, s.sampler) == ("beach", 100.0, False, "ddpm")
    assert s.classifier_interval == (0.2, 0.9) and s.guidance == 1.0
    assert "always told t = 0" in caption(explorable) and "lion" not in explorable.stage.captions[-1]


def test_a_scale_between_those_of_the_slider_stays_as_it_was_set(made):
    explorable = made(classifier_scale=25.0)
    slider = control(explorable, SelectionSlider, "classifier scale")
    assert slider.value == 30.0 and explorable.run.settings.classifier_scale == 25.0
    slider.value = 20.0
    explorable.wait()
    assert explorable.run.settings.classifier_scale == 20.0


def test_the_words_of_the_prompt_stay_as_they_were_in_two_dimensions(made):
    explorable = made()
    words = next(w for w in descendants(explorable) if getattr(w, "description", "") == "▸ words")
    shown = []
    for is_open in (False, True):
        words.value = is_open
        for mode in ("plane", "steps"):
            explorable.mode = mode
            explorable.wait()
            panel = next(w for w in descendants(explorable) if getattr(w.layout, "flex", None) == "1 1 100%")
            shown.append((is_open, mode, panel.layout.display))
    assert shown == [(False, "plane", "none"), (False, "steps", "none"), (True, "plane", "none"), (True, "steps", None)]


def test_the_formulas_of_both_forms_are_shown(made):
    text = " ".join(w.value for w in descendants(made()) if isinstance(w, HTML))
    assert "algorithm 2" in text and "algorithm 1" in text and "Σ<sub>t</sub> g" in text


def test_where_the_classifier_does_nothing_it_is_said(made):
    explorable = made(classifier_scale=0.0)
    assert "At scale 0 the classifier is off." in caption(explorable)
    assert control(explorable, SelectionSlider, "classifier scale").value == 0
    assert np.array_equal(explorable.result.unguided.run.image, explorable.run.image)
    explorable.classifier_scale, explorable.classifier_interval = 5.0, (0.6, 0.7)
    explorable.wait()
    assert "In this window of steps the classifier does nothing." in caption(explorable)


def test_an_adversarial_image_is_shown_as_one(made, monkeypatch):
    judged = computing.judged
    monkeypatch.setattr(computing, "judged", lambda *args: replace(judged(*args), confidence=0.99, shows=False))
    explorable = made()
    assert "lion, scale 30: adversarial" in [p["title"] for p in explorable.stage.panels]
    assert "The guided image is adversarial: the classifier that guided is 99% certain" in caption(explorable)


def test_a_model_that_is_told_in_words_needs_no_classifier(made):
    result = made(prompt="a lion in a meadow").result
    guided = replace(result.guided, shows=True)
    for shows in (True, False):
        found = view.describe(replace(result, guided=guided, unguided=replace(result.unguided, shows=shows)))
        assert ("needs no classifier" in found) == shows


def test_the_step_on_the_slider_is_marked_in_the_chart(made):
    explorable = made(steps=4)
    lines = [s for s in explorable.chart.figure.layout.shapes if s.name == PRESENT]
    explorable.stage.set_state({"frame": 1})
    assert lines and {s.x0 for s in explorable.chart.figure.layout.shapes if s.name == PRESENT} == {1}


def test_a_preview_in_few_steps_has_the_frames_of_the_full_run(made, monkeypatch):
    explorable = made(steps=10)
    shown = []
    monkeypatch.setattr(explorable.stage, "show", lambda **recording: shown.append(recording))
    explorable.seed = 5
    explorable.wait()
    few, guided, full = shown
    assert [len(recording["captions"]) for recording in shown] == [10, 10, 10]
    assert few["captions"][0].startswith("a preview in 4 steps")
    assert np.array_equal(guided["layers"][0].frames, full["layers"][0].frames)  # the guided image is there first
    shown.clear()
    explorable.classifier_scale = 60.0
    explorable.wait()
    assert np.array_equal(shown[0]["layers"][1].frames, full["layers"][1].frames), "the unguided image stays"


# ---- every scale ----------------------------------------------------------------------------------------------------


def test_a_click_in_the_grid_chooses_its_scale_and_seed_without_sampling_again(made, pipe, monkeypatch):
    explorable = made(mode="scales", seed=5, classifier_scale=25.0)
    assert explorable.request().seeds == (4, 5, 6, 7) and explorable.stage.selection == {"seed": 1}
    assert explorable.stage.frame == SCALES.index(30.0) and explorable.classifier_scale == 25.0
    monkeypatch.setattr(type(pipe), "sample_images", lambda *args: pytest.fail("it was sampled again"))
    explorable.stage.set_state({"pointer": {"panel": "grid", "kind": "click", "x": 0.99, "y": 0.99}})
    explorable.wait()
    assert (explorable.classifier_scale, explorable.seed) == (300.0, 7)
    explorable.stage.set_state({"frame": 1})
    assert explorable.classifier_scale == SCALES[1] and explorable.stage.selection == {"seed": 3}


def test_this_prompts_points_are_of_all_its_images(made):
    explorable = made(mode="scales")
    np.testing.assert_allclose(explorable._live.means().shown, explorable.result.means.shown)
    assert np.isfinite(explorable._live.means().diversity).all()
    explorable.mode, explorable.classifier_scale = "steps", 50.0
    explorable.wait()
    assert 50.0 in explorable._live.means().scale
    explorable.target = "red"
    explorable.wait()
    assert explorable._live.means().scale.values.tolist() == [0.0, 50.0]


def sweep() -> Sweep:
    columns = {column: value for mean, interval, factor in QUANTITIES.values()
               for column, value in ((mean, 0.5 * factor), (interval, f"{0.25 * factor} to {0.75 * factor}"))}
    return Sweep(sweep_of(Table("", [{"prompt": prompt, "sampler": sampler, "scale": scale} | columns
                                     for prompt in ("none", "names the target") for sampler in ("ddim", "ddpm")
                                     for scale in (0.0, 10.0)])), is_current=True)


def test_the_measured_sweep_is_that_of_the_prompt(made, monkeypatch, pipe):
    monkeypatch.setattr(module, "saved_sweep", lambda model: sweep())
    monkeypatch.setattr(model_choice, "shipped_pipeline", lambda name: pipe)
    explorable = made(None, mode="scales")
    assert "Measured without a prompt: 50% show the target" in explorable.status_area.score.value
    names = [trace.name for trace in explorable.chart.data]
    explorable.prompt = "a lion"
    explorable.wait()
    assert "with a prompt that names the target" in explorable.status_area.score.value
    assert [trace.name for trace in explorable.chart.data] == names
    explorable.prompt = "a red car"
    explorable.wait()
    assert "Measured only without a prompt" in explorable.status_area.score.value
    assert {trace.name for trace in explorable.chart.data} == {"this prompt"}
    own = made(pipe)
    assert "easured" not in own.status_area.score.value
    monkeypatch.setattr(module, "saved_sweep", lambda model: None)
    assert "explorable measure classifier-guidance --model dit-flow --save" in view.measured_sentence(
        None, "none", "ddim", "dit-flow")


# ---- refusals -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("trait", "value", "message"), [
    ("mode", "all", "mode is 'all': choose one of steps, scales, plane"), ("target", "zeppelin", "is 'zeppelin'"),
    ("classifier_scale", -1.0, r"from 0 to 1000"), ("plane_scale", 1001.0, "from 0 to 1000"),
    ("classifier_interval", (0.8, 0.2), "the smaller first"), ("guidance", 101.0, "from 0 to 100"),
    ("sampler", "euler", "choose one of ddim, ddpm"), ("distribution", "spiral", "two moons"),
    ("model", "unet-flow", "explores the pipeline that it was given")])
def test_a_value_out_of_range_is_refused_with_what_is_allowed(made, trait, value, message):
    explorable = made()
    before = getattr(explorable, trait)
    with pytest.raises(ValueError, match=message):
        setattr(explorable, trait, value)
    assert getattr(explorable, trait) == before and explorable.result is not None


def test_a_refused_prompt_keeps_the_images(made):
    explorable = made(prompt="a red car")
    before = explorable.result
    explorable.prompt = "a flying elephant"
    explorable.wait()
    assert explorable.result is before and "flying" in explorable.status_area.status.value
    assert explorable.stage.stale == "This is still the last result, of “a red car”"


def test_an_opened_pipeline_says_in_one_sentence_why_not_and_shows_two_dimensions():
    with ex.open(tp.shared("sd")) as opened:
        explorable = ClassifierGuidance(opened, prompt=tp.PROMPT, steps=2)
        explorable.wait()
        assert "has no classifier of its noisy latents" in explorable.status_area.status.value
        explorable.mode = "plane"  # needs no pipeline
        explorable.wait()
        assert explorable.error is None and explorable.result is not None
        explorable.close()


# ---- two dimensions -------------------------------------------------------------------------------------------------


def test_at_scale_1_the_exact_classifier_samples_its_class_and_one_told_t_0_does_not(made):
    explorable = made(mode="plane", plane_scale=1.0)
    table = explorable.table()
    assert table.loc[1.0, "distance"] <= table.loc[1.0, "floor, high"]
    assert table.loc[4.0, "distance"] > 2 * table.loc[4.0, "floor, high"]
    assert "cannot be told from those of the sharpened density" in caption(explorable)
    explorable.noise_aware = False
    explorable.wait()
    table = explorable.table()
    assert table.loc[1.0, "distance"] > 2 * table.loc[1.0, "floor, high"]
    assert "throws the samples off" in caption(explorable)


def test_in_two_dimensions_the_prompt_is_hidden_and_the_points_can_be_chosen(made):
    explorable = made()
    points, mode = control(explorable, Dropdown, "points"), control(explorable, ToggleButtons, "")
    assert points.layout.display == "none"
    mode.value = "plane"
    points.value = "checkerboard"
    control(explorable, SelectionSlider, "scale").value = 4.0
    explorable.wait()
    assert points.layout.display is None and explorable.result.request.distribution == "checkerboard"
    assert explorable.result.request.w == 4.0
    assert control(explorable, Dropdown, "target").layout.display == "none"
    with pytest.raises(ValueError, match="shows no single run"):
        explorable.run  # noqa: B018
