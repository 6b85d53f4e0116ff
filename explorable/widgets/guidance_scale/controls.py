"""The controls of GuidanceScale, each bound to one of its traits."""

from __future__ import annotations

from typing import Any

import ipywidgets as ipw

from ...flow2d.guidance import CLASSES
from ..core.controls import prompt_controls, seed_controls, steps_control, text_box
from ..core.explorable import Explorable
from ..core.layout import NARROW, row
from ..core.vocabulary import with_vocabulary
from .view import CONVENTIONS

MODES = {"steps": ("each step", "Both predictions of each step, their difference, and the extrapolated prediction"),
         "mixed": ("mixed images", "The popular formula: two finished images, mixed in pixels"),
         "grid": ("every w", "The same prompt and noise at many scales, with four seeds"),
         "plane": ("two dimensions", "Where guided samples end, and where the sharpened density is")}
"""By mode: its label and tooltip."""
MAX_SCALE = 30.0


def main_rows(w: Explorable) -> tuple[ipw.Widget, ...]:
    """Return the prompt, the scale, the seed and the mode. Those without effect in the present mode are hidden."""
    mode = ipw.ToggleButtons(options=[(label, name) for name, (label, _) in MODES.items()], tooltip="What is shown",
                             tooltips=[tip for _, tip in MODES.values()], style={**NARROW, "button_width": "auto"})
    distribution = ipw.Dropdown(description="points", options=list(CLASSES), style=NARROW,
                                tooltip="The data: points in the plane that belong to classes",
                                layout=ipw.Layout(width="200px"))
    w.bind("mode", mode)
    w.bind("distribution", distribution)
    prompt = row(*prompt_controls(w), *seed_controls(w, "Sets the initial noise, the same at every scale"))

    def update_visibility(change: Any = None) -> None:
        is_plane = w.mode == "plane"
        prompt.layout.display = "none" if is_plane else None
        distribution.layout.display = None if is_plane else "none"

    w.observe(update_visibility, names="mode")
    update_visibility()
    return prompt, row(scale_slider(w), distribution, mode)


def scale_slider(w: Explorable) -> ipw.Widget:
    """Return the slider of the guidance scale, which shows w or w - 1, as the convention says."""
    slider = ipw.FloatSlider(step=0.5, readout_format=".1f", style=NARROW, layout=ipw.Layout(flex="1 1 220px"))

    def to_control(scale: float) -> float:
        offset = CONVENTIONS[w.convention]
        slider.max = max(slider.max, MAX_SCALE + offset, scale + offset)
        return scale + offset

    def follow_convention(change: Any = None) -> None:
        offset = CONVENTIONS[w.convention]
        slider.min, slider.max = offset, MAX_SCALE + offset
        slider.description = "guidance s" if offset else "guidance w"
        slider.tooltip = ("with + s × (with − without): 0 is off" if offset else
                          "without + w × (with − without): 1 is off, 0 ignores the prompt")
        slider.value = to_control(w.guidance)

    follow_convention()
    w.bind("guidance", slider, to_control, lambda value: value - CONVENTIONS[w.convention])
    w.observe(follow_convention, names="convention")
    return slider


def setting_rows(w: Explorable, models: tuple[str, ...]) -> list[ipw.Widget]:
    """Return the further settings. models: those that can be chosen; none on a pipeline of the user's own."""
    negative = text_box("negative prompt", "Takes the place of the empty prompt in the prediction without. Press Enter "
                        "to apply.", flex="1 1 200px")
    w.bind("negative", negative, lambda value: value or "", lambda value: value or None)
    rows = [row(*with_vocabulary(w, negative), steps_control(w))]
    limits = []
    if w.capabilities.has_own_guidance:
        interval = ipw.FloatRangeSlider(
            description="guidance from t", min=0, max=1, step=0.05, readout_format=".2f", style=NARROW,
            continuous_update=False, layout=ipw.Layout(flex="1 1 240px"),
            tooltip="The noise times in which guidance acts; outside of them w is 1")
        rescale = ipw.FloatSlider(
            description="rescale", min=0, max=1, step=0.05, readout_format=".2f", style=NARROW, continuous_update=False,
            layout=ipw.Layout(flex="1 1 200px"),
            tooltip="How far the contrast of the extrapolated prediction is brought back to that of the one with the "
                    "prompt")
        w.bind("interval", interval)
        w.bind("rescale", rescale)
        limits += [interval, rescale]
    if models:
        model = ipw.Dropdown(description="model", options=list(models), style=NARROW, layout=ipw.Layout(width="210px"),
                             tooltip="The denoiser")
        w.bind("model", model, lambda name: name or w.default_model)
        limits.append(model)
    return [*rows, *([row(*limits)] if limits else [])]


def convention_rows(w: Explorable) -> list[ipw.Widget]:
    """Return the switch between the two ways of counting the scale, and what they are."""
    switch = ipw.ToggleButtons(options=list(CONVENTIONS), style={**NARROW, "button_width": "auto"},
                               description="guidance is", tooltips=["diffusers, DiT, Stable Diffusion 3",
                                                                    "Ho and Salimans 2022"])
    w.bind("convention", switch)
    text = ipw.HTML('<span class="ex-help">The same guidance, counted in two ways. <b>w</b>: without + w (with − '
                    "without), off at 1, as in diffusers and here. <b>s</b>: with + s (with − without), off at 0, as "
                    "in the paper (Ho and Salimans 2022). s = w − 1: a scale of 7 in one text is 6 or 8 in another."
                    "</span>")
    return [row(switch), text]
