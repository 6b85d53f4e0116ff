"""The points of a pipeline, and the patterns that select from them."""

from __future__ import annotations

import difflib
import html
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from itertools import groupby, takewhile
from math import prod, sqrt

from torch import Tensor

from .dispatcher import HookDispatcher

IMAGE_SIZE = (128, 128)  # height and width in pixels, unless a pipeline says otherwise


class UnknownPointError(ValueError):
    """A name or pattern that matches no point; the message names the nearest points."""


@dataclass(frozen=True)
class Point:
    """One named place in a network.

    axes: names of the axes of its value, after step and branch; shape: their lengths; itemsize: bytes of one element;
    branches: 2 where guidance combines two estimates; each_step: False for what runs once an image, such as the text
    encoder and the decoder.
    """

    name: str
    axes: tuple[str, ...]
    shape: tuple[int, ...]
    itemsize: int
    branches: int
    each_step: bool

    def nbytes(self, steps: int, reduced: Iterable[str] = ()) -> int:
        """Return the bytes that a guided run of `steps` steps records of it, with the axes `reduced` averaged."""
        elements = prod(n for axis, n in zip(self.axes, self.shape, strict=True) if axis not in reduced)
        repeats = steps if self.each_step and "step" not in reduced else 1
        return elements * self.itemsize * self.branches * repeats


@cache
def grid_shape(positions: int, image_size: tuple[int, int] = IMAGE_SIZE) -> tuple[int, int]:
    """Return the rows and columns of an axis of positions, in the proportions of the image as nearly as they go."""
    rows = max(1, round(sqrt(positions * image_size[0] / image_size[1])))
    rows = min((r for r in range(1, positions + 1) if positions % r == 0), key=lambda r: abs(r - rows))
    return rows, positions // rows


def as_grid(axes: Sequence[str], shape: Sequence[int],
            image_size: tuple[int, int] = IMAGE_SIZE) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """Return axes and lengths with an axis of positions split into y and x."""
    pairs: list[tuple[str, int]] = []
    for axis, n in zip(axes, shape, strict=True):
        pairs += zip("yx", grid_shape(n, image_size), strict=True) if axis == "position" else [(axis, n)]
    return tuple(a for a, _ in pairs), tuple(n for _, n in pairs)


class PointFinder(HookDispatcher):
    """A dispatcher that collects every point that a run passes, in order. image_size: height and width in pixels."""

    def __init__(self, image_size: tuple[int, int] = IMAGE_SIZE) -> None:
        super().__init__()
        self.image_size = image_size
        self.points: dict[str, Point] = {}

    def is_hooked(self, name: str) -> bool:
        return True

    def dispatch(self, name: str, value: Tensor, axes: str) -> Tensor:
        names, shape = as_grid(axes.split(), value.shape[1:], self.image_size)
        self.points[name] = Point(name, names, shape, value.element_size(), len(self.context.branches),
                                  self.context.step is not None)
        return value


class PointTable:
    """All points that a run passes through, in order. Iterable; a tree in notebooks.

    steps: of the run whose sizes are shown. others: points that this run does not pass, and which runs do.
    """

    def __init__(self, points: Iterable[Point], steps: int = 20, others: Mapping[str, str] | None = None):
        self.points, self.steps, self.others = tuple(points), steps, others or {}

    def __iter__(self) -> Iterator[Point]:
        return iter(self.points)

    def __len__(self) -> int:
        return len(self.points)

    def __getitem__(self, name: str) -> Point:
        return {p.name: p for p in self.points}[self.match([name])[0]]

    def match(self, patterns: Iterable[str]) -> list[str]:
        """Return the names that match any of the patterns ("*" any characters, "?" one), in order.

        Raises:
            UnknownPointError: a pattern that matches nothing.
        """
        matching: set[str] = set()
        for pattern in patterns:
            names = {p.name for p in self.points if fnmatchcase(p.name, pattern)}
            if not names:
                raise self._unknown(pattern)
            matching |= names
        return [p.name for p in self.points if p.name in matching]

    def _unknown(self, pattern: str) -> UnknownPointError:
        for name, reason in self.others.items():
            if fnmatchcase(name, pattern):
                return UnknownPointError(f"this run does not pass {name!r}, which {pattern!r} matches: {reason}")
        names = [p.name for p in self.points]
        near = difflib.get_close_matches(pattern, names, n=3, cutoff=0.3) or names[:3]
        return UnknownPointError(f"no point matches {pattern!r}; the nearest are {', '.join(near)}; "
                                 "ex.points(pipe) lists all")

    def __repr__(self) -> str:
        rows = [(p.name, " ".join(p.axes), "x".join(map(str, p.shape)), f"{p.nbytes(self.steps) / 1e6:.2f}")
                for p in self.points]
        return "\n".join(f"{name:32} {axes:22} {shape:18} {size:>9}"
                         for name, axes, shape, size in [("point", "axes", "shape", "MB a run"), *rows])

    def _repr_html_(self) -> str:
        """A collapsible tree along the parts of the names."""
        return (f"<div><p>{len(self)} points; sizes for a guided run of {self.steps} steps</p>"
                f"{_tree(self.points, self.steps)}</div>")


def _tree(points: Sequence[Point], steps: int, depth: int = 0) -> str:
    """Return HTML for points whose names share their first `depth` parts.

    Points that also share the next part go into a section that folds; each other point is one row.
    """
    groups: dict[str, list[Point]] = {}
    for p in points:
        groups.setdefault(".".join(p.name.split(".")[depth : depth + 1]), []).append(p)
    out = []
    for is_single, members in groupby(groups.values(), key=lambda group: len(group) == 1):
        if is_single:
            out.append(_rows([p for group in members for p in group], steps))
            continue
        for group in members:
            parts = zip(*(p.name.split(".") for p in group), strict=False)  # as many as the shortest name has
            shared = [part[0] for part in takewhile(lambda part: len(set(part)) == 1, parts)]
            size = sum(p.nbytes(steps) for p in group) / 1e6
            out.append(f"<details><summary><b>{html.escape('.'.join(shared))}</b>: {len(group)} points, {size:.1f} MB"
                       f'</summary><div style="margin-left: 1.5em">{_tree(group, steps, len(shared))}</div></details>')
    return "".join(out)


def _rows(points: Sequence[Point], steps: int) -> str:
    head = "".join(f'<th scope="col">{name}</th>' for name in ("point", "axes", "shape", "a run"))
    rows = "".join(f"<tr><td><code>{html.escape(p.name)}</code></td><td>{html.escape(' '.join(p.axes))}</td>"
                   f"<td>{' × '.join(map(str, p.shape))}</td><td>{p.nbytes(steps) / 1e6:.2f} MB</td></tr>"
                   for p in points)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
