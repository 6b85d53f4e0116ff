"""LatentSpace: its modes, the reader's own picture, what is done on the stage, and opened pipelines."""

from __future__ import annotations

import io
import time

import diffusers
import numpy as np
import pytest
import tiny_pipelines as tp
import tiny_pipes
from ipywidgets import Button, Dropdown, FloatSlider, Text
from PIL import Image

import explorable as ex
from explorable.analysis.latents import label_latent
from explorable.measure import spaces
from explorable.widgets.core.layout import descendants
from explorable.widgets.core.picture import DRAWINGS, drawing
from explorable.widgets.latent_space.controls import MODES
from explorable.widgets.latent_space.view import cell_colours, channel_tiles
from explorable.widgets.latent_space.widget import LatentSpace


@pytest.fixture(scope="module")
def pipe():
    return tiny_pipes.tiny()


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(spaces, "step_seconds", lambda channels, side, repeats: 0.6 if channels == 3 else 0.02)
    monkeypatch.setattr(spaces, "_MEASURED", {})


@pytest.fixture
def made(pipe):
    """Make explorables, wait for their results, and close them."""
    open_ones = []

    def make(pipe=pipe, **values):
        space = LatentSpace(pipe, **{"prompt": "a red car", "steps": 4, **values})
        open_ones.append(space)
        space.wait(60)
        assert space.error is None, space.error
        return space

    yield make
    for space in open_ones:
        space.close()


def control(space, kind, name):
    return next(w for w in descendants(space) if isinstance(w, kind) and w.description.startswith(name))


def shown(space) -> str:
    return space.status_area.caption.value + space.status_area.score.value


def layers(space) -> dict:
    return {spec["name"]: spec for spec in space.stage.layers}


def file_of(image: np.ndarray, kind: str = "PNG") -> bytes:
    out = io.BytesIO()
    Image.fromarray(image).save(out, kind)
    return out.getvalue()


def upload(space, name: str, content: bytes) -> None:
    space.picture_input._handle_custom_msg({"name": name}, [memoryview(content)])
    space.wait()


# ---- channels --------------------------------------------------------------------------------------------------------


def test_it_opens_with_picture_channels_reconstruction_and_error(made):
    space = made()
    assert [p["name"] for p in space.stage.panels] == ["reconstruction", "picture", "latent", "error"]
    assert [p["grid_area"][0] for p in space.stage.panels] == [3, 1, 2, 4]
    assert space.stage.frame == 0 and space.stage.captions[0].startswith("all channels: ")
    assert space.stage.captions[2].startswith("channel 2 silenced: ")
    assert "not a small photograph" in shown(space) and "a step 30 times faster" in shown(space)
    assert "64 times fewer positions; a popular lesson says 64 times faster; measured here: 0.60 s" in shown(space)
    assert space.table().loc["values"].tolist() == ["49,152", "1,024", "48"]
    assert space.costs.speedup == pytest.approx(30) and "one step of the same U-Net" in space._numbers.value


def test_each_channel_has_a_slider_and_one_button_resets_them(made):
    space = made()
    sliders = [w for w in descendants(space) if isinstance(w, FloatSlider) and w.description.startswith("channel ")]
    assert [w.description for w in sliders] == [f"channel {k}" for k in (1, 2, 3, 4)]
    sliders[2].value = 0.0
    space.wait()
    assert space.scales == (1.0, 1.0, 0.0, 1.0) and not space.data.latent[0, 2].any()
    assert float(space.data.psnr[0]) == float(space.data.psnr[3])  # silencing it once more changes nothing
    control(space, Button, "reset").click()
    space.wait()
    assert space.scales == () and sliders[2].value == 1.0


