"""Scenes: what an image can contain, random scenes, and the pairs held out of training.

A `Scene` may leave attributes open (None), as a caption does; `complete` fills them in from a seed. All randomness
comes from Python's own generator, so a seed gives the same scene on every platform.
"""

from __future__ import annotations

import itertools
import random
from dataclasses import dataclass, replace

COLOURS = {
    "red": (216, 44, 42), "golden": (238, 178, 46), "green": (66, 160, 66), "turquoise": (38, 190, 186),
    "blue": (44, 92, 214), "purple": (134, 66, 180), "pink": (246, 140, 184), "white": (244, 244, 246),
    "black": (42, 42, 50), "brown": (128, 80, 46),
}
PLACES = ("mountain road", "meadow", "beach", "forest", "snowy mountains", "city", "desert", "lake")
TIMES = ("day", "sunset", "twilight", "night")
MOODS = ("cozy", "majestic", "magical")
SIZES = ("small", "medium", "big")
SIDES = ("left", "centre", "right")
RELATIONS = ("left of", "right of", "in front of", "behind")
OPPOSITE = {"left of": "right of", "right of": "left of", "in front of": "behind", "behind": "in front of"}

# The usual colours of each thing, assumed where a caption names none.
NATURAL = {
    "car": ("red", "blue", "white"), "sports car": ("red", "golden", "black"),
    "truck": ("blue", "green", "white"), "bus": ("red", "golden"), "boat": ("blue", "red", "white"),
    "cabin": ("brown",), "house": ("white", "pink", "golden"), "castle": ("white", "purple"),
    "cat": ("black", "white", "golden"), "dog": ("golden", "brown", "black"), "lion": ("golden",),
    "rabbit": ("white", "brown"), "tree": ("green",), "flower": ("pink", "red", "purple"),
    "ball": ("red", "blue", "green"), "balloon": ("red", "turquoise", "pink"),
}
KINDS = tuple(NATURAL)
BUILDINGS = ("cabin", "house", "castle")
NARROW = ("cat", "rabbit", "tree", "flower", "ball", "balloon")  # two of them fit into half an image


@dataclass(frozen=True)
class Group:
    """One to three things of a kind. `colour` and `side` may be None (open). Only a single thing alone has a side."""

    kind: str
    colour: str | None = None
    size: str = "medium"
    count: int = 1
    side: str | None = None

    def __post_init__(self) -> None:
        _check("thing", self.kind, KINDS)
        _check("colour", self.colour, (None, *COLOURS))
        _check("size", self.size, SIZES)
        _check("count", self.count, (1, 2, 3))
        _check("side", self.side, (None, *SIDES))


@dataclass(frozen=True)
class Scene:
    """Up to two groups in a place, at a time, in a mood. None leaves an attribute open (mood: none).

    Args:
        relation: of the first of two groups to the second.
        seed: of everything that a caption cannot state, such as exact positions and the line of the hills.
    """

    groups: tuple[Group, ...] = ()
    relation: str | None = None
    place: str | None = None
    time: str | None = None
    mood: str | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        _check("number of groups", len(self.groups), (0, 1, 2))
        _check("relation", self.relation, (None, *RELATIONS))
        _check("place", self.place, (None, *PLACES))
        _check("time", self.time, (None, *TIMES))
        _check("mood", self.mood, (None, *MOODS))
        if len({g.kind for g in self.groups}) < len(self.groups):
            raise ValueError("two groups of one kind: use a count instead (\"two cars\")")
        if self.relation and len(self.groups) < 2:
            raise ValueError(f"relation {self.relation!r} needs two groups")
        for g in self.groups:
            if g.side is not None and len(self.groups) == 2:
                raise ValueError(f"side {g.side!r} of the {g.kind}: with two groups, set a relation instead")
            if g.side in ("left", "right") and g.count > 1:
                raise ValueError(f"side {g.side!r} of the {g.kind}: several of a kind fill the whole width; "
                                 "set the side to None")


def _check(name: str, value: object, allowed: tuple) -> None:
    if value not in allowed:
        raise ValueError(f"{name} {value!r}: choose one of {', '.join(str(a) for a in allowed if a is not None)}")


def _hold_out(pairs: list[tuple[str, str]], share: float, rng: random.Random) -> frozenset[tuple[str, str]]:
    return frozenset(rng.sample(pairs, round(share * len(pairs))))


