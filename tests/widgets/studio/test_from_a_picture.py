"""Studio's runs that start from a picture: they are those of the pipeline, and all that is said of them is true."""

from __future__ import annotations

import io
from pathlib import Path

import diffusers
import numpy as np
import pytest
import tiny_pipelines as tp
from PIL import Image
from tiny import CountingPipeline, status

import explorable as ex
from explorable.diffusion.settings import SettingError
from explorable.widgets.core.layout import descendants
from explorable.widgets.core.picture import DRAWINGS, as_picture
from explorable.widgets.core.picture_input import PictureInput
from explorable.widgets.core.preview import PREVIEW_STEPS, preview_settings
from explorable.widgets.studio.widget import Studio

PHOTO = np.random.default_rng(0).integers(0, 255, (90, 120, 3), np.uint8)


def run_from(pipe: CountingPipeline, strength: float, steps: int, seed: int = 0):
    image = as_picture(PHOTO).fitted(pipe.image_size)
    return pipe("a red car", image=image, strength=strength, steps=steps, seed=seed)


def start(studio: Studio, picture=PHOTO, strength: float = 0.5, steps: int = 6) -> None:
    with studio.hold_trait_notifications():
        studio.steps, studio.strength, studio.initial_image = steps, strength, picture
    studio.wait()


def upload(studio: Studio, name: str, content: bytes) -> None:
    button, = (w for w in descendants(studio) if isinstance(w, PictureInput))
    button._handle_custom_msg({"name": name}, [memoryview(content)])
    studio.wait()


def group_text(studio: Studio) -> str:
    """Everything that is said in the group of the picture."""
    start_text = studio._start_text
    group, = (w for w in descendants(studio) if "ex-group" in w._dom_classes and start_text in w.children)
    return " ".join(getattr(w, "value", "") for w in group.children if isinstance(getattr(w, "value", ""), str))


def png(image: np.ndarray, mode: str = "RGB") -> bytes:
    file = io.BytesIO()
    Image.fromarray(image).convert(mode).save(file, "PNG")
    return file.getvalue()


def test_it_samples_what_the_pipeline_samples_from_a_picture(studio: Studio, pipe: CountingPipeline):
    plain = studio.run.image
    start(studio)
    run = run_from(pipe, 0.5, 6)
    assert np.array_equal(studio.run.image, run.image) and not np.array_equal(run.image, plain)
    data = studio.data
    assert np.array_equal(data.denoised, run.previews) and np.array_equal(data.noisy, run.noisy[:-1])
    assert np.array_equal(data.initial_image, as_picture(PHOTO).fitted(pipe.image_size))
    assert data.attrs["strength"] == 0.5 and data.attrs["steps"] == 6 and data.sizes["step"] == 3
    assert data.t.values == pytest.approx([1 / 2, 1 / 3, 1 / 6])
    assert list(studio.table().index) == [0, 1, 2]


def test_without_a_picture_the_strength_changes_nothing(studio: Studio, pipe: CountingPipeline):
    before, requests, said = studio.run, len(pipe.requests), repr(studio)
    studio.strength = 0.3
    studio.wait()
    assert studio.run is before and len(pipe.requests) == requests and repr(studio) == said
    assert "strength" not in studio.data.attrs and "initial_image" not in studio.data
    assert "noise alone, at step 0 of 3" in studio._start_text.value and studio._map_note.value == ""
    start(studio)
    assert "strength=0.5" in repr(studio)
    studio.initial_image = None
    studio.steps = 3
    studio.wait()
    assert np.array_equal(studio.run.image, before.image)


