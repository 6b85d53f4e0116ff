"""Papers: which kinds of items a seed chooses, and their items."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from . import items
from .item import IDEAS, KINDS, Item, ItemKind, generate

LENGTH = 10
MAX_LENGTH = 60
__all__ = ["LENGTH", "Paper", "items", "make_paper"]  # importing `items` registers the kinds


@dataclass(frozen=True)
class Paper:
    """The kinds of a paper's items, in order. The items are made one by one, since some need a run."""

    seed: int
    kinds: tuple[ItemKind, ...]

    def item(self, k: int) -> Item:
        """Return item k, counted from 0."""
        return generate(self.kinds[k], f"paper {self.seed}, item {k}")


def make_paper(seed: int = 0, ideas: Sequence[str] | None = None, count: int = LENGTH) -> Paper:
    """Return the paper of a seed: the ideas take turns, and no kind comes twice before all of its idea have come.

    Raises:
        ValueError: an unknown idea, no idea, or a seed or count out of range; names the known ideas and the range.
    """
    if isinstance(ideas, str):
        raise ValueError(f"ideas is {ideas!r}: give a list, such as [{ideas!r}]")
    chosen = list(dict.fromkeys(IDEAS if ideas is None else ideas))
    for idea in chosen:
        if idea not in IDEAS:
            raise ValueError(f"there is no idea {idea!r}: choose among {', '.join(IDEAS)}")
    if not chosen:
        raise ValueError(f"ideas is empty: choose among {', '.join(IDEAS)}, or None for all")
    for name, value, low, high in (("seed", seed, 0, 2**63 - 1), ("count", count, 1, MAX_LENGTH)):
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise ValueError(f"{name} is {value!r}: choose a whole number from {low} to {high}")
    rng = random.Random(f"quiz {seed}")
    rng.shuffle(chosen)
    decks: dict[str, list[ItemKind]] = {idea: [] for idea in chosen}
    kinds = []
    for k in range(count):
        deck = decks[chosen[k % len(chosen)]]
        if not deck:
            deck += [kind for (idea, _), kind in KINDS.items() if idea == chosen[k % len(chosen)]]
            rng.shuffle(deck)
        kinds.append(deck.pop())
    return Paper(seed, tuple(kinds))
