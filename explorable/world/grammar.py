"""A small grammar of captions, and the parser from a caption to a scene. `captions.write_caption` goes back.

    caption  = [time ","] [opener] (place | things [where]) [time]
    things   = thing [side] | thing relation thing | thing "and" thing | thing side "and" thing side
    thing    = ("a" | "an" | "two" | "three") {size | mood | colour} noun
    relation = ["to the"] ("left" | "right") "of" | "in front of" | "behind"
    side     = "on the" ("left" | "right")
    where    = ("on" | "in" | "at" | "by") place
    place    = ["a" | "the"] [mood] name

Openers, nouns, adjectives, times and the names of places are in `words`. A caption states the time once and must not
contradict itself: "a red blue car" is an error.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import NoReturn

from .scene import Group, Scene
from .words import (
    COLOUR_WORDS,
    COUNT_WORDS,
    MOOD_WORDS,
    OPENERS,
    PLACE_WORDS,
    SIZE_WORDS,
    THING_WORDS,
    TIME_WORDS,
    VOCABULARY,
)

MAX_WORDS = 22  # 24 tokens, the context length, less the start and end tokens
# Must equal the rule of nn.text (tests/test_words_agree.py).
WORD = re.compile(r"""<\S*|[^\s<.,!?;:"'()]+(?:'[^\s<.,!?;:"'()]+)*""")


class GrammarError(ValueError):
    """A caption that the grammar cannot parse; the message says where and what was expected."""


@dataclass(frozen=True)
class Word:
    """A word of a caption and its role.

    Args:
        role: "thing", "colour", "size", "count", "mood", "place", "time", "relation", "side" or "function".
        group: index of the group it describes, for the first four roles and the mood of a thing.
    """

    text: str
    role: str = "function"
    group: int | None = None


@dataclass(frozen=True)
class Caption:
    """A parsed caption: the scene that it describes (None: not stated), and the role of each word."""

    scene: Scene
    words: tuple[Word, ...]


def split_words(text: str) -> list[str]:
    """Return the lower-case words of `text`, without punctuation. "<" and the characters after it stay one word."""
    return WORD.findall(text.lower())


def parse(text: str) -> Caption:
    """Parse a caption.

    Raises:
        GrammarError: a word is unknown, the order of words is not in the grammar, or the caption contradicts itself
            or describes what cannot be drawn.
    """
    return _Parser(split_words(text)).caption()


def _lookup(table: dict, *, plural: int | None = None) -> list[tuple[tuple[str, ...], object]]:
    """Return the (words, meaning) pairs of a table, longest first: "sports car" is tried before "car"."""
    rows = [(tuple((n if plural is None else n[plural]).split()), key) for key, names in table.items() for n in names]
    return sorted(rows, key=lambda row: -len(row[0]))


_MOODS = _lookup(MOOD_WORDS)
_ADJECTIVES = (("size", _lookup(SIZE_WORDS)), ("mood", _MOODS), ("colour", _lookup(COLOUR_WORDS)))
_NOUNS = {False: _lookup(THING_WORDS, plural=0), True: _lookup(THING_WORDS, plural=1)}
_TIMES = _lookup(TIME_WORDS)
_PLACES = _lookup({p: tuple({name for _, _, name in ways}) for p, ways in PLACE_WORDS.items()})
_PREPOSITIONS = {p: {pre for pre, _, _ in ways} for p, ways in PLACE_WORDS.items()}
_OPENERS = _lookup({o: (o,) for o in OPENERS})
_RELATIONS = _lookup({"left of": ("to the left of", "left of"), "right of": ("to the right of", "right of"),
                      "in front of": ("in front of",), "behind": ("behind",)})
_SIDES = _lookup({"left": ("on the left",), "right": ("on the right",)})


class _Parser:
    """Recursive descent over a list of words, which also records the role of each word."""

    def __init__(self, words: list[str]):
        self.text, self.index = words, 0
        self.words = [Word(w) for w in words]
        self.mood: str | None = None
        self.mood_word = ""

    def caption(self) -> Caption:
        if not self.text:
            raise GrammarError("the caption is empty")
        if unknown := [repr(w) for w in dict.fromkeys(self.text) if w not in VOCABULARY]:
            raise GrammarError(f"{unknown[0]} is not a word of the picture world" if len(unknown) == 1 else
                               f"{', '.join(unknown[:-1])} and {unknown[-1]} are not words of the picture world")
        time = self.time()
        self.take(_OPENERS)
        place = self.place(bare=True)
        groups, relation = ((), None) if place else self.things()
        place = place or self.place()
        time = time or self.time()
        if self.index < len(self.text):
            raise GrammarError(f"unexpected {self.text[self.index]!r} (word {self.index + 1})")
        try:
            scene = Scene(groups, relation, place, time, self.mood)
        except ValueError as error:  # grammatical, but cannot be drawn
            raise GrammarError(str(error)) from error
        return Caption(scene, tuple(self.words))

    def take(self, rows, role: str = "function", group: int | None = None):
        """Consume the next words if `rows` has them, and return their meaning."""
        for words, meaning in rows:
            if tuple(self.text[self.index : self.index + len(words)]) == words:
                for k in range(len(words)):
                    self.words[self.index + k] = Word(words[k], role, group)
                self.index += len(words)
                return meaning
        return None

    def word(self, *choices: str) -> str | None:
        return self.take([((c,), c) for c in choices])

    def time(self) -> str | None:
        start, time = self.index, self.take(_TIMES, "time")
        if time:  # the preposition is a function word
            self.words[start] = Word(self.text[start])
        return time

    def place(self, bare: bool = False) -> str | None:
        """Parse a place after its preposition, or (bare) alone as the subject."""
        start = self.index, list(self.words)
        preposition = None if bare else self.word("on", "in", "at", "by")
        self.word("a", "the")
        at, mood = self.index, self.take(_MOODS, "mood")
        place = self.take(_PLACES, "place")
        if place and (bare or preposition in _PREPOSITIONS[place]):
            if mood:
                self.set_mood(mood, at)
            return place
        self.index, self.words = start
        return None

    def set_mood(self, mood: str, at: int) -> None:
        """Set the scene's only mood, stated by the word at `at`.

        Raises:
            GrammarError: another mood was stated before.
        """
        if self.mood not in (None, mood):
            self.contradicts(at, self.mood_word)
        self.mood, self.mood_word = mood, self.text[at]

    def contradicts(self, at: int, before: str) -> NoReturn:
        raise GrammarError(f"{self.text[at]!r} (word {at + 1}) contradicts {before!r}: keep one of them")

    def things(self) -> tuple[tuple[Group, ...], str | None]:
        first = self.group(0)
        side = self.take(_SIDES, "side")
        relation = None if side else self.take(_RELATIONS, "relation")
        if not relation and not self.word("and"):
            return (replace(first, side=side),), None
        second = self.group(1)
        if side:
            other = self.take(_SIDES, "side")
            if other == side or other is None:
                raise GrammarError(f"one thing is on the {side}: put the other on the other side")
            relation = f"{side} of"
        return (first, second), relation

    def group(self, index: int) -> Group:
        start = self.index
        number = self.word("a", "an", *COUNT_WORDS.values())
        if number is None:
            here = self.text[start] if start < len(self.text) else "the end"
            raise GrammarError(f"expected 'a', 'an', 'two' or 'three' at {here!r} (word {start + 1})")
        count = next((n for n, w in COUNT_WORDS.items() if w == number), 1)
        if count > 1:
            self.words[start] = Word(number, "count", index)
        adjectives: dict[str, str] = {}
        stated_by: dict[str, str] = {}  # the word that stated each
        while True:
            at = self.index
            for role, rows in _ADJECTIVES:
                meaning = self.take(rows, role, index)
                if meaning:
                    if adjectives.setdefault(role, meaning) != meaning:
                        self.contradicts(at, stated_by[role])
                    stated_by[role] = self.text[at]
                    if role == "mood":
                        self.set_mood(meaning, at)
                    break
            else:
                break
        kind = self.take(_NOUNS[count > 1], "thing", index)
        if kind is None:
            here = self.text[self.index] if self.index < len(self.text) else "the end"
            raise GrammarError(f"expected a {'plural' if count > 1 else 'single'} thing at {here!r}")
        return Group(kind, adjectives.get("colour"), adjectives.get("size", "medium"), count)