def test_what_is_said_of_the_run_is_true(studio: Studio, tmp_path: Path):
    start(studio)
    assert "From step 3 of 6: 6 evaluations of the network, 3 with the prompt and 3 without: " in status(studio)
    assert "noise of t = 0.50, at step 3 of 6: 3 steps are sampled" in studio._start_text.value
    assert studio.stage.captions[0] == "step 0 of 3, t = 0.50" and len(studio.stage.captions) == 4
    assert studio.stage.file_name == "a-red-car-seed-0-strength-0.5"
    assert {"encoder", "denoiser"} <= studio.run.seconds.keys() and "encoder " in studio._timings.value
    assert all(part in studio._diagram.value for part in ("encoded, t = 0.50", "a picture with the noise of t = 0.50"))
    nodes = {node["name"]: node["detail"] for node in studio._navigation.map.nodes}
    assert nodes["noise"] == "on the picture, t = 0.50" and "6 evaluations" in nodes["U-Net"]
    assert "without the picture" in studio._map_note.value
    page = studio.save_html(tmp_path / "studio.html").read_text("utf-8")
    assert "initial image: &#x27;your picture&#x27; · strength: 0.5" in page and "strength=0.5" in page
    assert '"name": "start", "label": "Picture"' in page


def test_the_picture_is_a_layer_of_the_stage(studio: Studio, pipe: CountingPipeline):
    start(studio)
    stage = studio.stage
    assert [spec["name"] for spec in stage.layers] == ["noisy", "denoised", "start"]
    assert stage.buffers[2] == as_picture(PHOTO).fitted(pipe.image_size).tobytes()
    assert stage.layers[2]["frame_indices"] == [0] * len(stage.captions)
    stage.layer = "start"
    studio.steps = 24
    studio.wait()
    assert studio.error is None and stage.layer == "start"
    studio.initial_image = None
    studio.wait()
    assert [spec["name"] for spec in stage.layers] == ["noisy", "denoised"] and stage.layer == "noisy"


@pytest.mark.parametrize("strength", [0.05, 0.3, 0.45, 4 / 7, 0.75, 0.9, 1.0])
def test_a_preview_of_any_strength_fits_its_recording(studio: Studio, pipe: CountingPipeline, strength: float):
    came = []
    studio.stage.observe(lambda change: came.append(len(studio.stage.captions)), names="recording_id")
    start(studio, strength=strength, steps=40)
    sampled = int(40 * strength)
    assert studio.error is None and studio.run.steps == sampled and set(came) == {sampled + 1}
    assert len(came) == (3 if sampled > 2 * PREVIEW_STEPS else 1)
    few = preview_settings(studio.request().settings)
    assert few.strength == strength and PREVIEW_STEPS - 1 <= few.sampled_steps <= PREVIEW_STEPS + 1


def test_the_code_reproduces_it(studio: Studio, pipe: CountingPipeline):
    start(studio, DRAWINGS[1])
    names: dict = {"pipe": pipe, "ex": ex}
    exec(studio.code(), names)
    assert np.array_equal(names["run"].image, studio.run.image)
    assert np.array_equal(names["image"], studio.data.initial_image)


def test_the_code_reads_a_file(studio: Studio, pipe: CountingPipeline, tmp_path: Path):
    path = tmp_path / "photo.png"
    path.write_bytes(png(PHOTO))
    start(studio, str(path))
    names: dict = {"pipe": pipe, "ex": ex}
    exec(studio.code(), names)
    assert np.array_equal(names["run"].image, studio.run.image)


def test_a_file_from_the_page_starts_the_run(studio: Studio, pipe: CountingPipeline):
    studio.steps, studio.strength = 6, 0.5
    upload(studio, "photo.png", png(PHOTO))
    assert studio.initial_image.name == "photo.png"
    assert np.array_equal(studio.run.image, run_from(pipe, 0.5, 6).image)
    transparent = np.dstack([PHOTO, np.zeros_like(PHOTO[..., 0])])
    upload(studio, "transparent.png", png(transparent, "RGBA"))
    assert studio.data.initial_image.values.min() == 255, "transparency is white"


@pytest.mark.parametrize(("content", "said"), [
    (b"no picture at all", "is no picture that can be read"), (png(PHOTO)[:200], "is damaged"),
    (b"\0" * 31_000_000, "31 MB: choose a file of at most 30 MB"), (png(PHOTO[:2]), "2 pixels")])
def test_a_refused_file_is_said_beside_the_control_and_nothing_changes(studio: Studio, content: bytes, said: str):
    start(studio)
    before, picture = studio.run, studio.initial_image
    upload(studio, "bad.png", content)
    assert studio.run is before and studio.initial_image is picture and not studio.stage.stale
    assert said in group_text(studio) and said in status(studio) and 'role="alert"' in status(studio)
    studio.seed = 3
    studio.wait()
    assert said not in group_text(studio) and studio.error is None


