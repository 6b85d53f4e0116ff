"""The controls of TokenAttention. Each is tied to one of its traits."""

from __future__ import annotations

from typing import TYPE_CHECKING

import ipywidgets as ipw

from .parts import LARGEST_SHOWN, NARROW, make_room, row

if TYPE_CHECKING:
    from .attention import TokenAttention

BRANCHES = [("with the prompt", "cond"), ("without the prompt", "uncond")]
MODES = {"painted by the model": "painted", "drawn, so that the truth is known": "drawn"}


def wish_row(w: TokenAttention) -> ipw.Widget:
    """What is read: the prompt, and whose picture of it."""
    prompt = ipw.Text(description="prompt", continuous_update=False, style=NARROW,
                      tooltip="What shall be drawn? Enter draws it.", layout=ipw.Layout(flex="3 1 300px"))
    mode = ipw.Dropdown(description="picture", options=list(MODES.items()), style=NARROW,
                        tooltip="Painted by the model; or drawn by the picture world, noised, and read in one pass",
                        layout=ipw.Layout(flex="1 1 250px"))
    w.tie("prompt", prompt)
    w.tie("mode", mode)
    return row(prompt, mode)


def setting_row(w: TokenAttention) -> ipw.Widget:
    """How it is painted, and which of guidance's two passes is shown."""
    seed = ipw.BoundedIntText(description="seed", min=0, max=LARGEST_SHOWN, style=NARROW,
                              tooltip="Chooses the noise, and in a drawn picture what the prompt leaves open",
                              layout=ipw.Layout(width="120px"))
    steps = ipw.IntSlider(description="steps", min=1, max=50, continuous_update=False, style=NARROW,
                          tooltip="Steps of the sampler; a drawn picture has none",
                          layout=ipw.Layout(flex="1 1 190px"))
    guidance = ipw.FloatSlider(description="guidance", min=0, max=15, step=0.5, readout_format=".1f", style=NARROW,
                               continuous_update=False, layout=ipw.Layout(flex="1 1 210px"),
                               tooltip="w in uncond + w (cond - uncond); a drawn picture is read without")
    branch = ipw.Dropdown(description="pass", options=BRANCHES, style=NARROW, layout=ipw.Layout(width="210px"),
                          tooltip="Guidance compares two passes: whose attention is shown")
    w.tie("seed", seed, lambda v: min(v, LARGEST_SHOWN))
    w.tie("steps", steps, lambda v: make_room(steps, v))
    w.tie("guidance", guidance, lambda v: make_room(guidance, v))
    w.tie("branch", branch)
    return row(seed, steps, guidance, branch)


def word_row(w: TokenAttention) -> ipw.Widget:
    """How loud the word is; and what becomes of brushed regions."""
    loudness = ipw.FloatSlider(
        description="loudness of the word", min=0, max=4, step=0.25, readout_format=".2f", style=NARROW,
        continuous_update=False, layout=ipw.Layout(flex="1 1 300px"),
        tooltip="How much the chosen word is read, in every layer and step: 0 silences it, 1 changes nothing")
    keep = ipw.Button(description="Keep region", tooltip="Keep the brushed region as a row of the table",
                      layout=ipw.Layout(width="110px"))
    forget = ipw.Button(description="Forget regions", tooltip="Take all brushed regions out of the table",
                        layout=ipw.Layout(width="120px"))
    keep.on_click(lambda _: w.keep())
    forget.on_click(lambda _: w.forget())
    unheard = ipw.Checkbox(
        description="silent for the text encoder too", indent=False, layout=ipw.Layout(width="230px"),
        tooltip="The text encoder mixes a word into those around it: silent in attention alone, it is read there")
    w.tie("loudness", loudness, lambda v: make_room(loudness, v))
    w.tie("unheard", unheard)
    return row(loudness, unheard, keep, forget)
