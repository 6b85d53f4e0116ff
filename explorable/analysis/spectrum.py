"""The power spectrum of images, by spatial frequency in cycles per image."""

from __future__ import annotations

import numpy as np

LUMINANCE = np.array([0.2126, 0.7152, 0.0722])  # weights of red, green and blue (ITU-R BT.709)
CUTOFF = 16  # cycles per image: above it, wavelengths are shorter than a latent position, 8 pixels of 128


def _power(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the frequency of each point of the spectrum, (y, x), and the power there, (..., y, x)."""
    side = images.shape[-2]
    light = images.astype(np.float64) @ LUMINANCE / 255
    window = np.outer(np.hanning(side + 1)[:-1], np.hanning(side + 1)[:-1])  # edges add high frequencies
    light = (light - light.mean((-2, -1), keepdims=True)) * window
    light -= light.mean((-2, -1), keepdims=True)
    frequencies = np.fft.fftfreq(side, 1 / side)
    return np.hypot(frequencies[:, None], frequencies), np.abs(np.fft.fft2(light)) ** 2 / side**2


def power_spectrum(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the radially averaged power spectrum of the luminance of square images (..., side, side, 3) uint8.

    Returns: the frequencies, 1 to side / 2 cycles per image, and the mean power at each, (..., side / 2).
    """
    frequencies, power = _power(images)
    rounded = np.rint(frequencies).astype(int).ravel()
    count = images.shape[-2] // 2
    flat = power.reshape(-1, rounded.size)
    sums = np.stack([np.bincount(rounded, row)[1 : count + 1] for row in flat])
    mean = sums / np.bincount(rounded)[1 : count + 1]
    return np.arange(1, count + 1), mean.reshape(*power.shape[:-2], count)


def high_frequency_share(images: np.ndarray, above: float = CUTOFF) -> np.ndarray:
    """Return the share of the power at more than `above` cycles per image, (..., side, side, 3) uint8 to (...).

    An image of one colour has 0.
    """
    frequencies, power = _power(images)
    high, total = power[..., frequencies > above].sum(-1), power.sum((-2, -1))
    return np.divide(high, total, out=np.zeros_like(total), where=total > 1e-12)