def _held_out_pairs() -> tuple[frozenset, frozenset, frozenset]:
    """Return a tenth of each type of pair, without the natural colours and the pairs that the lesson needs."""
    rng = random.Random("held out")
    free = [(k, c) for k in KINDS for c in COLOURS if c not in NATURAL[k]]
    colours = _hold_out(free, len(KINDS) * len(COLOURS) / 10 / len(free), rng)
    places = [(k, p) for k in KINDS for p in PLACES
              if (k, p) not in {("cabin", "snowy mountains"), ("sports car", "mountain road")}]
    things = list(itertools.combinations(sorted(KINDS), 2))
    return colours, _hold_out(places, 0.1, rng), _hold_out(things, 0.1, rng)


HELD_OUT_COLOURS, HELD_OUT_PLACES, HELD_OUT_THINGS = _held_out_pairs()


def held_out(scene: Scene) -> bool:
    """Whether the scene has a (thing, colour), (thing, place) or (thing, thing) pair held out of training."""
    kinds = tuple(sorted(g.kind for g in scene.groups))
    return kinds in HELD_OUT_THINGS or any(
        (g.kind, g.colour) in HELD_OUT_COLOURS or (g.kind, scene.place) in HELD_OUT_PLACES
        for g in scene.groups
    )


def matches(partial: Scene, full: Scene) -> bool:
    """Whether every attribute set in `partial` holds in `full`. The order of two things does not matter."""
    if len(partial.groups) != len(full.groups):
        return False
    if len(partial.groups) == 2 and partial.groups[0].kind == full.groups[1].kind:
        full = replace(full, groups=full.groups[::-1], relation=full.relation and OPPOSITE[full.relation])
    same = all(getattr(partial, k) in (None, getattr(full, k)) for k in ("relation", "place", "time", "mood"))
    return same and all(
        a.kind == b.kind and a.count == b.count and a.colour in (None, b.colour) and a.side in (None, b.side)
        and (a.size == b.size or full.mood == "majestic")
        for a, b in zip(partial.groups, full.groups, strict=True)
    )


def complete(scene: Scene) -> Scene:
    """Return the scene with every open attribute filled in, deterministically from `scene.seed`."""
    rng = random.Random(f"complete {scene.seed}")
    two = len(scene.groups) == 2
    groups = tuple(
        replace(g, colour=g.colour or rng.choice(NATURAL[g.kind]), side=None if two else g.side or "centre")
        for g in scene.groups
    )
    return replace(
        scene, groups=groups,
        relation=scene.relation or ("left of" if two else None),  # the order in which captions name them
        place=scene.place or rng.choice(PLACES),
        time=scene.time or rng.choices(TIMES, (5, 2, 1, 1))[0],
    )


def sample_scene(rng: random.Random, allow_held_out: bool = False) -> Scene:
    """Return a random complete scene, without held-out pairs unless allowed."""
    while True:
        scene = _sample(rng)
        if allow_held_out or not held_out(scene):
            return scene


def _sample(rng: random.Random) -> Scene:
    number = rng.choices((0, 1, 2), (4, 46, 50))[0]
    kinds = rng.sample(KINDS, number)
    groups = [Group(k, _colour(k, rng), rng.choices(SIZES, (1, 2, 1))[0]) for k in kinds]
    mood, relation = None, None
    if number == 1:
        mood = rng.choices((None, "majestic", "magical"), (82, 9, 9))[0]
        count = 1 if mood == "majestic" else rng.choices((1, 2, 3), (5, 3, 3))[0]
        side = "centre" if count > 1 or mood == "majestic" else rng.choices(SIDES, (1, 2, 1))[0]
        groups[0] = replace(groups[0], count=count, side=side, size="big" if mood == "majestic" else groups[0].size)
    elif number == 2:
        mood = rng.choices((None, "magical"), (93, 7))[0]
        relation = rng.choice(RELATIONS)
        if relation in RELATIONS[:2] and rng.random() < 0.3:
            i = rng.randrange(2)
            if kinds[i] in NARROW:
                groups[i] = replace(groups[i], count=2)
    else:
        mood = rng.choices((None, "magical"), (7, 3))[0]
    if mood is None and any(k in BUILDINGS for k in kinds) and rng.random() < 0.3:
        mood = "cozy"
    return Scene(tuple(groups), relation, rng.choice(PLACES), rng.choices(TIMES, (4, 2, 2, 2))[0], mood,
                 rng.randrange(2**31))


def _colour(kind: str, rng: random.Random) -> str:
    return rng.choice(NATURAL[kind] if rng.random() < 0.35 else tuple(COLOURS))
