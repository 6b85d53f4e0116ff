"""The controls of Studio, in rows."""

from __future__ import annotations

from collections.abc import Callable

import ipywidgets as ipw

from ..core.controls import (
    example_buttons,
    guidance_control,
    prompt_controls,
    sampler_control,
    seed_controls,
    steps_control,
    text_box,
)
from ..core.explorable import Explorable
from ..core.layout import row
from ..core.vocabulary import with_vocabulary

EXAMPLES = (
    "a golden retriever", "a majestic lion at sunset", "a red sports car on a mountain road",
    "a cozy cabin in snowy mountains", "a magical forest at twilight", "two blue cats on a beach at night",
    "a red ball to the left of a green dog in a meadow", "a pink castle behind a black cat by a lake",
)


def control_rows(w: Explorable, on_draw: Callable[[], None]) -> list[ipw.Widget]:
    """Return the rows: prompts, examples, settings. on_draw: called by the button beside the prompts."""
    negative = text_box("negative prompt", "What the image should not show. Press Enter to apply.", flex="1 1 170px")
    w.bind("negative", negative, lambda value: value or "", lambda value: value or None)
    button = ipw.Button(description="Draw", tooltip="Sample the image; if it is there, play the recording again",
                        button_style="primary", layout=ipw.Layout(width="80px"))
    button.on_click(lambda _: on_draw())
    examples = {text: (f"Draw: {text}", lambda text=text: setattr(w, "prompt", text)) for text in EXAMPLES}
    return [
        row(*prompt_controls(w), *with_vocabulary(w, negative), button),
        example_buttons(examples),
        row(*seed_controls(w), steps_control(w),
            guidance_control(w, "w in uncond + w (cond - uncond). 1: plain conditional. 0: the prompt is ignored"),
            sampler_control(w)),
    ]
