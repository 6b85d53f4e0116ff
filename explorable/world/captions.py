"""Captions of scenes, written at random with the grammar of `grammar`."""

from __future__ import annotations

import random

from .grammar import MAX_WORDS, split_words
from .scene import BUILDINGS, NATURAL, OPPOSITE, Group, Scene
from .words import COLOUR_WORDS, COUNT_WORDS, PLACE_WORDS, SIZE_WORDS, THING_WORDS, TIME_WORDS


def write_caption(scene: Scene, rng: random.Random, everything: bool = False) -> str:
    """Return a random caption of `scene`.

    Args:
        everything: state every attribute. Otherwise a caption may leave out the place, the time (mostly "day"), a
            thing's natural colour, and which of two things is on the left. It then names the left one first.

    Raises:
        ValueError: the scene has neither a thing nor a place.
    """
    if not scene.groups and not scene.place:
        raise ValueError("a scene with neither a thing nor a place has no caption: add one of them")
    while True:
        caption = _write(scene, rng, everything)
        if len(split_words(caption)) <= MAX_WORDS:
            return caption


def _write(scene: Scene, rng: random.Random, everything: bool) -> str:
    mood_group = _find_mood_group(scene, rng)
    things = [_write_group(g, scene.mood if mood_group == i else None, rng, everything)
              for i, g in enumerate(scene.groups)]
    place = time = ""
    if scene.place and (everything or not things or rng.random() < 0.75 or mood_group is None):
        preposition, article, name = rng.choice(PLACE_WORDS[scene.place])
        magical = "magical" if scene.mood == "magical" and mood_group is None else ""
        place = _join("" if not things else preposition, article, magical, name)
    if scene.time and (everything or rng.random() < (0.45 if scene.time == "day" else 0.8)):
        time = rng.choice(TIME_WORDS[scene.time])
    if not things:
        return _join(place, time)
    opener = rng.choices(("", "a picture of", "a drawing of", "there"), (8, 1, 1, 1))[0]
    if opener == "there":
        opener = "there is" if scene.groups[0].count == 1 else "there are"
    body = _join(opener, _write_arrangement(scene, things, rng, everything))
    if time and rng.random() < 0.15:
        return f"{time}, {_join(body, place)}"
    return _join(body, place, time)


def _find_mood_group(scene: Scene, rng: random.Random) -> int | None:
    """Return the index of the group described by the mood's word, or None for the place (magical only)."""
    if scene.mood == "cozy":
        homes = [i for i, g in enumerate(scene.groups) if g.kind in BUILDINGS]
        return homes[0] if homes else 0 if scene.groups else None
    if scene.mood == "magical" and scene.place and rng.random() < 0.5:
        return None
    return 0 if scene.groups else None


def _write_group(group: Group, mood: str | None, rng: random.Random, everything: bool) -> str:
    names = THING_WORDS[group.kind]
    name = names[0] if len(names) == 1 or rng.random() < 0.6 else rng.choice(names[1:])
    colour = ""
    if group.colour and (everything or group.colour not in NATURAL[group.kind] or rng.random() < 0.6):
        colours = COLOUR_WORDS[group.colour]
        colour = colours[0] if rng.random() < 0.75 else rng.choice(colours)
    size = rng.choice(SIZE_WORDS[group.size]) if group.size in SIZE_WORDS and mood != "majestic" else ""
    rest = _join(size, mood or "", colour, name[group.count > 1])
    count = COUNT_WORDS.get(group.count) or ("an" if rest[0] in "aeiou" else "a")
    return f"{count} {rest}"


def _write_arrangement(scene: Scene, things: list[str], rng: random.Random, everything: bool) -> str:
    if len(things) == 1:
        side = scene.groups[0].side
        return f"{things[0]} on the {side}" if side in ("left", "right") else things[0]
    (a, b), relation = things, scene.relation
    if relation is None:
        return f"{a} and {b}"
    if relation in ("in front of", "behind"):
        return f"{a} {relation} {b}" if rng.random() < 0.5 else f"{b} {OPPOSITE[relation]} {a}"
    side = relation.removesuffix(" of")
    other = OPPOSITE[relation].removesuffix(" of")
    phrases = [f"{a} to the {side} of {b}", f"{b} to the {other} of {a}", f"{a} {side} of {b}",
               f"{a} on the {side} and {b} on the {other}"]
    in_order = f"{a} and {b}" if side == "left" else f"{b} and {a}"
    return rng.choice(phrases) if everything or rng.random() < 0.5 else in_order


def _join(*parts: str) -> str:
    return " ".join(p for p in parts if p)
