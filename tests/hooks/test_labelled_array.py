"""Selecting labels of recorded arrays."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import xarray as xr

from explorable.hooks.labelled_array import LabelledArray, UnknownLabelError


@pytest.fixture
def weights() -> LabelledArray:
    values = np.arange(24, dtype=np.float32).reshape(2, 4, 3)
    return LabelledArray.of(xr.DataArray(values, dims=["step", "token", "y"], name="cross.weights", coords={
        "step": [0, 1], "token": ["a", "red", "car", "<end>"], "y": [0.5, 1.5, 2.5]}))


def test_what_exists_is_selected_as_by_xarray(weights):
    plain = xr.DataArray(weights)
    assert weights.sel(token="red", step=1).identical(LabelledArray.of(plain.sel(token="red", step=1)))
    assert weights.sel(token=["red", "car"]).shape == (2, 2, 3)
    assert weights.sel(y=0.7, method="nearest").y == 0.5
    assert np.array_equal(weights.sel(y=slice(1, 3)), plain.sel(y=slice(1, 3)))


def test_a_label_that_an_axis_does_not_have_is_named_with_those_it_has(weights):
    with pytest.raises(UnknownLabelError, match=r"'token' has no label 'red car'; choose among: a, red, car, <end>; "
                                                r"for several at once: \.sel\(token=\['red', 'car'\]\)"):
        weights.sel(token="red car")
    with pytest.raises(KeyError, match=r"axis 'step' has no label 7; choose among: 0, 1$"):
        weights.mean("y").sel(step=[0, 7], token="red")


def test_its_memory_encoding_and_type_are_kept(weights):
    plain = xr.DataArray(weights)
    plain.encoding["dtype"] = np.dtype("float16")
    labelled = LabelledArray.of(plain)
    assert np.shares_memory(labelled.values, plain.values) and labelled.encoding == plain.encoding
    assert isinstance(labelled.mean("step") * 2, LabelledArray)
    assert pickle.loads(pickle.dumps(weights)).identical(weights)


def test_a_runs_recordings_are_labelled(unet):
    run = unet("a red car", steps=2, record="*.cross.weights")
    with pytest.raises(UnknownLabelError, match="has no label 'red car'"):
        run["*.cross.weights"].sel(token="red car")
    with pytest.raises(UnknownLabelError, match="has no label 'lion'"):
        run.recorded["down.1.0.cross.weights"].sel(token="lion")
