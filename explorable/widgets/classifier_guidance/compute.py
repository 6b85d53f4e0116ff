"""What ClassifierGuidance computes: a run without the classifier and one with it, and both judges. And the plane.

scales.py has the images at many scales.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, cast

import numpy as np
import xarray as xr

from ...analysis.classifier_readings import classifier_confidence, classifier_readings
from ...analysis.verdict import Verdict, examine, shows, target_probability
from ...diffusion.paths import Straight
from ...diffusion.settings import Settings
from ...measure.classifier_guidance import CERTAIN
from ...pipeline import Pipeline, PipelineProtocol
from ...pipeline.progress import Progress, ProgressCounter, shown_steps
from ...run import Run
from ..core.verdict import scene_of
from ..guidance_scale.compute import (
    PLANE_EXTENT,
    PlaneRequest,
    PlaneResult,
    compute_plane,
    plane_field,
)

MAX_FRAMES = 26  # of a run; a longer one shows this many of its steps, evenly spaced
PLANE_SCALES = (0.0, 0.5, 1.0, 2.0, 4.0, 10.0, 30.0)  # at which the distance is measured
ARROWS_PER_SIDE, ARROW_LENGTH, MAX_ARROW = 5, 0.3, 1.1  # of the field: how many, plane units per unit, and at most
CLASSIFIER_FIELDS = ("target", "classifier_scale", "classifier_interval", "noise_aware")  # of Settings


@dataclass(frozen=True)
class Request:
    """The guided run to sample; the unguided one beside it has the same settings without the classifier's."""

    model: str
    settings: Settings


@dataclass(frozen=True, eq=False)
class Side:
    """One of the two runs, without the classifier or with it, and what both judges say of it.

    Args:
        images: the predicted image of each shown step, decoded, (frames, y, x, 3) uint8; the last is finished.
        readings: the classifier's, see `classifier_readings`.
        examined: the examiner's p(target) of each of the images, (frames,).
        confidence: the classifier's p(target) of the finished image, see `classifier_confidence`.
        verdict: the examiner's on the finished image. shows: whether it finds the target there.
    """

    run: Run
    images: np.ndarray
    readings: xr.Dataset
    examined: np.ndarray
    confidence: float
    verdict: Verdict
    shows: bool

    @property
    def is_adversarial(self) -> bool:
        """Whether the classifier is certain of a target that the examiner does not find."""
        return self.confidence >= CERTAIN and not self.shows


@dataclass(frozen=True, eq=False)
class Result:
    """Both runs at their shown steps, (frames,)."""

    request: Request
    steps: np.ndarray
    unguided: Side
    guided: Side

    @property
    def target(self) -> str:
        """The word towards which the classifier guides."""
        return self.request.settings.target or ""

    @cached_property
    def gradient_maps(self) -> np.ndarray:
        """The size of the gradient at each position of the guided latent at the shown steps, see `gradient_map`."""
        return gradient_map(self.guided.readings.gradient.values[self.steps])

    @property
    def acts(self) -> np.ndarray:
        """Whether the classifier guides at each shown step, (frames,)."""
        return self.guided.readings.shift_rms.values[self.steps] > 0


def require_classifier(pipe: PipelineProtocol) -> Pipeline:
    """Return a pipeline that has a classifier of its noisy latents.

    Raises:
        ValueError: it has none.
    """
    if not pipe.has_classifier:
        raise ValueError(f"{pipe.name} has no classifier of its noisy latents, without which nothing can be guided "
                         "here: classifier guidance needs one that was trained on latents of every noise level. The "
                         "mode “two dimensions” needs no model")
    return cast(Pipeline, pipe)


def names_target(prompt: str, target: str) -> bool:
    """Return whether a prompt says the target, as a thing, a colour, the place or the time of its scene."""
    scene = scene_of(prompt)
    return scene is not None and target in {
        *(g.kind for g in scene.groups), *(g.colour for g in scene.groups), scene.place, scene.time}


def gradient_map(gradient: np.ndarray) -> np.ndarray:
    """Return the root mean square over the channels, relative to the largest of each step: (…, channel, y, x) to
    (…, y, x) from 0 to 1."""
    size = np.sqrt(np.square(gradient.astype(np.float64)).mean(-3))
    largest = size.max((-2, -1), keepdims=True)
    return np.divide(size, largest, out=np.zeros_like(size), where=largest > 0)


def call_arguments(settings: Settings) -> dict[str, Any]:
    """Return the arguments, without the prompt, with which a pipeline is called for these settings."""
    arguments = {name: getattr(settings, name) for name in ("guidance", "steps", "seed", "sampler")}
    default = Settings("")
    changed = {name: getattr(settings, name) for name in CLASSIFIER_FIELDS}
    return arguments | {name: value for name, value in changed.items() if value != getattr(default, name)}


def without_classifier(settings: Settings) -> Settings:
    """Return the same settings without classifier guidance."""
    default: dict[str, Any] = {name: getattr(Settings(""), name) for name in CLASSIFIER_FIELDS}
    return replace(settings, **default)


def sample(pipe: Pipeline, settings: Settings, counter: ProgressCounter) -> tuple[Run, np.ndarray]:
    """Return a run, and the predicted image of each shown step; the last is the finished one."""
    run = pipe(settings.prompt, progress=counter.step, **call_arguments(settings))
    images = counter.decode(pipe, run.denoised.values[shown_steps(run.steps - 1, MAX_FRAMES)])
    images[-1] = run.image
    return run, images


