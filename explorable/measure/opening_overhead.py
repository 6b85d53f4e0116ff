"""What opening somebody else's pipeline costs: the same pictures, untouched, opened, and recorded, taking turns."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from ..adapters import OpenedPipeline, open_pipeline
from ..adapters.tiny_pipelines import write_tiny_pipeline
from ..diffusion.settings import Settings, check_settings
from .recording_overhead import costs
from .table import Table, check_counts
from .timing import rows, turns

PROMPT = "a red car on a mountain road"
PATTERN = "*.cross.weights"
UNTOUCHED, OPENED, RECORDED = "untouched", "opened, nothing recorded", "opened, all cross-attention recorded"
WIDTHS, QUICK_WIDTHS = (64, 128), (16, 32)
REPEATS = 30
LIMIT = 1.0  # per cent that opening may cost


@contextmanager
def practice(widths: tuple[int, ...]) -> Iterator[Any]:
    """A pipeline of random weights, loaded by the library.

    Raises:
        ModuleNotFoundError: diffusers is not installed.
    """
    try:
        from diffusers import DiffusionPipeline
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError("this measure opens a diffusers pipeline, and diffusers is not installed: "
                                  "pip install 'explorable[diffusers]'") from error
    with tempfile.TemporaryDirectory() as folder:
        pipeline = DiffusionPipeline.from_pretrained(write_tiny_pipeline(folder, widths))
        pipeline.set_progress_bar_config(disable=True)
        yield pipeline


def ways(pipeline: Any, pipe: OpenedPipeline, settings: Settings) -> dict[str, Callable[[int], np.ndarray]]:
    """The library's own call, and ours with nothing and with all cross-attention recorded, by the seed."""

    def untouched(seed: int) -> np.ndarray:
        dice = torch.Generator().manual_seed(seed)
        return np.asarray(pipeline(settings.prompt, num_inference_steps=settings.steps,
                                   guidance_scale=settings.guidance, generator=dice).images[0])

    def opened(seed: int, **more: Any) -> np.ndarray:
        return pipe(settings.prompt, steps=settings.steps, guidance=settings.guidance, seed=seed, **more).image

    return {UNTOUCHED: untouched, OPENED: opened, RECORDED: lambda seed: opened(seed, record=[PATTERN])}


def opening_overhead(steps: int = 20, repeats: int = REPEATS, quick: bool = False) -> Table:
    """Seconds of a guided picture: untouched, opened, and recorded. quick: a smaller network and three repeats.

    Raises:
        ValueError: a number of steps or repeats that cannot be. ModuleNotFoundError: diffusers is not installed.
    """
    check_counts(1, repeats=repeats)
    settings, repeats = check_settings(Settings(PROMPT, steps=steps)), 3 if quick else repeats
    with practice(QUICK_WIDTHS if quick else WIDTHS) as pipeline, open_pipeline(pipeline) as pipe:
        sides = ways(pipeline, pipe, settings)
        same = len({way(0).tobytes() for way in sides.values()}) == 1
        timed = turns({**sides}, repeats)
        size = sum(p.numel() for p in pipe.denoiser.parameters())
    found: list[dict[str, Any]] = rows(timed, "way", "times untouched")
    for row in found[1:]:
        middle, low, high = costs(timed[row["way"]], timed[UNTOUCHED])
        row |= {"cost %": middle, "95%": f"{low:.1f} to {high:.1f}"}
    found[0] |= {"cost %": None, "95%": None}
    cost, _, high = costs(timed[OPENED], timed[UNTOUCHED])
    kept = "under" if high < LIMIT else "not told from" if cost < LIMIT else "not under"
    title = f"What opening a pipeline costs: {steps} guided steps of a U-Net of {size / 1e6:.1f} M weights"
    return Table(title, found, [
        f"the three pictures of a seed are {'the same to the last bit' if same else 'NOT the same'}",
        f"opened, nothing recorded: {cost:.2f}%, {kept} {LIMIT:g}%",
        f"cost: over the untouched call of the same turn, the median of {repeats} turns and its 95%",
        "what it costs is per step and not per weight: of a larger network it is a smaller share"])


def pipeline_memory() -> Table:
    """The memory that each family needs: weights, and the maps of a prompt of twelve tokens. No weight is loaded.

    Raises:
        ModuleNotFoundError: diffusers is not installed.
    """
    from ..adapters.memory import memory_need
    from ..adapters.published_models import PUBLISHED_MODELS

    found: list[dict[str, Any]] = []
    for model in PUBLISHED_MODELS:
        need = memory_need(model)
        found.append({"model": model.name, "picture": f"{model.image_side} × {model.image_side}", "steps": model.steps,
                      "denoiser, M weights": round(need.weights / 1e6),
                      "denoiser, GB": round(need.denoiser_bytes / 1e9, 1),
                      "with encoders, GB": round(need.all_bytes / 1e9, 1),
                      "layers": len(need.points), "all maps, GB": round(need.map_bytes() / 1e9, 2),
                      "means over steps and heads, MB": round(need.map_bytes(("step", "head")) / 1e6, 1)})
    return Table("What it takes to open a pipeline: its weights, and where each word of a prompt is read", found, [
        "counted on networks built from their public configurations, without a number in them; half precision",
        "maps: of 12 tokens (pieces gathered into words, all padding one), of every layer, head, step and branch",
        "what a run itself needs for its activations comes on top of the weights"])
