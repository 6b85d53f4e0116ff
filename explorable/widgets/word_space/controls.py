"""The controls of WordSpace, each bound to one of its traits."""

from __future__ import annotations

from typing import Any

import ipywidgets as ipw

from ..core.controls import example_buttons, guidance_control, prompt_controls, seed_controls, steps_control, text_box
from ..core.explorable import Explorable
from ..core.layout import NARROW, row

MODES = {"sentence": ("a sentence", "Every token of a text, before and after each layer, word by word"),
         "map": ("all words", "A map of all words, with their true distances"),
         "swap": ("swap a word", "Two texts, and their images from the same noise"),
         "sum": ("add words", "A sum of words, ranked over all words, and painted")}
"""By mode: its label and tooltip."""
EXAMPLES: dict[str, dict[str, Any]] = {
    "golden dog, golden lion": {"mode": "swap", "prompt": "a golden dog", "other": "a golden lion"},
    "word order": {"mode": "swap", "prompt": "a red ball and a green dog", "other": "a green ball and a red dog"},
    "a synonym": {"mode": "swap", "prompt": "a red car on a beach", "other": "a red automobile on a beach"},
    "word by word": {"mode": "sentence", "prompt": "a golden dog in the snowy mountains at night"},
    "fill a gap": {"mode": "sentence", "encoder": "text-t5",
                   "prompt": "a red automobile at midnight a red <gap1> at night"},
    "automobile − car + dog": {"mode": "sum", "expression": "automobile - car + dog"},
    "day − night + sunset": {"mode": "sum", "expression": "day - night + sunset"},
    "cottage − cabin + castle": {"mode": "sum", "expression": "cottage - cabin + castle"},
}


def main_rows(w: Explorable, encoders: tuple[str, ...], words: tuple[str, ...]) -> tuple[ipw.Widget, ...]:
    """Return the mode, the encoder, and the boxes of the present mode; the others are hidden."""
    mode = ipw.ToggleButtons(options=[(label, name) for name, (label, _) in MODES.items()], tooltip="What is shown",
                             tooltips=[tip for _, tip in MODES.values()], style={**NARROW, "button_width": "auto"})
    encoder = ipw.Dropdown(description="encoder", options=list(encoders), style=NARROW,
                           tooltip="The text encoder whose vectors are shown", layout=ipw.Layout(width="190px"))
    w.bind("mode", mode)
    w.bind("encoder", encoder, lambda name: name or encoders[0])
    other = text_box("compare with", "The text to compare with. Press Enter to apply.", flex="3 1 180px")
    w.bind("other", other)
    expression = text_box("sum", "Words with + or − between them. Press Enter to apply.", "", flex="3 1 260px")
    w.bind("expression", expression)
    word = ipw.Combobox(description="word", options=list(words), ensure_option=False, continuous_update=False,
                        style=NARROW, tooltip="The word whose neighbours are named", layout=ipw.Layout(width="200px"))
    dimensions = ipw.ToggleButtons(options=[("2-D", 2), ("3-D", 3)], tooltip="Dimensions of the map",
                                   style={**NARROW, "button_width": "auto"},
                                   tooltips=["Two principal components", "Three: drag to turn the map"])
    w.bind("word", word)
    w.bind("dimensions", dimensions)
    prompt = row(*prompt_controls(w, "The text. Press Enter to apply."))
    beside, map_row, sum_row = row(other), row(word, dimensions), row(expression)
    shown = {"sentence": (prompt,), "map": (map_row,), "swap": (prompt, beside), "sum": (sum_row,)}

    def update_visibility(change: Any = None) -> None:
        for box in (prompt, beside, map_row, sum_row):
            box.layout.display = None if box in shown[w.mode] else "none"

    w.observe(update_visibility, names="mode")
    update_visibility()
    prompt.layout.flex, beside.layout.flex, sum_row.layout.flex = "3 1 345px", "2 1 240px", "1 1 280px"
    return row(mode, encoder), row(prompt, beside, map_row, sum_row)


def example_row(w: Explorable, encoders: tuple[str, ...]) -> ipw.Widget:
    """Return buttons that set the mode and its texts. encoders: that can be chosen."""

    def apply(values: dict[str, Any]) -> None:
        with w.hold_trait_notifications():
            for name, value in values.items():
                setattr(w, name, value)

    def button(values: dict[str, Any]) -> tuple[str, Any]:
        return MODES[values["mode"]][1], lambda: apply(values)

    return example_buttons({text: button(values) for text, values in EXAMPLES.items()
                            if values.get("encoder") in (None, *encoders)})


def setting_rows(w: Explorable) -> list[ipw.Widget]:
    """Return the settings of the images."""
    seed = seed_controls(w, "Sets the initial noise, the same for both images")
    return [row(*seed, steps_control(w), guidance_control(w))]
