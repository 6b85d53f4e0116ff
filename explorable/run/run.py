"""A run: everything that one sampling left behind, as labelled arrays."""

from __future__ import annotations

import copy
import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from numbers import Integral
from pathlib import Path
from typing import Any

import numpy as np
import torch
import xarray as xr

from ..diffusion.samplers import SAMPLERS, Step
from ..diffusion.settings import SettingError, Settings, changed_settings, check_settings
from ..hooks.labelled_array import LabelledArray
from ..hooks.recording import select_layers
from .files import read_run, refuse_damage, write_run
from .tree import TreeText, render_tree


@dataclass(frozen=True, eq=False)
class Run:
    """One sampling run.

    settings:      what it was sampled with.
    model:         the name of its pipeline.
    tokens:        the names of all tokens of the prompt: start, words, end and padding.
    latents:       (step, channel, y, x) float32, `steps` + 1 of them: the initial noise first, the finished latent
                   last; with the noise time `t` of each as a coordinate.
    denoised:      (step, channel, y, x) float32, `steps` of them: the guided estimate of x0 at each step.
    image:         the finished image, (128, 128, 3) uint8. Of a video, the middle frame; latents and denoised have an
                   axis `frame` before y.
    seconds:       wall time of each stage: "text encoder", "denoiser", "decoder"; "encoder" in a run from an image.
    evaluation_seconds: wall time of each evaluation of the network, which are parts of the time of the denoiser; the
                   rest of it went into guidance and the sampler. Empty in a run of a diffusers pipeline.
    evaluations:   how often the denoiser was called: once a step, twice for Heun's method.
    branches:      images in each call: 2 where guidance combines two estimates, else 1.
    recorded:      recorded values by the names of the points, see `__getitem__`.
    steps_taken:   the sampler's steps, in float64.
    edited_points: the names and patterns of the points that were edited.
    repeated_edits: points and edits under which its settings give it again; None where they do not (a branch, a run
                   from an image) or it is not known.
    parent, branched_at: the run that this one branched off from, and at which step; None if it is no branch.
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
    evaluation_seconds: tuple[float, ...] = field(default=(), repr=False)
    repeated_edits: tuple[tuple[str, Any], ...] | None = field(default=None, repr=False)
    _pipe: Any = field(default=None, repr=False)
    _children: list[weakref.ref[Run]] = field(default_factory=list, repr=False)

    def __repr__(self) -> str:
        s = self.settings
        edits = f", edited_points={self.edited_points}" if self.edited_points else ""
        return (f"Run({s.prompt!r}, steps={s.steps}, guidance={s.guidance:g}, seed={s.seed}, sampler={s.sampler!r}"
                f"{edits})")

    def __getitem__(self, pattern: str) -> xr.DataArray:
        """Return what was recorded at a point, or, on an axis `layer`, at all points that a pattern matches.

        Raises:
            UnknownPointError: nothing of that name was recorded.
        """
        return LabelledArray.of(select_layers(self.recorded, pattern))

    @property
    def steps(self) -> int:
        """How many steps the sampler took."""
        return self.denoised.sizes["step"]

    def check_step(self, step: int) -> int:
        """Return a step of this run, counted from 0, as a plain int.

        Raises:
            IndexError: no such step; names the range.
        """
        if not isinstance(step, Integral) or not 0 <= step < self.steps:
            raise IndexError(f"step {step}: this run has steps 0 to {self.steps - 1}")
        return int(step)

    # ---- images ----------------------------------------------------------------------------------------------------

    def preview(self, step: int) -> np.ndarray:
        """Return the denoised estimate at `step` (0 to steps - 1), decoded: (128, 128, 3) uint8.

        Raises:
            IndexError: no such step; names the range.
        """
        return self._pipe_method("decode")(self.denoised.values[self.check_step(step)][None])[0]

    @cached_property
    def previews(self) -> xr.DataArray:
        """The denoised estimates of all steps, decoded: (step, y, x, rgb) uint8."""
        return self._decode(self.denoised)

    @cached_property
    def noisy(self) -> xr.DataArray:
        """The noisy latents of all steps, decoded: (step, y, x, rgb) uint8."""
        return self._decode(self.latents)

    @cached_property
    def frames(self) -> np.ndarray:
        """All frames of a video, decoded, (frame, height, width, 3) uint8; of an image, that one."""
        if "frame" not in self.latents.dims:
            return self.image[None]
        return self._pipe_method("decode_frames")(self.latents.values[-1])

    def _decode(self, latents: xr.DataArray) -> xr.DataArray:
        return xr.DataArray(self._pipe_method("decode")(latents.values), dims=("step", "y", "x", "rgb"),
                            coords={"step": latents.step, "t": latents.t, "rgb": list("rgb")})

    def _pipe_method(self, name: str) -> Any:
        if self._pipe is None:
            raise SettingError(f"this run was opened or unpickled without its model, which it needs to {name}: save it "
                               f"with run.save(path) and open it as Run.open(path, ex.load({self.model!r}))")
        return getattr(self._pipe, name)

    # ---- branches --------------------------------------------------------------------------------------------------

    def branch(self, step: int, record: str | Sequence[str] = (),
               progress: Callable[[int, int], None] | None = None, **changes: Any) -> Run:
        """Rewind to the start of `step` and sample the remaining steps again. With no changes the image is the same.

        The edits that are attached now act on these steps. A branch of an edited run, taken outside of its `with`
        block, continues without the edits; `tree` shows it.

        Args:
            step: 0 to steps - 1.
            changes: any of `Settings` but steps, spacing, shift and strength, which set the timesteps. With another
                seed, the denoised estimate of this step gets other noise.

        Raises:
            IndexError: no such step; names the range.
            SettingError and others: as in sampling.
        """
        child = self._pipe_method("branch")(self, self.check_step(step), record, progress, **changes)
        self._children.append(weakref.ref(child))
        return child

    def tree(self) -> TreeText:
        """Return the run and all its relatives: where each branched off, and what it changed. An arrow marks this run.

        A text of one line a run; in notebooks, a collapsible tree.
        """
        root = self
        while root.parent is not None:
            root = root.parent
        return render_tree(root, self, Run._label, Run._living_children)

    def _label(self) -> str:
        """Describe the run, or for a branch, its changes."""
        if self.parent is None:
            return repr(self)
        changes = [f"{k}={v!r}" for k, v in changed_settings(self.parent.settings, self.settings).items()]
        if self.edited_points:
            changes.append(f"edits of {', '.join(self.edited_points)}")
        elif self.parent.edited_points:
            changes.append(f"without the edits of {', '.join(self.parent.edited_points)}")
        return f"from step {self.branched_at}: {', '.join(changes) or 'no change'}"

    def _living_children(self) -> list[Run]:
        """The branches that are still referenced elsewhere."""
        return [child for reference in self._children if (child := reference()) is not None]

    # ---- files -----------------------------------------------------------------------------------------------------

    def save(self, path: str | Path) -> Path:
        """Write the run to one netCDF file, "NAME.nc", without its parent and branches. Returns its path.

        Raises:
            ValueError: another suffix. OSError: it cannot be written; a file that was there is unchanged.
        """
        steps, last = self.steps_taken, self.steps_taken[-1]
        axes = tuple("x_" if axis == "x" else axis for axis in self.latents.dims[1:])
        dataset = xr.Dataset(
            {"x": (("step", *axes), torch.cat([s.x for s in steps]).double().numpy()),
             "denoised": (("step", *axes), torch.cat([s.denoised for s in steps]).double().numpy()),
             "end": (axes, last.next_x[0].double().numpy()),
             "image": (("row", "column", "rgb"), self.image)},
            coords={"t": ("step", [s.t for s in steps])})
        settings = {f.name: getattr(self.settings, f.name) for f in fields(Settings)}  # an opened pipeline has more
        return write_run(Path(path), dataset, self.recorded, {
            "settings": settings, "model": self.model, "tokens": list(self.tokens), "seconds": self.seconds,
            "evaluation_seconds": self.evaluation_seconds,
            "evaluations": self.evaluations, "branches": self.branches, "end": last.next_t,
            "edited_points": self.edited_points})

    @classmethod
    def open(cls, path: str | Path, pipe: Any = None) -> Run:
        """Return a saved run. It needs its pipeline only to branch or to decode more images.

        Raises:
            FileNotFoundError: there is no such file. RunFileError: it is not a saved run, or was changed since.
            SettingError: the pipeline is another model.
        """
        path = Path(path)
        dataset, recorded, about = read_run(path)
        with refuse_damage(path):
            run = _collect_saved(dataset, recorded, about)
        if pipe is not None and pipe.name != run.model:
            raise SettingError(f"this run is of the model {run.model!r}, but the pipeline is {pipe.name!r}: "
                               f"open it with ex.load({run.model!r})")
        return replace(run, _pipe=pipe)

    # ---- copies ----------------------------------------------------------------------------------------------------

    def __deepcopy__(self, memo: dict[int, Any]) -> Run:
        """Copy all that was sampled. The copy has the same pipeline and parent, and no branches yet."""
        shared = {"_pipe": self._pipe, "parent": self.parent}
        return replace(self, **{f.name: copy.deepcopy(getattr(self, f.name), memo) for f in fields(self)
                                if f.name not in shared and f.name != "_children"}, _children=[])

    def __getstate__(self) -> dict[str, Any]:
        """What is pickled: as in a file, neither the pipeline nor the parent and branches."""
        left_out: dict[str, Any] = {"_pipe": None, "parent": None, "_children": [], "repeated_edits": None}
        return {f.name: getattr(self, f.name) for f in fields(self)} | left_out

    def __copy__(self) -> Run:
        return replace(self)


def _collect_saved(dataset: xr.Dataset, recorded: Mapping[str, xr.DataArray], about: Mapping[str, Any]) -> Run:
    """Put the parts of a saved run together, and check their types."""
    x, denoised = (torch.from_numpy(dataset[name].values)[:, None] for name in ("x", "denoised"))
    next_x = [*x[1:], torch.from_numpy(dataset.end.values)[None]]
    times = [*dataset.t.values.tolist(), float(about["end"])]
    steps = [Step(k, times[k], times[k + 1], x[k], denoised[k], next_x[k]) for k in range(len(x))]
    intervals = {name: tuple(value) for name, value in about["settings"].items() if isinstance(value, list)}
    settings = Settings(**about["settings"] | intervals)
    check_settings(settings if settings.sampler in SAMPLERS else replace(settings, sampler="euler"))
    texts = [settings.sampler, about["model"], *about["tokens"], *about["edited_points"], *about["seconds"]]
    if not all(isinstance(text, str) for text in texts) or dataset.image.dtype != np.uint8 or dataset.image.ndim != 3:
        raise TypeError("a name is no text, or the image is not one of 8 bits")
    seconds = {stage: float(value) for stage, value in about["seconds"].items()}
    return collect_run(settings, about["model"], tuple(about["tokens"]), steps, dataset.image.values, seconds,
                       int(about["evaluations"]), int(about["branches"]), recorded,
                       edited_points=tuple(about["edited_points"]),
                       evaluation_seconds=tuple(map(float, about.get("evaluation_seconds", ()))))


def collect_run(settings: Settings, model: str, tokens: tuple[str, ...], steps: Sequence[Step], image: np.ndarray,
                seconds: dict[str, float], evaluations: int, branches: int,
                recorded: Mapping[str, xr.DataArray] | None = None, *, edited_points: tuple[str, ...] = (),
                branch_of: tuple[Run, int] | None = None, pipe: Any = None,
                evaluation_seconds: tuple[float, ...] = (),
                repeated_edits: tuple[tuple[str, Any], ...] | None = None) -> Run:
    """Put the steps of one sampling into labelled arrays. branch_of: the parent, and the step where it left."""

    def label(tensors: list[torch.Tensor], t: list[float]) -> xr.DataArray:
        values = torch.cat(tensors).float().numpy()
        frame = ("frame",) if values.ndim == 5 else ()
        return xr.DataArray(values, dims=("step", "channel", *frame, "y", "x"),
                            coords={"step": range(len(t)), "t": ("step", t)})

    latents = label([*(s.x for s in steps), steps[-1].next_x], [*(s.t for s in steps), steps[-1].next_t])
    denoised = label([s.denoised for s in steps], [s.t for s in steps])
    parent, branched_at = branch_of or (None, None)
    return Run(settings, model, tokens, latents, denoised, image, seconds, evaluations, branches,
               recorded if recorded is not None else {}, tuple(steps), edited_points, parent, branched_at,
               evaluation_seconds, repeated_edits, pipe)
