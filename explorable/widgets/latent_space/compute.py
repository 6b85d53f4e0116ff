"""What LatentSpace computes: a picture encoded and decoded, channels and cells, noise, mixtures, runs."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import xarray as xr

from ...analysis import latents as la
from ...analysis.trajectory import rms_distance
from ...diffusion.settings import Settings
from ...pipeline import PipelineProtocol
from ...pipeline.progress import Progress, ProgressCounter, shown_steps
from ...run import Run
from ..core.picture import NO_IMAGE_RUNS, Picture
from ..core.preview import preview_settings

RATIOS = (math.inf, 30.0, 25.0, 20.0, 15.0, 10.0, 5.0, 0.0, -5.0)  # signal to noise, decibels
POSITIONS = tuple(k / 6 for k in range(7))  # between two pictures
MIX_STEPS = 8  # of each run between two pictures
MAX_FRAMES = 26  # of a run
MAX_SCALE = 2.0  # of a channel
PUSH = 1.0  # of one number of a cell: about the standard deviation of a channel
IMAGE = ("row", "column", "rgb")


@dataclass(frozen=True)
class Request:
    """A picture, in one of the modes (see the subclasses)."""

    picture: Picture


@dataclass(frozen=True)
class ChannelsRequest(Request):
    """scales: of the channels; () leaves all as they are."""

    scales: tuple[float, ...]


@dataclass(frozen=True)
class CellsRequest(Request):
    """The footprint of a cell (y, x); or with a region, the cells that it moves. region: left, top, right, bottom, as
    fractions of the picture from 0 to 1. None of both: the middle cell."""

    cell: tuple[int, int] | None
    region: tuple[float, float, float, float] | None


@dataclass(frozen=True)
class NoiseRequest(Request):
    """seed: of the noise."""

    seed: int


@dataclass(frozen=True)
class MixRequest(Request):
    """The way from one picture to another; settings: of the runs from the noised mixtures."""

    other: Picture
    settings: Settings


@dataclass(frozen=True)
class ImageRequest(Request):
    """settings: of the run that starts from the picture."""

    settings: Settings


@dataclass(frozen=True, eq=False)
class Result:
    """What a request gave.

    image, latent: the picture at the pipeline's size, and its latent. data: everything on the screen, labelled; the
    dimensions before those of an image are the frames of the stage. cell, region: of a CellsRequest, as indices. run:
    of an ImageRequest.
    """

    request: Request
    image: np.ndarray
    latent: xr.DataArray
    data: xr.Dataset
    cell: tuple[int, int] | None = None
    region: la.Region | None = None
    run: Run | None = None


ShowPartial = Callable[[Result], None]


def compute(pipe: PipelineProtocol, request: Request, progress: Progress,
            show_partial: ShowPartial = lambda result: None, known: Result | None = None) -> Result:
    """Compute a request. show_partial receives what is there so far. known: an earlier result, whose mixtures are taken
    where they are of the same two pictures.

    Raises:
        ValueError: a setting does not fit the latent, or the pipeline cannot start from an image; says why.
    """
    image = request.picture.fitted(pipe.image_size)
    latent = la.encode(pipe, image)
    if isinstance(request, ChannelsRequest):
        return _channels(pipe, request, image, latent, progress)
    if isinstance(request, CellsRequest):
        return _cells(pipe, request, image, latent, progress)
    if isinstance(request, NoiseRequest):
        counter = ProgressCounter(progress, len(RATIOS) / 2)
        data = la.noisy_images(pipe, image, RATIOS, request.seed, lambda z: counter.decode(pipe, z))
        return Result(request, image, latent, data)
    if isinstance(request, MixRequest):
        return _mix(pipe, request, image, latent, progress, show_partial, known)
    assert isinstance(request, ImageRequest)
    return _image_to_image(pipe, request, image, latent, progress, show_partial)


def _channels(pipe: PipelineProtocol, request: ChannelsRequest, image: np.ndarray, latent: xr.DataArray,
              progress: Progress) -> Result:
    """Decode the scaled latent: all of it, and without each of the channels in turn."""
    channels = latent.sizes["channel"]
    scaled = la.scale_channels(latent, request.scales or (1.0,) * channels)
    silenced = np.stack([scaled.values, *(scaled.where(latent.channel != c, 0).values for c in latent.channel.values)])
    decoded = ProgressCounter(progress, (channels + 1) / 2).decode(pipe, silenced.astype(np.float32))
    data = xr.Dataset({
        "image": (IMAGE, image), "latent": (("silenced", "channel", "y", "x"), silenced),
        "reconstruction": (("silenced", *IMAGE), decoded),
        "error": (("silenced", *IMAGE[:2]), np.stack([la.error_map(d, image).values for d in decoded])),
        "psnr": ("silenced", [la.psnr(d, image) for d in decoded]),
    }, coords={"silenced": [0, *latent.channel.values], "channel": latent.channel})
    return Result(request, image, latent, data)


def _cells(pipe: PipelineProtocol, request: CellsRequest, image: np.ndarray, latent: xr.DataArray,
           progress: Progress) -> Result:
    """Measure the footprint of a cell, or the cells that a region of the picture moves; 0 counts as all channels."""
    coords = {"shown": [0, *latent.channel.values]}
    if request.region is None:
        y, x = request.cell or (latent.sizes["y"] // 2, latent.sizes["x"] // 2)
        la.check_cell(latent, y, x)
        pushed = la.pushed_latents(latent, y, x, PUSH)
        counter = ProgressCounter(progress, (len(pushed) + 1) / 2)
        images = counter.decode(pipe, np.stack([latent.values, *pushed]))
        effect = la.footprint_of(images[0], images[2:], latent)
        data = xr.Dataset({"effect": (("shown", *IMAGE[:2]), _with_total(effect)),
                           "changed": (("shown", *IMAGE), images[1:])}, coords=coords)
        return Result(request, image, latent, data, cell=(y, x))
    region = pixel_region(request.region, image.shape[:2])
    inverted = la.invert_region(image, region)
    moved = la.moved_cells(pipe, image, region)
    decoded = pipe.decode(pipe.encode(inverted[None]).numpy())[0]
    data = xr.Dataset({"moved": (("shown", "y", "x"), _with_total(moved)), "inverted": (IMAGE, inverted),
                       "changed": (IMAGE, decoded)}, coords=coords)
    return Result(request, image, latent, data, region=region)


def _with_total(effect: xr.DataArray) -> np.ndarray:
    return np.concatenate([la.total_effect(effect).values[None], effect.values])


def pixel_region(region: tuple[float, float, float, float], size: tuple[int, ...]) -> la.Region:
    """Return a brushed region, left, top, right, bottom in fractions, as rows and columns of at least one pixel."""

    def span(low: float, high: float, length: int) -> tuple[int, int]:
        first = min(math.floor(min(low, high) * length), length - 1)
        return first, max(first + 1, math.ceil(max(low, high) * length))

    left, top, right, bottom = region
    return (*span(top, bottom, size[0]), *span(left, right, size[1]))


def _mix(pipe: PipelineProtocol, request: MixRequest, image: np.ndarray, latent: xr.DataArray, progress: Progress,
         show_partial: ShowPartial, known: Result | None) -> Result:
    """Go from one picture to another in pixels, in latents, and by denoising the noised mixtures."""
    other = request.other.fitted(pipe.image_size)
    ends = latent.values, la.encode(pipe, other).values
    s = request.settings
    sampled = s.sampled_steps * len(POSITIONS) if pipe.takes_image else 0
    counter = ProgressCounter(progress, len(POSITIONS) + sampled)
    mixed = {name: np.stack([mix(*ends, p) for p in POSITIONS]).astype(np.float32)
             for name, mix in (("linear", la.mix_linear), ("spherical", la.mix_spherical))}
    images = {"pixels": np.stack([la.to_bytes(la.mix_linear(image, other, p)) for p in POSITIONS])}
    is_known = known is not None and isinstance(known.request, MixRequest) and known.request != request and (
        (known.request.picture, known.request.other) == (request.picture, request.other))
    images |= {name: known.data[name].values if is_known and known else counter.decode(pipe, z)
               for name, z in mixed.items()}
    lengths = {name: np.sqrt((z.astype(np.float64) ** 2).mean((1, 2, 3))) for name, z in mixed.items()}

    def result() -> Result:
        data = xr.Dataset({name: (("position", *IMAGE), frames) for name, frames in images.items()}
                          | {f"length_{name}": ("position", values) for name, values in lengths.items()},
                          coords={"position": list(POSITIONS)})
        return Result(request, image, latent, data)

    if not pipe.takes_image:
        return result()
    images["noise"] = np.full_like(images["linear"], 128)
    middle = len(POSITIONS) // 2
    for done, k in enumerate(sorted(range(len(POSITIONS)), key=lambda k: abs(k - middle))):  # where they differ most
        if done % 3 == 0:
            show_partial(result())
        run = pipe(s.prompt, image=mixed["linear"][k], strength=s.strength, steps=s.steps, guidance=s.guidance,
                   seed=s.seed, progress=counter.step)
        images["noise"][k] = run.image
    return result()


def _image_to_image(pipe: PipelineProtocol, request: ImageRequest, image: np.ndarray, latent: xr.DataArray,
                    progress: Progress, show_partial: ShowPartial) -> Result:
    """Noise the picture's latent and denoise it with the prompt."""
    s = request.settings
    if not pipe.takes_image:
        raise ValueError(NO_IMAGE_RUNS)
    frames = min(s.sampled_steps + 1, MAX_FRAMES)
    counter = ProgressCounter(progress, s.sampled_steps + frames)
    run = pipe(s.prompt, image=image, strength=s.strength, steps=s.steps, guidance=s.guidance, seed=s.seed,
               progress=counter.step)
    steps = shown_steps(run.steps, MAX_FRAMES)
    times = run.latents.t.values[steps]
    distance = rms_distance(run.denoised.values, latent.values)

    def result(noisy: np.ndarray, predicted: np.ndarray) -> Result:
        data = xr.Dataset({"image": (IMAGE, image), "noisy": (("frame", *IMAGE), noisy),
                           "predicted": (("frame", *IMAGE), predicted), "distance": ("step", distance)},
                          coords={"t": ("frame", times), "frame_step": ("frame", steps)})
        return Result(request, image, latent, data, run=run)

    predicted = np.concatenate([counter.decode(pipe, run.denoised.values[steps[:-1]]), run.image[None]])
    show_partial(result(np.full_like(predicted, 128), predicted))
    noisy = np.concatenate([counter.decode(pipe, run.latents.values[steps[:-1]]), run.image[None]])
    return result(noisy, predicted)


def preview_request(request: Request, steps: int) -> Request | None:
    """Return a request that samples `steps` steps instead, or None where that would not be faster."""
    if not isinstance(request, ImageRequest) or request.settings.sampled_steps <= 2 * steps:
        return None
    return replace(request, settings=preview_settings(request.settings, steps))
