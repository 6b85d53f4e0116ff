"""How sharp a picture is: the power of its waves, by how many of them fit across it."""

from __future__ import annotations

import numpy as np

LUMINANCE = np.array([0.2126, 0.7152, 0.0722])  # of red, green and blue in lightness (ITU-R BT.709)
CUTOFF_WAVES = 16  # waves across a picture: shorter ones are finer than a place of the latent, 8 pixels of 128


def _power(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Waves across the picture at each point of the spectrum (y, x), and the power there (..., y, x)."""
    side = images.shape[-2]
    light = images.astype(np.float64) @ LUMINANCE / 255
    window = np.outer(np.hanning(side + 1)[:-1], np.hanning(side + 1)[:-1])  # edges would look like detail
    light = (light - light.mean((-2, -1), keepdims=True)) * window
    light -= light.mean((-2, -1), keepdims=True)
    waves = np.fft.fftfreq(side, 1 / side)
    return np.hypot(waves[:, None], waves), np.abs(np.fft.fft2(light)) ** 2 / side**2


def power_spectrum(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The radially averaged power spectrum of the lightness of square pictures (..., side, side, 3) uint8.

    Returns: waves across the picture, 1 to side / 2, and the mean power of the waves of that length, (..., side / 2).
    """
    waves, power = _power(images)
    rings = np.rint(waves).astype(int).ravel()
    count = images.shape[-2] // 2
    flat = power.reshape(-1, rings.size)
    sums = np.stack([np.bincount(rings, row)[1 : count + 1] for row in flat])
    mean = sums / np.bincount(rings)[1 : count + 1]
    return np.arange(1, count + 1), mean.reshape(*power.shape[:-2], count)


def high_frequency_share(images: np.ndarray, above: float = CUTOFF_WAVES) -> np.ndarray:
    """The part of a picture's contrast (the power of all its waves) in waves of which more than `above` fit across it.

    (..., side, side, 3) uint8 to (...). A picture of one colour has 0.
    """
    waves, power = _power(images)
    fine, whole = power[..., waves > above].sum(-1), power.sum((-2, -1))
    return np.divide(fine, whole, out=np.zeros_like(whole), where=whole > 1e-12)
