"""The sixteen things that a scene can contain, each drawn from named parts."""

from __future__ import annotations

from . import animals, buildings, garden, vehicles  # noqa: F401  (each registers its things)
from .base import THINGS, Thing

__all__ = ["THINGS", "Thing"]
