"""What ClassifierGuidance computes of many images: the same noise at every scale, and what both judges say."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import xarray as xr

from ...analysis.classifier_readings import classifier_confidence
from ...analysis.image_statistics import diversity
from ...analysis.verdict import examine, examiner_features, shows
from ...diffusion.settings import Settings
from ...measure.classifier_guidance import CERTAIN, SCALES
from ...pipeline import Pipeline, PipelineProtocol
from ...pipeline.progress import Progress
from ..core.preview import PREVIEW_STEPS, cancellable_only, needs_preview
from ..core.scale_grid import DONE, GREY, MISSING, PREVIEW, Interest, by_interest
from .compute import Result, call_arguments, require_classifier

IMAGE_QUANTITIES = ("shown", "confidence", "adversarial")  # that each image has; the diversity is of several
MAX_CACHED = 256  # images


@dataclass(frozen=True)
class ScalesRequest:
    """The images to sample: these settings, with every scale and every seed in place of their own."""

    model: str
    settings: Settings
    seeds: tuple[int, ...]
    scales: tuple[float, ...] = SCALES

    def at(self, scale: float, seed: int) -> Settings:
        """Return the settings of one image."""
        return replace(self.settings, classifier_scale=scale, seed=seed)


@dataclass(frozen=True, eq=False)
class ScalesResult:
    """The images at all scales and seeds.

    Args:
        images: (scale, seed, y, x, rgb) uint8, grey where missing.
        state: (scale, seed): MISSING, PREVIEW (sampled in a few steps) or DONE.
        facts: IMAGE_QUANTITIES (scale, seed) and `diversity` (scale), see `judge_images`: NaN where not done.
    """

    request: ScalesRequest
    images: xr.DataArray
    state: np.ndarray
    facts: xr.Dataset

    @cached_property
    def means(self) -> xr.Dataset:
        """The means over the finished seeds of each scale, (scale,); NaN where there are none."""
        return self.facts.mean("seed")

    def to_dataset(self) -> xr.Dataset:
        """Return the images and their facts."""
        return self.facts.assign(images=self.images).assign_attrs(
            prompt=self.request.settings.prompt, target=self.request.settings.target)


def judge_images(pipe: Pipeline, images: np.ndarray, target: str) -> np.ndarray:
    """Return of images (n, y, x, 3) uint8 whether the examiner finds the target, the classifier's confidence of it, and
    whether the image is adversarial (see `Side`): (n, 3), as IMAGE_QUANTITIES."""
    shown = np.array([shows(verdict, target) for verdict in examine(images)])
    confidence = classifier_confidence(pipe, images, target)
    return np.stack([shown, confidence, (confidence >= CERTAIN) & ~shown], axis=1).astype(float)


class ScalesComputation:
    """Computes images at many scales and keeps them, so that a changed scale or seed samples only what is new."""

    def __init__(self) -> None:
        self._images: dict[tuple[str, Settings], np.ndarray] = {}

    def forget(self) -> None:
        """Sample everything anew at the next request, as after an edit of the model."""
        self._images.clear()

    def compute(self, pipe: PipelineProtocol, request: ScalesRequest, progress: Progress, interest: Interest,
                show_partial: Callable[[ScalesResult], None] = lambda result: None) -> ScalesResult:
        """Return the images. show_partial receives them, incomplete, after each new image or column.

        First the seed of interest at every scale in a few steps, then whole columns, the scale of interest first.

        Raises:
            ValueError: the pipeline has no classifier; and what sampling raises.
        """
        pipe = require_classifier(pipe)
        pipe.classifier.check_target(request.settings.target or "")
        grid, target = _Grid(request, pipe.image_size), request.settings.target or ""
        missing = []
        for scale in request.scales:
            keys = [(request.model, request.at(scale, seed)) for seed in request.seeds]
            if all(key in self._images for key in keys):
                images = np.stack([self._images[key] for key in keys])
                grid.put(scale, images, DONE, judge_images(pipe, images, target))
            else:
                missing.append(scale)
        if missing and needs_preview(request.settings.steps):
            chosen, seed = interest()
            for scale in by_interest(tuple(missing), chosen):
                few = replace(request.at(scale, seed), steps=PREVIEW_STEPS)
                images = _sample(pipe, few, (seed,), cancellable_only(progress))
                grid.put(scale, images, PREVIEW, seeds=(seed,))
                show_partial(grid.result())
        self._fill(pipe, grid, missing, progress, interest, show_partial)
        return grid.result()

    def _fill(self, pipe: Pipeline, grid: _Grid, missing: list[float], progress: Progress, interest: Interest,
              show_partial: Callable[[ScalesResult], None]) -> None:
        """Sample the missing scales, each with all its seeds at once."""
        request, total = grid.request, len(missing)
        for done in range(total):
            scale = by_interest(tuple(missing), interest()[0])[0]

            def count(k: int, steps: int, before: int = done) -> None:
                progress(before * steps + k, total * steps)

            images = _sample(pipe, request.at(scale, request.seeds[0]), request.seeds, count)
            for seed, image in zip(request.seeds, images, strict=True):
                self._images[request.model, request.at(scale, seed)] = image
            while len(self._images) > MAX_CACHED:
                self._images.pop(next(iter(self._images)))
            grid.put(scale, images, DONE, judge_images(pipe, images, request.settings.target or ""))
            missing.remove(scale)
            if missing:
                show_partial(grid.result())


class _Grid:
    """The images while they are being sampled."""

    def __init__(self, request: ScalesRequest, image_size: tuple[int, int]):
        self.request = request
        shape = len(request.scales), len(request.seeds)
        coords: dict[str, Any] = {"scale": list(request.scales), "seed": list(request.seeds)}
        self.images = xr.DataArray(np.full((*shape, *image_size, 3), GREY, np.uint8),
                                   dims=("scale", "seed", "y", "x", "rgb"), coords={**coords, "rgb": list("rgb")})
        self.state = np.full(shape, MISSING)
        self.facts = xr.Dataset({name: (("scale", "seed"), np.full(shape, np.nan)) for name in IMAGE_QUANTITIES}
                                | {"diversity": ("scale", np.full(shape[0], np.nan))}, coords=coords)

    def put(self, scale: float, images: np.ndarray, state: int, facts: np.ndarray | None = None,
            seeds: Sequence[int] = ()) -> None:
        """Put images of a scale into the grid: of these seeds, or of all. facts: see `judge_images`."""
        k = self.request.scales.index(scale)
        at = [self.request.seeds.index(seed) for seed in seeds or self.request.seeds]
        self.images.values[k, at], self.state[k, at] = images, state
        if facts is not None:
            for name, column in zip(IMAGE_QUANTITIES, facts.T, strict=True):
                self.facts[name].values[k, at] = column
            self.facts.diversity.values[k] = diversity(examiner_features(images[None]))[0]

    def result(self) -> ScalesResult:
        """Return the images as they are now; what is put in later does not change it."""
        return ScalesResult(self.request, self.images.copy(), self.state.copy(), self.facts.copy(deep=True))


def _sample(pipe: Pipeline, settings: Settings, seeds: tuple[int, ...], progress: Progress) -> np.ndarray:
    return pipe.sample_images([settings.prompt] * len(seeds), list(seeds), settings, progress)


def scales_code(request: ScalesRequest, pipe_code: str) -> str:
    """Return the lines that sample the images."""
    settings = "".join(f", {name}={value!r}" for name, value in call_arguments(request.settings).items()
                       if name not in ("classifier_scale", "seed"))
    return (f"import explorable as ex\n\n{pipe_code}\nimages = {{}}\nfor scale in {request.scales!r}:\n"
            f"    for seed in {request.seeds!r}:\n        images[scale, seed] = pipe({request.settings.prompt!r}, "
            f"classifier_scale=scale, seed=seed{settings}).image")


def side_facts(result: Result) -> xr.Dataset:
    """Return what both judges say of the two images of a seed, the unguided one at scale 0, as ScalesResult has it."""
    s = result.request.settings
    sides = {0.0: result.unguided, s.classifier_scale: result.guided}
    rows = np.array([(side.shows, side.confidence, side.is_adversarial) for side in sides.values()], float)
    return xr.Dataset({name: (("scale", "seed"), column[:, None]) for name, column in zip(
        IMAGE_QUANTITIES, rows.T, strict=True)} | {"diversity": ("scale", np.full(len(sides), np.nan))},
        coords={"scale": list(sides), "seed": [s.seed]})


class LivePoints:
    """What both judges have said so far of one prompt and target, by scale."""

    def __init__(self) -> None:
        self._key: Any = None
        self._facts: dict[float, dict[int, tuple[float, ...]]] = {}
        self._diversity: dict[float, float] = {}

    def add(self, model: str, settings: Settings, facts: xr.Dataset) -> None:
        """Add facts of images, as ScalesResult has them. Those of other settings are dropped."""
        key = model, replace(settings, classifier_scale=0.0, seed=0)
        if key != self._key:
            self._key, self._facts, self._diversity = key, {}, {}
        for scale in facts.scale.values.tolist():
            here = facts.sel(scale=scale)
            for seed in facts.seed.values.tolist():
                if np.isfinite(here.shown.sel(seed=seed)):
                    self._facts.setdefault(scale, {})[seed] = tuple(
                        float(here[name].sel(seed=seed)) for name in IMAGE_QUANTITIES)
            if np.isfinite(here.diversity):
                self._diversity[scale] = float(here.diversity)

    def means(self) -> xr.Dataset:
        """Return the means over seeds of each quantity, (scale,); NaN where it is unknown."""
        scales = sorted(self._facts)
        means = np.array([np.mean(list(self._facts[s].values()), 0) for s in scales]).reshape(-1, len(IMAGE_QUANTITIES))
        return xr.Dataset(
            {name: ("scale", column) for name, column in zip(IMAGE_QUANTITIES, means.T, strict=True)}
            | {"diversity": ("scale", [self._diversity.get(s, np.nan) for s in scales])}, coords={"scale": scales})
