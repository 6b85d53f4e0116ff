"""Sharpness, where it is known: waves of one length, flat pictures, noise, blur."""

from __future__ import annotations

import numpy as np
import pytest

from explorable.analysis.spectrum import CUTOFF, high_frequency_share, power_spectrum


def waves(count: int, side: int = 128, down: bool = False) -> np.ndarray:
    line = 127.5 + 100 * np.sin(2 * np.pi * count * (np.arange(side) + 0.3) / side)
    grey = np.broadcast_to(line[:, None] if down else line, (side, side))
    return np.repeat(np.rint(grey)[..., None], 3, -1).astype(np.uint8)


@pytest.mark.parametrize("count", [3, 10, 40])
def test_a_wave_has_its_power_at_its_frequency(count):
    for down in (False, True):
        where, power = power_spectrum(waves(count, down=down))
        assert where[power.argmax()] == count and len(where) == 64


@pytest.mark.parametrize(("count", "share"), [(4, 0), (CUTOFF + 4, 1), (60, 1)])
def test_the_high_frequency_share_of_a_wave(count, share):
    assert float(high_frequency_share(waves(count))) == pytest.approx(share, abs=0.01)


def test_a_flat_image_has_no_high_frequencies():
    flat = np.full((2, 32, 32, 3), 200, np.uint8)
    assert (high_frequency_share(flat) == 0).all()
    assert (power_spectrum(flat)[1] < 1e-12).all()


def test_noise_has_a_flat_spectrum_and_blur_removes_high_frequencies():
    noise = np.random.default_rng(0).integers(0, 256, (128, 128, 3)).astype(np.uint8)
    _, power = power_spectrum(noise)
    assert power[2:20].mean() == pytest.approx(power[-20:].mean(), rel=0.15)
    blurred = noise.reshape(32, 4, 32, 4, 3).mean((1, 3)).repeat(4, 0).repeat(4, 1).astype(np.uint8)
    assert high_frequency_share(blurred) < 0.7 * high_frequency_share(noise)


def test_the_share_does_not_change_with_contrast_and_keeps_leading_axes():
    rng = np.random.default_rng(1)
    image = rng.integers(0, 64, (2, 3, 64, 64, 3)).astype(np.uint8)
    np.testing.assert_allclose(high_frequency_share(image), high_frequency_share(2 * image + 9), rtol=1e-6)
    assert high_frequency_share(image).shape == (2, 3) and power_spectrum(image)[1].shape == (2, 3, 32)
    np.testing.assert_allclose(power_spectrum(image)[1][1, 2], power_spectrum(image[1, 2])[1])
