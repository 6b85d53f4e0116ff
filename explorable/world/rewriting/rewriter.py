"""`rewrite`: free English in, a caption of the picture world out, with a list of what was replaced and left out.

Stands for DALL-E 3, whose prompts a language model rewrites before they reach the image model (Betker et al. 2023).
Here a table of nearest words and a few rules do it, so that what happens to each word can be read.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from ..grammar import MAX_WORDS, WORD, GrammarError, parse, split_words
from .scene_parts import gather
from .words import KNOWN, LONGEST_PHRASE, PHRASES, Item, look_up

SPATIAL: dict[str, str] = {  # phrases between two things: the relation that the grammar has for it, or "and"
    "to the left of": "left of", "on the left of": "left of", "left of": "left of", "to the right of": "right of",
    "on the right of": "right of", "right of": "right of", "in front of": "in front of", "behind": "behind",
    "next to": "and", "close to": "and", "beside": "and", "near": "and", "alongside": "and", "against": "and",
    "on top of": "and", "above": "and", "below": "and", "under": "and", "underneath": "and", "beneath": "and",
    "over": "and", "inside": "and", "between": "and", "around": "and", "across": "and", "through": "and",
    "along": "and", "outside": "and", "plus": "and", "among": "and",
}
SIDES = {f"{way} {side}": side for side in ("left", "right")
         for way in ("on the", "to the", "at the", "on the far", "in the")}
OPENERS = ("a picture of", "a photo of", "a photograph of", "a drawing of", "an image of", "photo of", "picture of",
           "image of", "drawing of", "there is", "there are", "a photo", "photo")


@dataclass(frozen=True)
class Rewritten:
    """A caption, and how it came about. `str` is the caption.

    Args:
        caption: a caption that the grammar of the picture world accepts.
        replaced: what was written, and the words of the caption that stand for it.
        left_out: what was written and has no counterpart, in the order of the text.
        added: what the caption has and the text has not.
    """

    text: str
    caption: str
    replaced: tuple[tuple[str, str], ...] = ()
    left_out: tuple[str, ...] = ()
    added: tuple[str, ...] = field(default=())

    @property
    def notes(self) -> str:
        """What was replaced, left out and added, in a line; "" if the text was a caption."""
        parts = ["; ".join(f"{old} -> {new}" for old, new in self.replaced),
                 f"I left out: {', '.join(self.left_out)}" if self.left_out else "",
                 f"I added: {', '.join(self.added)}" if self.added else ""]
        return ". ".join(part for part in parts if part)

    def __str__(self) -> str:
        return self.caption

    def __repr__(self) -> str:
        return f"{self.caption}\n{self.notes}".rstrip()


def rewrite(text: str) -> Rewritten:
    """Rewrite free English as a caption of the picture world.

    A valid caption is returned as it is. Words that the picture world lacks are replaced with the nearest it has, or
    left out, and the result says which. Where a text has nothing that can be drawn, a meadow is.

        >>> rewrite("a scarlet Ferrari by the ocean at dusk").caption
        'a red sports car on a beach at dusk'

    Raises:
        TypeError: the text is no string.
        ValueError: it has no words.
    """
    if not isinstance(text, str):
        raise TypeError(f"text is {type(text).__name__}: give a string")
    words = WORD.findall(text)
    if not words:
        raise ValueError("the text is empty: say what the picture should show")
    if is_caption(text):
        return Rewritten(text, " ".join(split_words(text)))
    parts = gather(read_items(words))
    while not is_caption(caption := parts.caption()):
        parts.shorten()
    return Rewritten(text, caption, tuple(dict.fromkeys(parts.replaced)), tuple(parts.left_out), tuple(parts.added))


def is_caption(text: str) -> bool:
    """Whether the grammar accepts the text, and it fits into the text encoder's context."""
    try:
        parse(text)
    except GrammarError:
        return False
    return len(split_words(text)) <= MAX_WORDS


def read_items(words: list[str]) -> list[Item]:
    """Split the words into phrases that have a meaning, the longest first."""
    items: list[Item] = []
    at = 0
    for opener in OPENERS:
        if [w.lower() for w in words[: len(opener.split())]] == opener.split():
            at = len(opener.split())
            break
    while at < len(words):
        item, length = _next(words, at)
        items.append(item)
        at += length
    return items


def _next(words: list[str], at: int) -> tuple[Item, int]:
    for length in range(min(4, len(words) - at), 0, -1):
        text = " ".join(words[at : at + length])
        lower = text.lower()
        if lower in SPATIAL:
            return Item(text, "relation", SPATIAL[lower]), length
        if lower in SIDES:
            return Item(text, "side", SIDES[lower]), length
        if length == 1 or (length <= LONGEST_PHRASE and (lower in KNOWN or _phrase(lower))):
            return look_up(text), length
    raise AssertionError("a word has a length of one")


def _phrase(lower: str) -> bool:
    return lower in PHRASES or lower.removesuffix("s") in PHRASES

