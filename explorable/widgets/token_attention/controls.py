"""The controls of TokenAttention. Each is tied to one of its traits."""

from __future__ import annotations

from typing import TYPE_CHECKING

import ipywidgets as ipw

from ..core.controls import extend_slider, guidance_control, prompt_control, seed_controls, steps_control
from ..core.layout import NARROW, row

if TYPE_CHECKING:
    from .widget import TokenAttention

BRANCHES = [("with the prompt", "cond"), ("without the prompt", "uncond")]
MODES = {"painted by the model": "generated", "drawn, so that the truth is known": "drawn"}


def wish_row(w: TokenAttention) -> ipw.Widget:
    """What is read: the prompt, and whose picture of it."""
    mode = ipw.Dropdown(description="picture", options=list(MODES.items()), style=NARROW,
                        tooltip="Painted by the model; or drawn by the picture world, noised, and read in one pass",
                        layout=ipw.Layout(flex="1 1 250px"))
    w.bind("mode", mode)
    return row(prompt_control(w), mode)


def setting_row(w: TokenAttention) -> ipw.Widget:
    """How it is painted, and which of guidance's two passes is shown."""
    seed = seed_controls(w, "Chooses the noise, and in a drawn picture what the prompt leaves open")
    steps = steps_control(w, "Steps of the sampler; a drawn picture has none")
    guidance = guidance_control(
        w,
        "w in uncond + w (cond - uncond): 1 is plain conditional, 0 ignores the prompt; a drawn "
        "picture is read without",
    )
    branch = ipw.Dropdown(description="pass", options=BRANCHES, style=NARROW, layout=ipw.Layout(width="210px"),
                          tooltip="Guidance compares two passes: whose attention is shown")
    w.bind("branch", branch)
    return row(*seed, steps, guidance, branch)


def word_row(w: TokenAttention) -> ipw.Widget:
    """How loud the word is; how heads count in the table; and what becomes of brushed regions."""
    scale = ipw.FloatSlider(
        description="attention scale", min=0, max=4, step=0.25, readout_format=".2f", style=NARROW,
        continuous_update=False, layout=ipw.Layout(flex="1 1 300px"),
        tooltip="How much the chosen word is read, in every layer and step: 0 silences it, 1 changes nothing")
    keep = ipw.Button(description="Keep region", tooltip="Keep the brushed region as a row of the table",
                      layout=ipw.Layout(width="110px"))
    forget = ipw.Button(description="Forget regions", tooltip="Take all brushed regions out of the table",
                        layout=ipw.Layout(width="120px"))
    keep.on_click(lambda _: w.save_region())
    forget.on_click(lambda _: w.clear_regions())
    mask_in_text_encoder = ipw.Checkbox(
        description="silent for the text encoder too", indent=False, layout=ipw.Layout(width="230px"),
        tooltip="The text encoder mixes a word into those around it: silent in attention alone, it is read there")
    use_head_weights = ipw.Checkbox(
        description="trusted heads in the table", indent=False, layout=ipw.Layout(width="200px"),
        tooltip="While all heads are on show, each counts in the table as much as it was trusted on other drawings; "
                "without this, all alike")
    w.bind("use_head_weights", use_head_weights)
    w.bind("scale", scale, lambda v: extend_slider(scale, v))
    w.bind("mask_in_text_encoder", mask_in_text_encoder)
    return row(scale, mask_in_text_encoder, use_head_weights, keep, forget)
