"""The parts of a caption, gathered from the items of a text; what finds no room is listed."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..words import PLACE_WORDS, THING_WORDS
from .words import SAME_PLURAL, Item

ADJECTIVES = ("size", "mood", "colour")
DEFAULT_PLACE = "meadow"
_PLACE_PHRASES = {name: f"{preposition} {article}".strip() for ways in PLACE_WORDS.values()
                  for preposition, article, name in reversed(ways)}


@dataclass
class Thing:
    """A thing of the caption: its item and those that describe it."""

    item: Item
    described: dict[str, Item] = field(default_factory=dict)
    count: Item | None = None
    side: str = ""

    @property
    def plural(self) -> bool:
        return self.item.plural or self.count is not None

    def phrase(self) -> str:
        names = {one: many for names in THING_WORDS.values() for one, many in names}
        words = [self.described[role].word for role in ADJECTIVES if role in self.described]
        rest = " ".join([*words, names[self.item.word] if self.plural else self.item.word])
        number = (self.count.word if self.count else "two") if self.plural else "an" if rest[0] in "aeiou" else "a"
        return f"{number} {rest}"


@dataclass
class Parts:
    """What the caption will say. `shorten` drops the least important part."""

    things: list[Thing] = field(default_factory=list)
    relation: Item | None = None
    place: Item | None = None
    place_mood: Item | None = None
    time: Item | None = None
    replaced: list[tuple[str, str]] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    added: list[str] = field(default_factory=list)

    def caption(self) -> str:
        place = self.place.word if self.place else ""
        mood = self.place_mood.word if self.place_mood else ""
        place_words = ""
        if place:
            before = _PLACE_PHRASES[place] if self.things else _PLACE_PHRASES[place].partition(" ")[2]
            place_words = " ".join(filter(None, [before, mood, place]))
        return " ".join(filter(None, [self._arranged(), place_words, self.time.word if self.time else ""]))

    def _arranged(self) -> str:
        phrases = [t.phrase() for t in self.things]
        if len(phrases) == 2:
            relation = self.relation.meaning if self.relation else "and"
            relation = f"to the {relation}" if relation in ("left of", "right of") else relation
            return f"{phrases[0]} {relation} {phrases[1]}"
        side = self.things[0].side if self.things and not self.things[0].plural else ""
        return f"{phrases[0]} on the {side}" if side else " ".join(phrases)

    def keep(self, item: Item, said: str = "") -> None:
        """Note what stands for the item, if that is another word."""
        said = said or item.word
        same = item.text.lower() in (said, said.split()[-1], item.word)
        if not same:
            self.replaced.append((item.text, said))

    def drop(self, item: Item) -> None:
        self.left_out.append(item.text)

    def shorten(self) -> None:
        """Leave out the least that may be in the way of a valid caption."""
        self.things, dropped = self.things[:1], self.things[1:]
        if not dropped and self.things and self.things[0].described:
            _, item = self.things[0].described.popitem()
            self.left_out.append(item.text)
            return
        for thing in dropped:
            self.left_out += [i.text for i in (thing.item, *thing.described.values())]
        if not dropped:
            self.left_out += [i.text for i in (*(t.item for t in self.things), self.time, self.place) if i]
            self.things, self.time, self.relation, self.place_mood = [], None, None, None
            self.place = Item("", "place", DEFAULT_PLACE, DEFAULT_PLACE)
            self.added.append("a meadow")


def gather(items: list[Item]) -> Parts:
    """Sort the items of a text into the parts of a caption."""
    return _Gatherer(_promote_far(items)).gather()


def _promote_far(items: list[Item]) -> list[Item]:
    """Use far meanings only where a text has no thing of its own: the first of them."""
    has_near = any(i.role == "thing" and i.near for i in items)
    first = next((i for i in items if i.role == "thing" and not i.near), None)
    keep = None if has_near else first
    return [Item(i.text, "none") if i.role == "thing" and not i.near and i is not keep else i for i in items]


class _Gatherer:
    def __init__(self, items: list[Item]):
        self.items, self.parts = items, Parts()
        self.waiting: list[Item] = []  # adjectives and counts before their thing
        self.between: Item | None = None  # the relation since the last thing
        self.last_thing_at = -2

    def gather(self) -> Parts:
        for at, item in enumerate(self.items):
            if item.role in (*ADJECTIVES, "count"):
                self.waiting.append(item)
            elif item.role != "function":
                getattr(self, item.role)(item, at)
        self.describe_last()
        self._between_unused()
        if not self.parts.things and not self.parts.place:
            self.parts.place = Item("", "place", DEFAULT_PLACE, DEFAULT_PLACE)
            self.parts.added.append("a meadow")
        return self.parts

    def none(self, item: Item, at: int) -> None:
        self.parts.drop(item)

    def side(self, item: Item, at: int) -> None:
        if self.parts.things and not self.parts.things[-1].plural and not self.parts.things[-1].side:
            self.parts.things[-1].side = item.meaning
        else:
            self.parts.drop(item)

    def relation(self, item: Item, at: int) -> None:
        self._between_unused()
        self.between = item

    def thing(self, item: Item, at: int) -> None:
        things = self.parts.things
        if self.last_thing_at == at - 1 and things:  # "toy car": the last noun of a compound is the thing
            self._replace_last(item)
        elif any(t.item.meaning == item.meaning for t in things) or len(things) == 2:
            for waiting in (*self.waiting, item):
                self.parts.drop(waiting)
            self.waiting = []
            self._between_unused()
            return
        else:
            thing = Thing(item)
            things.append(thing)
            self._describe(thing)
            if len(things) == 2:
                self._relate()
            else:
                self._between_unused()
            self._note(thing)
        self.last_thing_at = at

    def _note(self, thing: Thing) -> None:
        """Note the thing's own words; a plural without a number gets one, which is said."""
        item = thing.item
        if thing.count and not thing.count.near and thing.count.text.lower() != thing.count.word:
            self.parts.keep(thing.count)
        elif thing.count and thing.count.text.lower() != thing.count.word:
            self.parts.replaced.append((thing.count.text, thing.count.word))
        said = thing.phrase().split()
        noun = " ".join(said[-len(item.word.split()):])
        if item.plural and not thing.count:
            self.parts.replaced.append((item.text, f"two {noun}"))
        elif item.text.lower() != noun:
            self.parts.replaced.append((item.text, noun))

    def _replace_last(self, item: Item) -> None:
        thing = self.parts.things[-1]
        self.parts.replaced = [pair for pair in self.parts.replaced if pair[0] != thing.item.text]
        self.parts.drop(thing.item)
        thing.item = item
        self._note(thing)

    def place(self, item: Item, at: int) -> None:
        rest: list[Item] = []
        for waiting in self.waiting:
            if waiting.role == "mood" and waiting.meaning == "magical" and not self.parts.place:
                self.parts.place_mood = waiting
                self.parts.keep(waiting)
            else:
                rest.append(waiting)
        next_role = next((i.role for i in self.items[at + 1 :]), "")
        self.waiting = rest if next_role == "thing" else []
        for waiting in rest if next_role != "thing" else []:
            self.parts.drop(waiting)
        if self.between:
            said = (self.between.text, _PLACE_PHRASES[item.word].split()[0])
            if not self.parts.place:
                self.parts.replaced.append(said)
            else:
                self.parts.drop(self.between)
            self.between = None
        if self.parts.place is None:
            self.parts.place = item
            self.parts.keep(item)
        elif self.parts.place.meaning == item.meaning:
            if item.text.lower() != self.parts.place.word:
                self.parts.replaced.append((item.text, self.parts.place.word))
        else:
            self.parts.drop(item)

    def time(self, item: Item, at: int) -> None:
        if self.parts.time is None:
            self.parts.time = item
            self.parts.keep(item)
        elif self.parts.time.meaning == item.meaning:
            if item.text.lower() not in self.parts.time.word:
                self.parts.replaced.append((item.text, self.parts.time.word))
        else:
            self.parts.drop(item)

    def describe_last(self) -> None:
        """Adjectives after the last thing describe it ("a car painted red")."""
        for count in [i for i in self.waiting if i.role == "count"]:
            self.waiting.remove(count)
            self.parts.drop(count)
        if self.parts.things:
            self._describe(self.parts.things[-1])
        for waiting in self.waiting:
            self.parts.drop(waiting)
        self.waiting = []

    def _describe(self, thing: Thing) -> None:
        for item in self.waiting:
            plural = thing.item.plural or thing.item.text.lower() in SAME_PLURAL
            if item.role == "count" and thing.count is None and plural:
                thing.count = item
            elif item.role == "mood" and self._mood_taken():
                self.parts.drop(item)
            elif item.role in ADJECTIVES and item.role not in thing.described:
                thing.described[item.role] = item
                self.parts.keep(item)
            elif item.role in ADJECTIVES and thing.described[item.role].meaning == item.meaning:
                if item.text.lower() != thing.described[item.role].word:
                    self.parts.replaced.append((item.text, thing.described[item.role].word))
            else:
                self.parts.drop(item)
        self.waiting = []

    def _mood_taken(self) -> bool:
        return self.parts.place_mood is not None or any("mood" in t.described for t in self.parts.things)

    def _relate(self) -> None:
        """Relate the second thing to the first."""
        between, first = self.between, self.parts.things[0]
        self.between = None
        if between:
            self.parts.relation = between
            if between.meaning == "and":
                self.parts.replaced.append((between.text, "and"))
        elif first.side:  # "a car on the left and a dog": the dog is on the right of it
            opposite = "left of" if first.side == "left" else "right of"
            self.parts.relation = Item("", "relation", opposite)

    def _between_unused(self) -> None:
        if self.between:
            self.parts.drop(self.between)
        self.between = None
