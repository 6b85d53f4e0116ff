"""What GuidanceScale computes of one image: both predictions of each step, decoded. And guidance in two dimensions.

grid.py has the images at many scales.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import xarray as xr

from ...analysis.guided_predictions import GuidedRun, sample_guided
from ...analysis.image_statistics import clipped_share, saturation
from ...analysis.verdict import Verdict, examine, matches_scene
from ...diffusion.paths import Straight
from ...diffusion.settings import Settings
from ...diffusion.timesteps import uniform_timesteps
from ...flow2d import integrate
from ...flow2d.guidance import (
    GridDensity,
    GuidedField,
    guided_field,
    sample_classes,
    sharpened_density,
    with_scale,
)
from ...pipeline import PipelineProtocol
from ...pipeline.progress import Progress, ProgressCounter, shown_steps
from ...run import Run
from ..core.notice import computing_frames
from ..core.verdict import scene_of

MAX_FRAMES = 26  # of a run; a longer one shows this many of its steps, evenly spaced
GREY = 128  # where two images do not differ
PLANE_POINTS, PLANE_PARTICLES, PLANE_SHOWN = 256, 2000, 400  # data points; sampled; of these on the screen
PLANE_STEPS = 40  # of Heun's method: more steps change no distance by 0.02
PLANE_EXTENT, PLANE_CELLS, CELLS_PER_BIN = 3.2, 96, 4  # half a side; cells a side of the density; of a histogram's bin
TARGET_CLASS = 0  # the class y


@dataclass(frozen=True)
class Request:
    """The run to sample, and whether to mix the finished images of two other runs beside it."""

    model: str
    settings: Settings
    mixes_images: bool


@dataclass(frozen=True, eq=False)
class ImageFacts:
    """What can be measured of one finished image.

    clipped, saturation: shares from 0 to 1, see analysis/image_statistics.py. verdict: the examiner's; None where it
    was not trained on such images. is_right: whether it matches the prompt; None without a verdict, or where the prompt
    describes no scene of the picture world.
    """

    clipped: float
    saturation: float
    verdict: Verdict | None
    is_right: bool | None


@dataclass(frozen=True, eq=False)
class MixedImages:
    """The popular formula: two finished images, of runs at w = 0 and at w = 1, mixed in pixels.

    uncond, cond: both runs' predicted images, (frames, y, x, 3) uint8. mixed: uncond + w (cond - uncond), clipped.
    facts: of the last mixed image.
    """

    uncond: np.ndarray
    cond: np.ndarray
    mixed: np.ndarray
    facts: ImageFacts


@dataclass(frozen=True, eq=False)
class Result:
    """A run at its shown steps.

    Args:
        steps: the shown steps, (frames,).
        uncond, cond, guided: the three estimates there, decoded, (frames, y, x, 3) uint8. The last of `guided` is the
            finished image.
        facts: of the finished image.
    """

    request: Request
    guided_run: GuidedRun
    steps: np.ndarray
    uncond: np.ndarray
    cond: np.ndarray
    guided: np.ndarray
    facts: ImageFacts
    mix: MixedImages | None

    @property
    def run(self) -> Run:
        return self.guided_run.run

    @cached_property
    def difference(self) -> np.ndarray:
        """With minus without, in pixels around a middle grey, clipped: (frames, y, x, 3) uint8."""
        return np.clip(GREY + self.cond.astype(np.int16) - self.uncond, 0, 255).astype(np.uint8)


def call_arguments(settings: Settings) -> dict[str, Any]:
    """Return the arguments, without the prompt, with which a pipeline is called for these settings.

    Those that have no effect are left out, since an opened pipeline has no interval and no rescaling.
    """
    arguments = {name: getattr(settings, name) for name in ("guidance", "steps", "seed")}
    default = Settings("")
    changed = {name: getattr(settings, name) for name in ("negative", "interval", "rescale")}
    return arguments | {name: value for name, value in changed.items() if value != getattr(default, name)}


def image_facts(pipe: PipelineProtocol, prompt: str, images: np.ndarray, examined: bool = True) -> list[ImageFacts]:
    """Return the facts of images (n, y, x, 3) uint8 of one prompt. examined: whether the examiner sees them."""
    verdicts: list[Verdict | None] = [None] * len(images)
    scene = None
    if examined and pipe.has_examiner and len(images):
        verdicts, scene = [*examine(images)], scene_of(prompt)
    return [ImageFacts(clipped_share(image), saturation(image), verdict,
                       None if verdict is None or scene is None else matches_scene(verdict, scene))
            for image, verdict in zip(images, verdicts, strict=True)]


def compute(pipe: PipelineProtocol, request: Request, progress: Progress,
            on_guided: Callable[[Result], None] = lambda result: None, examined: bool = True) -> Result:
    """Compute a request. on_guided receives the result when only the extrapolated predictions are decoded. examined:
    False for a preview, which shows no verdict.

    Raises:
        ValueError: the pipeline compares no two predictions; and what calling it raises.
    """
    s = request.settings
    arguments = call_arguments(s)
    runs = (2 if s.guidance in (0, 1) else 1) + 2 * request.mixes_images
    shown = len(shown_steps(s.steps - 1, MAX_FRAMES))
    counter = ProgressCounter(progress, runs * s.steps + shown * (1.5 + request.mixes_images))
    guided = sample_guided(pipe, s.prompt, progress=counter.step, **arguments)
    steps = shown_steps(guided.run.steps - 1, MAX_FRAMES)  # some schedulers take more steps than requested
    extrapolated = counter.decode(pipe, guided.run.denoised.values[steps])
    extrapolated[-1] = guided.run.image
    empty = computing_frames(len(steps), pipe.image_size)
    on_guided(Result(request, guided, steps, empty, empty, extrapolated,
                     image_facts(pipe, s.prompt, guided.run.image[None], examined=False)[0], None))
    uncond, cond = (counter.decode(pipe, estimates.values[steps]) for estimates in (guided.uncond, guided.cond))
    mix = _mix_images(pipe, s, len(steps), counter, examined) if request.mixes_images else None
    return Result(request, guided, steps, uncond, cond, extrapolated,
                  image_facts(pipe, s.prompt, guided.run.image[None], examined)[0], mix)


def _mix_images(pipe: PipelineProtocol, settings: Settings, frames: int, counter: ProgressCounter,
                examined: bool) -> MixedImages:
    """Sample without the prompt and with it, each to its end, and mix the images."""

    def previews(prompt: str) -> np.ndarray:
        run = pipe(prompt, guidance=1.0, steps=settings.steps, seed=settings.seed, progress=counter.step)
        images = counter.decode(pipe, run.denoised.values[shown_steps(run.steps - 1, frames)])
        images[-1] = run.image
        return images

    uncond, cond = previews(settings.negative or ""), previews(settings.prompt)
    mixed = mix_images(uncond, cond, settings.guidance)
    return MixedImages(uncond, cond, mixed, image_facts(pipe, settings.prompt, mixed[-1:], examined)[0])


def mix_images(uncond: np.ndarray, cond: np.ndarray, w: float) -> np.ndarray:
    """Return uncond + w (cond - uncond) of images (…, 3) uint8, rounded and clipped to uint8."""
    mixed = uncond + w * (cond.astype(np.float64) - uncond)
    return np.clip(np.rint(mixed), 0, 255).astype(np.uint8)


# ---- in two dimensions, where everything is known --------------------------------------------------------------------


@dataclass(frozen=True)
class PlaneRequest:
    """A distribution of points with classes (flow2d/guidance.py), the guidance scale, and the seed of the noise.

    noise_aware: whether the exact classifier is that of the noise level, see `GuidedField`.
    """

    distribution: str
    w: float
    seed: int
    noise_aware: bool = True


@dataclass(frozen=True, eq=False)
class PlaneResult:
    """Guided samples beside the density that guidance is said to sample, p(x) p(y | x)^w.

    Args:
        points, is_target: the data (points, 2), and which of them are of the class.
        times: (frames,) from 1 to 0. guided: the guided particles there, (frames, particles, 2).
        density: the sharpened density; sharpened: as many samples of it.
        distances: `distance` (w) between guided samples and the sharpened density, total variation, and `floor`
            (w, bound): what as many samples of the density itself give, as mean, low and high of 95%.
    """

    request: PlaneRequest
    points: np.ndarray
    is_target: np.ndarray
    times: np.ndarray
    guided: np.ndarray
    density: GridDensity
    sharpened: np.ndarray
    distances: xr.Dataset

    def to_dataset(self) -> xr.Dataset:
        """Return everything as labelled arrays."""
        return self.distances.assign({
            "data": (("point", "xy"), self.points), "is_target": ("point", self.is_target),
            "guided": (("t", "particle", "xy"), self.guided), "sharpened": (("particle", "xy"), self.sharpened),
            "density": (("y", "x"), self.density.mass)}).assign_coords(t=self.times)

    def to_table(self) -> Any:
        """Return a pandas row a scale: the distance, and the mean and the ends of its noise floor."""
        floor = self.distances.floor.to_pandas().add_prefix("floor, ")
        return self.distances.distance.to_dataframe().join(floor)


@functools.lru_cache(maxsize=4)
def plane_field(distribution: str, seed: int) -> tuple[np.ndarray, np.ndarray, GuidedField]:
    """Return the points, which of them are of the class, and the guided field, in single precision."""
    points, classes = sample_classes(distribution, PLANE_POINTS, seed)
    field = guided_field(points, classes, TARGET_CLASS)
    single = {name: replace(getattr(field, name), dtype=np.float32) for name in ("marginal", "conditional")}
    return points, classes == TARGET_CLASS, replace(field, **single)


@functools.lru_cache(maxsize=64)
def plane_samples(request: PlaneRequest) -> tuple[np.ndarray, GridDensity, float, tuple[float, float, float]]:
    """Return guided trajectories (steps + 1, particles, 2), the sharpened density, their distance and noise floor."""
    field = with_scale(plane_field(request.distribution, request.seed)[2], request.w)
    field = replace(field, noise_aware=request.noise_aware)
    start = np.random.default_rng([request.seed, 5]).standard_normal((PLANE_PARTICLES, 2))
    x = integrate(field, Straight(), start, uniform_timesteps(PLANE_STEPS), "heun").x
    density = sharpened_density(field, PLANE_EXTENT, PLANE_CELLS)
    coarse = density.coarsen(CELLS_PER_BIN)
    return x, density, coarse.total_variation(x[-1]), coarse.noise_floor(PLANE_PARTICLES, seed=request.seed)


def compute_plane(request: PlaneRequest, scales: tuple[float, ...], progress: Progress,
                  show_partial: Callable[[PlaneResult], None] = lambda result: None) -> PlaneResult:
    """Compute a request, and the distance at every scale. show_partial receives the result with its own scale first.

    Raises:
        ValueError: an unknown distribution.
    """
    ordered = sorted({request.w, *scales}, key=lambda w: w != request.w)
    found: dict[float, tuple] = {}
    result = None
    for k, w in enumerate(ordered):
        progress(k, len(ordered))
        found[w] = plane_samples(replace(request, w=w))
        if k == 0 or k == len(ordered) - 1:
            result = _plane_result(request, found)
            if k == 0 and len(ordered) > 1:
                show_partial(result)
    assert result is not None
    return result


def _plane_result(request: PlaneRequest, found: dict[float, tuple]) -> PlaneResult:
    points, is_target, _ = plane_field(request.distribution, request.seed)
    x, density, _, _ = found[request.w]
    scales = sorted(found)
    distances = xr.Dataset({"distance": ("w", [found[w][2] for w in scales]),
                            "floor": (("w", "bound"), [found[w][3] for w in scales])},
                           coords={"w": scales, "bound": ["mean", "low", "high"]})
    times = np.array(uniform_timesteps(PLANE_STEPS))
    return PlaneResult(request, points, is_target, times, x[:, :PLANE_SHOWN], density,
                       density.samples(PLANE_SHOWN, request.seed), distances)
