"""Files of runs: netCDF with a group for the sampling steps, one for each recorded point, and JSON for the rest.

The netCDF data are followed by the format's name and the SHA-256 of all that stands before, which netCDF readers skip.
"""

from __future__ import annotations

import functools
import hashlib
import io
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5netcdf
import h5py
import xarray as xr
from xarray.backends import H5NetCDFStore

from ..files import uninterrupted, write_files
from ..hooks.recording import to_single_precision
from .late_error_file import LateErrorFile

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

    Beside the run, one recorded point at a time is in memory.

    Raises:
        ValueError: another suffix. OSError: it cannot be written; a file that was there is unchanged.
    """
    if path.suffix != ".nc":
        raise ValueError(f"{path.name}: runs are saved as netCDF; choose a name that ends in .nc")

    def write(part: Path) -> None:
        with LateErrorFile(part) as file:
            with h5netcdf.File(file, "w") as netcdf:
                netcdf.attrs["about"] = json.dumps({**about, "points": list(recorded)})
                steps.dump_to_store(H5NetCDFStore(netcdf, group="steps", mode="a"))
                for i, name in enumerate(recorded):
                    values = recorded[name].to_dataset(name="value")
                    values.dump_to_store(H5NetCDFStore(netcdf, group=f"points/{i}", mode="a"))
            file.check()
            file.seek(0, io.SEEK_END)
            file.write(FORMAT)
            file.seek(0)
            file.write(hashlib.file_digest(file, "sha256").digest())  # at the end, up to which it was read
            file.check()

    write_files({path: write})
    return path


def read_run(path: Path) -> tuple[xr.Dataset, SavedRecording, dict[str, Any]]:
    """Return the steps, recorded points and the rest, as they were given to `write_run`.

    Raises:
        FileNotFoundError: there is no such file. RunFileError: it is not a saved run, or was changed since.
    """
    if not path.exists():
        raise FileNotFoundError(f"no run is saved at {path}")

    with refuse_damage(path):
        tree = _read_tree(path)
        about = json.loads(tree.attrs["about"])
        recorded = {name: tree[f"points/{i}/value"].rename(name) for i, name in enumerate(about["points"])}
        return tree["steps"].to_dataset(), SavedRecording(recorded), about


def _read_tree(path: Path) -> xr.DataTree:
    """Check a file, and read it. An interrupt ends this after the present array."""
    _check_checksum(path)
    uninterrupted(functools.partial(_check_sizes, path))
    tree = uninterrupted(functools.partial(xr.open_datatree, path, engine="h5netcdf"))
    try:
        for node in tree.subtree:
            for variable in node.variables.values():
                uninterrupted(variable.load)
    finally:
        uninterrupted(tree.close)
    return tree


def _check_checksum(path: Path) -> None:
    """Compare a file with its checksum.

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


def _check_sizes(path: Path) -> None:
    """Compare the sizes that a file's arrays have in memory with their data in the file.

    Raises:
        RunFileError: data are missing.
    """

    def check(name: str, item: Any) -> None:
        if (isinstance(item, h5py.Dataset) and item.id.get_storage_size() < item.nbytes
                and not item.attrs.get("NAME", b"").startswith(EMPTY_DIMENSION)):
            raise RunFileError(f"{path} has {item.id.get_storage_size() / 1e6:,.1f} MB for {name}, which should have "
                               f"{item.nbytes / 1e6:,.1f} MB: data are missing")

    with h5py.File(path) as file:
        file.visititems(check)