def test_the_images_move_while_a_slider_does_and_end_on_its_last_value(made):
    space, recordings = made(), []
    before = space.result
    space.stage.observe(lambda change: recordings.append(space.stage.buffers[0]), names="recording_id")
    for k in range(60):
        space.scales = (1.0, 1.0, k / 60, 1.0)
        time.sleep(0.01)
    space.wait()
    assert len(set(recordings)) > 2 and space.result is not before
    assert space.result.request.scales[2] == 59 / 60 and recordings[-1] == space.data.reconstruction.values.tobytes()
    assert space.preview_label == "" and "earlier position" not in shown(space)


@pytest.mark.parametrize("scales", [(1, 1, 1, 2.5), (-0.1,), ("a",), (float("nan"),)])
def test_scales_out_of_range_are_refused(made, scales):
    space = made()
    with pytest.raises(ValueError, match="choose a number from 0 to 2 for each channel"):
        space.scales = scales
    assert space.scales == ()


def test_as_many_scales_as_channels_are_needed(made):
    space = made()
    before = space.result
    space.scales = (1.0, 0.5)
    space.wait()
    assert "2 scales for 4 channels" in space.status_area.status.value and space.result is before


# ---- cells -----------------------------------------------------------------------------------------------------------


def test_a_click_on_the_latent_shows_the_footprint_of_that_cell(made):
    space = made(mode="cells")
    assert space.result.cell == (8, 8) and "moved" not in layers(space)
    space.stage.set_state({"pointer": {"panel": "latent", "kind": "click", "x": 0.99, "y": 0.2}})
    space.wait()
    assert space.cell == (3, 15) and space.result.cell == (3, 15) and "row 3, column 15" in shown(space)
    assert "Pixels with 90% of the effect" in shown(space) and len(space.stage.captions) == 5


def test_a_brushed_region_shows_the_cells_that_it_moves(made):
    space = made(mode="cells", cell=(2, 2))
    space.stage.set_state({"region": [0.25, 0.5, 0.5, 0.75]})
    space.wait()
    assert space.region == (0.25, 0.5, 0.5, 0.75) and space.cell is None and "moved" in layers(space)
    assert "32 × 32 pixels were inverted, the area of 16 cells" in shown(space)
    space.cell = (1, 2)
    space.wait()
    assert space.region is None and space.result.cell == (1, 2) and space.stage.region == []


def test_a_cell_or_a_region_outside_is_refused(made):
    space = made(mode="cells")
    before = space.result
    space.cell = (16, 0)
    space.wait()
    assert "rows 0 to 15" in space.status_area.status.value and space.result is before
    with pytest.raises(ValueError, match="from 0 to 1"):
        space.region = (0.0, 0.0, 1.5, 1.0)


# ---- noise, mixtures, runs -------------------------------------------------------------------------------------------


def test_noise_in_pixels_stands_beside_noise_in_the_latent(made):
    space = made(mode="noise")
    assert space.stage.captions[0] == "no noise" and space.stage.captions[space.stage.frame] == "signal to noise 10 dB"
    before = space.data.pixels.values.copy()
    space.seed = 4
    space.wait()
    assert not np.array_equal(space.data.pixels[1:], before[1:]) and "in the latent" in shown(space)


def test_four_ways_lead_from_one_picture_to_another(made):
    space = made(mode="mix", strength=0.5)
    assert [p["name"] for p in space.stage.panels] == ["noise", "pixels", "linear", "spherical"]
    assert space.stage.frame == 3 and space.stage.captions[3] == "50% of the way"
    space.other = "a red car"
    space.wait()
    assert "a red car" in [text for text, _ in control(space, Dropdown, "to").options]


def test_image_to_image_is_reproducible_and_keeps_less_with_more_strength(made):
    space = made(mode="image", steps=10, strength=0.2, seed=3)
    again = made(mode="image", steps=10, strength=0.2, seed=3)
    assert tiny_pipes.same(space.result.run, again.result.run)
    assert len(space.stage.captions) == 3 and "t = 0.20" in space.stage.captions[0]
    control(space, FloatSlider, "strength").value = 1.0
    space.wait()
    assert space.result.run.steps == 10