def test_a_strength_that_leaves_no_step_is_refused_and_the_image_stays(studio: Studio):
    start(studio)
    before = studio.run
    with pytest.raises(SettingError, match="above 0"):
        studio.strength = 0
    studio.strength = 0.1
    studio.wait()
    assert "leaves none of the 6 steps" in status(studio) and studio.run is before
    assert "at step 3 of 6" in studio._start_text.value, "it is still what is on the screen"


def test_a_picture_that_is_none_is_refused(studio: Studio):
    with pytest.raises(ValueError, match="no picture file 'nothing"):
        studio.initial_image = "nothing.png"
    assert studio.initial_image is None


def test_the_last_runs_return_to_a_picture_and_from_it(studio: Studio):
    plain = studio.run.image
    start(studio)
    pictured = studio.run.image
    items = studio._last.strip.items
    assert "strength 0.5" in items[-1]["text"] and "your picture" in items[-1]["text"]
    assert "strength" not in items[0]["text"]
    studio._last.strip.chosen = items[0]["key"]
    studio.wait()
    assert studio.initial_image is None and np.array_equal(studio.run.image, plain)
    studio.strength = 0.9
    studio._last.strip.chosen = items[-1]["key"]
    studio.wait()
    assert studio.strength == 0.5 and np.array_equal(studio.run.image, pictured)


def test_four_seeds_start_from_the_picture(studio: Studio, pipe: CountingPipeline):
    start(studio)
    pipe.requests.clear()
    studio._seeds.button.click()
    assert studio._seeds.wait(20)
    assert "from “your picture”" in studio._seeds.strip.title
    assert [(s["seed"], s["strength"]) for _, s in pipe.requests] == [(k, 0.5) for k in range(4)]
    studio._seeds.strip.chosen = "2"
    studio.wait()
    assert np.array_equal(studio.run.image, run_from(pipe, 0.5, 6, seed=2).image)


def test_a_part_of_the_map_opens_at_the_same_noise_time(studio: Studio):
    start(studio)
    studio.stage.frame = 1
    opened = studio.open_part("guidance")
    opened.wait()
    times = opened.run.latents.t.values
    assert times[opened.stage.frame] == pytest.approx(float(studio.run.latents.t[1]))
    opened.stage.frame = 5
    assert studio.stage.frame == 2
    studio.stage.frame = 0
    assert times[opened.stage.frame] == pytest.approx(float(studio.run.latents.t[0]))


@pytest.mark.parametrize("kind", ["StableDiffusionImg2ImgPipeline", "StableDiffusionPipeline"])
def test_an_opened_pipeline_starts_from_a_picture_where_it_can(kind: str):
    pipeline = getattr(diffusers, kind).from_pretrained(tp.saved("sd"))
    pipeline.set_progress_bar_config(disable=True)
    pipe = ex.open(pipeline, **tp.CALL_DEFAULTS["sd"])
    studio = Studio(pipe, prompt=tp.PROMPT, steps=5)
    studio.wait()
    if pipe.takes_image:
        assert "starts from an image" in status(studio)
        start(studio, steps=5, strength=0.6)
        image = as_picture(PHOTO).fitted(pipe.image_size)
        expected = pipe(tp.PROMPT, image=image, strength=0.6, steps=5, guidance=studio.guidance, seed=0)
        assert studio.error is None and np.array_equal(studio.run.image, expected.image)
        assert f"{expected.steps * expected.branches} evaluations" in status(studio)
        assert "at step 2 of 5" in studio._start_text.value
        assert f"t = {float(expected.latents.t[0]):.2f}" in studio._diagram.value
    else:
        texts = [w.value for w in descendants(studio) if hasattr(w, "value") and isinstance(w.value, str)]
        assert any("This pipeline starts from noise only" in text for text in texts)
        assert not any(isinstance(w, PictureInput) for w in descendants(studio))
        with pytest.raises(SettingError, match="starts from noise only"):
            studio.initial_image = PHOTO
    studio.close()
