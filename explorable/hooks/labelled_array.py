"""Recorded values as an xarray, whose `sel` says what can be selected."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr


class UnknownLabelError(KeyError):
    """A label that an axis does not have. The message names those that it has."""

    def __str__(self) -> str:
        return str(self.args[0])  # a KeyError would show it in quotes


class LabelledArray(xr.DataArray):
    """An xarray.DataArray. Selecting a label that an axis does not have raises UnknownLabelError."""

    __slots__ = ()

    @classmethod
    def of(cls, array: xr.DataArray) -> LabelledArray:
        """Return `array`, with the same memory."""
        labelled = cls(array)
        labelled.encoding = array.encoding
        return labelled

    def sel(self, indexers: Mapping[Any, Any] | None = None, method: str | None = None, tolerance: Any = None,
            drop: bool = False, **indexers_kwargs: Any) -> LabelledArray:
        """Select by labels: see xarray.DataArray.sel.

        Raises:
            UnknownLabelError: an axis has no such label.
        """
        try:
            return super().sel(indexers, method, tolerance, drop, **indexers_kwargs)
        except KeyError as error:
            for axis, wanted in {**(indexers or {}), **indexers_kwargs}.items():
                if axis in self.indexes and not isinstance(wanted, slice):
                    self._check_labels(str(axis), np.atleast_1d(wanted).tolist())
            raise UnknownLabelError(str(error)) from error

    def _check_labels(self, axis: str, wanted: list[Any]) -> None:
        labels = self.indexes[axis].tolist()
        for label in wanted:
            if label not in labels:
                words = label.split() if isinstance(label, str) else []
                hint = f"; for several at once: .sel({axis}={words!r})" if len(words) > 1 else ""
                raise UnknownLabelError(f"the axis {axis!r} has no label {label!r}; choose among: "
                                        f"{', '.join(map(str, dict.fromkeys(labels)))}{hint}") from None
