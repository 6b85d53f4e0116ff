"""What FlowPaths computes on images: every trained denoiser from the same noise, in few and in many steps."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import xarray as xr

from ...diffusion.settings import DEFAULT_GUIDANCE, Settings, check_settings
from ...pipeline import PipelineProtocol
from ...pipeline.progress import Progress
from ..core.explorable import shipped_pipeline
from ..core.notice import notice

STEP_COUNTS = (1, 2, 4, 8, 20, 50)
# DDIM with eta 0 splits x into the estimate and noise and mixes them anew, which is exact on every path while the
# estimate is constant. On the straight path it is Euler's method. So it favours no path.
SAMPLER = "ddim"
MISSING = "computing …"  # where an image is not computed yet


@dataclass(frozen=True)
class ImageRequest:
    """A request for images of all models. guidance None: each model's default."""

    prompt: str
    guidance: float | None
    seed: int


@dataclass(frozen=True)
class Model:
    """A model to compare: a function that loads it, and its default guidance."""

    load: Callable[[], PipelineProtocol]
    default_guidance: float


@dataclass(frozen=True, eq=False)
class ImageResult:
    """Images of all models and numbers of steps.

    Args:
        images: (model, steps, y, x, rgb) uint8, a notice where missing.
        guidance: of each model.
        is_computed: (model, steps) bool.
    """

    request: ImageRequest
    images: xr.DataArray
    guidance: dict[str, float]
    is_computed: np.ndarray

    @property
    def is_complete(self) -> bool:
        """Whether all images are computed."""
        return bool(self.is_computed.all())

    @property
    def distance(self) -> xr.DataArray:
        """Root mean square pixel difference from the same model's image with the most steps: (model, steps), 0 to 1."""
        images = self.images.astype("float32") / 255
        return ((images - images[:, -1]) ** 2).mean(["y", "x", "rgb"]) ** 0.5


def models(pipe: PipelineProtocol | None) -> dict[str, Model]:
    """Return every denoiser of the zoo by name, or only the given pipeline."""
    if pipe is not None:
        return {pipe.name: Model(lambda: pipe, pipe.default_guidance)}
    from ...measure.denoisers import default_guidance, select_denoisers  # imports the training: slow to load

    return {name: Model(lambda name=name: shipped_pipeline(name), default_guidance(name))  # type: ignore[misc]
            for name in select_denoisers()[0]}


def guidance_of(compared: Mapping[str, Model], request: ImageRequest) -> dict[str, float]:
    """Return the guidance that each model is sampled with."""
    return {name: model.default_guidance if request.guidance is None else request.guidance
            for name, model in compared.items()}


def compute_images(compared: Mapping[str, Model], request: ImageRequest, progress: Progress,
                   show_partial: Callable[[ImageResult], None] = lambda result: None) -> ImageResult:
    """Sample each model at each number of steps, from the noise of one seed and with few steps first.

    `show_partial` receives the incomplete result after each image.

    Raises:
        SettingError, UnknownWordError, PromptTooLongError: an invalid request.
    """
    guidance = DEFAULT_GUIDANCE if request.guidance is None else request.guidance
    check_settings(Settings(request.prompt, guidance=guidance, seed=request.seed))
    result, done, total = None, 0, len(compared) * sum(STEP_COUNTS)
    for j, steps in enumerate(STEP_COUNTS):
        for k, (name, model) in enumerate(compared.items()):
            run = model.load()(request.prompt, steps=steps, guidance=guidance_of(compared, request)[name],
                               seed=request.seed, sampler=SAMPLER,
                               progress=lambda i, _, before=done: progress(before + i, total))  # type: ignore[misc]
            result = result or _empty_result(compared, request, run.image.shape)
            result.images[k, j] = run.image
            result.is_computed[k, j] = True
            done += steps
            if not result.is_complete:
                show_partial(result)
    if result is None:
        raise ValueError("there is no model to sample from: train one, or give FlowPaths a pipeline")
    return result


def _empty_result(compared: Mapping[str, Model], request: ImageRequest, shape: tuple[int, ...]) -> ImageResult:
    images = np.tile(notice(MISSING, (shape[0], shape[1])), (len(compared), len(STEP_COUNTS), 1, 1, 1))
    coords = {"model": list(compared), "steps": list(STEP_COUNTS), "rgb": list("rgb")}
    return ImageResult(request, xr.DataArray(images, dims=("model", "steps", "y", "x", "rgb"), coords=coords),
                       guidance_of(compared, request), np.zeros(images.shape[:2], bool))
