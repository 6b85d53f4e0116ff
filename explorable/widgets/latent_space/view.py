"""What LatentSpace shows of a result on its stage. words.py has the sentences."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import xarray as xr

from ...analysis import latents as la
from ...analysis.trajectory import describe_step
from ..core.preview import PREVIEW_LABEL, stretch_layers
from ..stage.layers import Heatmap, Images, Layer, Panel, Points
from . import compute
from .compute import (
    CellsRequest,
    ChannelsRequest,
    ImageRequest,
    MixRequest,
    NoiseRequest,
    Request,
    Result,
)

TILE = 64  # pixels a side, at least, of a channel on the screen
GREY, CONTRAST, WHITE = 128, 40, 255  # of a channel's picture: 0 is grey, one unit a step of this size
BRIGHTEST = 0.995  # of a footprint's pixels are below the end of its colour scale, so that its wide foot is seen
DRAGGED_LABEL = "an earlier position of the slider"
UNTIMED_LABEL = "everything but the measured times"
PARTIAL_LABELS = {MixRequest: "the mixtures; runs from them follow",
                  ImageRequest: "the predicted images; the noisy latents follow"}


def decibels(ratio: float) -> str:
    """Return a ratio with its unit."""
    return "no error" if math.isinf(ratio) else f"{ratio:.1f} dB"


def channel_tiles(latents: np.ndarray) -> np.ndarray:
    """Return the channels of latents (…, channel, y, x) in a square, as images (…, rows, columns, 3) uint8.

    0 is grey, positive numbers are brighter.
    """
    *leading, channels, height, width = latents.shape
    columns = math.ceil(math.sqrt(channels))
    factor = max(1, math.ceil(TILE / max(height, width)))
    levels = la.to_bytes(GREY + CONTRAST * latents).repeat(factor, -2).repeat(factor, -1)
    tile = (height * factor + 2, width * factor + 2)
    canvas = np.full((*leading, columns * tile[0] - 2, columns * tile[1] - 2), WHITE, np.uint8)
    for k in range(channels):
        top, left = (k // columns) * tile[0], (k % columns) * tile[1]
        canvas[..., top : top + tile[0] - 2, left : left + tile[1] - 2] = levels[..., k, :, :]
    return np.repeat(canvas[..., None], 3, -1)


def cell_colours(latent: xr.DataArray) -> np.ndarray:
    """Return the first three channels as red, green and blue, each cell a square: (rows, columns, 3) uint8."""
    first = latent.values[[min(k, latent.sizes["channel"] - 1) for k in range(3)]]
    factor = max(1, math.ceil(2 * TILE / max(first.shape[1:])))
    return la.to_bytes(GREY + CONTRAST * first).repeat(factor, 1).repeat(factor, 2).transpose(1, 2, 0)


def frame_count(request: Request) -> int:
    """Return how many frames an image-to-image request gets."""
    assert isinstance(request, ImageRequest)
    return min(request.settings.sampled_steps + 1, compute.MAX_FRAMES)


def recording(result: Result, frames: int | None = None) -> dict[str, Any]:
    """Return the arguments of `Stage.show`. frames: of the full recording, where the result is its preview."""
    shown = RECORDINGS[type(result.request)](result)
    if frames is not None:
        indices = np.linspace(0, len(shown["captions"]) - 1, frames).round().astype(int)
        shown["layers"] = stretch_layers(shown["layers"], indices)
        shown["captions"] = [f"{PREVIEW_LABEL}: {shown['captions'][k]}" for k in indices]
    return shown


def _panels(*titles: tuple[str, tuple[str, ...], str], first: int = 0, gestures: dict[str, str] | None = None,
            ) -> dict[str, Any]:
    """Return panels from left to right, given by name, layers and title; the `first` is the one that is saved."""
    panels = [Panel(name, layers, title, grid_area=(k + 1, 1, 1, 1), interaction=(gestures or {}).get(name, ""))
              for k, (name, layers, title) in enumerate(titles)]
    return {"panels": [panels[first], *panels[:first], *panels[first + 1 :]], "columns": len(panels)}


def _channels(result: Result) -> dict[str, Any]:
    data, channels = result.data, result.latent.sizes["channel"]
    layers: list[Layer] = [
        Images("reconstruction", "Decoded latent", data.reconstruction.values),
        Images("picture", "The picture", result.image, axes=()),
        Images("latent", "The latent's channels", channel_tiles(data.latent.values), "0 is grey"),
        Heatmap("error", "Error", data.error.values, low=0.0, unit="levels")]
    captions = [("all channels" if k == 0 else f"channel {k} silenced") + f": {decibels(data.psnr.values[k])}"
                for k in range(channels + 1)]
    height, width = result.latent.shape[1:]
    return {"layers": layers, "captions": captions, "file_name": "latent-decoded", **_panels(
        ("picture", ("picture",), f"{result.image.shape[0]} × {result.image.shape[1]} × 3 pixels"),
        ("latent", ("latent",), f"latent, {height} × {width} × {channels}"),
        ("reconstruction", ("reconstruction",), "decoded"), ("error", ("error",), "its error"), first=2)}


def _cells(result: Result) -> dict[str, Any]:
    data = result.data
    height, width = result.latent.shape[1:]
    captions = ["all channels", *(f"channel {k}" for k in result.latent.channel.values)]
    layers: list[Layer] = [
        Images("latent", "Latent", cell_colours(result.latent), "three channels as colours", axes=())]
    title_over = "brush a region"
    if result.cell is not None:
        y, x = result.cell
        high = math.ceil(np.quantile(data.effect.values[0], BRIGHTEST))
        title_over = f"footprint, 0 to {high}+ levels"
        centre = np.array([[(x + 0.5) / width, 1 - (y + 0.5) / height]])
        layers += [Images("picture", "The picture", result.image, axes=()),
                   Heatmap("footprint", "Footprint", data.effect.values, high=float(high), unit="levels"),
                   Points("cell", "The cell", centre, axes=(), extent=(0, 1, 0, 1), colours=("guidance",),
                          highlighted=(0,), size=280 / max(height, width)),
                   Images("changed", "Decoded with the cell pushed", data.changed.values)]
        over: tuple[str, ...] = ("picture", "footprint")
        under, title = ("latent", "cell"), f"decoded with the cell + {compute.PUSH:g}"
    else:
        factor = max(1, math.ceil(2 * TILE / max(height, width)))
        layers += [Images("picture", "The picture", data.inverted.values, axes=()),
                   Heatmap("moved", "Moved cells", data.moved.values.repeat(factor, 1).repeat(factor, 2)),
                   Images("changed", "Decoded", data.changed.values, axes=())]
        over, under, title = ("picture",), ("latent", "moved"), "the inverted picture, decoded"
    return {"layers": layers, "captions": captions, "file_name": "footprint", **_panels(
        ("picture", over, title_over),
        ("latent", under, f"latent, {height} × {width}: click a cell"),
        ("changed", ("changed",), title), gestures={"picture": "brush", "latent": "click"})}


def _noise(result: Result) -> dict[str, Any]:
    data = result.data
    layers: list[Layer] = [
        Images("decoded", "Noise in the latent, decoded", data.decoded.values),
        Images("pixels", "Noise in pixels", data.pixels.values),
        Images("latent", "The noisy latent", channel_tiles(data.latent.values), "0 is grey")]
    captions = ["no noise" if math.isinf(ratio) else f"signal to noise {ratio:g} dB" for ratio in data.ratio.values]
    return {"layers": layers, "captions": captions, "file_name": "noise", **_panels(
        ("pixels", ("pixels",), "noise in the pixels"), ("latent", ("latent",), "the same ratio in the latent"),
        ("decoded", ("decoded",), "that latent, decoded"), first=2)}


def _mix(result: Result) -> dict[str, Any]:
    data = result.data
    titles = {"pixels": "mixed in pixels", "linear": "in latents, linear", "spherical": "in latents, spherical",
              "noise": "noised, then denoised"}
    names = [name for name in titles if name in data]
    layers: list[Layer] = [Images(name, titles[name], data[name].values) for name in names]
    captions = [f"{100 * p:.0f}% of the way" for p in data.position.values]
    return {"layers": layers, "captions": captions, "file_name": "between", **_panels(
        *((name, (name,), titles[name]) for name in names), first=len(names) - 1)}


def _run(result: Result) -> dict[str, Any]:
    data, request, run = result.data, result.request, result.run
    assert isinstance(request, ImageRequest) and run is not None
    layers: list[Layer] = [Images("predicted", "Predicted image", data.predicted.values),
                           Images("picture", "The picture", result.image, axes=()),
                           Images("noisy", "Noisy latent, decoded", data.noisy.values)]
    captions = [describe_step(k, run.steps, t) for k, t in zip(data.frame_step.values, data.t.values, strict=True)]
    return {"layers": layers, "captions": captions, "file_name": f"image-seed-{request.settings.seed}", **_panels(
        ("picture", ("picture",), "the picture"),
        ("noisy", ("noisy",), f"noisy latent, from t = {data.t.values[0]:.2f}"),
        ("predicted", ("predicted",), "predicted image"), first=2)}


RECORDINGS = {ChannelsRequest: _channels, CellsRequest: _cells, NoiseRequest: _noise, MixRequest: _mix,
              ImageRequest: _run}
