"""Traits that take NumPy scalars as plain numbers."""

from __future__ import annotations

from typing import Any

import traitlets as tr


def to_plain(value: Any) -> Any:
    """Return a value with the NumPy scalars in it, or other arrays of one number, as numbers of Python.

    Lists, tuples and dictionaries are searched. `repr`, JSON, `code()` and the checks of traits need plain numbers.
    """
    if isinstance(value, dict):
        return {to_plain(key): to_plain(item) for key, item in value.items()}
    if type(value) in (list, tuple):
        return type(value)(map(to_plain, value))
    return value.item() if getattr(value, "ndim", None) == 0 and hasattr(value, "item") else value


class PlainTraits(tr.HasTraits):
    """Base class of widgets whose traits take NumPy scalars as plain numbers."""

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, to_plain(value) if self.has_trait(name) else value)
