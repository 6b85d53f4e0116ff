"""From items to noun phrases: the head (its last noun), what describes it, and what links it to the phrase before."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from .function_words import RELATIVES
from .words import ADJECTIVES, Item, entries, verb_stem

NOUNS = ("thing", "place", "time", "noun")
_DESCRIBING = (*ADJECTIVES, "adjective", "count", "adverb")
_FRUIT = ("orange", "cherry", "plum", "peach", "lemon", "lime", "olive", "apricot", "tangerine", "chestnut")
_PAINTED = ("in", "painted", "coloured", "colored", "dyed")  # before a colour: "a house in white"


@dataclass(eq=False)
class Phrase:
    """A noun phrase, or what stands for one: adjectives alone, a pronoun, a side.

    Args:
        items: its items, in the order of the text.
        head: its last noun, a pronoun, or a side or depth of the picture; None if it has adjectives only.
        link: what stands between it and the phrase before: "relation", "with", "of", "and", "comma", "verb", "copula",
            "simile"; None at the beginning.
        negation: the "no" or "without" in whose scope it is.
        begins: whether a clause begins with it.
        count: its number, where another phrase says it ("a herd of").
        after: what follows and describes it: "red" in "the car is red", a side or depth of the picture.
        replaced: whether another phrase stands for it: "sheep" for "a herd of sheep".
    """

    items: list[Item]
    head: Item | None = None
    link: Item | None = None
    negation: Item | None = None
    begins: bool = False
    count: Item | None = None
    after: list[Item] = field(default_factory=list)
    replaced: bool = False

    @property
    def modifiers(self) -> list[Item]:
        """The items that describe the head."""
        return [*(i for i in self.items if i is not self.head), *self.after]

    @property
    def is_drawn(self) -> bool:
        return not (self.negation or self.replaced or (self.link and self.link.role == "simile"))

    @property
    def has_determiner(self) -> bool:
        return any(i.role in ("determiner", "count") for i in self.items)

    @property
    def continues_list(self) -> bool:
        """Whether a comma joins it to the phrase before, and it has neither an article nor a negation of its own."""
        return self.link is not None and self.link.role == "comma" and not (self.has_determiner or self.negation)


def drawn(phrases: list[Phrase], role: str) -> list[Phrase]:
    """Return the phrases whose head has a role, without those that are negated, a likeness or replaced."""
    return [p for p in phrases if p.head and p.head.role == role and p.is_drawn]


def noun_phrases(items: list[Item]) -> list[Phrase]:
    """Split the items of a text into phrases."""
    phrases = list(_Chunker(items).phrases())
    _negate_lists(phrases)
    return phrases


def _negate_lists(phrases: list[Phrase]) -> None:
    """Carry a negation through a list with commas up to its "or" ("no cars, dogs or cats")."""
    for end in range(1, len(phrases)):
        if (link := phrases[end].link) is None or link.role != "or":
            continue
        start = end - 1
        while start > 0 and phrases[start].continues_list:
            start -= 1
        for phrase in phrases[start + 1 : end + 1]:
            phrase.negation = phrase.negation or phrases[start].negation


class _Chunker:
    def __init__(self, items: list[Item]):
        self.items = items
        self.current: list[Item] = []
        self.link: Item | None = None
        self.negation: Item | None = None
        self.begins = True

    def phrases(self) -> Iterator[Phrase]:
        previous: Phrase | None = None
        for at, item in enumerate(self.items):
            following = self.items[at + 1] if at + 1 < len(self.items) else Item("", "comma")
            if item.meaning and self.is_gerund(item, following):
                item = item._replace(role="verb", meaning="")
            if self.current and self.closes(item, following):
                previous = self.close(previous)
                yield previous
            if self.extends(item, following):
                self.current.append(item)
            elif item.role in ("pronoun", "side", "depth"):
                self.current = [item]
                previous = self.close(previous)
                yield previous
            elif not self.current:
                self.connect(item)
        if self.current:
            yield self.close(previous)

    @property
    def has_noun(self) -> bool:
        return any(i.role in NOUNS for i in self.current)

    def closes(self, item: Item, following: Item) -> bool:
        """Whether the current phrase ends before the item."""
        if item.role in ("and", "comma") and self.coordinates(item, following):
            return False
        if item.role in NOUNS:
            last = self.current[-1]
            is_name = item.role == "noun" and item.text[0].isupper() and last.text.islower()  # "my cat Whiskers"
            return self.has_noun and (last.plural or is_name or self.is_verb(item, following))
        if item.role == "verb":
            return self.has_noun or not self.participle(item, following)
        return item.role not in _DESCRIBING or self.has_noun

    def coordinates(self, item: Item, following: Item) -> bool:
        """Whether "and" or a comma is between two adjectives of one noun ("a red and white boat")."""
        return not self.has_noun and self.current[-1].role in _DESCRIBING and (
            following.role in _DESCRIBING or (item.role == "comma" and following.role in NOUNS))

    def is_gerund(self, item: Item, following: Item) -> bool:
        """Whether a noun in "-ing" is a verb here ("children building a tower")."""
        return self.has_noun and item.text.lower().endswith("ing") and following.role == "determiner" and bool(
            verb_stem(item.text.lower()))

    def is_verb(self, item: Item, following: Item) -> bool:
        """Whether an item that may be a noun is the verb of the noun before it ("a cat jumps", "dogs run")."""
        if item.role != "noun" or not self.current:
            return False
        stem, last = verb_stem(item.text.lower()), self.current[-1]
        if stem:
            return not last.plural and (entries()[stem].classes[0] == "v" or following.role == "determiner")
        return (last.plural or following.role in ("determiner", "pronoun")) and item.base in entries() and (
            "v" in entries()[item.base].classes)

    def participle(self, item: Item, following: Item) -> bool:
        """Whether a verb describes the noun that follows ("a sleeping cat")."""
        after_verb = self.link is not None and self.link.role in ("copula", "verb") and not self.current
        return item.text.lower().endswith(("ing", "ed", "en")) and not after_verb and following.role in (
            *NOUNS, *_DESCRIBING, "verb")

    def extends(self, item: Item, following: Item) -> bool:
        """Whether the item belongs to the current phrase, or begins one."""
        if item.role in NOUNS:
            return True
        if item.role == "verb":
            return self.participle(item, following)
        return item.role in (*_DESCRIBING, "determiner") or (
            bool(self.current) and item.role in ("and", "comma") and self.coordinates(item, following))

    def connect(self, item: Item) -> None:
        """Take an item between two phrases."""
        if item.role == "negation":
            self.negation = item
        elif item.role in ("comma", "and", "or"):
            if self.link is None or self.link.role in ("comma", "and", "or", "verb", "copula"):
                self.link = item if self.link is None or item.role != "comma" else self.link
            self.begins = self.begins or item.role != "or"
        elif item.role != "opener":
            relative = self.link is not None and self.link.text.lower() in RELATIVES
            self.link = self.link if relative and item.role == "copula" else item

    def close(self, previous: Phrase | None) -> Phrase:
        items, self.current = self.current, []
        head = next((i for i in reversed(items) if i.role in (*NOUNS, "pronoun", "side", "depth")), None)
        if head is None and items[-1].as_noun and self.reads_as_noun(items):
            head = items[-1].as_noun._replace(at=items[-1].at)
            items = [*items[:-1], head]
        items = [_as_modifier(i, head) for i in items]
        phrase = Phrase(items, head, self.link, self.negation, self.begins or previous is None)
        if previous and previous.negation and not self.negation and self.continues_negation(phrase):
            phrase.negation = previous.negation
        self.link, self.negation, self.begins = None, None, False
        return phrase

    def reads_as_noun(self, items: list[Item]) -> bool:
        """Whether a last word that is both adjective and noun ("orange", "giant") is the noun here."""
        if self.link is None or any(i.role in ("determiner", "count") for i in items):
            return True
        return self.link.role in ("relation", "of", "with", "verb") and self.link.text.lower() not in _PAINTED

    def continues_negation(self, phrase: Phrase) -> bool:
        """Whether "no cars or people" goes on: the negation holds for what is joined without an article of its own."""
        return self.link is not None and (self.link.role in ("or", "of") or (
            self.link.role == "and" and not phrase.has_determiner))


def _as_modifier(item: Item, head: Item | None) -> Item:
    """Return a colour before a plant or a place as the noun that it is there ("orange tree", "rose garden")."""
    if item.as_noun and item.role == "colour" and head and item is not head:
        fruit = (head.meaning == "tree" and item.base in _FRUIT) or head.base in ("blossom", "blossoms")
        if fruit or head.role == "place":
            return item.as_noun._replace(at=item.at)
    return item
