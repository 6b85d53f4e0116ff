"""The words that a prompt can use, as buttons below its box: folded at first, created when they are first shown."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ipywidgets as ipw

from ...world.words import (
    COLOUR_WORDS,
    COUNT_WORDS,
    MOOD_WORDS,
    PLACE_WORDS,
    SIZE_WORDS,
    THING_WORDS,
    TIME_WORDS,
)
from .explorable import Explorable
from .frame import FOLDED, UNFOLDED
from .layout import row

GROUPS: dict[str, tuple[str, ...]] = {
    "things": tuple(THING_WORDS), "colours": tuple(COLOUR_WORDS), "sizes": tuple(SIZE_WORDS),
    "moods": tuple(MOOD_WORDS), "counts": tuple(COUNT_WORDS.values()),
    "places": tuple(" ".join(filter(None, names[0])) for names in PLACE_WORDS.values()),
    "times": tuple(names[0] for names in TIME_WORDS.values()),
    "relations": ("and", "to the left of", "to the right of", "in front of", "behind", "on the left", "on the right"),
}
_ADJECTIVES = {word for name in ("colours", "sizes", "moods") for word in GROUPS[name]}
_PLURALS = {kind: names[0][1] for kind, names in THING_WORDS.items()}
_REMOVE, _CLEAR = "remove the last word", "clear"


def add_phrase(prompt: str, phrase: str) -> str:
    """Return a prompt with a phrase of GROUPS added: a noun or adjective gets an "a", a noun after a count its plural.

    "a red" and "car" make "a red car", "two" and "car" make "two cars".
    """
    words, described = prompt.split(), prompt.split()
    while described and described[-1] in _ADJECTIVES:
        described.pop()
    last = described[-1] if described else ""
    if phrase in _PLURALS and last in GROUPS["counts"]:
        phrase = _PLURALS[phrase]
    elif (phrase in _PLURALS or phrase in _ADJECTIVES) and last not in ("a", "an", "the", *GROUPS["counts"]) and (
            len(described) == len(words)):  # adjectives that a user typed without an article stay as they are
        phrase = f"a {phrase}"
    return " ".join([*words, phrase])


def with_vocabulary(w: Explorable, box: ipw.Text) -> tuple[ipw.Widget, ...]:
    """Return a prompt's box, a button that unfolds the vocabulary, and the vocabulary: a line of its own in a row.

    Only the box, for a pipeline whose prompts are not limited to the words of the picture world.
    """
    if not w.capabilities.has_limited_vocabulary:
        return (box,)
    tip = f"Show or hide the words that the {box.description} can use"
    return box, *unfolding_panel("words", "78px", tip, lambda: _word_buttons(box))


def unfolding_panel(name: str, width: str, tip: str, make: Callable[[], tuple[ipw.Widget, ...]],
                    ) -> tuple[ipw.ToggleButton, ipw.VBox]:
    """Return a button that unfolds a panel, and the panel, which is made when it is first shown."""
    button = ipw.ToggleButton(description=f"{FOLDED} {name}", layout=ipw.Layout(width=width), tooltip=tip)
    panel = ipw.VBox(layout=ipw.Layout(display="none", flex="1 1 100%"))

    def fold(change: Any) -> None:
        if not panel.children:
            panel.children = make()
        panel.layout.display = None if change["new"] else "none"
        button.description = f"{UNFOLDED if change['new'] else FOLDED} {name}"

    button.observe(fold, names="value")
    return button, panel


def _word_buttons(box: ipw.Text) -> tuple[ipw.Widget, ...]:
    """Return one row of buttons a group. Each adds its words to the box's text, as if they were typed."""
    layout, style = ipw.Layout(width="auto"), ipw.ButtonStyle()  # shared: a button then is one widget model, not three

    def on_click(button: ipw.Button) -> None:
        phrase, words = button.description, box.value.split()
        box.value = {_REMOVE: " ".join(words[:-1]), _CLEAR: ""}.get(phrase, add_phrase(box.value, phrase))

    def group(name: str, phrases: tuple[str, ...]) -> ipw.Widget:
        buttons = [ipw.Button(description=phrase, layout=layout, style=style) for phrase in phrases]
        for button in buttons:
            button.on_click(on_click)
        line = row(ipw.HTML(f'<span class="ex-help">{name}</span>', layout=layout), *buttons)
        line.add_class("ex-examples")
        return line

    return *(group(name, phrases) for name, phrases in GROUPS.items()), group("", (_REMOVE, _CLEAR))
