"""LatentSpace's results on tiny networks: what stands beside what, and where pictures come from."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import tiny_pipes
from PIL import Image

import explorable as ex
from explorable.analysis import latents as la
from explorable.diffusion.settings import Settings
from explorable.pipeline.progress import decode_in_chunks, no_progress
from explorable.widgets.core.picture import as_picture
from explorable.widgets.latent_space import compute as module
from explorable.widgets.latent_space.compute import (
    POSITIONS,
    CellsRequest,
    ChannelsRequest,
    ImageRequest,
    MixRequest,
    NoiseRequest,
    compute,
    pixel_region,
    preview_request,
)

PICTURE, OTHER = as_picture("a red car"), as_picture("a lion at night")


@pytest.fixture(scope="module")
def pipe():
    return tiny_pipes.tiny()


# ---- pictures --------------------------------------------------------------------------------------------------------


def test_a_picture_is_a_caption_a_file_an_array_or_an_image(tmp_path, monkeypatch):
    array = np.random.default_rng(0).integers(0, 256, (30, 50, 3), np.uint8)
    Image.fromarray(array).save(tmp_path / "own.png")
    sources = [tmp_path / "own.png", str(tmp_path / "own.png"), (tmp_path / "own.png").read_bytes(), array,
               Image.fromarray(array)]
    pictures = [as_picture(source) for source in sources]
    assert len({picture.digest for picture in pictures}) == 1
    for picture in pictures:
        np.testing.assert_array_equal(picture.own, array)
        assert picture.fitted((16, 16)).shape == (16, 16, 3)
    assert pictures[0] == pictures[1] != as_picture(255 - array)
    assert PICTURE.own is None and PICTURE.fitted((128, 128)).shape == (128, 128, 3) and repr(PICTURE) == "'a red car'"
    assert as_picture(PICTURE) is PICTURE


@pytest.mark.parametrize(("wrong", "message"), [
    ("a zeppelin", "no picture file 'a zeppelin', and it cannot be drawn"), (b"no picture", "is no picture"),
    (np.zeros((4, 4)), "must be an array"), (5, "must be an array"), (np.zeros((4, 4, 3)), "of uint8")])
def test_what_is_no_picture_is_refused(wrong, message):
    with pytest.raises(ex.SettingError, match=message):
        as_picture(wrong)


# ---- each mode -------------------------------------------------------------------------------------------------------


def test_channels_are_scaled_and_each_is_silenced_in_turn(pipe):
    scales = (1.0, 0.5, 2.0, 1.0)
    found = compute(pipe, ChannelsRequest(PICTURE, scales), no_progress)
    image = PICTURE.fitted(pipe.image_size)
    latent = la.encode(pipe, image)
    scaled = la.scale_channels(latent, scales).values
    assert found.data.silenced.values.tolist() == [0, 1, 2, 3, 4]
    expected = np.stack([scaled] * 5).astype(np.float32)
    for k in range(4):
        expected[k + 1, k] = 0
    np.testing.assert_array_equal(found.data.latent, expected)
    decoded = decode_in_chunks(pipe, expected)
    np.testing.assert_array_equal(found.data.reconstruction, decoded)
    assert found.data.psnr.values.tolist() == [la.psnr(one, image) for one in decoded]
    with pytest.raises(ValueError, match="2 scales for 4 channels"):
        compute(pipe, ChannelsRequest(PICTURE, (1.0, 1.0)), no_progress)


def test_a_cell_has_the_footprint_that_the_analysis_measures(pipe):
    found = compute(pipe, CellsRequest(PICTURE, (3, 5), None), no_progress)
    effect = la.footprint(pipe, found.latent, 3, 5, module.PUSH)
    np.testing.assert_allclose(found.data.effect[1:], effect)
    np.testing.assert_allclose(found.data.effect[0], la.total_effect(effect))
    assert found.cell == (3, 5) and found.data.changed.shape == (5, 128, 128, 3)
    middle = compute(pipe, CellsRequest(PICTURE, None, None), no_progress)
    assert middle.cell == (8, 8)
    with pytest.raises(IndexError, match="rows 0 to 15"):
        compute(pipe, CellsRequest(PICTURE, (16, 0), None), no_progress)


def test_a_region_moves_the_cells_that_the_analysis_measures(pipe):
    found = compute(pipe, CellsRequest(PICTURE, None, (0.0, 0.5, 0.25, 0.75)), no_progress)
    assert found.region == (64, 96, 0, 32) and found.cell is None
    np.testing.assert_allclose(found.data.moved[1:], la.moved_cells(pipe, found.image, found.region))
    changed = (found.data.inverted.values != found.image).any(-1)
    assert changed[64:96, :32].any() and not changed[:64].any() and not changed[:, 32:].any()


@pytest.mark.parametrize(("region", "pixels"), [
    ((0, 0, 1, 1), (0, 16, 0, 24)), ((1, 1, 1, 1), (15, 16, 23, 24)), ((0.5, 0.25, 0.5, 0.25), (4, 5, 12, 13)),
    ((0.75, 0.5, 0.25, 0.0), (0, 8, 6, 18))])
def test_a_brushed_region_has_at_least_a_pixel_inside_of_the_image(region, pixels):
    assert pixel_region(region, (16, 24)) == pixels


def test_noise_stands_beside_noise(pipe):
    found = compute(pipe, NoiseRequest(PICTURE, 3), no_progress)
    expected = la.noisy_images(pipe, found.image, module.RATIOS, 3, lambda z: decode_in_chunks(pipe, z))
    assert found.data.identical(expected)
    np.testing.assert_array_equal(found.data.pixels[0], found.image)


def test_mixtures_begin_and_end_at_the_pictures_and_their_noised_latents_are_denoised(pipe, monkeypatch):
    settings = Settings("a red car", steps=4, strength=0.5, seed=2)
    partial = []
    found = compute(pipe, MixRequest(PICTURE, OTHER, settings), no_progress, partial.append)
    data, ends = found.data, [p.fitted(pipe.image_size) for p in (PICTURE, OTHER)]
    decoded = pipe.decode(pipe.encode(np.stack(ends)).numpy())
    for k, position in ((0, 0), (1, -1)):
        np.testing.assert_array_equal(data.pixels[position], ends[k])
        for name in ("linear", "spherical"):
            np.testing.assert_allclose(data[name][position].astype(int), decoded[k].astype(int), atol=1)
    latents = [la.encode(pipe, end).values for end in ends]
    middle = len(POSITIONS) // 2
    mixed = la.mix_linear(*latents, POSITIONS[middle]).astype(np.float32)
    run = pipe("a red car", image=mixed, strength=0.5, steps=4, seed=2, guidance=settings.guidance)
    np.testing.assert_array_equal(data.noise[middle], run.image)
    assert len(partial) == 3 and (partial[0].data.linear == data.linear).all()
    assert float(data.length_linear[middle]) <= float(data.length_spherical[middle])
    reseeded = MixRequest(PICTURE, OTHER, replace(settings, seed=3))
    monkeypatch.setattr(type(pipe), "decode", lambda *args: pytest.fail("the same mixture was decoded again"))
    monkeypatch.setattr(type(pipe), "__call__", lambda *args, **kwargs: run)
    assert compute(pipe, reseeded, no_progress, known=found).data.linear.identical(data.linear)
    with pytest.raises(pytest.fail.Exception, match="decoded again"):  # the same request: the model may be edited
        compute(pipe, found.request, no_progress, known=found)


def test_image_to_image_is_the_run_of_the_pipeline(pipe):
    settings = Settings("a red car", steps=6, strength=0.5, seed=2, guidance=3.0)
    partial = []
    found = compute(pipe, ImageRequest(PICTURE, settings), no_progress, partial.append)
    run = pipe("a red car", image=found.image, steps=6, strength=0.5, seed=2, guidance=3.0)
    assert tiny_pipes.same(run, found.run)
    np.testing.assert_array_equal(found.data.predicted[-1], run.image)
    np.testing.assert_array_equal(found.data.predicted[:-1], run.previews)
    np.testing.assert_array_equal(found.data.noisy[:-1], run.noisy[:-1])
    np.testing.assert_array_equal(partial[0].data.predicted, found.data.predicted)


def test_a_pipeline_that_starts_from_noise_says_so_in_a_sentence_and_mixes_without_it(pipe, monkeypatch):
    monkeypatch.setattr(type(pipe), "takes_image", False)
    with pytest.raises(ValueError, match="starts from noise only: open its image-to-image pipeline"):
        compute(pipe, ImageRequest(PICTURE, Settings("")), no_progress)
    assert "noise" not in compute(pipe, MixRequest(PICTURE, OTHER, Settings("", steps=8)), no_progress).data


@pytest.mark.parametrize("strength", [0.3, 0.55, 0.6, 1.0])
def test_a_preview_takes_few_steps_at_nearly_the_same_noise(strength):
    request = ImageRequest(PICTURE, Settings("", steps=50, strength=strength))
    few = preview_request(request, 4)
    assert few is not None and 4 <= few.settings.sampled_steps <= 5
    t = [r.settings.sampled_steps / r.settings.steps for r in (request, few)]
    assert math.isclose(*t, abs_tol=0.08)
    assert preview_request(ImageRequest(PICTURE, Settings("", steps=12, strength=strength / 2)), 4) is None