class SideCache:
    """The last unguided run, which is the same at every scale, and what both judges say of it, by target."""

    def __init__(self) -> None:
        self._key: Any = None
        self._found: tuple[Run, np.ndarray] | None = None
        self._sides: dict[tuple[str | None, bool], Side] = {}

    def get(self, model: str, settings: Settings) -> tuple[Run, np.ndarray] | None:
        """Return the run of a model with these settings and its images, if they are the last."""
        return self._found if self._key == (model, settings) else None

    def put(self, model: str, settings: Settings, found: tuple[Run, np.ndarray]) -> None:
        """Keep a run and its images in place of the last."""
        self._key, self._found, self._sides = (model, settings), found, {}

    def judged(self, pipe: Pipeline, found: tuple[Run, np.ndarray], settings: Settings) -> Side:
        """Return what the judges say of the last run, see `judged`."""
        key = settings.target, settings.noise_aware
        if key not in self._sides:
            self._sides[key] = judged(pipe, *found, settings)
        return self._sides[key]

    def forget(self) -> None:
        """Drop the run, as after an edit of the model."""
        self._key, self._found, self._sides = None, None, {}


def compute(pipe: PipelineProtocol, request: Request, progress: Progress, cache: SideCache | None = None,
            on_guided: Callable[[np.ndarray], None] = lambda images: None) -> Result:
    """Compute a request. on_guided receives the guided images before anything else is computed.

    Raises:
        ValueError: the pipeline has no classifier; UnknownTargetError; and what calling the pipeline raises.
    """
    pipe, s, cache = require_classifier(pipe), request.settings, cache or SideCache()
    plain = without_classifier(s)
    found = cache.get(request.model, plain)
    frames = len(shown_steps(s.steps - 1, MAX_FRAMES))
    counter = ProgressCounter(progress, (1 if found else 2) * (s.steps + frames / 2) + frames)
    guided = sample(pipe, s, counter)
    on_guided(guided[1])
    if found is None:
        cache.put(request.model, plain, found := sample(pipe, plain, counter))
    unguided_side = cache.judged(pipe, found, s)
    counter.add(frames / 2)
    guided_side = judged(pipe, *guided, s)
    counter.add(frames / 2)
    return Result(request, shown_steps(s.steps - 1, MAX_FRAMES), unguided_side, guided_side)


def judged(pipe: Pipeline, run: Run, images: np.ndarray, settings: Settings) -> Side:
    """Let both judges look at a run. settings: of the guided run, with the target."""
    target = settings.target or ""
    readings = classifier_readings(pipe, run, target, settings.noise_aware)
    [verdict], [confidence] = examine(images[-1:]), classifier_confidence(pipe, images[-1:], target)
    return Side(run, images, readings, target_probability(images, target), float(confidence), verdict,
                shows(verdict, target))


# ---- in two dimensions, where everything is known --------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class ArrowsResult:
    """Guided samples in the plane, and the two gradients that add up at each time.

    Args:
        plane: see `PlaneResult`.
        origins: positions (positions, 2).
        data, classifier: sigma^2 times grad log p(x), and sigma^2 w times grad log p(y | x), there at each time,
            (frames, positions, 2).
    """

    plane: PlaneResult
    origins: np.ndarray
    data: np.ndarray
    classifier: np.ndarray

    @property
    def request(self) -> PlaneRequest:
        """What was asked for."""
        return self.plane.request

    def to_dataset(self) -> xr.Dataset:
        """Return everything as labelled arrays."""
        dims = ("t", "position", "xy")
        return self.plane.to_dataset().assign(
            origin=(("position", "xy"), self.origins), gradient_data=(dims, self.data),
            gradient_classifier=(dims, self.classifier))


def compute_arrows(request: PlaneRequest, progress: Progress,
                   show_partial: Callable[[ArrowsResult], None] = lambda result: None) -> ArrowsResult:
    """Compute a request. show_partial receives the result without the distances at other scales first.

    Raises:
        ValueError: an unknown distribution.
    """
    field = replace(plane_field(request.distribution, request.seed)[2], noise_aware=request.noise_aware)
    path, side = Straight(), np.linspace(-0.8, 0.8, ARROWS_PER_SIDE) * PLANE_EXTENT
    origins = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)
    found: list[tuple[np.ndarray, np.ndarray]] = []

    def with_arrows(plane: PlaneResult) -> ArrowsResult:
        if not found:
            for t in plane.times:
                alpha, sigma = path.alpha(float(t)), path.sigma(float(t))
                found.append((sigma**2 * field.marginal.score(origins, alpha, sigma),
                              sigma**2 * request.w * field.classifier_score(origins, alpha, sigma)))
        data, classifier = (np.stack(part) for part in zip(*found, strict=True))
        return ArrowsResult(plane, origins, data, classifier)

    return with_arrows(compute_plane(request, PLANE_SCALES, progress, lambda plane: show_partial(with_arrows(plane))))


def drawn_arrows(result: ArrowsResult) -> dict[str, np.ndarray]:
    """Return the arrows as the plane shows them, from (x, y) to (x, y), (frames, positions, 4): "data", "classifier"
    from its tip, and "sum" from the origin to the second tip. Where the sum is too long to draw, all three of that
    position and time are shortened alike, so that they still add up."""
    arrows = np.stack([result.data, result.classifier, result.data + result.classifier])
    longest = np.linalg.norm(arrows, axis=-1).max(0)
    length = np.minimum(ARROW_LENGTH, MAX_ARROW / np.maximum(longest, 1e-12))[..., None]
    origins = np.broadcast_to(result.origins, result.data.shape)
    tips = origins + length * result.data
    ends = tips + length * result.classifier
    return {"data": np.concatenate([origins, tips], -1), "classifier": np.concatenate([tips, ends], -1),
            "sum": np.concatenate([origins, ends], -1)}
