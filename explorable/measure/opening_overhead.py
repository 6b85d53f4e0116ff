"""What does opening a diffusers pipeline cost? The same images from it plain, opened, and opened and recorded."""

from __future__ import annotations

import functools
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from ..adapters import OpenedPipeline, open_pipeline
from ..adapters.patching import temporary_attribute
from ..adapters.tiny_pipelines import write_tiny_pipeline
from ..diffusion.settings import Settings, check_settings
from .machine import alternate, overhead, overhead_rows, require_diffusers
from .table import Table, check_counts

PROMPT = "a red car on a mountain road"
PATTERN = "*.cross.weights"
UNOPENED, OPENED, RECORDED = "not opened", "opened, nothing recorded", "opened, all cross-attention recorded"
WIDTHS, QUICK_WIDTHS = (64, 128), (16, 32)
REPEATS, QUICK_REPEATS = 60, 3
LIMITS_PERCENT = {OPENED: 1.0, RECORDED: 15.0}  # they should cost less


@contextmanager
def tiny_pipeline(widths: tuple[int, ...]) -> Iterator[Any]:
    """Load a small pipeline with random weights by diffusers."""
    diffusers = require_diffusers()
    with tempfile.TemporaryDirectory() as folder:
        pipeline = diffusers.DiffusionPipeline.from_pretrained(write_tiny_pipeline(folder, widths))
        pipeline.set_progress_bar_config(disable=True)
        yield pipeline


def runs(pipeline: Any, pipe: OpenedPipeline, settings: Settings) -> dict[str, Callable[[int], np.ndarray]]:
    """Return the functions to time, from a seed to an image: the pipeline itself, opened, and recorded."""

    def unopened(seed: int) -> np.ndarray:
        return np.asarray(pipeline(settings.prompt, num_inference_steps=settings.steps,
                                   guidance_scale=settings.guidance,
                                   generator=torch.Generator().manual_seed(seed)).images[0])

    def opened(seed: int, **more: Any) -> np.ndarray:
        return pipe(settings.prompt, steps=settings.steps, guidance=settings.guidance, seed=seed, **more).image

    return {UNOPENED: unopened, OPENED: opened, RECORDED: lambda seed: opened(seed, record=[PATTERN])}


def added_milliseconds(pipeline: Any, compared: dict[str, Callable[[int], np.ndarray]], repeats: int) -> list[float]:
    """Return the processor's milliseconds that opening adds to a call, of each turn, with a denoiser that computes
    nothing: whatever the network, that much is added, and little else is there to disturb the measurement."""
    config = pipeline.unet.config
    output = (torch.zeros(2, config.out_channels, config.sample_size, config.sample_size),)
    kind = type(pipeline.unet)

    @functools.wraps(kind.forward)
    def forward(*args: Any, **kwargs: Any) -> tuple[torch.Tensor]:
        return output

    with temporary_attribute(kind, "forward", forward):
        seconds = alternate({name: compared[name] for name in (UNOPENED, OPENED)}, repeats, time.thread_time)
    return [1000 * (b - a) for a, b in zip(*seconds.values(), strict=True)]


def _verdict(name: str, limit: float, cost: float, low: float, high: float) -> str:
    """Compare a cost in percent and its interval with the limit."""
    verdict = "below" if high < limit else "above" if low > limit else "not distinguishable from"
    return f"{name}: {cost:.2f}%, {verdict} {limit:g}%"


def opening_overhead(steps: int = 20, repeats: int = REPEATS, quick: bool = False) -> Table:
    """Time a guided image: not opened, opened, and recorded. quick: a smaller network and three repeats."""
    check_counts(1, repeats=repeats)
    settings, repeats = check_settings(Settings(PROMPT, steps=steps)), QUICK_REPEATS if quick else repeats
    with tiny_pipeline(QUICK_WIDTHS if quick else WIDTHS) as pipeline, open_pipeline(pipeline) as pipe:
        compared = runs(pipeline, pipe, settings)
        is_identical = len({run(0).tobytes() for run in compared.values()}) == 1
        seconds = alternate(compared, repeats, time.process_time)
        added = added_milliseconds(pipeline, compared, repeats)
        size = sum(p.numel() for p in pipe.denoiser.parameters())
    return Table(f"Overhead of opening a pipeline: {steps} guided steps of a U-Net of {size / 1e6:.1f} M weights",
                 overhead_rows(seconds, "pipeline", "unopened"), [
        f"the three images of a seed are {'bit-identical' if is_identical else 'NOT identical'}",
        *(_verdict(name, limit, *overhead(seconds[name], seconds[UNOPENED])) for name, limit in LIMITS_PERCENT.items()),
        f"opening adds {np.median(added):.1f} ms to a call of a denoiser that computes nothing (middle half "
        f"{np.percentile(added, 25):.1f} to {np.percentile(added, 75):.1f}): as much to any other",
        "seconds of the processor, on the CPU; cost: over the unopened call of the same turn, the median of "
        f"{repeats} turns and its 95% interval",
        "the cost is per step and does not grow with the weights: of a larger network it is a smaller share"])
