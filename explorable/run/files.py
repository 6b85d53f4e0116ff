"""netCDF files of runs: a group for the sampling steps, one for each recorded point, and JSON for the rest."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import xarray as xr

FORMAT = "explorable run 1"


def write_run(path: Path, steps: xr.Dataset, recorded: Mapping[str, xr.DataArray], about: Mapping[str, Any]) -> Path:
    """Write the parts of a run to a file "NAME.nc", replacing one that is there, and return its path.

    Raises:
        ValueError: another suffix.
    """
    if path.suffix != ".nc":
        raise ValueError(f"{path.name}: runs are saved as netCDF; choose a name that ends in .nc")
    groups = {"/steps": steps, **{f"/points/{i}": values.to_dataset(name="value")
                                  for i, values in enumerate(recorded.values())}}
    tree = xr.DataTree.from_dict(groups)
    tree.attrs |= {"format": FORMAT, "about": json.dumps({**about, "points": list(recorded)})}
    tree.to_netcdf(path, engine="h5netcdf")
    return path


def read_run(path: Path) -> tuple[xr.Dataset, dict[str, xr.DataArray], dict[str, Any]]:
    """Return the steps, recorded points and the rest, as they were given to `write_run`.

    Raises:
        FileNotFoundError: there is no such file. ValueError: it is not a saved run.
    """
    if not path.exists():
        raise FileNotFoundError(f"no run is saved at {path}")
    try:
        with xr.open_datatree(path, engine="h5netcdf") as tree:
            if tree.attrs.get("format") != FORMAT:
                raise ValueError(f"its format is {tree.attrs.get('format')!r}, not {FORMAT!r}")
            tree = tree.load()
    except (ValueError, OSError, KeyError) as error:
        raise ValueError(f"{path} is not a run saved by explorable ({error})") from error
    about = json.loads(tree.attrs["about"])
    recorded = {name: tree[f"points/{i}/value"].rename(name) for i, name in enumerate(about["points"])}
    return tree["steps"].to_dataset(), recorded, about
