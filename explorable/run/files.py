"""Runs as files: one group for the walk, one for each recorded point."""

from __future__ import annotations

import json
import shutil
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
import xarray as xr

from ..diffusion.samplers import Step
from ..diffusion.settings import SettingError, Settings
from .run import Run, collect

FORMAT = "explorable run 1"


def save(run: Run, path: Path) -> Path:
    """Write a run to a netCDF file or a zarr folder. A file that is there already is replaced.

    Raises:
        ValueError: another ending.
    """
    walk = xr.Dataset(
        {"x": (("step", "channel", "y", "x_"), _joined([s.x for s in run.steps_taken])),
         "denoised": (("step", "channel", "y", "x_"), _joined([s.denoised for s in run.steps_taken])),
         "end": (("channel", "y", "x_"), run.steps_taken[-1].next_x[0].double().numpy()),
         "image": (("row", "column", "rgb"), run.image)},
        coords={"t": ("step", [s.t for s in run.steps_taken])})
    settings = {f.name: getattr(run.settings, f.name) for f in fields(Settings)}  # an opened pipeline's has more
    about = {"settings": settings, "model": run.model, "tokens": list(run.tokens), "seconds": run.seconds,
             "work": [run.evaluations, run.branches], "end": run.steps_taken[-1].next_t, "points": list(run.recorded),
             "edited": run.edited_points}
    groups = {"/walk": walk, **{f"/points/{i}": run.recorded[name].to_dataset(name="value")
                                for i, name in enumerate(run.recorded)}}
    tree = xr.DataTree.from_dict(groups)
    tree.attrs |= {"format": FORMAT, "about": json.dumps(about)}
    with _quiet():
        if path.suffix == ".nc":
            tree.to_netcdf(path, engine="h5netcdf")
        elif path.suffix == ".zarr":
            part = path.with_name(path.name + ".part")  # a failed write leaves the old one
            shutil.rmtree(part, ignore_errors=True)
            tree.to_zarr(part)
            shutil.rmtree(path, ignore_errors=True)
            part.rename(path)
        else:
            raise ValueError(f"{path.name}: call it something.nc or something.zarr")
    return path


def open_run(path: Path, pipe: Any = None) -> Run:
    """A run from a file. pipe: its pipeline, needed only to branch or to decode more.

    Raises:
        FileNotFoundError: nothing is there. ValueError: it is not a saved run.
    """
    if not path.exists():
        raise FileNotFoundError(f"no run is saved at {path}")
    try:
        with _quiet(), xr.open_datatree(path, engine="zarr" if path.is_dir() else "h5netcdf") as tree:
            if tree.attrs.get("format") != FORMAT:
                raise ValueError("no such format")
            tree = tree.load()
    except (ValueError, OSError, KeyError) as error:
        raise ValueError(f"{path} is not a run saved by explorable ({error})") from error
    about, walk = json.loads(tree.attrs["about"]), tree["walk"].to_dataset()
    if pipe is not None and pipe.name != about["model"]:
        raise SettingError(f"this run is of {about['model']!r}, and the pipeline is {pipe.name!r}: give it its own")
    x, denoised = (torch.from_numpy(walk[n].values)[:, None] for n in ("x", "denoised"))
    nexts, times = [*x[1:], torch.from_numpy(walk.end.values)[None]], [*walk.t.values.tolist(), about["end"]]
    steps_taken = [Step(k, times[k], times[k + 1], x[k], denoised[k], nexts[k]) for k in range(len(x))]
    settings = about["settings"] | {"interval": tuple(about["settings"]["interval"])}
    recorded = {name: tree[f"points/{i}/value"].rename(name) for i, name in enumerate(about["points"])}
    return collect(pipe, Settings(**settings), tuple(about["tokens"]), steps_taken, walk.image.values, about["seconds"],
                   tuple(about["work"]), recorded, model=about["model"], edits=tuple(about.get("edited", ())))


def _joined(latents: list[torch.Tensor]) -> np.ndarray:
    return torch.cat(latents).double().numpy()


@contextmanager
def _quiet() -> Iterator[None]:
    """Zarr warns that its text is not yet in a settled format: what wrote it can read it."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="zarr")
        yield
