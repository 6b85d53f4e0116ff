"""`rewrite`: free English in, a caption of the picture world out, with a list of what was replaced and left out.

Stands for DALL-E 3, whose prompts a language model rewrites before they reach the image model (Betker et al. 2023).
Here a table of nearest words and a small parser do it, so that what happens to each word can be read:

    text -> items (tokens.py, words.py) -> noun phrases (phrases.py) -> parts of a caption (gather.py, scene_parts.py)
"""

from __future__ import annotations

from dataclasses import dataclass

from ..grammar import MAX_WORDS, WORD, GrammarError, parse, split_words
from .gather import gather
from .tokens import QUOTES, is_silent, tokenize
from .words import Item


@dataclass(frozen=True)
class Rewritten:
    """A caption, and how it came about. `str` is the caption.

    Args:
        text: what was written, with straight quotes for typographic ones.
        caption: a caption that the grammar of the picture world accepts.
        replaced: what was written, and the words of the caption that stand for it.
        left_out: what was written and has no counterpart, in the order of the text.
        added: what the caption has and the text has not.
        kept: what was written and is in the caption as it is, in the order of the text.
    """

    text: str
    caption: str
    replaced: tuple[tuple[str, str], ...] = ()
    left_out: tuple[str, ...] = ()
    added: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()

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

    A valid caption is returned as it is. Words that the picture world lacks are replaced with the nearest of their
    category (a mammal for a mammal, a building for a building) or left out, and the result says which. Where a text has
    nothing that can be drawn, a meadow is.

        >>> rewrite("a scarlet Ferrari by the ocean at dusk").caption
        'a red sports car on a beach at dusk'

    Raises:
        TypeError: the text is no string.
        ValueError: it has no words.
    """
    if not isinstance(text, str):
        raise TypeError(f"text is {type(text).__name__}: give a string")
    text = text.translate(QUOTES)
    if not WORD.findall(text):
        raise ValueError("the text is empty: say what the picture should show")
    if is_caption(text):
        words = split_words(text)
        return Rewritten(text, " ".join(words), kept=tuple(words))
    items = tokenize(text)
    parts = gather(items)
    while not is_caption(caption := parts.caption()):
        parts.shorten()
    kept, replaced, left_out = _account(items, parts.said())
    return Rewritten(text, caption, replaced, left_out, tuple(parts.added), kept)


def is_caption(text: str) -> bool:
    """Whether the grammar accepts the text, and it fits into the text encoder's context."""
    try:
        parse(text)
    except GrammarError:
        return False
    return len(split_words(text)) <= MAX_WORDS


def _account(
    items: list[Item], said: dict[int, str]
) -> tuple[tuple[str, ...], tuple[tuple[str, str], ...], tuple[str, ...]]:
    """Return (kept, replaced, left out) from the items of a text and the words of the caption for those in it."""
    kept: list[str] = []
    replaced: list[tuple[str, str]] = []
    left_out: list[str] = []
    joined = False  # whether the item before was left out: "tiny top hat" is listed as one
    last = items[0]
    for item in items:
        if item.at in said:
            same = item.text.lower() in (said[item.at], said[item.at].split()[-1] if item.role == "time" else "")
            if same:
                kept.append(item.text)
            else:
                replaced.append((item.text, said[item.at]))
            joined = False
        elif is_silent(item):
            joined = joined and item.role == "determiner" and last.role == "negation"
            if joined:
                left_out[-1] += f" {item.text}"
        elif joined and item.role not in ("relation", "verb", "side", "depth", "simile"):
            left_out[-1] += f" {item.text}"
        else:
            left_out.append(item.text)
            joined = item.role not in ("relation", "verb", "side", "depth")
        last = item
    return tuple(kept), tuple(dict.fromkeys(replaced)), tuple(left_out)