def test_its_preview_has_the_frames_of_the_full_run(made, monkeypatch):
    space = made(mode="image", steps=20, strength=0.6)
    recordings = []
    monkeypatch.setattr(space.stage, "show", lambda **recording: recordings.append(recording))
    space.seed = 5
    space.wait()
    assert [len(r["captions"]) for r in recordings] == [13, 13, 13]
    assert recordings[0]["captions"][0].startswith("a preview in 4 steps: step 0 of 4")
    assert np.array_equal(recordings[1]["layers"][0].frames, recordings[2]["layers"][0].frames)


@pytest.mark.parametrize("strength", [0.0, 1.2, -1.0, float("nan")])
def test_a_strength_out_of_range_is_refused(made, strength):
    space = made()
    with pytest.raises(ValueError, match="above 0, up to 1"):
        space.strength = strength
    assert space.strength == 0.6


def test_a_strength_that_leaves_no_step_is_refused_when_it_matters(made):
    space = made(strength=0.1)  # of four steps none; no matter here
    space.mode = "image"
    space.wait()
    assert "none of the 4 steps" in space.status_area.status.value and len(space.stage.panels) == 4


# ---- the reader's own picture ----------------------------------------------------------------------------------------


def test_a_picture_file_is_taken_cropped_and_offered_again(made):
    space = made()
    image = np.zeros((60, 90, 3), np.uint8)
    image[:, 15:75] = (250, 120, 10)
    upload(space, "mine.png", file_of(image))
    assert space.error is None and space.picture.name == "mine.png"
    assert (space.result.image[:, 8:-8] == (250, 120, 10)).all()  # the middle
    choice = control(space, Dropdown, "picture")
    assert choice.options[-1][0] == "mine.png" and choice.value is space.picture
    assert "ex.read_picture('mine.png', pipe.image_size)" in space.code()
    choice.value = choice.options[1][1]
    space.wait()
    np.testing.assert_array_equal(space.result.image, drawing(DRAWINGS[1]))


@pytest.mark.parametrize("content", [b"no picture", file_of(np.zeros((50, 50, 3), np.uint8))[:60],
                                     file_of(np.zeros((4, 4, 3), np.uint8))])
def test_a_broken_file_is_refused_and_the_last_picture_stays(made, content):
    space = made()
    before = space.result, space.picture
    upload(space, "broken.png", content)
    assert "broken.png" not in repr(space) and (space.result, space.picture) == before
    assert "ex-error" in space.status_area.status.value and "hoose" in space.status_area.status.value
    space.mode = "noise"
    space.wait()
    assert space.error is None and "ex-error" not in space.status_area.status.value


def test_a_file_that_the_page_cannot_read_is_refused_and_other_messages_do_nothing(made):
    space = made()
    before = space.picture
    for message in (None, "name", {}, {"name": 3}, {"other": 1}):
        space.picture_input._handle_custom_msg(message, [])
    assert "ex-error" not in space.status_area.status.value
    space.picture_input._handle_custom_msg({"name": "huge.tif", "bytes": 10**9}, [])
    assert "The file huge.tif is damaged, no picture, or too large" in space.status_area.status.value
    assert space.picture is before


def test_a_file_name_is_shown_as_text(made):
    space = made()
    upload(space, "<img src=x onerror=alert(1)>.png", b"no picture")
    assert "<img" not in space.status_area.status.value


def test_pictures_are_given_in_code_too(made, tmp_path):
    (tmp_path / "own.jpg").write_bytes(file_of(np.full((20, 20, 3), 77, np.uint8), "JPEG"))
    space = made(picture=tmp_path / "own.jpg", mode="image")
    assert abs(int(space.result.image.mean()) - 77) <= 1
    with pytest.raises(ValueError, match="no picture file"):
        space.picture = "a zeppelin"
    assert space.picture.name.endswith("own.jpg")


