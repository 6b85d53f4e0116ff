"""Traits take NumPy scalars, and others of one number, as plain ones."""

from __future__ import annotations

import numpy as np
import torch
import xarray as xr

from explorable.widgets.core.plain_traits import to_plain


def test_numbers_of_numpy_and_the_like_become_plain():
    value = {"a": np.float32(0.5), "b": (np.int64(2), [np.bool_(True)]), "c": torch.tensor(3), "d": xr.DataArray(1.5)}
    plain = to_plain(value)
    assert plain == {"a": 0.5, "b": (2, [True]), "c": 3, "d": 1.5}
    assert [type(v) for v in (plain["a"], plain["b"][0], plain["b"][1][0], plain["c"])] == [float, int, bool, int]
    array = np.zeros(3)
    assert to_plain(array) is array and to_plain("a") == "a" and to_plain(None) is None
