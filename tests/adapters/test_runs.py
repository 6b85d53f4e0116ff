"""Runs of opened pipelines: averages of their recordings, copies, pickles and files."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
import tiny_pipelines as tp
import torch
from tiny_pipes import PROMPT, same, tiny

import explorable as ex

WEIGHTS = "*.cross.weights"


@pytest.fixture
def run(pipe):
    return pipe(tp.OTHER, steps=2, record=WEIGHTS)


def test_reductions_of_half_precision_recordings_are_right(run, tmp_path):
    """Each row of weights sums to 1. In half precision, numbers above 2048 cannot be counted any more."""
    stored = run.recorded.nbytes
    for one in (run, ex.Run.open(run.save(tmp_path / "run.nc")), copy.deepcopy(run)):
        for weights in (one[WEIGHTS], *(one[name] for name in one.recorded), *one.recorded.values()):
            many = weights.expand_dims(copy=range(30))
            exact = weights.values[~np.isnan(weights.values)].astype(np.float64)
            assert weights.dtype == np.float32 and many.count() > 4096
            for got, true in ((many.mean(), exact.mean()), (many.sum(), 30 * exact.sum()), (many.std(), exact.std())):
                assert float(got) == pytest.approx(true, rel=1e-3)
    assert run.recorded.nbytes == stored == sum(a.size for a in run.recorded.values()) * 2, "kept in half precision"


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_reductions_of_half_precision_networks_are_right(dtype):
    with ex.open(tp.fresh("sd", torch_dtype=dtype)) as pipe:
        recording = pipe.inspect(np.zeros((16, 16, 3), np.uint8), tp.PROMPT, record=["*.skip", WEIGHTS])
        assert {array.dtype for array in recording.values()} == {np.dtype(np.float32)}


def test_saved_half_precision_stays_half_precision_in_the_file(run, tmp_path):
    first = run.save(tmp_path / "run.nc")
    again = ex.Run.open(first)
    assert again[WEIGHTS].identical(run[WEIGHTS])
    again.save(tmp_path / "again.nc")
    assert (tmp_path / "again.nc").stat().st_size == first.stat().st_size


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda run: pickle.loads(pickle.dumps(run))],
                         ids=["copy", "deepcopy", "pickle"])
def test_runs_can_be_copied_and_pickled(run, pipe, copied):
    own = tiny()(PROMPT, steps=2, record=WEIGHTS)
    for one in (run, run.branch(1, seed=3, record=WEIGHTS), own, own.branch(1, guidance=7, record=WEIGHTS)):
        again = copied(one)
        assert same(again, one) and again.settings == one.settings and again[WEIGHTS].identical(one[WEIGHTS])
        if again._pipe is not None:
            assert again._pipe is one._pipe and again.parent is one.parent and same(again.branch(1), one)
        else:
            with pytest.raises(ex.SettingError, match="without its model"):
                again.branch(1)


def test_a_deep_copy_shares_no_array(run):
    again = copy.deepcopy(run)
    again.image[:] = 0
    again.latents[:] = 0
    assert run.image.any() and run.latents.any() and not run._children
