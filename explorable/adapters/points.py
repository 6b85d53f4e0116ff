"""The points of an opened pipeline, including attention weights that its processors do not expose."""

from __future__ import annotations

import html
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from fnmatch import fnmatchcase
from math import prod
from typing import Any

from torch import Tensor

from ..hooks import EditError, Point, PointFinder, PointTable, UnknownPointError

CROSS_WEIGHTS = "cross.weights"  # how the names of maps over the prompt's tokens end
# Processors that compute the same without torch's kernel, and the ones that call it.
EQUIVALENT_PROCESSORS = {
    **dict.fromkeys(("AttnProcessor", "SlicedAttnProcessor", "XFormersAttnProcessor", "AttnProcessorNPU",
                     "XLAFlashAttnProcessor2_0"), "AttnProcessor2_0"),
    "XFormersJointAttnProcessor": "JointAttnProcessor2_0",
    **dict.fromkeys(("IPAdapterAttnProcessor", "IPAdapterXFormersAttnProcessor"), "IPAdapterAttnProcessor2_0"),
    **dict.fromkeys(("CustomDiffusionAttnProcessor", "CustomDiffusionXFormersAttnProcessor"),
                    "CustomDiffusionAttnProcessor2_0"),
}


LINEAR = ("the self-attention of this network is linear: it sums keys and values over all positions once, and forms no "
          "weights between two of them")


class OpenedPointFinder(PointFinder):
    """Collect the reachable points, and separately the hidden ones, with what hides them, and those that this network
    cannot have, with the reason."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden: dict[str, str] = {}
        self.missing: dict[str, str] = {}

    def dispatch(self, name: str, value: Tensor, axes: str) -> Tensor:
        """Collect a point. Where each branch is a call of its own, its size is that in the one with the longer text."""
        before = self.points.get(name)
        value = super().dispatch(name, value, axes)
        if before is not None and prod(before.shape) > prod(self.points[name].shape):
            self.points[name] = before
        return value


class OpenedPointTable(PointTable):
    """The points of an opened pipeline. hidden: by point that cannot be reached, what is in the way; missing: by point
    that other networks have, why this one has none."""

    def __init__(self, points: Iterable[Point], steps: int, hidden: Mapping[str, str], missing: Mapping[str, str]):
        super().__init__(points, steps)
        self.hidden, self.missing = hidden, missing

    def match(self, patterns: Iterable[str]) -> list[str]:
        """Return the names that match any of the patterns, in order.

        Raises:
            EditError: a match cannot be reached. UnknownPointError: a pattern that matches nothing.
        """
        patterns = list(patterns)
        for name, reason in self.hidden.items():
            if any(fnmatchcase(name, pattern) for pattern in patterns):
                raise EditError(f"{reason}, or leave {name} out")
        return super().match(patterns)

    def _unknown(self, pattern: str) -> UnknownPointError:
        for name, reason in self.missing.items():
            if fnmatchcase(name, pattern):
                return UnknownPointError(f"this network has no {name!r}, which {pattern!r} matches: {reason}")
        return super()._unknown(pattern)

    def __repr__(self) -> str:
        return "\n".join([super().__repr__(), *self._hidden_notes()])

    def _repr_html_(self) -> str:
        return super()._repr_html_() + "".join(f"<p>{html.escape(note)}</p>" for note in self._hidden_notes())

    def _hidden_notes(self) -> list[str]:
        """Return a sentence for each reason why points cannot be reached, or do not exist."""
        found = (("cannot be reached", self.hidden), ("do not exist", self.missing))
        return [f"{n} more points {what}: {reason}" for what, points in found
                for reason, n in Counter(points.values()).items()]


def hiding_reason(attention: Any) -> str:
    """Return why the weights of an attention layer cannot be reached, and what to do about it."""
    processor = type(attention.processor).__name__
    default = getattr(type(attention), "_default_processor_cls", None)
    native = [cls.__name__ for cls in type(attention.processor).__mro__[1:] if cls.__module__.startswith("diffusers.")]
    usable = (EQUIVALENT_PROCESSORS.get(native[0], native[0]) if native
              else default.__name__ if default
              else "AttnProcessor2_0" if getattr(attention, "add_k_proj", None) is None
              else "JointAttnProcessor2_0")
    return (f"the processor {processor} does not call torch's scaled_dot_product_attention, so that attention weights "
            f"cannot be read: set one that does, such as {usable}, with the layer's set_processor")


def with_token_count(points: Iterable[Point], tokens: int) -> tuple[Point, ...]:
    """Return points with `tokens` tokens on the last axis of cross-attention weights, in place of pieces."""
    return tuple(replace(p, shape=(*p.shape[:-1], tokens)) if p.name.endswith(CROSS_WEIGHTS) else p for p in points)
