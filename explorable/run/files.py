"""Files of runs: netCDF with a group for the sampling steps, one for each recorded point, and JSON for the rest.

The netCDF data are followed by the format's name and the SHA-256 of all that stands before, which netCDF readers skip.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import xarray as xr

from ..files import uninterrupted, write_files
from ..hooks.recording import to_single_precision

FORMAT = b"explorable run 2"
END_BYTES = len(FORMAT) + hashlib.sha256().digest_size
CHUNK_BYTES = 1 << 20
EMPTY_DIMENSION = b"This is a netCDF dimension but not a netCDF variable"  # how netCDF marks one, which has no data


class RunFileError(ValueError):
    """A file that is not a saved run, or that was damaged or changed after it was saved."""


class SavedRecording(Mapping[str, xr.DataArray]):
    """The recorded points of a saved run, by name. Values in half precision become float32 when they are read."""

    def __init__(self, stored: Mapping[str, xr.DataArray]):
        self.stored = stored

    def __getitem__(self, name: str) -> xr.DataArray:
        return to_single_precision(self.stored[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self.stored)

    def __len__(self) -> int:
        return len(self.stored)


@contextmanager
def refuse_damage(path: Path) -> Iterator[None]:
    """Within this `with`, whatever a damaged file makes its readers raise becomes a RunFileError."""
    try:
        yield
    except RunFileError:
        raise
    except Exception as error:  # readers of HDF5 and JSON raise many kinds
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise RunFileError(f"{path} is not a run saved by explorable: it cannot be read ({reason})") from error


def write_run(path: Path, steps: xr.Dataset, recorded: Mapping[str, xr.DataArray], about: Mapping[str, Any]) -> Path:
    """Write the parts of a run to a file "NAME.nc", replacing one that is there, and return its path.

    It is put together in memory, because HDF5 ends the interpreter when a disk is full.

    Raises:
        ValueError: another suffix. OSError: it cannot be written; a file that was there is unchanged.
    """
    if path.suffix != ".nc":
        raise ValueError(f"{path.name}: runs are saved as netCDF; choose a name that ends in .nc")

    def write(part: Path) -> None:
        groups = {"/steps": steps, **{f"/points/{i}": values.to_dataset(name="value")
                                      for i, values in enumerate(recorded.values())}}
        tree, file = xr.DataTree.from_dict(groups), io.BytesIO()
        tree.attrs["about"] = json.dumps({**about, "points": list(recorded)})
        tree.to_netcdf(file, engine="h5netcdf")
        file.seek(0, io.SEEK_END)
        file.write(FORMAT)
        file.write(hashlib.sha256(file.getbuffer()).digest())
        part.write_bytes(file.getbuffer())

    write_files({path: write})
    return path


def read_run(path: Path) -> tuple[xr.Dataset, SavedRecording, dict[str, Any]]:
    """Return the steps, recorded points and the rest, as they were given to `write_run`.

    Raises:
        FileNotFoundError: there is no such file. RunFileError: it is not a saved run, or was changed since.
    """
    if not path.exists():
        raise FileNotFoundError(f"no run is saved at {path}")

    def read() -> xr.DataTree:
        _check_contents(path)
        with xr.open_datatree(path, engine="h5netcdf") as tree:
            return tree.load()

    with refuse_damage(path):
        tree = uninterrupted(read)
        about = json.loads(tree.attrs["about"])
        recorded = {name: tree[f"points/{i}/value"].rename(name) for i, name in enumerate(about["points"])}
        return tree["steps"].to_dataset(), SavedRecording(recorded), about


def _check_contents(path: Path) -> None:
    """Compare a file with its checksum, and the sizes that its arrays have in memory with their data in the file.

    Raises:
        RunFileError: they differ.
    """
    digest, left = hashlib.sha256(), path.stat().st_size - END_BYTES
    with path.open("rb") as file:
        while left > 0 and (chunk := file.read(min(left, CHUNK_BYTES))):
            digest.update(chunk)
            left -= len(chunk)
        end = file.read(END_BYTES)
    if not end.startswith(FORMAT):
        raise RunFileError(f"{path} is not a run saved by explorable, or it was cut short, or another version saved it")
    digest.update(FORMAT)
    if end != FORMAT + digest.digest():
        raise RunFileError(f"{path} was damaged or changed after it was saved: its checksum differs")

    def check(name: str, item: Any) -> None:
        if (isinstance(item, h5py.Dataset) and item.id.get_storage_size() < item.nbytes
                and not item.attrs.get("NAME", b"").startswith(EMPTY_DIMENSION)):
            raise RunFileError(f"{path} has {item.id.get_storage_size() / 1e6:,.1f} MB for {name}, which should have "
                               f"{item.nbytes / 1e6:,.1f} MB: data are missing")

    with h5py.File(path) as file:
        file.visititems(check)
