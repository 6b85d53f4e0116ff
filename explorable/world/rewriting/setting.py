"""The setting of a caption: where, when and in which mood, from noun phrases."""

from __future__ import annotations

from .function_words import DEPICTIONS, OPEN_AIR
from .meanings import WEAK_PLACES
from .phrases import Phrase, drawn
from .scene_parts import PLACE_PHRASES, Parts
from .tokens import is_silent
from .words import KNOWN, Item

Places = list[tuple[Phrase, Item]]
ALWAYS_TELL_TIME = ("starry", "moonlit", "starlit", "sunny", "sunlit")


def choose_place(phrases: list[Phrase], parts: Parts) -> None:
    """Choose the place: a noun of its own, one that describes a thing ("a beach hut"), or what covers a place."""
    heads = drawn(phrases, "place")
    nouns: Places = [(p, _exact_modifier(p) or p.head) for p in heads if p.head]
    strong = [pair for pair in nouns if not _weak(pair[1])]
    of_things = [(p, i) for p in drawn(phrases, "thing") for i in p.modifiers if i.role == "place" and not _weak(i)]
    covers = [pair for pair in nouns if _weak(pair[1])]
    covered = [(p, i) for p in phrases if p.is_drawn and _is_outdoors(p) for i in p.items if _weak(i)]
    of_places = [(p, i) for p in heads for i in p.modifiers if i.role == "place"]
    found = [*strong, *of_things, *covers, *covered, *of_places]
    for phrase, place in found or ([] if parts.things else _far_places(phrases)):
        if parts.place is None:
            parts.place = place
            _say_preposition(phrase, parts, place)
        elif place is not parts.place and place.meaning == parts.place.meaning:
            parts.same.setdefault(place.at, parts.place.word)


def choose_time(phrases: list[Phrase], parts: Parts) -> None:
    """Choose the time, which is stated once: "starry" repeats "at night"."""
    for phrase in phrases:
        for item in phrase.items if phrase.is_drawn or phrase.replaced else ():
            if item.role != "time" or not _tells_time(phrase, item):
                continue
            if parts.time is None:
                parts.time = item
                _say_preposition(phrase, parts, item)
            elif item.meaning == parts.time.meaning:
                parts.same.setdefault(item.at, parts.time.word)


def choose_mood_of_place(phrases: list[Phrase], parts: Parts) -> None:
    """Choose the place's mood, unless a thing has one: a caption has one mood."""
    mood = next((t.described["mood"][0] for t in parts.things if "mood" in t.described), None)
    for phrase in drawn(phrases, "place"):
        for item in phrase.modifiers:
            if mood and mood.meaning == item.meaning:
                parts.same[item.at] = mood.word
            elif item.meaning == "magical" and phrase.head is parts.place and not mood:
                parts.place_mood = parts.place_mood or item


def _exact_modifier(phrase: Phrase) -> Item | None:
    """Return the place before a head that has only a stand-in: "desert highway" is a desert, no mountain road."""
    if phrase.head is None or phrase.head.base in KNOWN:
        return None
    different = (i for i in phrase.modifiers if i.role == "place" and i.meaning != phrase.head.meaning)
    return next((i for i in different if i.base in KNOWN), None)


def _far_places(phrases: list[Phrase]) -> Places:
    """Return the places that stand for a text without any, and without things: "city lights", "as a forest"."""
    described: Places = [(p, i) for p in phrases if p.is_drawn for i in p.items if i.role == "place" and not _weak(i)]
    return described or [(p, p.head) for p in phrases if p.head and p.head.role == "place" and not p.negation]


def _say_preposition(phrase: Phrase, parts: Parts, setting: Item) -> None:
    """Note which preposition stands for the one before the place or time ("next to the pond": "by")."""
    link = phrase.link
    if setting not in (phrase.head, _exact_modifier(phrase)) or not link or link.role != "relation" or is_silent(link):
        return
    if setting.role == "time":
        parts.same[link.at] = setting.word.split()[0]
    elif parts.things:
        parts.same[link.at] = PLACE_PHRASES[setting.word].split()[0]


def _tells_time(phrase: Phrase, item: Item) -> bool:
    """Whether a word of time before a noun is about the picture ("night sky") and not a kind ("night table")."""
    if item.base == "moon" and phrase.link and phrase.link.text.lower() == "on":
        return False
    return item is phrase.head or _is_outdoors(phrase) or item.base in ALWAYS_TELL_TIME


def _is_outdoors(phrase: Phrase) -> bool:
    """Whether what describes the phrase may describe the picture ("snowy hill", "night sky"; not "snowy owl")."""
    head = phrase.head
    return head is None or head.role != "noun" or head.text.lower() in OPEN_AIR | DEPICTIONS


def _weak(item: Item) -> bool:
    return item.role == "place" and item.base in WEAK_PLACES
