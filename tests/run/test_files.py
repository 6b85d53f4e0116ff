"""Files of runs: what was saved is opened, everything else is refused with one error, and old files survive."""

from __future__ import annotations

import _thread
import dataclasses
import hashlib
import json
import random
import subprocess
import sys
import tracemalloc
from pathlib import Path

import h5py
import numpy as np
import pytest
import xarray as xr
from tiny_pipes import PROMPT, tiny

import explorable as ex
from explorable.run import files

TESTS = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def run():
    return tiny()(PROMPT, steps=2, record=["up.0.skip", "*.cross.weights"])


@pytest.fixture
def path(run, tmp_path):
    return run.save(tmp_path / "run.nc")


def sign(path: Path) -> None:
    """Give a changed file a valid checksum, as a hostile one has."""
    data = path.read_bytes()
    end = data.rfind(files.FORMAT)
    data = data[: end if end >= 0 else len(data)] + files.FORMAT
    path.write_bytes(data + hashlib.sha256(data).digest())


def change_about(path: Path, text: str | bytes) -> None:
    with h5py.File(path, "a") as file:
        file.attrs["about"] = text
    sign(path)


def test_a_flipped_bit_is_refused(path):
    whole, rng = path.read_bytes(), random.Random(0)
    for at in (*(rng.randrange(len(whole)) for _ in range(100)), *range(len(whole) - 48, len(whole))):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1 << rng.randrange(8)]) + whole[at + 1 :])
        with pytest.raises(ex.RunFileError, match=r"damaged or changed|not a run"):
            ex.Run.open(path)


@pytest.mark.parametrize("length", [0, 1, 47, 48, 500, -1, -48])
def test_a_file_cut_short_is_refused(path, length):
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(ex.RunFileError):
        ex.Run.open(path)


def test_a_folder_is_refused(tmp_path, run):
    (tmp_path / "run.nc").mkdir()
    (tmp_path / "run.nc" / "mine").touch()
    with pytest.raises(ex.RunFileError):
        ex.Run.open(tmp_path / "run.nc")
    with pytest.raises(IsADirectoryError, match="it is a folder"):
        run.save(tmp_path / "run.nc")
    assert (tmp_path / "run.nc" / "mine").exists()


@pytest.mark.parametrize("text", ["", "{", "[]", "3", "null", "[" * 100_000, b"\xff\xfe"], ids=lambda t: repr(t)[:9])
def test_metadata_that_are_no_run_are_refused(path, text):
    change_about(path, text)
    with pytest.raises(ex.RunFileError, match="not a run saved by explorable"):
        ex.Run.open(path)


@pytest.mark.parametrize("seed", range(20))
def test_changed_metadata_open_or_are_refused_with_the_one_error(path, seed):
    with h5py.File(path) as file:
        about, rng = json.loads(file.attrs["about"]), random.Random(seed)
    part = about["settings"] if seed % 2 else about
    part[rng.choice(list(part))] = rng.choice([None, 7, "text", [], {}, [None], {"x": []}, -1.5])
    change_about(path, json.dumps(about))
    try:
        ex.Run.open(path).tree()
    except ex.RunFileError as error:
        assert "\n" not in str(error)


@pytest.mark.parametrize("key", ["settings", "model", "tokens", "seconds", "evaluations", "end", "points"])
def test_metadata_without_an_entry_are_refused(path, key):
    with h5py.File(path) as file:
        about = json.loads(file.attrs["about"])
    del about[key]
    change_about(path, json.dumps(about))
    with pytest.raises(ex.RunFileError, match=key):
        ex.Run.open(path)


def test_a_file_that_declares_more_than_it_has_is_refused_before_it_is_read(path):
    with h5py.File(path, "a") as file:
        del file["steps/denoised"]
        file["steps"].create_dataset("denoised", (10_000, 1_000_000), "f8", chunks=(1000, 1000))
    sign(path)
    with pytest.raises(ex.RunFileError, match=r"0\.0 MB for steps/denoised, which should have 80,000\.0 MB"):
        ex.Run.open(path)


def test_saved_runs_are_netcdf_for_others(run, path):
    with xr.open_datatree(path) as tree:
        assert np.array_equal(tree["steps/image"], run.image)


def test_saving_replaces_a_file_that_is_open_elsewhere(run, path):
    before = path.read_bytes()
    with h5py.File(path) as file, path.open("rb") as raw:
        run.branch(1, guidance=7).save(path)
        assert raw.read() == before and "steps" in file
    assert ex.Run.open(path).settings.guidance == 7
    assert [p.name for p in path.parent.iterdir()] == ["run.nc"]


@pytest.mark.skipif(sys.platform == "win32", reason="limits of POSIX")
def test_a_full_disk_raises_and_leaves_the_old_file(path, run):
    program = f"""
import resource, sys
sys.path[:0] = [{str(TESTS / "shared")!r}, {str(TESTS.parent)!r}]
from tiny_pipes import PROMPT, tiny
run = tiny()(PROMPT, steps=8, record=["*.skip"])
for limit in (0, 50, 3_000, 20_000, 50_000, 100_000, 150_000, 200_000, *[220_000] * 4):
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))  # as a disk with so much left
    try:
        run.save({str(path)!r})
    except OSError as error:
        print(error)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("run.nc not written, and what was there is unchanged: ") == 12
    assert [p.name for p in path.parent.iterdir()] == ["run.nc"]
    assert np.array_equal(ex.Run.open(path).image, run.image)


def test_saving_needs_memory_for_one_point_at_a_time(path, run):
    size = 2_000_000
    recorded = {f"point.{k}": xr.DataArray(np.full(size // 4, k, np.float32), dims="x") for k in range(20)}
    large = dataclasses.replace(run, recorded=recorded)
    tracemalloc.start()
    large.save(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 * size < len(recorded) * size < path.stat().st_size
    assert all(values.equals(recorded[name]) for name, values in ex.Run.open(path).recorded.items())


def test_an_interrupt_ends_the_reading_of_a_large_file(path, run, monkeypatch):
    chunks: list[int] = []

    class InterruptedAtTheThird:
        """A checksum, at whose third part the user presses Ctrl-C."""

        digest_size = hashlib.sha256().digest_size

        def update(self, data: bytes) -> None:
            chunks.append(len(data))
            if len(chunks) == 3:
                _thread.interrupt_main()

    monkeypatch.setattr(files, "CHUNK_BYTES", 1000)
    with monkeypatch.context() as patch:
        patch.setattr(files.hashlib, "sha256", InterruptedAtTheThird)
        with pytest.raises(KeyboardInterrupt):
            ex.Run.open(path)
    assert len(chunks) < 10 < path.stat().st_size / 1000
    assert np.array_equal(ex.Run.open(path).image, run.image)


@pytest.mark.parametrize("at", [1, 4])
def test_an_interrupt_ends_the_reading_between_two_arrays(path, run, monkeypatch, at):
    load, loaded = xr.Variable.load, []

    def interrupted_load(variable: xr.Variable) -> xr.Variable:
        loaded.append(variable)
        if len(loaded) == at:
            _thread.interrupt_main()
        return load(variable)

    with monkeypatch.context() as patch:
        patch.setattr(xr.Variable, "load", interrupted_load)
        with pytest.raises(KeyboardInterrupt):
            ex.Run.open(path)
    assert len(loaded) <= at + 2
    assert np.array_equal(ex.Run.open(path).image, run.image)
