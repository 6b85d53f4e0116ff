"""The map of Studio: what it opens is of the same run and step, and what is edited there changes the image."""

from __future__ import annotations

import gc
import re
import threading
import weakref

import numpy as np
import pytest
from ipywidgets.widgets.widget import _instances as MODELS
from tiny import CountingPipeline, settle, shown_nodes

import explorable as ex
from explorable.diffusion.settings import SettingError
from explorable.hooks import Ablate
from explorable.pipeline.loading import card_guidance
from explorable.widgets.pipeline_map.edits import acts_on, chips_of, describe, without
from explorable.widgets.pipeline_map.nodes import NODES, TRANSFORMER, U_NET, frame_for, step_for, twin_of, why_closed
from explorable.widgets.stage.stage import Stage
from explorable.widgets.studio.widget import Studio
from explorable.zoo import denoiser_names, read_card

OPENABLE = [name for name, node in NODES.items() if not why_closed(node)]
# The comparison table of the lesson, and the lines of its last diagram.
LESSON = ("Classifier Guidance", "Classifier-Free Guidance", "Latent Diffusion", "U-Net", "Cross-Attention",
          "Text Encoder", "Flow Matching", "Diffusion Transformers", "Latent Space", "Output")


def test_every_row_of_the_lesson_is_one_click_away():
    covered = {row for node in NODES.values() for row in node.lesson}
    assert covered == set(LESSON)
    assert {node.explorable for name, node in NODES.items() if name != TRANSFORMER} <= set(ex.EXPLORABLES)


@pytest.mark.parametrize("name", OPENABLE)
def test_a_part_opens_on_the_run_and_the_step_that_are_shown(studio: Studio, name: str):
    studio.stage.frame = 1
    opened = studio.open_part(name)
    settle(studio)
    node = NODES[name]
    assert type(opened).__name__ == node.explorable
    for setting in set(node.shared) & set(opened.inputs) & set(studio.inputs):
        assert getattr(opened, setting) == getattr(studio, setting)
    assert opened in studio._navigation.box.children and studio._navigation.map.opened == name
    if node.steps is not None:
        assert step_for(node, opened.stage.frame, 3) == 1


def test_scrubbing_one_scrubs_the_other(studio: Studio):
    opened = studio.open_part("guidance")
    settle(studio)
    studio.stage.frame = 0
    assert opened.stage.frame == 0
    opened.stage.frame = 2
    assert studio.stage.frame == 2


def test_a_setting_changed_in_one_is_changed_in_the_other(studio: Studio):
    opened = studio.open_part("guidance")
    settle(studio)
    studio.seed = 5
    settle(studio)
    assert opened.seed == 5 and np.array_equal(opened.run.image, studio.run.image)
    opened.guidance = 7.0
    settle(studio)
    assert studio.guidance == 7.0 and np.array_equal(opened.run.image, studio.run.image)


def test_only_one_part_is_open_and_closing_leaves_nothing_of_it(studio: Studio):
    for name in ("guidance", "noise"):
        studio.open_part(name)
        settle(studio)
        studio.open_part("")
    gc.collect()
    before = set(MODELS)
    first = weakref.ref(studio.open_part("guidance"))
    settle(studio)
    second = weakref.ref(studio.open_part("noise"))
    settle(studio)
    assert first().closed_text if first() else True
    studio.open_part("")
    gc.collect()
    assert (first(), second()) == (None, None) and studio.opened_explorable is None
    assert set(MODELS) <= before
    assert not [t for t in threading.enumerate() if t.name.startswith("explorable-")]


