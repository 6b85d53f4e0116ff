"""The controls that several explorables have: prompt, seed, steps, guidance. One name, one look, one way to be tied."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import ipywidgets as ipw

from .layout import NARROW

if TYPE_CHECKING:
    from .explorable import Explorable

DICE = 10_000  # seeds that a "new" button throws: short enough to read out
MAX_SAFE_INTEGER = 2**53 - 1  # the largest seed that a browser's numbers hold
EMPTY_PROMPT_HINT = "empty: without a wish"


def extend_slider(slider: ipw.Widget, value: float) -> float:
    """A value from code may lie beyond a slider's end: then the slider grows."""
    slider.max = max(slider.max, value)
    return value


def clamp_seed(seed: int) -> int:
    """A seed as its control can hold it."""
    return min(seed, MAX_SAFE_INTEGER)


def text_box(name: str, tip: str, empty: str = EMPTY_PROMPT_HINT, flex: str = "3 1 260px") -> ipw.Text:
    """A line of text that counts once Enter is pressed, or the line is left."""
    return ipw.Text(description=name, placeholder=empty, continuous_update=False, style=NARROW, tooltip=tip,
                    layout=ipw.Layout(flex=flex))


def seed_box(w: Explorable, trait: str, tip: str) -> tuple[ipw.Widget, ipw.Widget]:
    """A seed, and a button that throws another."""
    name = trait.replace("_", " ")
    seed = ipw.BoundedIntText(description=name, min=0, max=MAX_SAFE_INTEGER, style=NARROW, tooltip=tip,
                              layout=ipw.Layout(width="120px" if trait == "seed" else "160px"))
    dice = ipw.Button(icon="random", description="new", tooltip=f"Another {name}", layout=ipw.Layout(width="70px"))
    dice.on_click(lambda _: setattr(w, trait, random.randrange(DICE)))
    return seed, dice


def guidance_slider(name: str = "guidance", tip: str = "") -> ipw.FloatSlider:
    """Guidance from 0 to 15."""
    tip = tip or "w in uncond + w (cond - uncond): 1 is plain conditional, 0 ignores the prompt"
    return ipw.FloatSlider(description=name, min=0, max=15, step=0.5, readout_format=".1f", continuous_update=False,
                           style=NARROW, tooltip=tip, layout=ipw.Layout(flex="1 1 200px"))


# ---- made, and tied to the trait of their name ----------------------------------------------------------------------


def prompt_control(w: Explorable, tip: str = "What shall be drawn? Enter draws it.") -> ipw.Widget:
    """The prompt."""
    made = text_box("prompt", tip)
    w.bind("prompt", made)
    return made


def seed_controls(w: Explorable, tip: str = "Chooses the noise to start from: the same seed, the same picture",
            ) -> tuple[ipw.Widget, ipw.Widget]:
    """The seed, and its dice."""
    seed, dice = seed_box(w, "seed", tip)
    w.bind("seed", seed, clamp_seed)
    return seed, dice


def steps_control(w: Explorable, tip: str = "How many steps the sampler takes from noise to picture") -> ipw.Widget:
    """The number of steps, 1 to 50."""
    made = ipw.IntSlider(description="steps", min=1, max=50, continuous_update=False, style=NARROW, tooltip=tip,
                         layout=ipw.Layout(flex="1 1 190px"))
    w.bind("steps", made, lambda v: extend_slider(made, v))
    return made


def guidance_control(w: Explorable, tip: str = "") -> ipw.Widget:
    """How strongly the prompt is followed."""
    made = guidance_slider(tip=tip)
    w.bind("guidance", made, lambda v: extend_slider(made, v))
    return made
