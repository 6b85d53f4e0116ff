"""The parts of a caption, and its words."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..words import COUNT_WORDS, PLACE_WORDS, THING_WORDS
from .words import ADJECTIVES, SAME_PLURAL, Item

DEFAULT_PLACE = "meadow"
PLACE_PHRASES = {name: f"{preposition} {article}".strip() for ways in PLACE_WORDS.values()
                 for preposition, article, name in reversed(ways)}
_PLURALS = {one: many for names in THING_WORDS.values() for one, many in names}


@dataclass(eq=False)
class Thing:
    """A thing of the caption: its item and those that describe it.

    Args:
        described: by role; those after the first repeat its meaning.
        number: how many there are, 1 to 3.
        count: the item that says so, if there is one.
        others: items of the same kind that it stands for too ("a cat and a kitten": two cats).
    """

    item: Item
    described: dict[str, list[Item]] = field(default_factory=dict)
    count: Item | None = None
    number: int = 1
    side: Item | None = None
    others: list[Item] = field(default_factory=list)

    @classmethod
    def of(cls, item: Item, count: Item | None) -> Thing:
        """Return the thing of a noun. A number before a singular ("a three wheeled car") is not its count."""
        count = count if item.plural or item.text.lower() in SAME_PLURAL else None
        return cls(item, {}, count, int(count.meaning) if count else 2 if item.plural else 1)

    @property
    def noun(self) -> str:
        return _PLURALS[self.item.word] if self.number > 1 else self.item.word

    def phrase(self) -> str:
        words = [self.described[role][0].word for role in ADJECTIVES if role in self.described]
        rest = " ".join([*words, self.noun])
        return f"{COUNT_WORDS.get(self.number) or ('an' if rest[0] in 'aeiou' else 'a')} {rest}"

    def said(self) -> dict[int, str]:
        """Return the words of the caption for each item that is in it, by the item's position."""
        counted = self.number > 1 and (self.count is None or bool(self.others))
        noun = f"{COUNT_WORDS[self.number]} {self.noun}" if counted else self.noun
        words = {i.at: some[0].word for some in self.described.values() for i in some}
        words |= {i.at: noun for i in (self.item, *self.others)}
        if self.count:
            words[self.count.at] = COUNT_WORDS[self.number]
        if self.side:
            words[self.side.at] = f"on the {self.side.meaning}"
        return words


@dataclass
class Parts:
    """What the caption will say. `shorten` drops the least important part.

    Args:
        relation: of the first thing to the second; "and" if there is none that the grammar has.
        same: the words in the caption of relations, and of what repeats another item ("starry" beside "at night").
    """

    things: list[Thing] = field(default_factory=list)
    relation: str = "and"
    place: Item | None = None
    place_mood: Item | None = None
    time: Item | None = None
    same: dict[int, str] = field(default_factory=dict)
    added: list[str] = field(default_factory=list)

    def caption(self) -> str:
        words = [self._arranged()]
        if self.place:
            before = PLACE_PHRASES[self.place.word] if self.things else PLACE_PHRASES[self.place.word].partition(" ")[2]
            words += [before, self.place_mood.word if self.place_mood else "", self.place.word]
        return " ".join(filter(None, [*words, self.time.word if self.time else ""]))

    @property
    def relation_words(self) -> str:
        return f"to the {self.relation}" if self.relation in ("left of", "right of") else self.relation

    def _arranged(self) -> str:
        phrases = [t.phrase() for t in self.things]
        if len(phrases) == 2:
            return f"{phrases[0]} {self.relation_words} {phrases[1]}"
        side = self.things[0].side if self.things else None
        return f"{phrases[0]} on the {side.meaning}" if side else " ".join(phrases)

    def said(self) -> dict[int, str]:
        """Return the words of the caption for each item of the text that is in it, by the item's position."""
        words = dict(self.same)
        for thing in self.things:
            words |= thing.said()
        words |= {i.at: i.word for i in (self.place, self.place_mood, self.time) if i}
        return words

    def shorten(self) -> None:
        """Leave out the least that may be in the way of a valid caption."""
        if len(self.things) == 2:
            self.things.pop()
            self.same, self.relation = {}, "and"
        elif self.things and self.things[0].described:
            self.things[0].described.popitem()
        elif self.things and self.things[0].side:
            self.things[0].side = None
        else:
            self.things, self.time, self.place_mood, self.same = [], None, None, {}
            self.add_place()

    def add_place(self) -> None:
        """Put a place where the text has nothing that can be drawn."""
        self.place = Item("", "place", DEFAULT_PLACE, DEFAULT_PLACE)
        self.added.append(f"a {DEFAULT_PLACE}")
