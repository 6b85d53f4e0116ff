"""Latents: against a decoder that is known exactly, against the Jacobian of a network, and closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest
import tiny_pipes
import torch

from explorable.analysis import latents as la


class Blocks:
    """An autoencoder whose decoder paints each cell as a block of 4 x 4 pixels: three channels are the colour, in steps
    of one level, and a fourth does nothing."""

    image_size = (16, 24)

    def encode(self, images):
        blocks = images.reshape(len(images), 4, 4, 6, 4, 3).astype(np.float32).mean((2, 4))
        colours = torch.from_numpy(blocks).permute(0, 3, 1, 2)
        return torch.cat([colours, torch.zeros_like(colours[:, :1])], 1)

    def decode(self, z):
        return la.to_bytes(np.asarray(z)[:, :3].transpose(0, 2, 3, 1).repeat(4, 1).repeat(4, 2))


BLOCKS = Blocks()
IMAGE = np.random.default_rng(0).integers(60, 190, (16, 24, 3), np.uint8)


@pytest.fixture(scope="module")
def pipe():
    return tiny_pipes.tiny()


# ---- footprints ------------------------------------------------------------------------------------------------------


def test_the_footprint_of_a_decoder_of_blocks_is_its_block():
    latent = la.encode(BLOCKS, IMAGE)
    assert latent.channel.values.tolist() == [1, 2, 3, 4]
    found = la.footprint(BLOCKS, latent, 1, 4, push=3.0)
    block = la.own_pixels(latent, BLOCKS.image_size, 1, 4)
    assert block == (4, 8, 16, 20)
    expected = np.zeros((4, 16, 24))
    expected[:3, 4:8, 16:20] = math.sqrt(3.0**2 / 3)
    np.testing.assert_allclose(found, expected)
    assert la.share_inside(found, block) == 1.0 and math.isnan(la.share_inside(found[3:], block))
    np.testing.assert_allclose(la.total_effect(found)[5, 17], 3.0)


def test_a_footprint_is_the_column_of_the_jacobian(pipe):
    """Against the decoder's output before it is rounded, and against automatic differentiation for a small push."""
    image = np.full((128, 128, 3), 128, np.uint8)
    latent, push = la.encode(pipe, image), 0.1
    found = la.footprint(pipe, latent, 7, 9, push).sel(channel=2).values
    with torch.inference_mode(False):
        vae = tiny_pipes.tiny().vae
        direction = torch.zeros(1, *latent.shape)
        direction[0, 1, 7, 9] = push
        z = torch.from_numpy(latent.values.copy())[None]
        column = torch.func.jvp(vae.decode, (z,), (direction,))[1][0].detach().numpy() * 127.5  # in levels
        exact = (vae.decode(z + direction) - vae.decode(z))[0].detach().numpy() * 127.5
        small = (vae.decode(z + direction / 20) - vae.decode(z - direction / 20))[0].detach().numpy() * 10 * 127.5
    np.testing.assert_allclose(found, np.sqrt((exact**2).mean(0)), atol=1.0)  # both images are rounded
    assert np.abs(column).max() > 5
    np.testing.assert_allclose(small, column, atol=0.01 * np.abs(column).max())


def test_far_from_a_cell_nothing_changes(pipe):
    """The decoder has no attention and no norm over positions, so its receptive field ends."""
    latent = la.encode(pipe, tiny_pipes.tiny()("", steps=1).image)
    effect = la.total_effect(la.footprint(pipe, latent, 0, 0, push=4.0)).values
    assert effect[:16, :16].max() > 0 and not effect[100:].any() and not effect[:, 100:].any()


def test_the_cells_of_a_region_are_those_of_its_blocks():
    moved = la.moved_cells(BLOCKS, IMAGE, (4, 12, 0, 4))
    inside = np.zeros((4, 6), bool)
    inside[1:3, 0] = True
    assert ((la.total_effect(moved).values > 0) == inside).all()
    inverted = la.invert_region(IMAGE, (4, 12, 0, 4))
    np.testing.assert_array_equal(la.invert_region(inverted, (4, 12, 0, 4)), IMAGE)
    assert not np.shares_memory(inverted, IMAGE) and (inverted[:4] == IMAGE[:4]).all()


@pytest.mark.parametrize("region", [(0, 0, 0, 4), (4, 2, 0, 4), (0, 17, 0, 4), (-1, 4, 0, 4), (0, 4, 20, 25)])
def test_a_region_outside_of_the_image_is_refused(region):
    with pytest.raises(IndexError, match="rows go from 0 to 16 and columns from 0 to 24"):
        la.moved_cells(BLOCKS, IMAGE, region)


