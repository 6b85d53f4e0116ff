"""What an image costs in pixels and in latents: counted, and timed on this machine while an explorable is open.

`latent` (latent.py) measures a step with many repeats and in processes of their own; here few must do.
"""

from __future__ import annotations

import functools
import math
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ..pipeline import PipelineProtocol
from ..pipeline.progress import Progress
from .latent import step_cost

WHOLE_STEPS = 8  # of the whole image that is timed
MAX_SIDE = 128  # pixels: on larger images a step of a U-Net with attention takes minutes here
SIDE_STEP = 4  # a U-Net halves the side twice
REPEATS = 5  # of the step on latents; that on pixels is slow, and timed once
FLOAT32 = 4  # bytes of a number


@dataclass(frozen=True)
class SpaceCosts:
    """Sizes and times.

    image: height and width, of three colours. latent: channels, height and width. step_pixels, step_latent: seconds of
    one evaluation of the same U-Net on either, NaN where not measured. sampling, decoding: seconds of a whole image in
    `steps` steps, without the decoder, and of the decoder; evaluations: of the network in it.
    """

    image: tuple[int, int]
    latent: tuple[int, int, int]
    step_pixels: float = math.nan
    step_latent: float = math.nan
    sampling: float = math.nan
    decoding: float = math.nan
    steps: int = WHOLE_STEPS
    evaluations: int = WHOLE_STEPS

    @property
    def values(self) -> tuple[int, int]:
        """Numbers of the image and of the latent."""
        return 3 * math.prod(self.image), math.prod(self.latent)

    @property
    def positions(self) -> tuple[int, int]:
        """Positions of the image and of the latent."""
        return math.prod(self.image), math.prod(self.latent[1:])

    @property
    def speedup(self) -> float:
        """How many times longer a step takes on pixels; NaN where not measured."""
        return self.step_pixels / self.step_latent

    @property
    def whole(self) -> tuple[float, float]:
        """Seconds of a whole image: on pixels, calculated from the step; through the latent, with the decoder."""
        through_latent = self.sampling + self.decoding
        return self.sampling * self.speedup, through_latent

    def ratios(self) -> dict[str, float]:
        """Return how many times more pixels have, or take, than latents, by name; only what is known."""
        rows = {"values": self.values, "positions": self.positions,
                "bytes in a network": tuple(FLOAT32 * v for v in self.values),
                "time of a step": (self.step_pixels, self.step_latent), "time of an image": self.whole}
        return {name: a / b for name, (a, b) in rows.items() if math.isfinite(a / b)}

    def to_table(self) -> Any:
        """Return a pandas row a quantity: in pixels, in latents, and how many times more."""
        pixels, latent = self.values
        rows: dict[str, tuple[Any, Any, float]] = {
            "values": (f"{pixels:,}", f"{latent:,}", pixels / latent),
            "positions": (f"{self.positions[0]:,}", f"{self.positions[1]:,}", self.positions[0] / self.positions[1]),
            "bytes in a network (float32)": (f"{FLOAT32 * pixels:,}", f"{FLOAT32 * latent:,}", pixels / latent),
            "bytes in a file (8 and 16 bits)": (f"{pixels:,}", f"{2 * latent:,}", pixels / (2 * latent))}
        if math.isfinite(self.speedup):
            rows["one step of the same U-Net"] = (seconds_text(self.step_pixels), seconds_text(self.step_latent),
                                                  self.speedup)
        if math.isfinite(self.sampling):
            on_pixels, through_latent = self.whole
            calculated = f"{seconds_text(on_pixels)}, calculated" if math.isfinite(on_pixels) else "not measured"
            rows[f"an image in {self.steps} steps, without the decoder"] = (
                calculated, seconds_text(self.sampling), self.speedup)
            rows[f"an image in {self.steps} steps, with the decoder"] = (
                calculated, seconds_text(through_latent), on_pixels / through_latent)
        return pd.DataFrame([(a, b, f"{ratio:.3g}" if math.isfinite(ratio) else "") for a, b, ratio in rows.values()],
                            columns=["pixels", "latent", "times"], index=list(rows))


def seconds_text(seconds: float) -> str:
    """Return a duration with its unit: 4.1 ms, 0.41 s."""
    return f"{1000 * seconds:.3g} ms" if seconds < 0.1 else f"{seconds:.2f} s"


@functools.cache
def step_seconds(channels: int, side: int, repeats: int) -> float:
    """Return the seconds of an evaluation of a U-Net with this many channels and positions, measured once a kernel."""
    return step_cost(channels, side, repeats, warm_ups=0 if repeats == 1 else 1)["seconds"]


_MEASURED: dict[tuple[Any, ...], SpaceCosts] = {}


def count_costs(pipe: PipelineProtocol, latent_shape: tuple[int, ...]) -> SpaceCosts:
    """Return the sizes without a time."""
    height, width = pipe.image_size
    return SpaceCosts((height, width), tuple(latent_shape))  # type: ignore[arg-type]


def known_costs(pipe: PipelineProtocol, latent_shape: tuple[int, ...]) -> SpaceCosts | None:
    """Return the costs, if they were measured in this kernel."""
    return _MEASURED.get((pipe.name, tuple(pipe.image_size), tuple(latent_shape)))


def measure_costs(pipe: PipelineProtocol, image: np.ndarray, latent_shape: tuple[int, ...], progress: Progress,
                  prompt: str = "") -> SpaceCosts:
    """Measure the times on this machine, once a kernel and model."""
    costs = count_costs(pipe, latent_shape)
    (channels, *sides), image_sides = latent_shape, image.shape[:2]
    steps: dict[str, float] = {}
    if max(image_sides) <= MAX_SIDE and len({*sides}) == len({*image_sides}) == 1 and sides[0] % SIDE_STEP == 0:
        progress(0, 4)
        steps["step_pixels"] = step_seconds(3, image_sides[0], 1)
        progress(2, 4)
        steps["step_latent"] = step_seconds(channels, sides[0], REPEATS)
    progress(3, 4)
    start: dict[str, Any] = {"image": image, "strength": 1.0} if pipe.takes_image else {}
    run = pipe(prompt, steps=WHOLE_STEPS, guidance=1.0,
               progress=lambda done, total: progress(3 * total + done, 4 * total), **start)
    began = time.perf_counter()
    pipe.decode(run.latents.values[-1:])
    decoding = time.perf_counter() - began
    sampling = run.seconds["text encoder"] + run.seconds["denoiser"]
    costs = SpaceCosts(costs.image, costs.latent, **steps, sampling=sampling, decoding=decoding,
                  steps=run.settings.steps, evaluations=run.evaluations)
    _MEASURED[(pipe.name, tuple(pipe.image_size), tuple(latent_shape))] = costs
    return costs
