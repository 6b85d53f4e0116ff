"""From a text to items: words, and phrases that mean something together, each with its role."""

from __future__ import annotations

import re

from ..grammar import WORD
from .function_words import (
    ADVERBS,
    CONJUNCTIONS,
    COPULAS,
    DEPTHS,
    DETERMINERS,
    FUNCTION_WORDS,
    NEGATIONS,
    OPENERS,
    PRONOUNS,
    RELATIONS,
    SIDES,
    SIMILES,
)
from .words import LONGEST_PHRASE, Item, is_phrase, look_up

TOKEN = re.compile(WORD.pattern + r"|[,;:.!?()]")
QUOTES = str.maketrans("\u2018\u2019\u201c\u201d", "''\"\"")  # typographic to straight
LONGEST = 5  # words of a phrase of the closed classes
_CLOSED: dict[str, tuple[str, str]] = {  # phrase: (role, meaning)
    **{w: ("adverb", "") for w in ADVERBS}, **{w: ("and", "") for w in CONJUNCTIONS},
    **{w: ("copula", "") for w in COPULAS}, **{w: ("determiner", "") for w in DETERMINERS},
    **{w: ("pronoun", "") for w in PRONOUNS}, **{w: ("negation", "") for w in NEGATIONS},
    **{w: ("relation", meaning) for w, meaning in RELATIONS.items()}, **{w: ("simile", "") for w in SIMILES},
    **{w: ("side", meaning) for w, meaning in SIDES.items()},
    **{w: ("depth", meaning) for w, meaning in DEPTHS.items()},
    "of": ("of", ""), "full of": ("of", ""), "filled with": ("of", ""), "with": ("with", ""), "or": ("or", ""),
}


def tokenize(text: str) -> list[Item]:
    """Return the items of a text, the longest phrases first. An opening such as "a photo of" becomes function words."""
    words = TOKEN.findall(text)
    lower = [w.lower() for w in words]
    items: list[Item] = []
    at = 0
    opener = next((o.split() for o in OPENERS if lower[: len(o.split())] == o.split()), [])
    while at < len(words):
        if at < len(opener):
            item, length = Item(words[at], "opener"), 1
        else:
            item, length = _next(words, at)
        items.append(item._replace(at=len(items)))
        at += length
    return items


def is_silent(item: Item) -> bool:
    """Whether the item may be lost without a note: it is punctuation or made of function words."""
    return item.role in ("comma", "opener") or all(w in FUNCTION_WORDS for w in item.text.lower().split())


def _next(words: list[str], at: int) -> tuple[Item, int]:
    """Return the item that begins at a word, and its number of words."""
    if not WORD.fullmatch(words[at]) or not re.search(r"\w", words[at]):
        return Item(words[at], "comma"), 1
    if [w.lower() for w in words[at + 1 : at + 2]] in (["coloured"], ["colored"]):
        text = " ".join(words[at : at + 2])
        return look_up(text.replace(" ", "-"))._replace(text=text), 2
    for length in range(min(LONGEST, len(words) - at), 0, -1):
        text = " ".join(words[at : at + length])
        if text.lower() in _CLOSED:
            return Item(text, *_CLOSED[text.lower()]), length
        if length == 1 or (length <= LONGEST_PHRASE and is_phrase(text.lower())):
            return look_up(text), length
    raise AssertionError("a word has a length of one")
