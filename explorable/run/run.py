"""A Run: everything that one sampling left behind, as labelled arrays."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from numbers import Integral
from pathlib import Path
from typing import Any

import numpy as np
import torch
import xarray as xr

from ..diffusion.samplers import Step
from ..diffusion.settings import SettingError, Settings
from ..hooks.edits import edited_points
from ..hooks.recording import select_layers
from .tree import Family, family

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
    image:    the finished picture, (128, 128, 3) uint8.
    seconds:  wall time of each stage: "text encoder", "denoiser", "decoder".
    evaluations: how often the denoiser was called: once a step, twice for Heun.
    branches: pictures in each call: 2 where guidance compares two estimates, else 1.
    recorded: what was recorded, by the names of the points: see `__getitem__`.
    steps_taken: the steps as the sampler took them, in float64.
    edited_points: the names and patterns of the points that were edited when it was drawn.
    parent, branched_at: the run that this one branched off from, and at which step; None for none.
    """

    settings: Settings
    model: str
    tokens: tuple[str, ...]
    latents: xr.DataArray
    denoised: xr.DataArray
    image: np.ndarray
    seconds: dict[str, float]
    evaluations: int
    branches: int
    recorded: Mapping[str, xr.DataArray] = field(repr=False)
    steps_taken: tuple[Step, ...] = field(repr=False)
    edited_points: tuple[str, ...] = ()
    parent: Run | None = field(default=None, repr=False)
    branched_at: int | None = None
    _pipe: Any = field(default=None, repr=False)
    _children: list[weakref.ref[Run]] = field(default_factory=list, repr=False)

    def __repr__(self) -> str:
        s = self.settings
        said = f"{s.prompt!r}, steps={s.steps}, guidance={s.guidance:g}, seed={s.seed}, sampler={s.sampler!r}"
        return f"Run({said}, edited_points={self.edited_points})" if self.edited_points else f"Run({said})"

    def __getitem__(self, pattern: str) -> xr.DataArray:
        """What was recorded at a point, or, on an axis `layer`, at all that a pattern picks.

        Raises:
            UnknownPointError: it was not recorded.
        """
        return select_layers(self.recorded, pattern)

    @property
    def steps(self) -> int:
        """How many steps the sampler took."""
        return self.denoised.sizes["step"]

    def check_step(self, step: int) -> int:
        """A step of this run, counted from 0, or an IndexError that names the range."""
        if not isinstance(step, Integral) or not 0 <= step < self.steps:
            raise IndexError(f"step {step}: this run has steps 0 to {self.steps - 1}")
        return int(step)

    def preview(self, step: int) -> np.ndarray:
        """What the model believed the picture to be at `step` (0 to steps - 1), (128, 128, 3) uint8.

        Raises:
            IndexError: no such step; names the range.
        """
        return self._decode(self.denoised.values[self.check_step(step)][None])[0]

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

    def _decode(self, latents: np.ndarray) -> np.ndarray:
        return self._model("decode")(latents)

    def _model(self, what: str) -> Any:
        if self._pipe is None:
            raise SettingError(f"this run was opened without its model, and cannot {what}: "
                               f"open it as Run.open(path, ex.load({self.model!r}))")
        return getattr(self._pipe, what)

    # ---- branches --------------------------------------------------------------------------------------------------

    def branch(self, step: int, record: str | Sequence[str] = (),
               progress: Callable[[int, int], None] | None = None, **changes: Any) -> Run:
        """Rewind to the start of `step`, and draw only the tail anew. With no changes it ends in the same picture.

        The edits that are attached now are those that act on the tail: what was drawn within a `with ex.edit(...)` and
        is branched outside of it goes on without them. `tree` says so.

        Args:
            step: 0 to steps - 1.
            changes: any of `Settings` but steps, spacing and shift, which say where the steps lie. Another seed
                means: what was believed at this step, drowned in other noise.

        Raises:
            IndexError: no such step; names the range.
            SettingError and the rest: as in drawing.
        """
        child = self._model("branch")(self, self.check_step(step), record, progress, **changes)
        self._children.append(weakref.ref(child))
        return child

    def tree(self) -> Family:
        """The family of this run: where each branched off, and what it changed. This one has an arrow.

        A text of one line a run; shown in a notebook, a tree that folds.
        """
        return family(self)

    # ---- files -----------------------------------------------------------------------------------------------------

    def save(self, path: str | Path) -> Path:
        """Write all of it to "NAME.nc" (one netCDF file) or "NAME.zarr" (a folder). The family stays behind."""
        from .files import save

        return save(self, Path(path))

    @classmethod
    def open(cls, path: str | Path, pipe: Any = None) -> Run:
        """A saved run, as it was. No model is needed, but to branch or to decode more of it: then give its pipeline.

        Raises:
            FileNotFoundError: nothing is there. ValueError: it is not a saved run.
        """
        from .files import open_run

        return open_run(Path(path), pipe)


def collect(pipe: Any, settings: Settings, tokens: tuple[str, ...], steps_taken: list[Step], image: np.ndarray,
            seconds: dict[str, float], work: tuple[int, int], recorded: Mapping[str, xr.DataArray] | None = None,
            branch: tuple[Run, int] | None = None, model: str | None = None,
            edits: tuple[str, ...] | None = None) -> Run:
    """Put the steps of one sampling into labelled arrays. work: evaluations, and branches in each. edits: the points
    that were edited; None: those that are edited here and now."""

    def label(tensors: list[torch.Tensor], t: list[float]) -> xr.DataArray:
        return xr.DataArray(torch.cat(tensors).float().numpy(), dims=("step", "channel", "y", "x"),
                            coords={"step": range(len(t)), "t": ("step", t)})

    last = steps_taken[-1]
    latents = label([*(s.x for s in steps_taken), last.next_x], [*(s.t for s in steps_taken), last.next_t])
    denoised = label([s.denoised for s in steps_taken], [s.t for s in steps_taken])
    parent, at = branch or (None, None)
    return Run(settings, model or pipe.name, tokens, latents, denoised, image, seconds, *work, recorded or {},
               tuple(steps_taken), edited_points(pipe) if edits is None else edits, parent, at, pipe)