def test_a_fader_becomes_a_chip_that_changes_the_image_and_can_be_removed(studio: Studio, pipe: CountingPipeline):
    plain = studio.run.image
    opened = studio.open_part(U_NET)
    settle(studio)
    opened.faders = {"sampler.denoised": 0.5}
    settle(studio)
    assert [chip["text"] for chip in studio._navigation.map.chips] == ["sampler.denoised × 0.5"]
    with ex.edit(pipe, {"sampler.denoised": ex.Scale(0.5)}):
        expected = pipe("a red car", steps=3, guidance=studio.guidance, seed=0).image
    assert np.array_equal(studio.run.image, expected) and not np.array_equal(expected, plain)
    assert np.array_equal(opened.result.edited.image, expected)
    studio.open_part("")
    assert studio._navigation.map.chips and studio.edits, "closing leaves the chip"
    again = studio.open_part(U_NET)
    assert again.faders == {"sampler.denoised": 0.5}, "and it opens with it"
    settle(studio)
    studio._navigation.map.removed = "sampler.denoised × 0.5"
    settle(studio)
    assert again.faders == {} and studio._navigation.map.chips == [] and np.array_equal(studio.run.image, plain)


def test_an_edit_of_one_part_holds_in_another(studio: Studio):
    studio.open_part("reading")
    settle(studio)
    studio.opened_explorable.scales = {"red": 3.0}
    settle(studio)
    xray = studio.open_part(U_NET)
    settle(studio)
    assert np.array_equal(xray.result.original.image, studio.run.image)
    studio._navigation.map.removed = "“red” × 3"
    settle(studio)
    assert studio.edits == {} and np.array_equal(studio.opened_explorable.result.original.image, studio.run.image)


def test_a_word_that_the_prompt_has_not_leaves_the_run_as_it_is(studio: Studio, pipe: CountingPipeline):
    studio.edits = {"*.cross.weights": ex.Reweight("red", 3.0)}
    studio.prompt = "a blue boat"
    studio.wait()
    chip, = studio._navigation.map.chips
    assert studio.error is None and "does not contain" in chip["note"]
    assert np.array_equal(studio.run.image, pipe("a blue boat", steps=3, guidance=studio.guidance, seed=0).image)


def test_edits_in_words():
    edits = {"*.cross.weights": (ex.MaskToken("red"), ex.Reweight("car", 2.0)), "text.words": (ex.MaskToken("red"),),
             "up.0.skip": (ex.Scale(0.3, steps=(5, 15)), Ablate(branch="cond"))}
    texts = [chip["text"] for chip in chips_of(edits, "a red car")]
    assert texts == ["“red” masked", "“car” × 2", "up.0.skip × 0.3, steps 5 to 14", "up.0.skip ablated, cond only"]
    left = {"*.cross.weights": (ex.Reweight("car", 2.0),), "up.0.skip": edits["up.0.skip"]}
    assert without(edits, texts[0]) == left
    assert describe("x", lambda x, context: x) == "x: function" and acts_on(ex.Scale(2.0), "")
    assert acts_on(ex.Reweight("Car", 2.0), "a red car, at night") and not acts_on(ex.Reweight("car", 2.0), "a cart")


def test_the_code_has_the_edits(studio: Studio, pipe: CountingPipeline, monkeypatch: pytest.MonkeyPatch):
    studio.edits = {"up.0.skip": ex.Scale(0.5)}
    studio.wait()
    names: dict = {"pipe": pipe}
    exec(studio.code(), names)
    assert np.array_equal(names["run"].image, studio.run.image)


def test_what_flows_along_the_arrows_is_of_the_step_that_is_shown(studio: Studio):
    numbers, run = studio.result.numbers, studio.run
    for name, values in {"latent": run.latents[:-1], "next": run.latents[1:], "guided": run.denoised}.items():
        expected = np.sqrt((values.values.astype(float) ** 2).mean((1, 2, 3)))
        assert np.allclose(numbers[name], expected)
    w = studio.guidance  # guided = uncond + w difference, so the three lengths are those of a triangle
    assert (abs(numbers.guided - w * numbers.difference) <= numbers.uncond + 1e-6).all()
    for frame, times in ((0, "t 1.00 → 0.67"), (2, "t 0.33 → 0.00")):
        studio.stage.frame = frame
        assert f"{float(numbers.latent[frame]):.2f}" in [arrow["label"] for arrow in studio._navigation.map.arrows]
        assert times in shown_nodes(studio)["path"]["detail"]


