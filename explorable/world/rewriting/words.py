"""Words of free English, one by one: what each is in a sentence, and what it means in the picture world."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import NamedTuple

from ..words import COLOUR_WORDS, MOOD_WORDS, PLACE_WORDS, SIZE_WORDS, THING_WORDS, TIME_WORDS
from .function_words import COUNTS, DEPICTIONS
from .meanings import (
    COLOUR_NOUNS,
    COLOURS,
    FAR_BY_HAND,
    PHRASES,
    PLACES,
    SIZES_AND_MOODS,
    THINGS,
    TIMES,
    WEAK_PLACES,
)

TABLE = Path(__file__).parent / "nearest_words.tsv"
LONGEST_PHRASE = 3
ADJECTIVES = ("size", "mood", "colour")  # the roles that a caption has, in its order
ROLES: dict[str, str] = {  # role of each meaning
    **dict.fromkeys(THING_WORDS, "thing"), **dict.fromkeys(COLOUR_WORDS, "colour"), **dict.fromkeys(SIZE_WORDS, "size"),
    **dict.fromkeys(MOOD_WORDS, "mood"), **dict.fromkeys(PLACE_WORDS, "place"), **dict.fromkeys(TIME_WORDS, "time"),
}
IRREGULAR = {"wolves": "wolf", "leaves": "leaf", "mice": "mouse", "geese": "goose", "oxen": "ox", "men": "man",
             "women": "woman", "children": "child", "people": "person", "feet": "foot", "teeth": "tooth",
             "knives": "knife", "loaves": "loaf", "calves": "calf"}
SAME_PLURAL = {"sheep", "deer", "fish", "aircraft", "spacecraft"}


class Entry(NamedTuple):
    """A row of the table.

    Args:
        classes: "n", "v", "a", "r" (noun, verb, adjective, adverb), the most frequent first; "" is a noun.
        meaning: in the picture world; "" if it has none.
        near: False where the meaning is only of the same category.
    """

    classes: str
    meaning: str = ""
    near: bool = True


class Item(NamedTuple):
    """Some words of the text, their role and their meaning.

    Args:
        text: as they were written.
        role: "thing", "colour", "size", "mood", "place", "time" or "count"; without a counterpart in the picture world
            "noun", "adjective", "adverb" or "verb"; or a role of function_words, which `tokens` gives.
        meaning: in the picture world; of a count the number, of a side or relation its words.
        word: what the caption says for it, a known word in the singular, without an article.
        near: False where the meaning is only of the same category.
        as_noun: the item's other reading, as a noun ("orange" the fruit), if it has one.
        base: the word or singular that was found.
        at: its position among the items of the text.
    """

    text: str
    role: str
    meaning: str = ""
    word: str = ""
    plural: bool = False
    near: bool = True
    as_noun: Item | None = None
    base: str = ""
    at: int = -1


def format_entry(word: str, entry: Entry) -> str:
    """Return the row of the table for a word."""
    return f"{word}\t{entry.classes}\t{entry.meaning}\t{'near' if entry.near else 'far'}\n".replace("\t\tnear\n", "\n")


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
def entries() -> dict[str, Entry]:
    """Return what is known of the words outside the vocabulary: the committed table, and what is set by hand."""
    lines = (line.split("\t") for line in TABLE.read_text("utf-8").splitlines() if not line.startswith("#"))
    table = {word: Entry(classes, "".join(rest[:1]), "far" not in rest) for word, classes, *rest in lines}
    by_hand = {**{w: (m, False) for w, m in FAR_BY_HAND.items()},
               **{w: (m, True) for some in (THINGS, PLACES, WEAK_PLACES, TIMES, SIZES_AND_MOODS, COLOURS)
                  for w, m in some.items()}}
    return table | {word: Entry(table.get(word, Entry("")).classes, meaning, near)
                    for word, (meaning, near) in by_hand.items()}


def singulars(word: str) -> list[str]:
    """Return the word, and what it may be the plural of, the likeliest first."""
    if word in IRREGULAR:
        return [word, IRREGULAR[word]]
    found = [word[: -len(end)] + stem for end, stem in (("ies", "y"), ("es", ""), ("s", "")) if word.endswith(end)]
    return [word, *(w for w in found[::-1] if len(w) > 2 and not w.endswith("s"))]


def verb_stem(word: str) -> str:
    """Return the verb of which the word is a regular form, or ""."""
    for end in ("ing", "ed", "es", "s"):
        if word.endswith(end) and len(word) > len(end) + 1:
            stem = word[: -len(end)]
            doubled = stem[:-1] if stem[-1:] == stem[-2:-1] else ""
            for verb in (stem, stem + "e", doubled, stem[:-1] + "y" if stem.endswith("i") else ""):
                if "v" in entries().get(verb, Entry("")).classes:
                    return verb
    return ""


def _compared(word: str) -> bool:
    """Whether the word is the comparative or superlative of an adjective."""
    stems = {word.removesuffix(end) for end in ("er", "est")} - {word}
    stems |= {s + "e" for s in stems} | {s[:-1] + "y" for s in stems if s.endswith("i")} | {
        s[:-1] for s in stems if s[-1:] == s[-2:-1]}
    return any(entries().get(s, Entry("")).classes[:1] == "a" for s in stems)


def look_up(text: str) -> Item:
    """Return the item of a word, or of a phrase of PHRASES, the table or the vocabulary."""
    word = text.lower().removesuffix("'s")
    if word in COUNTS:
        return Item(text, "count", str(COUNTS[word]), "two" if COUNTS[word] == 2 else "three")
    if word in KNOWN:
        meaning, known, plural = KNOWN[word]
        return Item(text, ROLES[meaning], meaning, known, plural, base=word)
    if word.endswith(("ing", "ed")) and not entries().get(word, Entry("")).meaning and word not in DEPICTIONS and (
            verb_stem(word)):
        return Item(text, "verb", base=word)
    for single in singulars(word):
        plural = single != word
        if single in PHRASES and not PHRASES[single]:
            return Item(text, "noun", plural=plural, base=single)
        if single in PHRASES or (single in KNOWN and single != word):
            return look_up(PHRASES.get(single, single))._replace(text=text, plural=plural)
        if (single == word and word in entries()) or entries().get(single, Entry("")).meaning:
            return _item(text, single, plural)
    return _unknown(text, word)


def is_phrase(lower: str) -> bool:
    """Whether several words have a meaning together, or are one noun without any."""
    return any(w in KNOWN or w in PHRASES or w in entries() for w in singulars(lower))


def _item(text: str, word: str, plural: bool) -> Item:
    classes, meaning, near = entries()[word]
    role = ROLES.get(meaning, "")
    if word in COLOURS:
        noun = _with_meaning(text, COLOUR_NOUNS[word], plural, True, word)
        noun = noun._replace(role="noun") if not noun.meaning else noun
        return noun if plural else _with_meaning(text, meaning, plural, near, word)._replace(as_noun=noun)
    if not role:
        role = {"a": "adjective", "v": "verb", "r": "adverb"}.get(classes[:1], "noun")
        if plural or ("v" in classes[:1] and "n" in classes and not verb_stem(word)):
            role = "noun"
    found = _with_meaning(text, meaning, plural, near, word) if meaning else Item(text, role, plural=plural, base=word)
    if found.role in ("adjective", "size", "mood") and ("n" in classes or not classes):
        return found._replace(as_noun=Item(text, "noun", base=word))
    return found


def _with_meaning(text: str, meaning: str, plural: bool, near: bool, base: str) -> Item:
    role = ROLES.get(meaning, "adjective" if base in COLOURS and not meaning else "noun")
    return Item(text, role, meaning, _word_for(meaning), plural, near, base=base)


def _word_for(meaning: str) -> str:
    """Return the usual word of a meaning."""
    if meaning in TIME_WORDS:
        return TIME_WORDS[meaning][0]
    return PLACE_WORDS[meaning][0][2] if meaning in PLACE_WORDS else meaning


def _unknown(text: str, word: str) -> Item:
    """Return the item of a word without a row. A compound with a hyphen counts by its last part, unless with "non-"."""
    for end in ("-coloured", "-colored"):
        if word.endswith(end):
            found = look_up(word.removesuffix(end))
            return found._replace(text=text) if found.role == "colour" else Item(text, "adjective")
    if word.startswith("non-"):
        return Item(text, "adjective")
    if "-" in word.strip("-"):
        last = look_up(word.strip("-").rpartition("-")[2])
        if last.role in ("thing", "place", "colour"):
            return last._replace(text=text)
        return Item(text, "adjective" if last.role in ("adjective", "verb") or verb_stem(last.text) else "noun")
    if word.endswith("ly") and "a" in entries().get(word[:-2], Entry("")).classes:
        return Item(text, "adverb")
    if _compared(word):
        return Item(text, "adjective")
    plural = word.endswith("s") and not word.endswith("ss")
    return Item(text, "noun", plural=plural, base=singulars(word)[-1])
