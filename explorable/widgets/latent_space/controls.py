"""The controls of LatentSpace, each bound to one of its traits."""

from __future__ import annotations

from typing import Any

import ipywidgets as ipw

from ..core.controls import guidance_control, prompt_controls, seed_controls, steps_control
from ..core.explorable import Explorable
from ..core.layout import NARROW, row
from ..core.picture_controls import picture_choice, strength_slider
from .compute import MAX_SCALE

MODES = {"channels": ("channels", "A picture through the autoencoder and back; scale or silence the latent's channels"),
         "cells": ("cells", "Which pixels a cell of the latent changes, and which cells a region of pixels moves"),
         "noise": ("noise", "Noise in the pixels beside noise in the latent, at the same ratio of signal to noise"),
         "mix": ("between two", "From one picture to another: in pixels, in latents, and through noise"),
         "image": ("image to image", "Noise the picture's latent, and denoise it with a prompt")}
"""By mode: its label and tooltip."""


def main_rows(w: Explorable) -> tuple[ipw.Widget, ...]:
    """Return the mode, the picture, and the controls of the mode; those of the other modes are hidden."""
    mode = ipw.ToggleButtons(options=[(label, name) for name, (label, _) in MODES.items()], tooltip="What is shown",
                             tooltips=[tip for _, tip in MODES.values()], style={**NARROW, "button_width": "auto"})
    w.bind("mode", mode)
    by_mode: dict[ipw.Widget, tuple[str, ...]] = {
        row(*prompt_controls(w, "What to denoise towards. Press Enter to apply.")): ("mix", "image"),
        picture_choice(w, "other", "to"): ("mix",),
        strength_slider(w): ("mix", "image"),
        row(*seed_controls(w, "Sets the noise")): ("noise", "mix", "image"),
        w.channel_box: ("channels",)}
    prompt, other, strength, seed, channels = by_mode

    def update_visibility(change: Any = None) -> None:
        for control, modes in by_mode.items():
            control.layout.display = None if w.mode in modes else "none"

    w.observe(update_visibility, names="mode")
    update_visibility()
    first = row(mode, picture_choice(w, "picture", "picture"), w.picture_input)
    return first, prompt, row(other, strength, seed), channels


def channel_sliders(w: Explorable, channels: int) -> tuple[ipw.Widget, ...]:
    """Return a slider for the scale of each channel, and a button that resets them."""

    def slider(k: int) -> ipw.Widget:
        made = ipw.FloatSlider(description=f"channel {k + 1}", min=0, max=MAX_SCALE, step=0.05, readout_format=".2f",
                               style=NARROW, tooltip=f"Scale of channel {k + 1}: 0 silences it, 1 leaves it",
                               layout=ipw.Layout(flex="1 0 150px", max_width="230px"))
        w.bind("scales", made, lambda scales: scales[k] if k < len(scales) else 1.0,
               lambda value: tuple(value if i == k else s for i, s in enumerate(w.scales or (1.0,) * channels)))
        return made

    reset = ipw.Button(description="reset", tooltip="All channels as they are", layout=ipw.Layout(width="60px"))
    reset.on_click(lambda _: setattr(w, "scales", ()))
    return (*(slider(k) for k in range(channels)), reset)


def setting_rows(w: Explorable) -> list[ipw.Widget]:
    """Return the settings of the runs that start from a picture."""
    return [row(guidance_control(w), steps_control(w))]
