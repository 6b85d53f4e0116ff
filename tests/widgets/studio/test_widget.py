"""The kernel's half of the Studio and its stage, on a tiny untrained model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tiny import CountingPipeline, controls_of, status

from explorable.diffusion.settings import SettingError
from explorable.nn.text import UnknownWordError
from explorable.widgets.core import preview
from explorable.widgets.core.layout import descendants
from explorable.widgets.core.notice import computing_frames
from explorable.widgets.core.preview import IMAGE_LABEL, PREVIEW_LABEL, PREVIEW_STEPS
from explorable.widgets.pipeline_map.diagram import pipeline_diagram
from explorable.widgets.stage.stage import Images, Stage
from explorable.widgets.studio import compute
from explorable.widgets.studio.controls import EXAMPLES
from explorable.widgets.studio.view import token_chips
from explorable.widgets.studio.widget import Studio

NASTY = "<img src=x onerror=alert(1)>"



def test_it_draws_what_the_pipeline_draws(studio: Studio, pipe: CountingPipeline):
    run = pipe("a red car", steps=3, guidance=studio.guidance, seed=0)
    assert np.array_equal(studio.run.image, run.image)
    assert np.array_equal(studio.data.image, run.image)
    assert np.array_equal(studio.data.denoised, run.previews)
    assert np.array_equal(studio.data.noisy, run.noisy[:-1])
    assert "6 evaluations of the network, 3 with the prompt and 3 without: " in status(studio)
    assert "to decode the recording." in status(studio)
    assert not studio.busy and studio.error is None


def test_the_recording_is_on_the_stage(studio: Studio):
    stage, data = studio.stage, studio.data
    sent = zip(stage.buffers, stage.layers, strict=True)
    noisy, denoised = (np.frombuffer(data, np.uint8).reshape(spec["shape"]) for data, spec in sent)
    assert np.array_equal(noisy[:-1], data.noisy) and np.array_equal(denoised[:-1], data.denoised)
    assert np.array_equal(noisy[-1], data.image) and np.array_equal(denoised[-1], data.image)
    assert stage.captions == [
        "step 0 of 3, t = 1.00", "step 1 of 3, t = 0.67", "step 2 of 3, the last, t = 0.33",
        "finished after 3 steps, t = 0.00"]
    assert (stage.frame, stage.recording_id) == (3, 1)


def test_the_last_frame_is_the_picture_to_the_last_bit(studio: Studio, pipe: CountingPipeline,
                                                       monkeypatch: pytest.MonkeyPatch):
    decode = pipe.decode  # a real one rounds differently in a batch; this one does so visibly
    monkeypatch.setattr(pipe, "decode", lambda latents: decode(latents) // 2 + np.uint8(len(latents) > 1))
    studio.seed = 1
    studio.wait()
    assert np.array_equal(studio.data.image, studio.run.image)
    for layer in studio.stage.buffers:
        assert layer[-studio.run.image.size:] == studio.run.image.tobytes()


def test_only_the_finished_image_is_examined(studio: Studio, monkeypatch: pytest.MonkeyPatch):
    examined = []
    monkeypatch.setattr(compute, "examine_images", lambda *images: examined.extend(images) or ())
    studio.steps = 3 * PREVIEW_STEPS
    studio.wait()
    assert len(examined) == 1 and np.array_equal(examined[0], studio.run.image)


def test_a_run_of_many_steps_is_first_shown_in_few_steps(studio: Studio, pipe: CountingPipeline, tmp_path: Path):
    came, before = [], studio.run
    stage = studio.stage
    stage.observe(
        lambda change: came.append(
            (stage.captions, stage.layers[0]["shape"][0], stage.autoplay, status(studio), studio.run is before)
        ),
        names="recording_id",
    )
    studio.steps = steps = 3 * PREVIEW_STEPS
    studio.wait()
    (said, few, autoplay, _, kept), _, (whole, many, again, busy, _) = came
    assert len(said) == len(whole) == many == steps + 1 and few == PREVIEW_STEPS + 1
    assert all(caption.startswith((f"{PREVIEW_LABEL}: step", f"{PREVIEW_LABEL}: finished")) for caption in said)
    assert PREVIEW_LABEL not in "".join(whole)
    assert (autoplay, again, kept) == (True, False, True), (
        "the whole takes the place of the first look, and is the answer"
    )
    assert IMAGE_LABEL in busy.lower() and PREVIEW_LABEL not in status(studio).lower() and studio.run.steps == steps
    assert [settings["steps"] for _, settings in pipe.requests[-2:]] == [PREVIEW_STEPS, steps]
    assert PREVIEW_LABEL not in studio.save_html(tmp_path / "studio.html").read_text("utf-8"), "a saved one is finished"


@pytest.mark.parametrize(("shown", "hidden"), [("noisy", "denoised"), ("denoised", "noisy")])
def test_a_preview_decodes_only_the_layer_on_the_screen(studio: Studio, pipe: CountingPipeline, shown: str, hidden: str,
                                                        monkeypatch: pytest.MonkeyPatch):
    decode, decoded, recordings = pipe.decode, [], []
    monkeypatch.setattr(pipe, "decode", lambda latents: decoded.append(len(latents)) or decode(latents))
    studio.stage.layer = shown
    studio.stage.observe(lambda change: recordings.append((sum(decoded), dict(zip(
        [spec["name"] for spec in studio.stage.layers], studio.stage.buffers, strict=True)))), names="recording_id")
    studio.steps = steps = 3 * PREVIEW_STEPS
    studio.wait()
    (before, preview), (image, _), (everything, full) = recordings
    assert before == PREVIEW_STEPS + 1 and image == before + 1 and everything == image + 2 * steps
    few = pipe("a red car", steps=PREVIEW_STEPS, guidance=studio.guidance)
    expected = {"noisy": few.noisy[:-1], "denoised": few.previews}[shown].values
    assert preview[shown] == expected.tobytes() + few.image.tobytes()
    assert preview[hidden] == computing_frames(PREVIEW_STEPS, pipe.image_size).tobytes() + few.image.tobytes()
    assert full[hidden][:-few.image.size] == studio.data[hidden].values.tobytes()


def test_a_newer_request_supersedes_a_preview_that_takes_long(studio: Studio, pipe: CountingPipeline,
                                                              monkeypatch: pytest.MonkeyPatch):
    for seconds, finished in ((0.0, [2]), (60.0, [PREVIEW_STEPS, 2])):
        monkeypatch.setattr(preview, "PREVIEW_SECONDS", seconds)
        pipe.reached.clear()
        pipe.go_on.clear()
        pipe.finished.clear()
        recording_id = studio.stage.recording_id
        studio.steps = 3 * PREVIEW_STEPS
        assert pipe.reached.wait(20)
        studio.steps = 2
        pipe.go_on.set()
        studio.wait()
        assert [s.steps for s in pipe.finished] == finished
        assert studio.stage.recording_id == recording_id + len(finished)


def test_an_unknown_word_is_said_and_the_picture_stays(studio: Studio):
    before, recording_id = studio.run, studio.stage.recording_id
    studio.prompt = "a red cra"
    studio.wait()
    assert "&#x27;cra&#x27;" in status(studio) and "car" in status(studio) and 'role="alert"' in status(studio)
    assert isinstance(studio.error, UnknownWordError)
    assert studio.run is before and studio.stage.recording_id == recording_id
    studio.prompt = "a red boat"
    studio.wait()
    assert studio.error is None and "ex-error" not in status(studio)


def test_a_prompt_is_text_and_never_html(studio: Studio):
    studio.prompt = NASTY
    studio.wait()
    assert "<img" not in status(studio) and "&lt;img" in status(studio)
    assert "<img" not in token_chips(["<start>", NASTY, "<end>"])
    seconds = {"text encoder": 0.1, "denoiser": 1.0, "decoder": 0.1}
    made = pipeline_diagram(3, 24, None, (16, 64, 64), (3, 512, 512), NASTY, seconds)
    assert "<img" not in made
    assert all(said in made for said in (">24 tokens<", "16 × 64 × 64 latent", "8 × larger", "3 × 512 × 512"))


@pytest.mark.parametrize(
    ("name", "value"),
    [("steps", 0), ("steps", 10_000), ("guidance", float("nan")), ("guidance", -1.0), ("seed", -1),
     ("sampler", "magic")],
)
def test_a_bad_setting_is_refused_and_changes_nothing(studio: Studio, pipe: CountingPipeline, name: str, value: object):
    before, request = getattr(studio, name), len(pipe.requests)
    with pytest.raises(SettingError, match=name):
        setattr(studio, name, value)
    studio.wait()
    assert getattr(studio, name) == before and len(pipe.requests) == request
    with pytest.raises(SettingError, match=name):
        Studio(pipe, **{name: value})


@pytest.mark.parametrize(
    ("prompt", "negative", "guidance", "said"),
    [("", None, 4, "is empty: this image is unconditional. 2 evaluations of the network:"),
     ("", "a cat", 4,
      "only avoids what the negative prompt says. 4 evaluations of the network, 2 with the prompt and 2 with the "
      "negative "),
     ("", "a cat", 0.5, "partly follows the negative prompt. 4 evaluations of the network, 2 with the prompt and 2 "
      "with the negative "),
     ("", "a cat", 1, "is empty: this image is unconditional. 2 evaluations of the network:"),
     ("", "a cat", 0, "ignores the prompt: this image follows the negative prompt. 2 evaluations of the network:"),
     ("a car", "a cat", 0, "ignores the prompt: this image follows the negative prompt."),
     ("a car", None, 0, "ignores the prompt: this image is unconditional."),
     ("a car", "a cat", 1, "the conditional prediction as it is. 2 evaluations of the network:"),
     ("a car", "a car", 4, "guidance has no effect. 2 evaluations of the network:"),
     ("a car", "a cat", 4, ">4 evaluations of the network, 2 with the prompt and 2 with the negative ")],
)
def test_what_is_said_of_a_wish_is_true(pipe: CountingPipeline, prompt: str, negative: str | None, guidance: float,
                                        said: str):
    studio = Studio(pipe, prompt=prompt, negative=negative, guidance=guidance, steps=2)
    studio.wait()
    assert said in status(studio)
    studio.close()


def test_heun_is_said_to_look_once_at_its_last_step(studio: Studio):
    studio.sampler = "heun"
    studio.wait()
    assert "10 evaluations of the network, 5 with the prompt and 5 without" in status(studio)


def test_the_words_are_chips_with_the_padding_folded(studio: Studio):
    chips = studio._chips.value
    assert all(f">{name}<" in chips for name in ("&lt;start&gt;", "red", "car", "&lt;end&gt;", "19 × &lt;pad&gt;"))
    assert "pad" not in token_chips(["<start>", *["a"] * 22, "<end>"])


def test_the_code_reproduces_the_picture(studio: Studio, pipe: CountingPipeline):
    studio.negative = "a boat"
    studio.wait()
    lines = studio.code().splitlines()
    names = {"pipe": pipe}
    exec("\n".join(line for line in lines if not line.startswith("import")), names)
    assert np.array_equal(names["run"].image, studio.run.image)


def test_the_table_has_a_row_a_step(studio: Studio):
    table = studio.table()
    assert list(table.index) == [0, 1, 2]
    assert table["t"].tolist() == pytest.approx([1, 2 / 3, 1 / 3])
    assert table["denoised, from the image"].iloc[-1] < 1 / 255  # Euler's last step lands on the last estimate


def test_a_long_recording_is_thinned(pipe: CountingPipeline):
    studio = Studio(pipe, prompt="a red car", steps=230, guidance=1)
    studio.wait()
    assert len(studio.stage.captions) == 101
    assert studio.stage.captions[0] == "step 0 of 230, t = 1.00"
    assert studio.stage.captions[-1] == "finished after 230 steps, t = 0.00"
    studio.close()


def test_its_repr_is_one_short_line(studio: Studio):
    studio.prompt = "a red ball to the left of a green dog in a meadow at sunset by a lake " * 3
    assert len(repr(studio)) < 110 and repr(studio) == repr(studio) and "\n" not in repr(studio)
    assert repr(studio).startswith("Studio('a red ball")
    assert repr(studio.stage) == "Stage(noisy, denoised; 4 frames)"


def test_a_stage_refuses_what_it_cannot_draw():
    good = np.zeros((2, 8, 8, 3), np.uint8)
    with pytest.raises(ValueError, match="'a'"):
        Stage().show([Images("a", "A", good.astype(float))], ["0", "1"])
    with pytest.raises(ValueError, match="'a'"):
        Stage().show([Images("a", "A", good)], ["0", "1", "2"])


def test_a_seed_below_zero_is_refused_and_not_silently_changed(studio: Studio):
    seed = controls_of(studio)["seed"]
    seed.value = 7
    seed.value = -5
    assert studio.seed == seed.value == 7
    assert "Seed is -5: choose a whole number from 0" in status(studio) and 'role="alert"' in status(studio)


def test_the_examples_are_a_menu(studio: Studio):
    menu, = (w for w in descendants(studio) if getattr(w, "description", "") == "examples")
    assert [text for text, _ in menu.options[1:]] == list(EXAMPLES)
    menu.value = EXAMPLES[1]
    assert studio.prompt == EXAMPLES[1] and menu.value == ""


def test_the_finished_image_is_shown_before_all_steps_are_decoded(pipe: CountingPipeline):
    shown = []
    studio = Studio(pipe, prompt="a red car", steps=12)
    studio.wait()
    show = studio._put_on_stage
    studio._put_on_stage = lambda *arguments: (show(*arguments), shown.append(
        (studio.stage.captions[-1], np.frombuffer(studio.stage.buffers[0], np.uint8).reshape(-1, 128, 128, 3)[-1])))
    studio.seed = 5
    studio.wait()
    captions, images = zip(*shown, strict=True)
    finished = "finished after 12 steps, t = 0.00"
    assert captions == (f"{PREVIEW_LABEL}: finished after 4 steps, t = 0.00", finished, finished)
    assert np.array_equal(images[1], studio.run.image)
    studio.close()
