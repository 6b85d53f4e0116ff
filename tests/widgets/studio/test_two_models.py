"""A second model beside the first in Studio: the same noise and settings, and each is said to be what it is."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny import CountingPipeline, controls_of, status

import explorable as ex
from explorable.diffusion.paths import Linear
from explorable.diffusion.settings import SettingError
from explorable.nn.dit import DiT, DiTConfig
from explorable.widgets.core.layout import format_duration
from explorable.widgets.core.notice import computing_frames
from explorable.widgets.core.preview import PREVIEW_STEPS
from explorable.widgets.core.verdict import describe_verdict
from explorable.widgets.stage.painting import Snapshot
from explorable.widgets.studio.widget import TWO_MODELS, Studio
from explorable.zoo import denoiser_names

OTHER = "dit-diffusion"


@pytest.fixture
def other(pipe: CountingPipeline) -> CountingPipeline:
    """A transformer on the linear path, with the text encoder and autoencoder of `pipe`."""
    torch.manual_seed(1)
    made = CountingPipeline("tiny transformer", pipe.text, DiT(DiTConfig(width=32, depth=2, heads=2, context_width=32)),
                            pipe.vae, Linear(), "v", torch.device("cpu"))
    for network in (pipe.denoiser, made.denoiser):  # gates that start at zero would make all images the same
        for weights in network.parameters():
            if not weights.any():
                torch.nn.init.normal_(weights, std=0.1)
    made.requests, made.finished = [], []
    made.reached, made.go_on = threading.Event(), threading.Event()
    made.go_on.set()
    return made


@pytest.fixture
def studio(pipe: CountingPipeline, other: CountingPipeline, monkeypatch: pytest.MonkeyPatch):
    """A Studio of the shipped models: OTHER is the transformer, all others are the U-Net."""
    for module in ("core.model_choice", "studio.widget", "studio.navigation"):
        monkeypatch.setattr(f"explorable.widgets.{module}.shipped_pipeline",
                            lambda name: other if name == OTHER else pipe)
    studio = Studio(prompt="a red car", steps=3)
    studio.wait()
    yield studio
    studio.close()


def show_beside(studio: Studio, model: str = OTHER) -> None:
    studio.beside = model
    studio.wait()
    assert studio.error is None, studio.error


def layers_of(studio: Studio) -> dict[str, np.ndarray]:
    stage = studio.stage
    return {spec["name"]: np.frombuffer(data, np.uint8).reshape(spec["shape"])
            for spec, data in zip(stage.layers, stage.buffers, strict=True)}


def test_without_one_nothing_is_sampled_or_shown_for_it(studio: Studio, other: CountingPipeline):
    assert studio.beside == "" and other.requests == [] and studio.result.beside is None
    assert [panel["name"] for panel in studio.stage.panels] == ["image"] and TWO_MODELS not in studio._dom_classes
    assert "beside" not in repr(studio) + studio.code() and not any(name.startswith("beside") for name in studio.data)
    assert studio._map_note.value == ""


def test_both_sample_the_same_prompt_and_noise(studio: Studio, pipe: CountingPipeline, other: CountingPipeline):
    show_beside(studio)
    settings = {"steps": 3, "guidance": studio.guidance, "seed": 0}
    first, second = pipe("a red car", **settings), other("a red car", **settings)
    assert np.array_equal(studio.run.image, first.image)
    assert np.array_equal(studio.result.beside.run.image, second.image)
    assert not np.array_equal(first.image, second.image)
    assert np.array_equal(first.latents[0], second.latents[0]), "the same noise"
    assert np.array_equal(first.latents.t, second.latents.t), "one caption is right for both"
    data, layers = studio.data, layers_of(studio)
    assert np.array_equal(data.beside_denoised, second.previews)
    assert np.array_equal(data.beside_noisy, second.noisy[:-1])
    assert np.array_equal(data.beside_image, second.image) and np.array_equal(data.image, first.image)
    assert (data.attrs["model"], data.attrs["beside"]) == ("unet-flow", OTHER)
    for name in ("noisy", "denoised"):
        assert np.array_equal(layers[name][:-1], data[name])
        assert np.array_equal(layers[f"beside {name}"][:-1], data[f"beside_{name}"])
        assert np.array_equal(layers[f"beside {name}"][-1], second.image)


def test_both_panels_show_the_same_layer_and_say_which_model(studio: Studio):
    show_beside(studio)
    left, right = studio.stage.panels
    assert (left["title"], right["title"]) == ("left: unet-flow", f"right: {OTHER}")
    assert TWO_MODELS in studio._dom_classes
    studio.stage.layer = "denoised"
    snapshot = Snapshot.of(studio.stage)
    assert [snapshot.shown_layers(panel) for panel in snapshot.panels] == [["denoised"], ["beside denoised"]]
    studio.beside = ""
    studio.wait()
    assert TWO_MODELS not in studio._dom_classes and len(studio.stage.panels) == 1
    assert studio.stage.layer == "denoised", "the choice stays"


def test_the_verdict_work_and_time_of_each_are_said(studio: Studio):
    show_beside(studio)
    score = studio.status_area.score.value
    rows = score.split('<div class="ex-score">')[1:]
    assert len(rows) == 2
    for row, result, side in zip(rows, (studio.result, studio.result.beside), ("left", "right"), strict=True):
        assert f"{side}, {result.request.model}: the examiner sees" in row and describe_verdict(result.verdict) in row
        assert f"6 evaluations in {format_duration(sum(result.run.seconds.values()))}<" in row
    assert "Two models, the same start and settings; " in status(studio)
    assert "the map and what it opens are of unet-flow, on the left." in studio._map_note.value.lower()
    assert studio._diagram.value.count("<svg") == 2 and f">{OTHER}<" in studio._diagram.value


def test_the_table_compares_the_two(studio: Studio):
    plain = list(studio.table().columns)
    show_beside(studio)
    table, data = studio.table(), studio.data.astype("float32") / 255
    assert set(plain) < set(table.columns)
    gap = np.sqrt(((data.denoised - data.beside_denoised) ** 2).mean(["y", "x", "rgb"]))
    assert np.allclose(table["denoised, of both"], gap) and table["denoised, of both"].min() > 0
    rest = np.sqrt(((data.beside_noisy - data.beside_image) ** 2).mean(["y", "x", "rgb"]))
    assert np.allclose(table["beside: noisy, from its image"], rest) and (np.diff(rest) != 0).all()


def test_the_code_reproduces_both(studio: Studio, pipe: CountingPipeline, other: CountingPipeline,
                                  monkeypatch: pytest.MonkeyPatch):
    studio.initial_image, studio.strength = "a red car by day", 0.7
    show_beside(studio)
    monkeypatch.setattr(ex, "load", lambda name: other if name == OTHER else pipe)
    names: dict = {}
    exec(studio.code(), names)
    assert np.array_equal(names["run"].image, studio.run.image)
    assert np.array_equal(names["beside"].image, studio.result.beside.run.image)
    assert studio.result.beside.run.steps == 2, "the second starts from the picture too"


def test_images_come_as_soon_as_they_are_there(studio: Studio, pipe: CountingPipeline, other: CountingPipeline):
    came: list[dict[str, np.ndarray]] = []
    studio.stage.observe(lambda change: came.append(layers_of(studio)), names="recording_id")
    with studio.hold_trait_notifications():
        studio.steps, studio.beside = 3 * PREVIEW_STEPS, OTHER
    studio.wait()
    first, second = studio.run.image, studio.result.beside.run.image
    grey = computing_frames(1, pipe.image_size)
    assert len(came) == 5
    assert all((layers["beside noisy"] == grey).all() for layers in came[:2]), "the first model does not wait"
    for shown, (left, right) in zip(came, [(False, False), (True, False), (True, False), (True, True), (True, True)],
                                    strict=True):
        assert np.array_equal(shown["noisy"][-1], first) == left
        assert np.array_equal(shown["beside noisy"][-1], second) == right
    assert [s["steps"] for _, s in other.requests] == [PREVIEW_STEPS, 3 * PREVIEW_STEPS]


def test_edits_are_of_the_first_alone(studio: Studio, pipe: CountingPipeline):
    show_beside(studio, "unet-flow")  # the model beside itself
    plain = studio.run.image
    studio.edits = {"sampler.denoised": ex.Scale(0.5)}
    studio.wait()
    assert not np.array_equal(studio.run.image, plain) and np.array_equal(studio.result.beside.run.image, plain)
    titles = [panel["title"] for panel in studio.stage.panels]
    assert titles == ["left: unet-flow, edited", "right: unet-flow, without the edits"]


def test_a_part_of_the_map_is_of_the_first_model(studio: Studio):
    show_beside(studio)
    opened = studio.open_part("guidance")
    opened.wait()
    assert opened.model == "unet-flow" and np.array_equal(opened.run.image, studio.run.image)
    opened.stage.frame = 1
    assert studio.stage.frame == 1


def test_every_shipped_denoiser_is_in_the_menu_and_nothing_else_is_taken(studio: Studio, pipe: CountingPipeline):
    menu = controls_of(studio)["beside it"]
    assert [value for _, value in menu.options] == ["", *denoiser_names()] and menu.tooltip
    menu.value = OTHER
    studio.wait()
    assert studio.beside == OTHER
    with pytest.raises(SettingError, match="choose one of"):
        studio.beside = "stable-diffusion"
    own = Studio(pipe, prompt="a red car", steps=2)
    assert "beside it" not in controls_of(own)
    with pytest.raises(SettingError, match="only shipped models"):
        own.beside = OTHER
    own.close()


def test_the_last_runs_return_to_two_models_and_to_one(studio: Studio):
    show_beside(studio)
    items = studio._last.strip.items
    assert f"beside {OTHER}" in items[-1]["text"] and "beside" not in items[0]["text"]
    studio._last.strip.chosen = items[0]["key"]
    studio.wait()
    assert studio.beside == "" and studio.result.beside is None
    studio._last.strip.chosen = items[-1]["key"]
    studio.wait()
    assert studio.beside == OTHER and studio.result.beside is not None


def test_a_saved_page_and_a_still_have_both(studio: Studio, tmp_path: Path):
    alone = studio.still()
    show_beside(studio)
    page = studio.save_html(tmp_path / "studio.html").read_text("utf-8")
    assert TWO_MODELS in page and f"right: {OTHER}" in page and f"beside: {OTHER}" in page
    assert f"ex.load(&#x27;{OTHER}&#x27;)" in page and "beside denoised" in page
    assert studio.still() != alone


def test_four_seeds_are_of_the_first_model(studio: Studio, pipe: CountingPipeline, other: CountingPipeline):
    show_beside(studio)
    before = len(other.requests)
    studio._seeds.button.click()
    assert studio._seeds.wait(20) and len(other.requests) == before
    assert studio._seeds.strip.title.startswith("“a red car” by unet-flow with seeds 0 to 3")
