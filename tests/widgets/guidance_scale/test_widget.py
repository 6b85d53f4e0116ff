"""GuidanceScale: its modes, what the page can do with the grid, the conventions, and two dimensions."""

from __future__ import annotations

import numpy as np
import pytest
import tiny_pipelines as tp
import tiny_pipes
from ipywidgets import Dropdown, FloatRangeSlider, FloatSlider, ToggleButtons

import explorable as ex
from explorable.analysis import verdict
from explorable.measure.guidance import Sweep
from explorable.widgets.core import model_choice
from explorable.widgets.core.layout import descendants
from explorable.widgets.guidance_scale import compute as computing
from explorable.widgets.guidance_scale import widget as module
from explorable.widgets.guidance_scale.compute import PlaneRequest, compute_plane
from explorable.widgets.guidance_scale.grid import SCALES
from explorable.widgets.guidance_scale.widget import GuidanceScale

PROMPT = "a red car"


@pytest.fixture(scope="module")
def pipe():
    return tiny_pipes.tiny()


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    made = tiny_pipes.tiny_examiner()
    monkeypatch.setattr(verdict, "shipped_examiner", lambda: made)
    monkeypatch.setattr(computing, "PLANE_PARTICLES", 500)
    monkeypatch.setattr(computing, "PLANE_SHOWN", 50)
    computing.plane_samples.cache_clear()


@pytest.fixture
def made(pipe):
    """Make explorables, wait for their results, and close them."""
    open_ones = []

    def make(pipe=pipe, **values):
        scale = GuidanceScale(pipe, **{"prompt": PROMPT, "steps": 2, **values})
        open_ones.append(scale)
        scale.wait(60)
        assert scale.error is None, scale.error
        return scale

    yield make
    for scale in open_ones:
        scale.close()


def control(scale, kind, name):
    return next(w for w in descendants(scale) if isinstance(w, kind) and w.description.startswith(name))


def caption(scale) -> str:
    return scale.status_area.caption.value


# ---- one image ------------------------------------------------------------------------------------------------------


def test_the_result_stands_beside_both_predictions_and_their_difference(made):
    scale = made(guidance=3.0)
    assert [p["title"] for p in scale.stage.panels] == [
        "without + 3 × difference", "without the prompt", "with the prompt", "with − without"]
    assert [p["grid_area"][0] for p in scale.stage.panels] == [4, 1, 2, 3]
    assert np.array_equal(scale.data.guided[-1], scale.run.image) and len(scale.stage.captions) == 2
    assert scale.table().columns.tolist() == ["uncond", "cond", "difference", "guided", "t", "angle"]


def test_it_opens_at_an_early_step_where_the_predictions_differ_and_then_stays_where_the_user_is(made):
    scale = made(steps=20)
    assert scale.stage.frame == 2 and not scale.stage.autoplay
    scale.stage.set_state({"frame": 7})
    scale.guidance = 6.0
    scale.wait()
    assert scale.stage.frame == 7


def test_outside_of_the_interval_the_caption_says_that_there_is_no_guidance(made):
    scale = made(interval=(0.0, 0.6), negative="a dog")
    assert "no guidance" in scale.stage.captions[0] and "no guidance" not in scale.stage.captions[1]
    assert scale.stage.panels[1]["title"] == "with the negative prompt"


def test_where_guidance_is_off_it_is_said(made):
    scale = made(guidance=1.0)
    assert "At w = 1 guidance is off." in caption(scale)
    scale.guidance = 0.0
    scale.wait()
    assert "At w = 0 the prompt is ignored." in caption(scale)
    scale.prompt = ""
    scale.wait()
    assert "no difference to multiply" in caption(scale)


def test_mixed_images_are_shown_beside_the_guided_one(made):
    scale = made(mode="mixed")
    assert [layer["name"] for layer in scale.stage.layers] == ["guided", "uncond run", "cond run", "mixed"]
    assert "double exposure" in caption(scale) and "mixed" in scale.data
    assert "Guided at each step" in scale.status_area.score.value


def test_a_preview_in_few_steps_has_the_frames_of_the_full_run(made, monkeypatch):
    scale = made(steps=10)
    shown = []
    monkeypatch.setattr(scale.stage, "show", lambda **recording: shown.append(recording))
    scale.seed = 5
    scale.wait()
    few, guided, full = shown
    assert [len(recording["captions"]) for recording in shown] == [10, 10, 10]
    assert few["captions"][0].startswith("a preview in 4 steps: step 0 of 4")
    assert np.array_equal(guided["layers"][0].frames, full["layers"][0].frames)  # the result is there first
    assert guided["layers"][1].frames is few["layers"][1].frames and "all but the result" in guided["captions"][3]


