"""A Run: everything that one sampling left behind, as labelled arrays."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import xarray as xr

from .settings import Settings

Decode = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True, eq=False)
class Run:
    """One sampling.

    settings: what was asked for.
    model:    the name of the pipeline that ran.
    tokens:   the names of all tokens of the prompt: start, words, end and padding.
    latents:  (step, channel, y, x) float32, `steps` + 1 of them: the noise first, the finished latent last;
              with the noise time `t` of each as a coordinate.
    denoised: (step, channel, y, x) float32, `steps` of them: the guided estimate of x0 at each step.
    seconds:  wall time of each stage: "text encoder", "denoiser", "decoder".
    evaluations: how often the denoiser was called: once a step, twice for Heun.
    branches: pictures in each call: 2 where guidance compares two estimates, else 1.
    """

    settings: Settings
    model: str
    tokens: tuple[str, ...]
    latents: xr.DataArray
    denoised: xr.DataArray
    seconds: dict[str, float]
    evaluations: int
    branches: int
    _decode: Decode = field(repr=False)

    def __repr__(self) -> str:
        s = self.settings
        return f"Run({s.prompt!r}, steps={s.steps}, guidance={s.guidance:g}, seed={s.seed}, sampler={s.sampler!r})"

    @property
    def steps(self) -> int:
        """How many steps the sampler took."""
        return self.denoised.sizes["step"]

    @cached_property
    def image(self) -> np.ndarray:
        """The finished picture, (128, 128, 3) uint8."""
        return self._decode(self.latents.values[-1:])[0]

    def preview(self, step: int) -> np.ndarray:
        """What the model believed the picture to be at `step` (0 to steps - 1), (128, 128, 3) uint8.

        Raises:
            IndexError: no such step; names the range.
        """
        if not 0 <= step < self.steps:
            raise IndexError(f"step {step}: this run has steps 0 to {self.steps - 1}")
        return self._decode(self.denoised.values[step : step + 1])[0]

    @cached_property
    def previews(self) -> xr.DataArray:
        """The denoised estimates of all steps, decoded: (step, y, x, rgb) uint8."""
        return self._pictures(self.denoised)

    @cached_property
    def noisy(self) -> xr.DataArray:
        """The latents themselves, decoded: static that becomes the picture. (step, y, x, rgb) uint8."""
        return self._pictures(self.latents)

    def _pictures(self, latents: xr.DataArray) -> xr.DataArray:
        return xr.DataArray(self._decode(latents.values), dims=("step", "y", "x", "rgb"),
                            coords={"step": latents.step, "t": latents.t, "rgb": list("rgb")})
