"""The list of a pipeline's points, and the patterns that pick from it."""

from __future__ import annotations

import difflib
import html
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from functools import cache
from itertools import groupby, takewhile
from math import prod, sqrt

from torch import Tensor

from .dispatcher import Here


class UnknownPointError(ValueError):
    """A name or pattern that matches no point: named, with the nearest that there are."""


@dataclass(frozen=True)
class Point:
    """One place in a network.

    axes: names of the axes of a value there, after step and branch; shape: their lengths; branches: 2 where guidance
    compares two estimates; each_step: False for what runs once a picture, as text encoder and decoder do.
    """

    name: str
    axes: tuple[str, ...]
    shape: tuple[int, ...]
    number: int  # bytes of one
    branches: int
    each_step: bool

    def bytes(self, steps: int, without: Iterable[str] = ()) -> int:
        """What a guided run of so many steps would keep of it, with the axes `without` reduced away."""
        kept = prod(n for axis, n in zip(self.axes, self.shape, strict=True) if axis not in without)
        return kept * self.number * self.branches * (steps if self.each_step and "step" not in without else 1)


SIDES = (128, 128)  # pixels, high and wide, of a picture where nothing else is said


@cache
def grid(places: int, picture: tuple[int, int] = SIDES) -> tuple[int, int]:
    """A row of places as rows and columns that stand to each other as the picture's sides do, or nearly so."""
    rows = max(1, round(sqrt(places * picture[0] / picture[1])))
    rows = min((r for r in range(1, places + 1) if places % r == 0), key=lambda r: abs(r - rows))
    return rows, places // rows


def named(axes: str, shape: tuple[int, ...],
          picture: tuple[int, int] = SIDES) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """Axes and lengths as they are shown: a row of places is a grid of y and x, of the picture's shape."""
    pairs: list[tuple[str, int]] = []
    for axis, n in zip(axes.split(), shape, strict=True):
        pairs += zip("yx", grid(n, picture), strict=True) if axis == "place" else [(axis, n)]
    return tuple(a for a, _ in pairs), tuple(n for _, n in pairs)


class Survey:
    """A listener that takes down every point that a run comes by, in order. picture: its sides, high and wide."""

    def __init__(self, picture: tuple[int, int] = SIDES) -> None:
        self.picture = picture
        self.here = Here()
        self.found: dict[str, Point] = {}

    def move(self, step: int | None, t: float | None, evaluation: int = 0) -> None:
        self.here = Here(step, t, self.here.branches, evaluation)

    def among(self, branches: tuple[str, ...]) -> None:
        self.here = replace(self.here, branches=branches)

    def wants(self, name: str) -> bool:
        return True

    def changes(self, name: str) -> bool:
        return False

    def hear(self, name: str, value: Tensor, axes: str) -> Tensor:
        shown, shape = named(axes, tuple(value.shape[1:]), self.picture)
        here = self.here
        self.found[name] = Point(name, shown, shape, value.element_size(), len(here.branches), here.step is not None)
        return value

    def end(self, broke_off: bool) -> None: ...


class PointTable:
    """All points of a pipeline, in the order in which they are reached. Iterable; a tree in notebooks.

    steps: of the run that the sizes are given for. elsewhere: points that it does not come by, and which runs do.
    """

    def __init__(self, points: Iterable[Point], steps: int = 20, elsewhere: Mapping[str, str] | None = None):
        self.points, self.steps, self.elsewhere = tuple(points), steps, elsewhere or {}

    def __iter__(self) -> Iterator[Point]:
        return iter(self.points)

    def __len__(self) -> int:
        return len(self.points)

    def __getitem__(self, name: str) -> Point:
        return {p.name: p for p in self.points}[self.match([name])[0]]

    def match(self, patterns: Iterable[str]) -> list[str]:
        """The names that any of the patterns picks ("*" any run of letters, "?" one), in order.

        Raises:
            UnknownPointError: a pattern that picks nothing.
        """
        picked: set[str] = set()
        for pattern in patterns:
            found = {p.name for p in self.points if fnmatchcase(p.name, pattern)}
            if not found:
                for name, where in self.elsewhere.items():
                    if fnmatchcase(name, pattern):
                        raise UnknownPointError(f"this run does not come by {name!r}, which {pattern!r} asks for: "
                                                f"{where}")
                names = [p.name for p in self.points]
                near = difflib.get_close_matches(pattern, names, n=3, cutoff=0.3) or names[:3]
                raise UnknownPointError(f"no point is called {pattern!r}; the nearest: {', '.join(near)}; "
                                        "ex.points(pipe) lists them all")
            picked |= found
        return [p.name for p in self.points if p.name in picked]

    def __repr__(self) -> str:
        lines = [f"{'point':32} {'axes':22} {'shape':18} {'MB a run':>9}"]
        lines += [f"{p.name:32} {' '.join(p.axes):22} {'x'.join(map(str, p.shape)):18} {p.bytes(self.steps) / 1e6:9.2f}"
                  for p in self.points]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        """A tree that folds along the parts of the names."""
        return (f"<div><p>{len(self)} points; sizes for a guided run of {self.steps} steps</p>"
                f"{_tree(self.points, self.steps)}</div>")


def _tree(points: Sequence[Point], steps: int, depth: int = 0) -> str:
    """Points whose names agree in their first `depth` parts: those that share the next as a branch, others as rows."""
    groups: dict[str, list[Point]] = {}
    for p in points:
        groups.setdefault(".".join(p.name.split(".")[depth : depth + 1]), []).append(p)
    out = []
    for single, some in groupby(groups.values(), key=lambda group: len(group) == 1):
        if single:
            out.append(_rows([p for group in some for p in group], steps))
            continue
        for group in some:
            places = zip(*(p.name.split(".") for p in group), strict=False)  # as many as the shortest name has
            shared = [part[0] for part in takewhile(lambda part: len(set(part)) == 1, places)]
            size = sum(p.bytes(steps) for p in group) / 1e6
            out.append(f"<details><summary><b>{html.escape('.'.join(shared))}</b>: {len(group)} points, {size:.1f} MB"
                       f'</summary><div style="margin-left: 1.5em">{_tree(group, steps, len(shared))}</div></details>')
    return "".join(out)


def _rows(points: Sequence[Point], steps: int) -> str:
    head = "".join(f'<th scope="col">{name}</th>' for name in ("point", "axes", "shape", "a run"))
    rows = "".join(f"<tr><td><code>{html.escape(p.name)}</code></td><td>{html.escape(' '.join(p.axes))}</td>"
                   f"<td>{' × '.join(map(str, p.shape))}</td><td>{p.bytes(steps) / 1e6:.2f} MB</td></tr>"
                   for p in points)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