@pytest.mark.parametrize(("y", "x"), [(-1, 0), (4, 0), (0, 6)])
def test_a_cell_outside_of_the_latent_is_refused(y, x):
    with pytest.raises(IndexError, match="rows 0 to 3 and columns 0 to 5"):
        la.footprint(BLOCKS, la.encode(BLOCKS, IMAGE), y, x)


# ---- quality, channels -----------------------------------------------------------------------------------------------


def test_the_ratio_of_a_known_error():
    assert la.psnr(IMAGE, IMAGE) == math.inf
    assert la.psnr(IMAGE + np.uint8(5), IMAGE) == pytest.approx(20 * math.log10(255 / 5))
    shifted = IMAGE.copy()
    shifted[3, 4] += np.array([3, 0, 0], np.uint8)
    errors = la.error_map(shifted, IMAGE)
    assert errors.dims == ("row", "column") and float(errors.sum()) == pytest.approx(math.sqrt(3))
    assert float(errors[3, 4]) == pytest.approx(math.sqrt(3))


def test_scales_act_on_their_channels_only():
    latent = la.encode(BLOCKS, IMAGE)
    scaled = la.scale_channels(latent, [1, 0, 2, 1])
    np.testing.assert_array_equal(scaled.sel(channel=[1, 4]), latent.sel(channel=[1, 4]))
    assert not scaled.sel(channel=2).any()
    np.testing.assert_array_equal(scaled.sel(channel=3), 2 * latent.sel(channel=3))
    with pytest.raises(ValueError, match="3 scales for 4 channels"):
        la.scale_channels(latent, [1, 1, 1])


# ---- noise -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ratio", [20.0, 3.0, 0.0, -6.0])
def test_noise_has_the_ratio_that_was_asked_for(ratio):
    generator = np.random.default_rng(1)
    signal, noise = generator.normal(7, 3, 200_000), generator.standard_normal(200_000)
    added = la.add_noise(signal, ratio, noise) - signal
    assert 10 * math.log10(signal.var() / added.var()) == pytest.approx(ratio, abs=0.05)
    np.testing.assert_array_equal(la.add_noise(signal, math.inf, noise), signal)


def test_noise_in_pixels_and_in_the_latent_have_the_same_ratio(pipe):
    image = np.random.default_rng(2).integers(90, 160, (128, 128, 3)).astype(np.uint8)
    found = la.noisy_images(pipe, image, [math.inf, 10.0, 0.0], seed=3)
    latent = la.encode(pipe, image)
    np.testing.assert_array_equal(found.pixels[0], image)
    np.testing.assert_array_equal(found.decoded[0], pipe.decode(latent.values[None])[0])
    for k, ratio in ((1, 10.0), (2, 0.0)):
        in_latent = found.latent[k].values - latent.values
        assert 10 * math.log10(latent.values.var() / in_latent.var()) == pytest.approx(ratio, abs=0.3)
        in_pixels = found.pixels[k].values.astype(float) - image
        assert 10 * math.log10(image.astype(float).var() / in_pixels.var()) == pytest.approx(ratio, abs=0.3)
    assert found.psnr_pixels[0] == math.inf and (found.psnr_pixels.diff("ratio")[1:] < 0).all()
    assert found.identical(la.noisy_images(pipe, image, [math.inf, 10.0, 0.0], seed=3))
    assert not found.identical(la.noisy_images(pipe, image, [math.inf, 10.0, 0.0], seed=4))


# ---- mixtures --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mix", [la.mix_linear, la.mix_spherical])
def test_a_mixture_begins_and_ends_at_its_ends(mix):
    a, b = np.random.default_rng(0).normal(size=(2, 4, 8, 8))
    np.testing.assert_allclose(mix(a, b, 0.0), a, atol=1e-12)
    np.testing.assert_allclose(mix(a, b, 1.0), b, atol=1e-12)


def test_the_arc_divides_the_angle_evenly_and_keeps_the_length():
    a, b = np.random.default_rng(1).normal(size=(2, 1000))
    b *= np.linalg.norm(a) / np.linalg.norm(b)
    points = np.stack([la.mix_spherical(a, b, p) for p in np.linspace(0, 1, 6)])
    np.testing.assert_allclose(np.linalg.norm(points, axis=1), np.linalg.norm(a))
    cosines = (points[1:] * points[:-1]).sum(1) / (a @ a)
    np.testing.assert_allclose(cosines, cosines[0])
    straight = [np.linalg.norm(la.mix_linear(a, b, p)) for p in np.linspace(0, 1, 6)]
    assert min(straight) < 0.8 * np.linalg.norm(a)


@pytest.mark.parametrize("factor", [1.0, -1.0, 2.5, 0.0])
def test_parallel_vectors_are_mixed_linearly(factor):
    a = np.random.default_rng(2).normal(size=50)
    np.testing.assert_allclose(la.mix_spherical(a, factor * a, 0.3), la.mix_linear(a, factor * a, 0.3), atol=1e-9)
