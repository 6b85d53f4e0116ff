"""Kinds of answers to a question: one of several choices, a number, an order, or a position in an image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Choice:
    """One of several options."""

    options: tuple[str, ...]

    def __post_init__(self) -> None:
        if len(self.options) < 2 or len(set(self.options)) < len(self.options):
            raise ValueError(f"choices are {list(self.options)}: give at least two different ones")

    def check(self, true: Any) -> None:
        """Raise ValueError unless `true` can be the answer to this question."""
        if true not in self.options:
            raise ValueError(f"the answer that was computed, {true!r}, is none of the choices {list(self.options)}")

    def is_right(self, given: Any, true: Any) -> bool:
        """Return whether the given answer is the true one."""
        return given == true

    def describe(self, answer: Any) -> str:
        """Put an answer in words."""
        return str(answer)


@dataclass(frozen=True)
class Number:
    """A number from `low` to `high`. It is right within `within` of the true one, or within a `factor` of it."""

    low: float
    high: float
    unit: str = ""
    within: float | None = None
    factor: float | None = None

    def __post_init__(self) -> None:
        if not self.low < self.high:
            raise ValueError(f"number is ({self.low:g}, {self.high:g}): the first must be below the second")
        if (self.within is None) == (self.factor is None):
            raise ValueError("a number is right within a distance or within a factor: give `within` or `factor`")
        if self.factor is not None and (self.factor <= 1 or self.low <= 0):
            raise ValueError(f"factor is {self.factor:g}: it must be above 1, and all numbers above 0")
        if self.within is not None and self.within < 0:
            raise ValueError(f"within is {self.within:g}: it must be 0 or greater")

    def check(self, true: Any) -> None:
        """Raise ValueError unless `true` can be the answer to this question."""
        if not self.low <= float(true) <= self.high:
            raise ValueError(f"the answer that was computed, {self.describe(true)}, is not between "
                             f"{self.describe(self.low)} and {self.describe(self.high)}")

    def is_right(self, given: Any, true: Any) -> bool:
        """Return whether the given answer is near enough to the true one."""
        given, true = float(given), float(true)
        if self.factor is not None:
            return true / self.factor <= given <= true * self.factor
        return abs(given - true) <= (self.within or 0.0)

    def describe(self, answer: Any) -> str:
        """Put an answer in words."""
        return f"{float(answer):.3g}{self.unit and ' '}{self.unit}"


@dataclass(frozen=True)
class Order:
    """All items, in an order."""

    items: tuple[str, ...]

    def __post_init__(self) -> None:
        if len(self.items) < 2 or len(set(self.items)) < len(self.items):
            raise ValueError(f"order is {list(self.items)}: give at least two different items")

    def check(self, true: Any) -> None:
        """Raise ValueError unless `true` can be the answer to this question."""
        if sorted(true) != sorted(self.items):
            raise ValueError(f"the order that was computed, {list(true)}, is not one of {list(self.items)}")

    def is_right(self, given: Any, true: Any) -> bool:
        """Return whether the given order is the true one."""
        return tuple(given) == tuple(true)

    def describe(self, answer: Any) -> str:
        """Put an answer in words."""
        return ", ".join(answer)


@dataclass(frozen=True, eq=False)
class Position:
    """A position (y, x) in an image, in pixels. The true answer is a mask of the image: any position in it is right.

    image: (y, x, 3) uint8.
    """

    image: np.ndarray

    def __post_init__(self) -> None:
        if self.image.ndim != 3 or self.image.shape[2] != 3 or self.image.dtype != np.uint8:
            raise ValueError(f"the image has shape {self.image.shape} and type {self.image.dtype}: give (y, x, 3) "
                             "uint8")

    def check(self, true: Any) -> None:
        """Raise ValueError unless `true` can be the answer to this question."""
        mask = np.asarray(true)
        if mask.shape != self.image.shape[:2] or not 0 < mask.astype(bool).sum() < mask.size:
            raise ValueError(f"the mask that was computed has shape {mask.shape}: give one of {self.image.shape[:2]} "
                             "that is neither empty nor everywhere")

    def is_right(self, given: Any, true: Any) -> bool:
        """Return whether the mask is true at the given position."""
        y, x = given
        return bool(np.asarray(true)[int(y), int(x)])

    def describe(self, answer: Any) -> str:
        """Put an answer in words: a position, or a mask by the middle of its true pixels."""
        if np.ndim(answer) == 1:
            return f"row {int(answer[0])}, column {int(answer[1])}"
        y, x = np.argwhere(answer).mean(0)
        return f"around row {y:.0f}, column {x:.0f}"


Kind = Choice | Number | Order | Position


def make_kind(choices: Sequence[str] | None, number: tuple[float, float] | None, order: Sequence[str] | None,
              image: np.ndarray | None, unit: str, within: float | None, factor: float | None) -> Kind:
    """Return the kind of answer that was asked for.

    Raises:
        ValueError: none or several were, or their values make no question.
    """
    given = {"choices": choices, "number": number, "order": order, "image": image}
    names = [name for name, value in given.items() if value is not None]
    if len(names) != 1:
        raise ValueError(f"give one of {', '.join(given)}; {' and '.join(names) or 'none'} was given")
    if number is None and (unit or within is not None or factor is not None):
        raise ValueError("unit, within and factor belong to `number`")
    if choices is not None:
        return Choice(tuple(choices))
    if order is not None:
        return Order(tuple(order))
    if image is not None:
        return Position(np.asarray(image))
    assert number is not None
    return Number(float(number[0]), float(number[1]), unit, within, factor)
