"""What GuidanceScale computes of many images: the same prompt and noise at every scale, filled in order of interest."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import xarray as xr

from ...analysis.guided_predictions import check_comparison
from ...analysis.image_statistics import diversity
from ...analysis.verdict import examiner_features
from ...diffusion.settings import Settings
from ...pipeline import PipelineProtocol
from ...pipeline.progress import Progress
from ..core.preview import PREVIEW_STEPS, cancellable_only, needs_preview
from ..core.scale_grid import DONE, GREY, MISSING, PREVIEW, Interest, by_interest
from .compute import ImageFacts, call_arguments, image_facts

SCALES = (0.0, 1.0, 2.0, 4.0, 7.0, 12.0, 15.0, 30.0)
IMAGE_QUANTITIES = ("right", "clipped", "saturation")  # that each image has; the diversity is of several
MAX_CACHED = 256  # images


@dataclass(frozen=True)
class GridRequest:
    """The images to sample: these settings, with every scale and every seed in place of their own."""

    model: str
    settings: Settings
    scales: tuple[float, ...]
    seeds: tuple[int, ...]

    def at(self, scale: float, seed: int) -> Settings:
        """Return the settings of one image."""
        return replace(self.settings, guidance=scale, seed=seed)


@dataclass(frozen=True, eq=False)
class GridResult:
    """The images at all scales and seeds.

    Args:
        images: (w, seed, y, x, rgb) uint8, grey where missing.
        state: (w, seed): MISSING, PREVIEW (sampled in a few steps) or DONE.
        facts: `right`, `clipped` and `saturation` (w, seed), `diversity` (w): NaN where not done or not known.
    """

    request: GridRequest
    images: xr.DataArray
    state: np.ndarray
    facts: xr.Dataset

    @property
    def is_complete(self) -> bool:
        """Whether every image is finished."""
        return bool((self.state == DONE).all())

    @cached_property
    def means(self) -> xr.Dataset:
        """The means over the finished seeds of each scale, (w,); NaN where there are none."""
        return self.facts.mean("seed")

    def to_dataset(self) -> xr.Dataset:
        """Return the images and their facts."""
        return self.facts.assign(images=self.images).assign_attrs(prompt=self.request.settings.prompt)


class GridComputation:
    """Computes grids and keeps their images, so that a changed scale or seed samples only what is new."""

    def __init__(self) -> None:
        self._images: dict[tuple[str, Settings], np.ndarray] = {}

    def is_cached(self, request: GridRequest) -> bool:
        """Whether nothing has to be sampled."""
        return all(self._key(request, w, seed) in self._images for w in request.scales for seed in request.seeds)

    def forget(self) -> None:
        """Sample everything anew at the next request, as after an edit of the model."""
        self._images.clear()

    def compute(self, pipe: PipelineProtocol, request: GridRequest, progress: Progress, interest: Interest,
                show_partial: Callable[[GridResult], None] = lambda result: None) -> GridResult:
        """Return the grid. show_partial receives it, incomplete, after each new image or column.

        First the seed of interest at every scale in a few steps, then whole columns, the scale of interest first.

        Raises:
            ValueError: the pipeline compares no two predictions; and what sampling raises.
        """
        check_comparison(pipe, 1.0)
        grid = _Grid(pipe, request)
        for w in request.scales:
            found = {s: self._images[key] for s in request.seeds if (key := self._key(request, w, s)) in self._images}
            grid.put(w, found, DONE)
        missing = [w for w in request.scales if not grid.is_done(w)]
        if missing and len(missing) < len(request.scales):
            show_partial(grid.result())
        if missing and pipe.supports_preview and needs_preview(request.settings.steps):
            scale, seed = interest()
            stoppable = cancellable_only(progress)
            for w in by_interest(tuple(missing), scale):
                few = replace(request.at(w, seed), steps=PREVIEW_STEPS)
                grid.put(w, {seed: _sample(pipe, few, (seed,), stoppable)[0]}, PREVIEW)
                show_partial(grid.result())
        self._fill(pipe, grid, missing, progress, interest, show_partial)
        return grid.result()

    def _fill(self, pipe: PipelineProtocol, grid: _Grid, missing: list[float], progress: Progress,
              interest: Interest, show_partial: Callable[[GridResult], None]) -> None:
        """Sample the missing columns; on an opened pipeline, which is slow, one image at a time."""
        request, done = grid.request, 0
        batch = len(request.seeds) if pipe.supports_preview else 1
        total = request.settings.steps * sum(-(-len(grid.missing_seeds(w)) // batch) for w in missing)
        while missing:
            scale, seed = interest()
            w = by_interest(tuple(missing), scale)[0]
            seeds = sorted(grid.missing_seeds(w), key=lambda s: s != seed)[:batch]

            def count(k: int, steps: int, before: int = done) -> None:
                progress(before + k * request.settings.steps // steps, total)

            images = dict(zip(seeds, _sample(pipe, request.at(w, seed), seeds, count), strict=True))
            done += request.settings.steps
            for s, image in images.items():
                self._images[self._key(request, w, s)] = image
            while len(self._images) > MAX_CACHED:
                self._images.pop(next(iter(self._images)))
            grid.put(w, images, DONE)
            missing = [w for w in missing if not grid.is_done(w)]
            if missing:
                show_partial(grid.result())

    def _key(self, request: GridRequest, w: float, seed: int) -> tuple[str, Settings]:
        return request.model, request.at(w, seed)


class _Grid:
    """A grid while it is being filled."""

    def __init__(self, pipe: PipelineProtocol, request: GridRequest):
        self.pipe, self.request = pipe, request
        shape = len(request.scales), len(request.seeds)
        coords = {"w": list(request.scales), "seed": list(request.seeds)}
        self.images = xr.DataArray(np.full((*shape, *pipe.image_size, 3), GREY, np.uint8),
                                   dims=("w", "seed", "y", "x", "rgb"), coords={**coords, "rgb": list("rgb")})
        self.state = np.full(shape, MISSING)
        unknown = ImageFacts(np.nan, np.nan, None, None)
        self.facts = facts_dataset(request.scales, request.seeds, [unknown] * self.state.size)

    def missing_seeds(self, w: float) -> list[int]:
        """Return the seeds whose image at a scale is not finished."""
        states = self.state[self.request.scales.index(w)]
        return [s for s, state in zip(self.request.seeds, states, strict=True) if state != DONE]

    def is_done(self, w: float) -> bool:
        return not self.missing_seeds(w)

    def put(self, w: float, images: dict[int, np.ndarray], state: int) -> None:
        """Put images of a scale into the grid, by seed, and measure the finished ones."""
        k = self.request.scales.index(w)
        at = [self.request.seeds.index(seed) for seed in images]
        for j, image in zip(at, images.values(), strict=True):
            self.images.values[k, j], self.state[k, j] = image, state
        if state != DONE or not images:
            return
        facts = image_facts(self.pipe, self.request.settings.prompt, np.stack(list(images.values())))
        measured = facts_dataset((w,), list(images), facts)
        for name in IMAGE_QUANTITIES:
            self.facts[name].values[k, at] = measured[name].values[0]
        if self.pipe.has_examiner and self.is_done(w) and len(self.request.seeds) > 1:
            self.facts.diversity.values[k] = diversity(examiner_features(self.images.values[k][None]))[0]

    def result(self) -> GridResult:
        """Return the grid as it is now; what is put in later does not change it."""
        return GridResult(self.request, self.images.copy(), self.state.copy(), self.facts.copy(deep=True))


def _sample(pipe: PipelineProtocol, settings: Settings, seeds: list[int] | tuple[int, ...],
            progress: Progress) -> np.ndarray:
    return pipe.sample_images([settings.prompt] * len(seeds), list(seeds), settings, progress)


# ---- what can be made of it -----------------------------------------------------------------------------------------


def grid_code(request: GridRequest, pipe_code: str) -> str:
    """Return the lines that sample the grid."""
    settings = "".join(f", {name}={value!r}" for name, value in call_arguments(request.settings).items()
                       if name not in ("guidance", "seed"))
    return (f"import explorable as ex\n\n{pipe_code}\nimages = {{}}\nfor w in {request.scales!r}:\n"
            f"    for seed in {request.seeds!r}:\n"
            f"        images[w, seed] = pipe({request.settings.prompt!r}, guidance=w, seed=seed{settings}).image")


def facts_dataset(scales: Sequence[float], seeds: Sequence[int], facts: Sequence[ImageFacts]) -> xr.Dataset:
    """Return facts of images, one scale after another, as GridResult has them. The diversity is unknown."""
    rows = [(np.nan if f.is_right is None else float(f.is_right), f.clipped, f.saturation) for f in facts]
    columns = np.array(rows).reshape(len(scales), len(seeds), 3)
    quantities = {name: (("w", "seed"), columns[..., k]) for k, name in enumerate(IMAGE_QUANTITIES)}
    return xr.Dataset(quantities | {"diversity": ("w", np.full(len(scales), np.nan))},
                      coords={"w": list(scales), "seed": list(seeds)})


class LivePoints:
    """What has been measured of one prompt so far, by scale."""

    def __init__(self) -> None:
        self._key: Any = None
        self._facts: dict[float, dict[int, tuple[float, ...]]] = {}
        self._diversity: dict[float, float] = {}

    def add(self, model: str, settings: Settings, facts: xr.Dataset) -> None:
        """Add the facts of images of a prompt, as GridResult has them. Those of another prompt are dropped."""
        key = model, replace(settings, guidance=1.0, seed=0)
        if key != self._key:
            self._key, self._facts, self._diversity = key, {}, {}
        for w in facts.w.values.tolist():
            here = facts.sel(w=w)
            for seed in facts.seed.values.tolist():
                if np.isfinite(here.clipped.sel(seed=seed)):
                    self._facts.setdefault(w, {})[seed] = tuple(
                        float(here[name].sel(seed=seed)) for name in IMAGE_QUANTITIES)
            if np.isfinite(here.diversity):
                self._diversity[w] = float(here.diversity)

    def means(self) -> xr.Dataset:
        """Return the means over seeds of each quantity, (w,); NaN where it is unknown."""
        scales = sorted(self._facts)
        means = np.array([np.mean(list(self._facts[w].values()), 0) for w in scales]).reshape(-1, 3)
        return xr.Dataset(
            {name: ("w", column) for name, column in zip(IMAGE_QUANTITIES, means.T, strict=True)}
            | {"diversity": ("w", [self._diversity.get(w, np.nan) for w in scales])}, coords={"w": scales})