# ---- every scale ----------------------------------------------------------------------------------------------------


def test_a_click_in_the_grid_chooses_its_scale_and_seed_without_sampling_again(made, pipe, monkeypatch):
    scale = made(mode="grid", seed=5)
    assert scale.request().seeds == (4, 5, 6, 7) and scale.stage.selection == {"seed": 1}
    assert scale.stage.frame == SCALES.index(4.0)
    monkeypatch.setattr(type(pipe), "sample_images", lambda *args: pytest.fail("it was sampled again"))
    scale.stage.set_state({"pointer": {"panel": "grid", "kind": "click", "x": 0.99, "y": 0.99}})
    scale.wait()
    assert (scale.guidance, scale.seed) == (30.0, 7)
    assert (scale.stage.frame, scale.stage.selection) == (SCALES.index(30.0), {"seed": 3})


def test_scrubbing_in_the_grid_moves_the_slider_and_the_slider_the_frame(made):
    scale = made(mode="grid")
    scale.stage.set_state({"frame": 1})
    scale.stage.set_state({"selection": {"seed": 2}})
    assert (scale.guidance, scale.seed) == (1.0, 2)
    scale.guidance = 11.0  # not in the grid: the nearest is shown, and the value stays
    assert scale.stage.frame == SCALES.index(12.0) and scale.guidance == 11.0
    scale.seed = 0
    assert scale.stage.selection == {"seed": 0} and scale.guidance == 11.0


def test_another_seed_outside_of_the_grid_samples_another_grid(made):
    scale = made(mode="grid")
    scale.seed = 9
    scale.wait()
    assert scale.data.seed.values.tolist() == [8, 9, 10, 11] and scale.stage.selection == {"seed": 1}


def test_each_way_back_to_the_grid_finds_it_as_it_was(made, pipe, monkeypatch):
    scale = made(mode="grid")
    before = scale.result
    scale.mode = "steps"
    scale.wait()
    assert scale.stage.axes == [] and len(scale.stage.captions) == 2
    monkeypatch.setattr(type(pipe), "sample_images", lambda *args: pytest.fail("it was sampled again"))
    scale.mode = "grid"
    scale.wait()
    assert scale.error is None and scale.result.images.equals(before.images)


def test_the_points_of_this_prompt_come_from_all_its_images_and_only_from_them(made):
    scale = made(mode="grid")
    assert scale._live.means().w.values.tolist() == list(SCALES)
    np.testing.assert_allclose(scale._live.means().clipped, scale.result.means.clipped)
    scale.mode, scale.guidance = "steps", 5.5
    scale.wait()
    assert 5.5 in scale._live.means().w
    scale.prompt = "a dog"
    scale.wait()
    assert scale._live.means().w.values.tolist() == [5.5]


# ---- conventions, models, settings ----------------------------------------------------------------------------------


def test_the_other_convention_changes_what_is_written_and_not_what_is_sampled(made):
    scale = made(guidance=3.0)
    slider, image = control(scale, FloatSlider, "guidance"), scale.run.image
    assert (slider.value, slider.description) == (3.0, "guidance w")
    scale.convention = "off at 0"
    assert (slider.value, slider.min, slider.description) == (2.0, -1.0, "guidance s") and scale.guidance == 3.0
    assert scale.stage.panels[0]["title"] == "with + 2 × difference" and scale.run.image is image
    assert "s = 2" in scale.status_area.score.value
    slider.value = 4.0
    scale.wait()
    assert scale.guidance == 5.0 and scale.run.settings.guidance == 5.0


def test_the_measured_sweep_is_named_where_there_is_one(made, monkeypatch, pipe):
    import xarray as xr

    curves = xr.Dataset({name: (("w", "bound"), np.full((2, 3), 0.5)) for name in
                         ("right", "clipped", "saturation", "diversity")},
                        coords={"w": [1.0, 7.0], "bound": ["mean", "low", "high"]})
    monkeypatch.setattr(module, "saved_sweep", lambda model: Sweep(curves, (1.0, 7.0), f"Measured for {model}."))
    monkeypatch.setattr(model_choice, "shipped_pipeline", lambda name: pipe)
    scale = made(None)
    assert "Measured for unet-flow." in scale.status_area.score.value and "50 to 50" in scale._lesson.value
    scale.model = "dit-flow"
    scale.wait()
    assert "Measured for dit-flow." in scale.status_area.score.value and "ex.load('dit-flow')" in scale.code()
    own = made(pipe)
    assert "Measured" not in own.status_area.score.value and "Generic animal" in own._lesson.value


