"""Results in parts, each of which is computed again only if what it depends on has changed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class CachedParts:
    """Caches the parts of the last result, each with the settings that it depends on."""

    def __init__(self) -> None:
        self._cache: dict[str, tuple[Any, Any]] = {}

    def _cached(self, name: str, key: Any, compute: Callable[[], Any]) -> Any:
        """Return a part, computed only if its key has changed."""
        if not self._is_cached(name, key):
            self._cache[name] = (key, compute())
        return self._cache[name][1]

    def _is_cached(self, name: str, key: Any) -> bool:
        return name in self._cache and self._cache[name][0] == key
