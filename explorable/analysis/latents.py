"""What a latent is to its image: footprints of its cells, its channels, noise in it, mixtures of two.

All functions work with the `encode` and `decode` of any pipeline, whatever its number of channels. A latent is
(channel, y, x) float, an image (row, column, rgb) uint8; a *cell* is one position (y, x) of the latent.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import xarray as xr

from ..pipeline import PipelineProtocol

MAX_LEVEL = 255  # of an 8-bit image
IMAGE_DIMS = ("row", "column", "rgb")
Region = tuple[int, int, int, int]  # rows from, to and columns from, to; the ends are not included


def encode(pipe: PipelineProtocol, image: np.ndarray) -> xr.DataArray:
    """Return the latent of an image: (channel, y, x) float32."""
    return label_latent(pipe.encode(image[None])[0].numpy())


def label_latent(values: np.ndarray) -> xr.DataArray:
    """Return a latent (channel, y, x) as a labelled array; channels are counted from 1."""
    return xr.DataArray(values, dims=("channel", "y", "x"), coords={"channel": np.arange(1, len(values) + 1)})


# ---- how good is an image? -------------------------------------------------------------------------------------------


def psnr(image: np.ndarray, reference: np.ndarray) -> float:
    """Return the peak signal-to-noise ratio of an image uint8 in decibels: 20 log10(255 / RMS error); inf if equal."""
    error = np.sqrt(np.mean((image.astype(np.float64) - reference) ** 2))
    return math.inf if error == 0 else 20 * math.log10(MAX_LEVEL / error)


def error_map(image: np.ndarray, reference: np.ndarray) -> xr.DataArray:
    """Return the root mean square error over red, green and blue of each pixel, in 8-bit levels: (row, column)."""
    squares = (image.astype(np.float64) - reference) ** 2
    return xr.DataArray(np.sqrt(squares.mean(-1)), dims=IMAGE_DIMS[:2])


# ---- channels --------------------------------------------------------------------------------------------------------


def scale_channels(latent: xr.DataArray, scales: Sequence[float]) -> xr.DataArray:
    """Multiply each channel by its scale: 1 leaves it, 0 silences it.

    Raises:
        ValueError: not as many scales as channels.
    """
    if len(scales) != latent.sizes["channel"]:
        raise ValueError(f"{len(scales)} scales for {latent.sizes['channel']} channels: give one for each")
    return latent * xr.DataArray(np.asarray(scales, np.float32), dims="channel", coords={"channel": latent.channel})


# ---- which pixels belong to a cell, which cells to a pixel? ----------------------------------------------------------


def footprint(pipe: PipelineProtocol, latent: xr.DataArray, y: int, x: int, push: float = 1.0) -> xr.DataArray:
    """Return how much each pixel changes when one number of a cell is raised by `push`: (channel, row, column).

    Measured: the latent is decoded with each channel of the cell raised, and without; the entries are root mean squares
    over red, green and blue of the difference, in 8-bit levels. For a small push it is the column of the decoder's
    Jacobian, times the push, but for the rounding to whole levels.

    Raises:
        IndexError: no such cell; says the range.
    """
    images = pipe.decode(np.stack([latent.values, *pushed_latents(latent, y, x, push)[1:]]))
    return footprint_of(images[0], images[1:], latent)


def pushed_latents(latent: xr.DataArray, y: int, x: int, push: float) -> np.ndarray:
    """Return copies of a latent in which a cell is raised, in all channels and then in each: (1 + channel, channel, y,
    x) float32.

    Raises:
        IndexError: no such cell; says the range.
    """
    check_cell(latent, y, x)
    pushed = np.repeat(latent.values[None], 1 + latent.sizes["channel"], 0).astype(np.float32)
    pushed[0, :, y, x] += push
    for channel, copy in enumerate(pushed[1:]):
        copy[channel, y, x] += push
    return pushed


def footprint_of(before: np.ndarray, after: np.ndarray, latent: xr.DataArray) -> xr.DataArray:
    """Return the footprint from the decoded image and those with each channel of a cell raised."""
    change = np.stack([error_map(image, before).values for image in after])
    return xr.DataArray(change, dims=("channel", *IMAGE_DIMS[:2]), coords={"channel": latent.channel})


def moved_cells(pipe: PipelineProtocol, image: np.ndarray, region: Region) -> xr.DataArray:
    """Return how far each number of the latent moves when the colours in a region of the image are inverted:
    (channel, y, x), absolute differences."""
    before, after = pipe.encode(np.stack([image, invert_region(image, region)])).numpy()
    return label_latent(np.abs(after - before))


def invert_region(image: np.ndarray, region: Region) -> np.ndarray:
    """Return a copy of an image uint8 in which the colours of a region are inverted.

    Raises:
        IndexError: the region is empty or lies outside of the image.
    """
    top, bottom, left, right = region
    height, width = image.shape[:2]
    if not (0 <= top < bottom <= height and 0 <= left < right <= width):
        raise IndexError(f"region {region}: rows go from 0 to {height} and columns from 0 to {width}, smaller first")
    inverted = image.copy()
    inverted[top:bottom, left:right] = MAX_LEVEL - inverted[top:bottom, left:right]
    return inverted


def check_cell(latent: xr.DataArray, y: int, x: int) -> None:
    """Refuse a cell that the latent does not have."""
    height, width = latent.sizes["y"], latent.sizes["x"]
    if not (0 <= y < height and 0 <= x < width):
        raise IndexError(f"cell ({y}, {x}): this latent has rows 0 to {height - 1} and columns 0 to {width - 1}")


def own_pixels(latent: xr.DataArray, size: tuple[int, int], y: int, x: int) -> Region:
    """Return the block of pixels that a cell would stand for if the latent were a small photograph."""
    height, width = size[0] / latent.sizes["y"], size[1] / latent.sizes["x"]
    return round(y * height), round((y + 1) * height), round(x * width), round((x + 1) * width)


def share_inside(effect: xr.DataArray, region: Region) -> float:
    """Return the share of an effect's sum of squares that lies in a region of its last two axes, 0 to 1; NaN without
    any effect."""
    squares = np.square(effect.values.astype(np.float64))
    top, bottom, left, right = region
    total = squares.sum()
    return float(squares[..., top:bottom, left:right].sum() / total) if total else math.nan


def total_effect(effect: xr.DataArray) -> xr.DataArray:
    """Return the root of the sum of squares over the channels, without that axis."""
    return (effect.astype(np.float64) ** 2).sum("channel") ** 0.5


# ---- noise at the same ratio of signal to noise ----------------------------------------------------------------------


def add_noise(signal: np.ndarray, ratio: float, noise: np.ndarray) -> np.ndarray:
    """Return signal + noise, with the noise scaled to a ratio in decibels: 10 log10(variance of signal / of noise).

    signal: of any shape, as float. noise: standard normal, of that shape. ratio: inf adds nothing.
    """
    std = float(np.std(signal)) * 10 ** (-ratio / 20)
    return signal + std * noise


def noisy_images(pipe: PipelineProtocol, image: np.ndarray, ratios: Sequence[float], seed: int = 0,
                 decode: Callable[[np.ndarray], np.ndarray] | None = None) -> xr.Dataset:
    """Add noise to the pixels of an image, and to its latent, at the same ratios of signal to noise.

    Args:
        ratios: in decibels, see `add_noise`. seed: of the noise, the same at every ratio.
        decode: a function instead of pipe.decode, such as one that reports progress.

    Returns `pixels` and `decoded`, the images with noise in pixels and decoded from the noisy latents, (ratio, row,
    column, rgb) uint8; `latent`, the noisy latents; `psnr_pixels`, `psnr_decoded` (ratio,), against the image.
    """
    generator = np.random.default_rng(seed)
    latent = encode(pipe, image)
    noise, latent_noise = generator.standard_normal(image.shape), generator.standard_normal(latent.shape)
    noisy = np.stack([add_noise(latent.values, ratio, latent_noise) for ratio in ratios]).astype(np.float32)
    pixels = np.stack([to_bytes(add_noise(image.astype(np.float64), ratio, noise)) for ratio in ratios])
    decoded = (decode or pipe.decode)(noisy)
    dims = ("ratio", *IMAGE_DIMS)
    return xr.Dataset({"pixels": (dims, pixels), "decoded": (dims, decoded),
                       "latent": (("ratio", "channel", "y", "x"), noisy),
                       "psnr_pixels": ("ratio", [psnr(p, image) for p in pixels]),
                       "psnr_decoded": ("ratio", [psnr(p, image) for p in decoded])},
                      coords={"ratio": ("ratio", list(ratios), {"units": "dB"}), "channel": latent.channel})


def to_bytes(image: np.ndarray) -> np.ndarray:
    """Round and clip levels to uint8."""
    return np.clip(np.rint(image), 0, MAX_LEVEL).astype(np.uint8)


# ---- between two -----------------------------------------------------------------------------------------------------


def mix_linear(a: np.ndarray, b: np.ndarray, position: float) -> np.ndarray:
    """Return (1 - position) a + position b, as float64."""
    return (1 - position) * np.asarray(a, np.float64) + position * np.asarray(b, np.float64)


def mix_spherical(a: np.ndarray, b: np.ndarray, position: float) -> np.ndarray:
    """Return the point at `position` of the arc from a to b, as float64 (Shoemake 1985, section 3.3).

    Both are taken as vectors; their angle is divided, and their lengths are mixed linearly. Where they are parallel, or
    one is zero, it is the linear mixture.
    """
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    lengths = np.linalg.norm(a), np.linalg.norm(b)
    if not all(lengths):
        return mix_linear(a, b, position)
    cosine = np.clip(np.vdot(a / lengths[0], b / lengths[1]), -1, 1)
    angle = math.acos(cosine)
    if math.sin(angle) < 1e-6:
        return mix_linear(a, b, position)
    weights = [math.sin((1 - position) * angle) / math.sin(angle), math.sin(position * angle) / math.sin(angle)]
    length = (1 - position) * lengths[0] + position * lengths[1]
    return length * (weights[0] * a / lengths[0] + weights[1] * b / lengths[1])