def test_a_pipeline_of_the_users_own_has_no_choice_of_models(made):
    scale = made()
    assert not [w for w in descendants(scale) if isinstance(w, Dropdown) and w.description == "model"]
    with pytest.raises(ValueError, match="explores the pipeline that it was given"):
        scale.model = "unet-flow"
    with pytest.raises(ValueError, match="model is 'unet': choose one of"):
        GuidanceScale(model="unet")


@pytest.mark.parametrize(("trait", "value", "message"), [
    ("mode", "all", "mode is 'all': choose one of steps, mixed, grid, plane"), ("guidance", 101.0, "from 0 to 100"),
    ("interval", (0.8, 0.2), "the smaller first"), ("rescale", 2.0, "from 0 to 1"),
    ("distribution", "spiral", "two moons"), ("convention", "w", "off at 1, off at 0")])
def test_a_value_out_of_range_is_refused_with_what_is_allowed(made, trait, value, message):
    scale = made()
    before = getattr(scale, trait)
    with pytest.raises(ValueError, match=message):
        setattr(scale, trait, value)
    assert getattr(scale, trait) == before


# ---- opened pipelines -----------------------------------------------------------------------------------------------


def test_an_opened_pipeline_has_no_scale_below_one_and_no_interval(made):
    with ex.open(tp.shared("sd")) as opened:
        scale = made(opened, prompt=tp.PROMPT, mode="grid", guidance=4.0)
        assert scale.data.w.values.tolist() == list(SCALES[1:])
        assert not [w for w in descendants(scale) if isinstance(w, FloatRangeSlider)]
        scale.mode = "steps"
        scale.wait()
        assert np.array_equal(scale.run.image, opened(tp.PROMPT, steps=2, guidance=4.0, seed=0).image)
        scale.guidance = 0.5
        scale.wait()
        assert "choose a number from 1 to 100" in scale.status_area.status.value and scale.run.settings.guidance == 4.0


@pytest.mark.parametrize("mode", ["steps", "grid"])
def test_distilled_guidance_is_refused_in_one_sentence(mode):
    with ex.open(tp.shared("flux"), **tp.CALL_DEFAULTS["flux"]) as opened:
        scale = GuidanceScale(opened, prompt=tp.PROMPT, steps=2, mode=mode)
        scale.wait()
        status = scale.status_area.status.value
        assert isinstance(scale.error, ValueError) and "makes no prediction without the prompt" in status
        scale.mode = "plane"  # needs no pipeline
        scale.wait()
        assert scale.error is None
        scale.close()


# ---- two dimensions -------------------------------------------------------------------------------------------------


def test_guided_samples_follow_the_sharpened_density_where_guidance_is_off_and_not_above(made):
    scale = made(mode="plane", guidance=1.0)
    table = scale.table()
    assert table.loc[1.0, "distance"] <= table.loc[1.0, "floor, high"]
    assert table.loc[4.0, "distance"] > 2 * table.loc[4.0, "floor, high"]
    assert "cannot be told from 0" in caption(scale)
    scale.guidance = 4.0
    scale.wait()
    assert "It does not" in caption(scale)
    assert f"{table.loc[4.0, 'distance']:.2f}" in scale.status_area.score.value


def test_the_code_of_two_dimensions_gives_the_distance(made, monkeypatch):
    monkeypatch.undo()
    result = compute_plane(PlaneRequest("two moons", 2.0, 0), (), lambda done, total: None)
    scale = made(mode="plane", guidance=2.0)
    found: dict = {}
    exec(compile(scale.code(), "code", "exec"), found)
    assert abs(found["distance"] - float(result.distances.distance.sel(w=2.0))) < 0.01


def test_in_two_dimensions_the_prompt_is_hidden_and_the_points_can_be_chosen(made):
    scale = made()
    points, mode = control(scale, Dropdown, "points"), control(scale, ToggleButtons, "")
    assert points.layout.display == "none"
    mode.value = "plane"
    points.value = "checkerboard"
    scale.wait()
    assert points.layout.display is None and scale.result.request.distribution == "checkerboard"
    prompt_row = next(w for w in descendants(scale) if any(
        getattr(child, "description", "") == "prompt" for child in getattr(w, "children", ())))
    assert prompt_row.layout.display == "none"