# ---- all modes -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", MODES)
def test_every_mode_can_be_taken_away(made, mode, pipe, monkeypatch, tmp_path):
    space = made(mode=mode)
    assert len(space.table()) and len(space.data) and space.chart.figure is not None
    monkeypatch.setattr(ex, "load", lambda *args, **kwargs: pipe, raising=False)
    exec(compile(space.code(), "code", "exec"), {"pipe": pipe})
    path = space.save_html(tmp_path / "page.html")
    assert path.stat().st_size < 5_000_000


def test_the_code_gives_what_is_on_the_screen(made, pipe):
    for values, name, of in (({"scales": (1, 0, 1, 2)}, "decoded", lambda s: s.data.reconstruction[0]),
                             ({"mode": "image", "strength": 0.5}, "run", lambda s: s.result.run.image)):
        space, names = made(**values), {"pipe": pipe}
        exec(space.code(), names)
        found = names[name]
        np.testing.assert_array_equal(found.image if name == "run" else found, of(space))


def test_only_the_controls_of_a_mode_are_visible(made):
    space = made()
    strength, prompt = control(space, FloatSlider, "strength"), control(space, Text, "prompt")

    def visible(part) -> bool:
        parents = [w for w in descendants(space) if part in getattr(w, "children", ())]
        return part.layout.display != "none" and all(p.layout.display != "none" for p in parents)

    for mode in MODES:
        space.mode = mode
        assert visible(strength) == visible(prompt) == (mode in ("mix", "image"))
        assert visible(space.channel_box) == (mode == "channels")
        space.wait()


@pytest.mark.parametrize(("channels", "side"), [(4, 200), (8, 200), (16, 262), (1, 64)])
def test_any_number_of_channels_is_tiled(channels, side):
    latents = np.zeros((2, channels, 16, 16), np.float32)
    latents[:, 0] = 1.0
    tiles = channel_tiles(latents)
    assert tiles.shape[0] == 2 and tiles.shape[1] == tiles.shape[2] and tiles.shape[3] == 3
    assert (tiles[:, :64, :64] == 168).all()
    if channels > 1:
        assert (tiles[:, :64, 66:130] == 128).all()
    assert cell_colours(label_latent(latents[0])).shape == (128, 128, 3)


# ---- opened pipelines ------------------------------------------------------------------------------------------------


def test_an_opened_pipeline_works_and_says_why_not_image_to_image(made):
    space = made(tp.shared("sd"), prompt=tp.PROMPT)
    assert space.result.image.shape == (16, 16, 3) and space.result.latent.shape == (4, 8, 8)
    for mode in ("cells", "noise", "mix"):
        space.mode = mode
        space.wait()
        assert space.error is None, space.error
    assert "starts from noise only" in shown(space) and "noise" not in layers(space)
    space.mode = "image"
    space.wait()
    assert "starts from noise only: open its image-to-image pipeline" in space.status_area.status.value


def sixteen_channels():
    """An image-to-image pipeline of Stable Diffusion 3 with latents of sixteen channels."""
    own = tp.fresh("sd3").components
    config = {**own["transformer"].config, "in_channels": 16, "out_channels": 16}
    own["transformer"] = diffusers.SD3Transformer2DModel.from_config(config)
    own["vae"] = diffusers.AutoencoderKL.from_config({**own["vae"].config, "latent_channels": 16})
    pipeline = diffusers.StableDiffusion3Img2ImgPipeline(**own)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def test_sixteen_channels_work_in_every_mode(made):
    space = made(ex.open(sixteen_channels(), **tp.CALL_DEFAULTS["sd3"]), prompt=tp.PROMPT, strength=0.5)
    assert space.result.latent.shape == (16, 8, 8) and len(space.stage.captions) == 17
    assert len(space.channel_box.children) == 17
    for mode in list(MODES)[1:]:
        space.mode = mode
        space.wait()
        assert space.error is None, space.error
    assert space.result.run.steps == 2
