"""The controls of Studio, in rows."""

from __future__ import annotations

from collections.abc import Callable
from html import escape

import ipywidgets as ipw

from ..core.controls import (
    guidance_control,
    prompt_controls,
    sampler_control,
    seed_controls,
    steps_control,
    text_box,
)
from ..core.explorable import Explorable
from ..core.layout import NARROW, row
from ..core.model_choice import ModelMenu
from ..core.picture import NO_IMAGE_RUNS
from ..core.picture_controls import picture_button, picture_choice, strength_slider
from ..core.vocabulary import with_vocabulary

EXAMPLES = (
    "a golden retriever", "a majestic lion at sunset", "a red sports car on a mountain road",
    "a cozy cabin in snowy mountains", "a magical forest at twilight", "two blue cats on a beach at night",
    "a red ball to the left of a green dog in a meadow", "a pink castle behind a black cat by a lake",
)


EXAMPLES_TITLE = "choose …"


def main_controls(w: ModelMenu, on_draw: Callable[[], None]) -> list[ipw.Widget]:
    """Return the prompt with its examples, and one row of settings. on_draw: called by the button beside the prompt."""
    button = ipw.Button(description="Draw", tooltip="Sample the image; if it is there, play the recording again",
                        button_style="primary", layout=ipw.Layout(width="70px"))
    button.on_click(lambda _: on_draw())
    models = [] if w._pipe is not None else [w.model_menu("1 1 150px"), beside_menu(w)]
    for menu in models[:1]:
        menu.layout.min_width = "150px"  # else it is as wide as its longest line, and the row breaks at 1024 pixels
    return [row(*prompt_controls(w), examples(w), button),
            row(*models, *seed_controls(w), guidance_control(w, "w in uncond + w (cond - uncond). 1: plain conditional."
                                                             " 0: the prompt is ignored"))]


def further_settings(w: Explorable) -> list[ipw.Widget]:
    """Return the negative prompt, the steps and the sampler."""
    negative = text_box("negative prompt", "What the image should not show. Press Enter to apply.", flex="1 1 170px")
    w.bind("negative", negative, lambda value: value or "", lambda value: value or None)
    return [row(*with_vocabulary(w, negative)), row(steps_control(w), sampler_control(w))]


def beside_menu(w: ModelMenu) -> ipw.Widget:
    """Return a menu of the models that can be shown beside the first."""
    menu = ipw.Dropdown(description="beside it", options=[("none", ""), *((name, name) for name in w.model_choices)],
                        style=NARROW, layout=ipw.Layout(width="175px"),
                        tooltip="Another model on the same prompt, noise, seed, steps and guidance, scrubbed together")
    w.bind("beside", menu)
    return menu


def picture_settings(w: Explorable, position: ipw.Widget) -> list[ipw.Widget]:
    """Return the picture that a run starts from, and its strength; one sentence where the pipeline takes none.

    position: says where the run starts.
    """
    if not w.capabilities.takes_image:
        return [ipw.HTML(f'<div class="ex-help">{NO_IMAGE_RUNS[:1].upper()}{escape(NO_IMAGE_RUNS[1:])}.</div>')]
    choice = picture_choice(w, "initial_image", "picture", "none: from noise alone")
    return [row(choice, picture_button(w, "initial_image"), strength_slider(w)), position]


def examples(w: Explorable) -> ipw.Widget:
    """Return a menu of examples of a prompt."""
    options = [(EXAMPLES_TITLE, ""), *((text, text) for text in EXAMPLES)]
    menu = ipw.Dropdown(description="examples", options=options, style=NARROW,
                        tooltip="Examples of prompts: choose one to draw it", layout=ipw.Layout(width="168px"))

    def choose(change: dict) -> None:
        if change["new"]:
            w.prompt = change["new"]
            menu.value = ""

    menu.observe(choose, names="value")
    return menu
