"""Text in painted images, in Pillow's own font, which is there on every machine."""

from __future__ import annotations

import functools
import unicodedata
from typing import Any

from PIL import ImageFont

NORMAL = 14  # pixels
# What Pillow's own font lacks. Other characters that it lacks are written as their names' last words: rho for ρ.
REPLACEMENTS = str.maketrans({"×": "x", "–": "-", "—": "-", "−": "-", "∞": "infinity", "√": "sqrt ", "²": "^2",
                              "≤": "<=", "≥": ">=", "→": "->", "½": "1/2", "▸": ">", "▾": "v"})


def wrapped(text: str, size: int, width: float) -> list[str]:
    """Return a text in lines of at most `width` pixels; a longer word has its own line."""
    lines: list[str] = []
    for word in drawable(text).split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and font(size).getlength(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(shortened(word, size, width))
    return lines


def shortened(text: str, size: int, width: float) -> str:
    """Return a text, or as much of it as fits into `width` pixels with an ellipsis."""
    text = drawable(text)
    fits = [k for k in range(len(text)) if font(size).getlength(text[:k].rstrip() + "…") <= width]
    return text if font(size).getlength(text) <= width or not fits else text[: fits[-1]].rstrip() + "…"


def drawable(text: str) -> str:
    """Return a text in characters that Pillow's own font has."""
    letters = font(NORMAL)
    unknown = bytes(letters.getmask("\uffff"))

    def replace(character: str) -> str:
        if character.isascii() or bytes(letters.getmask(character)) != unknown:
            return character
        return unicodedata.name(character, "?").split()[-1].lower()

    return "".join(map(replace, text.translate(REPLACEMENTS)))


@functools.cache
def font(size: int) -> Any:
    """Return Pillow's own font in a size in pixels."""
    return ImageFont.load_default(size)
