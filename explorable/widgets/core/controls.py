"""The controls that several explorables share: prompt, seed, steps, guidance, sampler.

`steps_control(w)` and the others create a control and bind it to the trait of the same name. `text_box`, `seed_box`
and `guidance_slider` create one without binding it.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping

import ipywidgets as ipw

from .explorable import Explorable
from .layout import NARROW, row
from .rewriting import rewrite_controls
from .vocabulary import with_vocabulary

MAX_RANDOM_SEED = 10_000  # of the "new" button: short enough to read aloud
MAX_SAFE_INTEGER = 2**53 - 1  # the largest integer that a browser's numbers represent exactly
EMPTY_PROMPT_HINT = "the empty prompt"
SAMPLER_TIP = ("euler, ddim: one evaluation per step. heun: two. dpmpp_2m: one, and uses the previous one too. "
               "ddpm: adds fresh noise at each step")


def extend_slider(slider: ipw.Widget, value: float) -> float:
    """Extend a slider to a value that was set from code beyond its end. Returns the value."""
    slider.max = max(slider.max, value)
    return value


def clamp_seed(seed: int) -> int:
    """Return a seed as a control in a browser can hold it."""
    return min(seed, MAX_SAFE_INTEGER)


def text_box(name: str, tip: str, hint: str = EMPTY_PROMPT_HINT, flex: str = "3 1 260px") -> ipw.Text:
    """A line of text that takes effect on Enter, or when it loses the focus. hint: shown while it is empty."""
    return ipw.Text(description=name, placeholder=hint, continuous_update=False, style=NARROW, tooltip=tip,
                    layout=ipw.Layout(flex=flex))


def seed_box(w: Explorable, trait: str, tip: str) -> tuple[ipw.Widget, ipw.Widget]:
    """A box for a seed, and a button that sets the trait to a random one."""
    name = trait.replace("_", " ")
    seed = ipw.IntText(description=name, style=NARROW, tooltip=tip,  # unbounded: the trait refuses, and says why
                       layout=ipw.Layout(width="120px" if trait == "seed" else "160px"))
    button = ipw.Button(description="new", tooltip=f"Another {name}, at random", layout=ipw.Layout(width="54px"))
    button.on_click(lambda _: setattr(w, trait, random.randrange(MAX_RANDOM_SEED)))
    return seed, button


def guidance_slider(name: str = "guidance", tip: str = "") -> ipw.FloatSlider:
    """A slider for a guidance scale from 0 to 15."""
    tip = tip or "w in uncond + w (cond - uncond): 1 is plain conditional, 0 ignores the prompt"
    return ipw.FloatSlider(description=name, min=0, max=15, step=0.5, readout_format=".1f",
                           style=NARROW, tooltip=tip, layout=ipw.Layout(flex="1 1 200px"))


# ---- created and bound ----------------------------------------------------------------------------------------------


def prompt_controls(w: Explorable, tip: str = "What the image should show. Press Enter to apply.",
                    ) -> tuple[ipw.Widget, ...]:
    """The prompt, and to unfold: the words that it can use, and a line for free English."""
    box = text_box("prompt", tip)
    w.bind("prompt", box)
    return *with_vocabulary(w, box), *rewrite_controls(w, box)


def split_panels(controls: Iterable[ipw.Widget]) -> tuple[list[ipw.Widget], list[ipw.Widget]]:
    """Return `prompt_controls` as the controls of one line, and the panels that two of them unfold below it."""
    found = list(controls)
    return [c for c in found if not isinstance(c, ipw.VBox)], [c for c in found if isinstance(c, ipw.VBox)]


def narrow(prompt: tuple[ipw.Widget, ...]) -> tuple[ipw.Widget, ...]:
    """Let the box of `prompt_controls` be narrow enough for one row with two more controls on a page of 1024 pixels."""
    prompt[0].layout.flex, prompt[0].layout.min_width = "3 1 170px", "170px"
    return prompt


def seed_controls(w: Explorable, tip: str = "Sets the initial noise: the same seed gives the same image",
                  ) -> tuple[ipw.Widget, ipw.Widget]:
    """The seed, and a button for a random one."""
    seed, button = seed_box(w, "seed", tip)
    w.bind("seed", seed, clamp_seed)
    return seed, button


def steps_control(w: Explorable, tip: str = "Number of sampler steps from noise to image") -> ipw.Widget:
    """The number of steps, 1 to 50."""
    slider = ipw.IntSlider(description="steps", min=1, max=50, continuous_update=False, style=NARROW, tooltip=tip,
                           layout=ipw.Layout(flex="1 1 190px"))
    w.bind("steps", slider, lambda value: extend_slider(slider, value))
    return slider


def guidance_control(w: Explorable, tip: str = "") -> ipw.Widget:
    """The guidance scale."""
    slider = guidance_slider(tip=tip)
    w.bind("guidance", slider, lambda value: extend_slider(slider, value))
    return slider


def sampler_control(w: Explorable, tip: str = SAMPLER_TIP) -> ipw.Widget:
    """The sampler, one of those of the pipeline."""
    dropdown = ipw.Dropdown(description="sampler", options=list(w.samplers), style=NARROW, tooltip=tip,
                            layout=ipw.Layout(width="130px"))
    w.bind("sampler", dropdown)
    return dropdown


def example_buttons(examples: Mapping[str, tuple[str, Callable[[], None]]], title: str = "") -> ipw.Widget:
    """One line of small buttons, which scrolls sideways where it is too long.

    examples: the tooltip and the click callback of each button's text.
    """

    def button(text: str, tip: str, on_click: Callable[[], None]) -> ipw.Button:
        made = ipw.Button(description=text, tooltip=tip)
        made.on_click(lambda _: on_click())
        return made

    buttons = row(*([ipw.Label(title)] if title else []),
                  *(button(text, tip, on_click) for text, (tip, on_click) in examples.items()))
    buttons.add_class("ex-examples")
    buttons.add_class("ex-one-line")
    return buttons
