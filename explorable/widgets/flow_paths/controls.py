"""The controls of FlowPaths: the world, the laboratory, and what is drawn. Each is tied to one of its traits."""

from __future__ import annotations

from typing import TYPE_CHECKING

import ipywidgets as ipw

from ...diffusion.settings import DEFAULT_GUIDANCE
from ...flow2d import DISTRIBUTIONS, SOLVERS
from ..core.controls import extend_slider, guidance_slider, prompt_control, seed_controls, steps_control
from ..core.layout import NARROW, row
from .compute import DRAWN

if TYPE_CHECKING:
    from .widget import FlowPaths

MODES = {"points": "points in the plane", "pictures": "pictures"}
WORDS = {
    "path": {"straight": "straight", "linear": "variance preserving", "cosine": "cosine"},
    "coupling": {"independent": "independent", "optimal": "optimal transport", "reflowed": "reflowed"},
    "solver": {name: name for name in SOLVERS},
}
TIPS = {
    "path": ["x = (1 - t) point + t noise", "alpha² + sigma² = 1, beta grows linearly in t",
             "alpha² + sigma² = 1, alpha falls along a cosine"],
    "coupling": ["Any noise with any point", "The pairs whose distances sum to least",
                 "Each noise with where the independent flow takes it"],
    "solver": ["One evaluation a step, error of order 1", "Two evaluations a step, error of order 2"],
}


def control_rows(w: FlowPaths) -> tuple[ipw.Widget, ...]:
    """All controls, in rows: those that do nothing now are hidden."""
    distribution, of_world = _world_row(w)
    path, pictures = _path_row(w), _picture_row(w)

    def show(change: object = None) -> None:
        points = w.mode == "points"
        shown = {path: points, pictures: not points,
                 **{c: points and name in ("points", w.distribution) for name, of in of_world.items() for c in of}}
        for control, on in shown.items():
            control.layout.display = None if on else "none"

    w.observe(show, names=["mode", "distribution"])
    show()
    return distribution, path, pictures


def _world_row(w: FlowPaths) -> tuple[ipw.Widget, dict[str, list[ipw.Widget]]]:
    """What is looked at; and which controls are there for which world, "points" for all of them."""
    mode = ipw.ToggleButtons(
        options=[(words, name) for name, words in MODES.items()], description="paths of",
        style={**NARROW, "button_width": "auto"},
        tooltips=["Points: the truth is known in closed form", "The trained denoisers, in few steps and in many"])
    distribution = ipw.Dropdown(
        description="distribution", options=[*((name, name) for name in DISTRIBUTIONS), ("drawn by hand", DRAWN)],
        style=NARROW, tooltip="The distribution that the particles flow to", layout=ipw.Layout(width="220px"))
    text = ipw.Text(description="word", continuous_update=False, style=NARROW, layout=ipw.Layout(width="170px"),
                    tooltip="A short word to be made of points: Enter sets it")
    clear = ipw.Button(description="Clear", tooltip="Begin a new drawing", layout=ipw.Layout(width="70px"))
    clear.on_click(lambda _: w.clear_drawing())
    for name, control in (("mode", mode), ("distribution", distribution), ("text", text)):
        w.bind(name, control)
    made = row(mode, distribution, text, clear, *seed_controls(w, "Chooses the noise"))
    return made, {"points": [distribution], "word": [text], DRAWN: [clear]}


def _path_row(w: FlowPaths) -> ipw.Widget:
    """The laboratory."""

    def switch(name: str) -> ipw.ToggleButtons:
        made = ipw.ToggleButtons(options=[(text, key) for key, text in WORDS[name].items()], description=name,
                                 tooltips=TIPS[name], style={**NARROW, "button_width": "auto"})
        w.bind(name, made)
        return made

    return row(*map(switch, WORDS), steps_control(w, "Steps of the solver from noise to points"))


def _picture_row(w: FlowPaths) -> ipw.Widget:
    """What is drawn, and at which guidance: each model's own, until the slider is moved or the box unticked."""
    guidance = guidance_slider(tip="The same guidance for every model; w in uncond + w (cond - uncond)")
    own = ipw.Checkbox(description="each model's own guidance", indent=False, layout=ipw.Layout(width="210px"),
                       tooltip="The guidance that each model is meant for, as the line at the bottom says")
    w.bind("guidance", guidance, lambda v: extend_slider(guidance, DEFAULT_GUIDANCE if v is None else v))
    w.bind("guidance", own, lambda v: v is None, lambda ticked: None if ticked else guidance.value)
    return row(prompt_control(w), guidance, own)
