"""The points of an opened pipeline, including attention weights that its processors do not expose."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from fnmatch import fnmatchcase

from ..hooks import EditError, Point, PointFinder, PointTable

CROSS_WEIGHTS = "cross.weights"  # how the names of maps over the prompt's tokens end


class OpenedPointFinder(PointFinder):
    """Collect the reachable points, and separately the hidden ones, with the names of their processors."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden: dict[str, str] = {}


class OpenedPointTable(PointTable):
    """The points of an opened pipeline. hidden: points that cannot be reached, and the processors in their way."""

    def __init__(self, points: Iterable[Point], steps: int, hidden: Mapping[str, str]):
        super().__init__(points, steps)
        self.hidden = hidden

    def match(self, patterns: Iterable[str]) -> list[str]:
        """Return the names that match any of the patterns, in order.

        Raises:
            EditError: a match cannot be reached. UnknownPointError: a pattern that matches nothing.
        """
        patterns = list(patterns)
        for name, processor in self.hidden.items():
            if any(fnmatchcase(name, pattern) for pattern in patterns):
                raise hidden_weights_error(name, processor)
        return super().match(patterns)


def hidden_weights_error(name: str, processor: str) -> EditError:
    """Return the error about attention weights that a processor does not expose."""
    return EditError(f"the weights of {name} cannot be read: its processor, {processor}, does not call torch's "
                     "scaled_dot_product_attention; restore the default one with set_default_attn_processor(), or "
                     "leave this point out")


def with_token_count(points: Iterable[Point], tokens: int) -> tuple[Point, ...]:
    """Return points with `tokens` tokens on the last axis of cross-attention weights, in place of pieces."""
    return tuple(replace(p, shape=(*p.shape[:-1], tokens)) if p.name.endswith(CROSS_WEIGHTS) else p for p in points)