@pytest.mark.parametrize(("steps", "step"), [(3, 1), (20, 7), (100, 50)])
def test_frames_and_steps_are_converted_back_and_forth(steps: int, step: int):
    for node in NODES.values():
        if node.steps is not None:
            frame = frame_for(node, step, steps)
            assert frame is not None and abs(step_for(node, frame, steps) - step) <= steps // 20


def test_a_network_that_is_not_in_this_model_opens_with_its_twin():
    assert twin_of("unet-flow", U_NET) == "unet-flow" and twin_of("dit-diffusion", U_NET) == "unet-diffusion"
    assert twin_of("unet-flow", TRANSFORMER) == "dit-flow"
    assert read_card(twin_of("my own", U_NET))["role"] == "denoiser"


def test_a_part_that_does_not_exist_is_refused(studio: Studio):
    with pytest.raises(SettingError, match="guidance"):
        studio.open_part("brain")
    studio._navigation.map.opened = "brain"  # what a script in the page may send
    assert studio.opened == ""


def test_a_click_returns_to_one_of_the_last_runs(studio: Studio):
    first = studio.run.image
    studio.edits = {"sampler.denoised": ex.Scale(0.5)}
    studio.wait()
    studio.seed = 7
    studio.wait()
    strip = studio._last.strip
    assert [item["key"] for item in strip.items] == ["1", "2", "3"] and strip.present == "3"
    strip.chosen = "1"
    studio.wait()
    assert strip.chosen == ""  # the same one can be chosen again
    assert (studio.seed, studio.edits, strip.present) == (0, {}, "1") and np.array_equal(studio.run.image, first)
    strip.chosen = "no such run"  # what a script in the page may send
    for seed in range(20, 30):
        studio.seed = seed
        studio.wait()
    assert len(strip.items) == 8


def test_four_seeds_are_one_batch_and_a_click_opens_one(studio: Studio, pipe: CountingPipeline):
    studio._seeds.button.click()
    assert studio._seeds.wait(20)
    items = studio._seeds.strip.items
    assert [item["text"] for item in items] == ["seed 0", "seed 1", "seed 2", "seed 3"]
    assert len({item["image"] for item in items}) == 4
    studio.prompt, studio.edits = "a blue boat", {"up.0.skip": ex.Scale(0.5)}
    studio._seeds.strip.chosen = "2"  # opens what was sampled, though other words are on the screen now
    studio.wait()
    assert (studio.seed, studio.prompt, studio.edits, studio._seeds.strip.chosen) == (2, "a red car", {}, "")
    studio.prompt = "a flying elephant"
    studio.wait()
    studio._seeds.button.click()
    assert studio._seeds.wait(20) and "flying" in studio.status_area.status.value


# ---- the model -------------------------------------------------------------------------------------------------------


@pytest.fixture
def shipped(pipe: CountingPipeline, monkeypatch: pytest.MonkeyPatch):
    """A Studio of the shipped models, each of which is the tiny pipeline."""
    monkeypatch.setattr("explorable.widgets.core.model_choice.shipped_pipeline", lambda name: pipe)
    studio = Studio(prompt="a red car", steps=3)
    studio.wait()
    yield studio
    studio.close()


def test_every_shipped_denoiser_is_in_the_menu_with_what_it_stands_for(shipped: Studio):
    menu = shipped.children[1].children[1].children[0]
    assert [value for _, value in menu.options] == list(denoiser_names())
    assert all(read_card(name)["stands_for"] in text for text, name in menu.options)


def test_another_model_starts_without_edits_and_with_its_own_guidance(shipped: Studio):
    shipped.edits = {"up.0.skip": ex.Scale(0.5)}
    shipped.open_part("guidance")
    before = shipped.opened_explorable
    shipped.model = "unet-reflow"
    settle(shipped)
    assert shipped.edits == {} and shipped.guidance == card_guidance(read_card("unet-reflow")) == 1.0
    assert before.closed_text and shipped.opened_explorable not in (None, before)
    assert shipped.opened_explorable.model == "unet-reflow" and "ex.load('unet-reflow')" in shipped.code()


