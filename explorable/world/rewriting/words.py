"""Words of free English, one by one: what each means in the picture world, near or far."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path

from ..words import COLOUR_WORDS, MOOD_WORDS, PLACE_WORDS, SIZE_WORDS, THING_WORDS, TIME_WORDS
from .meanings import BY_HAND, FAR_BY_HAND, PHRASES

TABLE = Path(__file__).parent / "nearest_words.tsv"
LONGEST_PHRASE = 3
ROLES: dict[str, str] = {  # role of each meaning
    **dict.fromkeys(THING_WORDS, "thing"), **dict.fromkeys(COLOUR_WORDS, "colour"), **dict.fromkeys(SIZE_WORDS, "size"),
    **dict.fromkeys(MOOD_WORDS, "mood"), **dict.fromkeys(PLACE_WORDS, "place"), **dict.fromkeys(TIME_WORDS, "time"),
}
COUNTS = {"two": 2, "three": 3, "2": 2, "3": 3, "both": 2, "pair": 2, "couple": 2, "twin": 2, "trio": 3, "four": 3,
          "five": 3, "six": 3, "seven": 3, "eight": 3, "nine": 3, "ten": 3, "dozen": 3, "several": 3, "many": 3,
          "some": 3, "few": 3, "herd": 3, "flock": 3, "group": 3, "bunch": 3, "row": 3, "crowd": 3, "lots": 3,
          "hundred": 3, "hundreds": 3, "thousands": 3, "dozens": 3, "4": 3, "5": 3, "6": 3, "7": 3, "8": 3, "9": 3,
          "10": 3, "family": 3, "pack": 3, "fleet": 3}
SAME_COUNT = {"2", "3", "both", "pair", "couple", "twin", "trio"}  # say the same number as the word in the caption
_FUNCTION = """
    a an the of to and or with in on at by for from into onto is are was were be being been am it its it's
    this that these those there here my your his her their our i you he she they we me him them us as who
    which whose what has have had do does some's one's very so too just also while when where then than but
    if up out off over's
"""
FUNCTION_WORDS = frozenset(_FUNCTION.split())
IRREGULAR = {"wolves": "wolf", "leaves": "leaf", "mice": "mouse", "geese": "goose", "oxen": "ox", "men": "man",
             "women": "woman", "children": "child", "people": "person", "feet": "foot", "teeth": "tooth",
             "knives": "knife", "loaves": "loaf", "calves": "calf"}
SAME_PLURAL = {"sheep", "deer", "fish", "aircraft", "spacecraft"}


@dataclass(frozen=True)
class Item:
    """Some words of the text and their meaning.

    Args:
        text: as they were written.
        role: "thing", "colour", "size", "mood", "place", "time", "count", "relation" or "side"; "none" if the picture
            world has nothing like it, "function" for words without content of their own.
        meaning: in the picture world; of a count the number, of a side or relation its words.
        word: what the caption says for it, a known word in the singular, without an article.
        near: False where the meaning is only the best there is.
    """

    text: str
    role: str
    meaning: str = ""
    word: str = ""
    plural: bool = False
    near: bool = True


def _known() -> dict[str, tuple[str, str, bool]]:
    """Return (meaning, word, plural) by the vocabulary's own phrases."""
    rows = {}
    for kind, names in THING_WORDS.items():
        for one, many in names:
            rows[one], rows[many] = (kind, one, False), (kind, one, True)
    for table in (COLOUR_WORDS, SIZE_WORDS, MOOD_WORDS):
        rows |= {name: (key, name, False) for key, names in table.items() for name in names}
    rows |= {name: (key, name, False) for key, ways in PLACE_WORDS.items() for _, _, name in ways}
    rows |= {way.split()[1]: (key, way, False) for key, names in TIME_WORDS.items() for way in names}
    return rows


KNOWN = _known()


@functools.cache
def nearest_words() -> dict[str, tuple[str, bool]]:
    """Return (meaning, near) of unknown words: the committed table, and what is set by hand."""
    lines = (line.split("\t") for line in TABLE.read_text("utf-8").splitlines() if not line.startswith("#"))
    table = {word: (meaning, distance == "near") for word, meaning, distance in lines}
    table |= {word: (meaning, False) for word, meaning in FAR_BY_HAND.items()}
    return table | {word: (meaning, True) for word, meaning in BY_HAND.items()}


def singulars(word: str) -> list[str]:
    """Return what the word may be the plural of, the likeliest first."""
    if word in IRREGULAR:
        return [IRREGULAR[word]]
    found = [word[: -len(end)] + stem for end, stem in (("ies", "y"), ("es", ""), ("s", "")) if word.endswith(end)]
    return [w for w in found[::-1] if len(w) > 2 and not w.endswith("s")]


def look_up(text: str) -> Item:
    """Return the meaning of a word, or of a phrase of PHRASES or the vocabulary."""
    word = text.lower()
    if word in COUNTS:
        return Item(text, "count", str(COUNTS[word]), "two" if COUNTS[word] == 2 else "three",
                    near=word in SAME_COUNT)
    if word in KNOWN:
        meaning, known, plural = KNOWN[word]
        return Item(text, ROLES[meaning], meaning, known, plural)
    if word in FUNCTION_WORDS:
        return Item(text, "function")
    if word in PHRASES:
        found = look_up(PHRASES[word]) if PHRASES[word] else Item(text, "none")
        return Item(text, found.role, found.meaning, found.word, near=found.near)
    for single in (word, *singulars(word), word.removesuffix("'s").removesuffix("-colored").removesuffix("-coloured")):
        plural = single != word and word.endswith(("s", "mice", "geese")) and not word.endswith("'s")
        if single in PHRASES or (single in KNOWN and single != word):
            return Item(text, *_fields(look_up(single)), plural=plural)
        if single in nearest_words():
            meaning, near = nearest_words()[single]
            return Item(text, ROLES.get(meaning, "none"), meaning, _word_for(meaning), plural, near)
    return _compound(text)


def _fields(item: Item) -> tuple[str, str, str]:
    return item.role, item.meaning, item.word


def _word_for(meaning: str) -> str:
    """Return the usual word of a meaning."""
    if meaning in TIME_WORDS:
        return TIME_WORDS[meaning][0]
    return PLACE_WORDS[meaning][0][2] if meaning in PLACE_WORDS else meaning


def _compound(text: str) -> Item:
    """Return the meaning of a compound with a hyphen by its last part that has one; "none" for any other word."""
    if "-" in text.strip("-"):
        for part in reversed(text.split("-")):
            if part and (found := look_up(part)).role not in ("none", "function", "count"):
                return Item(text, *_fields(found), found.plural, found.near)
    return Item(text, "none")