def test_a_model_that_is_not_shipped_is_refused(shipped: Studio, studio: Studio):
    with pytest.raises(SettingError, match="unet-flow"):
        shipped.model = "stable-diffusion"
    with pytest.raises(ValueError, match="leave it out"):
        studio.model = "unet-flow"


def test_the_parts_of_the_time_add_up_to_the_whole(studio: Studio):
    run, text = studio.run, studio._timings.value
    assert len(run.evaluation_seconds) == run.evaluations == 3 and all(s > 0 for s in run.evaluation_seconds)
    assert sum(run.evaluation_seconds) < run.seconds["denoiser"]
    whole = float(re.search(r"= ([\d.]+) ms", text)[1])
    parts = [float(part) for part in re.findall(r"([\d.]+) ms(?= [+=])", text)]
    assert len(parts) == 4 and abs(sum(parts) - whole) < 0.25  # of four roundings
    assert abs(whole - 1000 * sum(run.seconds.values())) < 0.06


# ---- the run that Studio has -----------------------------------------------------------------------------------------


@pytest.fixture
def long_studio(pipe: CountingPipeline):
    """A run of more steps than a preview has."""
    studio = Studio(pipe, prompt="a red car", steps=12)
    studio.wait()
    yield studio
    studio.close()


def images_on(stage: Stage) -> dict[str, np.ndarray]:
    return {spec["name"]: np.frombuffer(data, np.uint8).reshape(spec["shape"])
            for data, spec in zip(stage.buffers, stage.layers, strict=True) if spec["kind"] == "image"}


@pytest.mark.parametrize(("name", "layer"), [
    ("NoiseTrajectory", "denoised"), ("GuidanceScale", "guided"),
    ("UNetXRay", "image edited"), ("UNetXRay", "image original"), ("TokenAttention", "denoised"),
    ("PatchTransformer", "image edited")])
def test_the_first_view_of_a_part_is_of_studios_own_run(long_studio: Studio, name: str, layer: str,
                                                        monkeypatch: pytest.MonkeyPatch):
    seen: list[np.ndarray] = []
    show = Stage.show

    def record(stage: Stage, *args, **settings):
        show(stage, *args, **settings)
        if stage is not long_studio.stage:
            seen.append(images_on(stage)[layer])

    monkeypatch.setattr(Stage, "show", record)
    opened = long_studio.open_part(next(part for part, node in NODES.items() if node.explorable == name))
    settle(long_studio)
    data = long_studio.data
    frames = data.denoised.values[: 12 if name == "NoiseTrajectory" else 11]  # others show the image as the last of 12
    assert opened.error is None and len(seen) > 1
    shown = seen[0][-len(frames) - 1 :]
    assert np.array_equal(shown[:-1], frames) and np.array_equal(shown[-1], data.image)


@pytest.mark.parametrize("name", ["noise", "guidance"])
def test_a_part_does_not_sample_the_run_again(long_studio: Studio, pipe: CountingPipeline, name: str):
    long_studio.edits = {"sampler.denoised": ex.Scale(0.9)}
    long_studio.wait()
    finished = len(pipe.finished)
    opened = long_studio.open_part(name)
    settle(long_studio)
    assert opened.run is long_studio.run and pipe.finished[finished:] == [long_studio.run.settings]
    opened.seed = 5
    settle(long_studio)
    assert np.array_equal(opened.run.image, long_studio.run.image)


def test_another_model_chosen_in_a_part_is_the_model_of_the_run(shipped: Studio):
    """With its own default guidance."""
    shipped.open_part("reading")
    settle(shipped)
    before = shipped.opened_explorable
    before.model = "unet-reflow"
    settle(shipped)
    assert shipped.model == "unet-reflow" and shipped.guidance == 1.0 and shipped.error is None
    assert before.closed_text and shipped.opened_explorable not in (None, before)
    assert shipped.opened_explorable.model == "unet-reflow" and shipped.opened_explorable.guidance == 1.0
