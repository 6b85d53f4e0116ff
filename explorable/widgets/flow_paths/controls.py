"""The controls of FlowPaths, each bound to one of its traits."""

from __future__ import annotations

import ipywidgets as ipw

from ...diffusion.settings import DEFAULT_GUIDANCE
from ...flow2d import DISTRIBUTIONS, SOLVERS
from ..core.controls import extend_slider, guidance_slider, prompt_controls, seed_controls, steps_control
from ..core.explorable import Explorable
from ..core.layout import NARROW, row
from .compute import DRAWN

MODES = {"points": "points in the plane", "images": "images"}
LABELS = {
    "path": {"straight": "straight", "linear": "variance preserving", "cosine": "cosine"},
    "coupling": {"independent": "independent", "optimal": "optimal transport", "reflowed": "reflowed"},
    "solver": {name: name for name in SOLVERS},
}
TOOLTIPS = {
    "path": ["x = (1 - t) point + t noise", "alpha² + sigma² = 1, beta grows linearly in t",
             "alpha² + sigma² = 1, alpha falls along a cosine"],
    "coupling": ["Noises and points paired at random", "The pairs with the least total squared distance",
                 "Each noise paired with its endpoint under the independent coupling's flow"],
    "solver": ["One evaluation per step, error of order 1", "Two evaluations per step, error of order 2"],
}


def control_rows(w: Explorable) -> tuple[ipw.Widget, ...]:
    """Return all controls in rows. Those without effect in the present mode are hidden."""
    data, data_controls = _data_row(w)
    path, images = _path_row(w), _image_row(w)

    def update_visibility(change: object = None) -> None:
        is_points = w.mode == "points"
        visible = {path: is_points, images: not is_points,
                   **{control: is_points and name in ("points", w.distribution)
                      for name, controls in data_controls.items() for control in controls}}
        for control, is_visible in visible.items():
            control.layout.display = None if is_visible else "none"

    w.observe(update_visibility, names=["mode", "distribution"])
    update_visibility()
    return data, path, images


def _data_row(w: Explorable) -> tuple[ipw.Widget, dict[str, list[ipw.Widget]]]:
    """Return the row of the mode and the data, and its controls by the distribution ("points": any) they belong to."""
    mode = ipw.ToggleButtons(
        options=[(label, name) for name, label in MODES.items()], description="paths of",
        style={**NARROW, "button_width": "auto"},
        tooltips=["Points in the plane, whose field is known in closed form",
                  "Images of the trained denoisers, in few and in many steps"])
    distribution = ipw.Dropdown(
        description="distribution", options=[*((name, name) for name in DISTRIBUTIONS), ("drawn by hand", DRAWN)],
        style=NARROW, tooltip="The data distribution that the particles flow to", layout=ipw.Layout(width="220px"))
    text = ipw.Text(description="word", continuous_update=False, style=NARROW, layout=ipw.Layout(width="170px"),
                    tooltip="A short word to sample points from; press Enter to apply")
    clear = ipw.Button(description="Clear", tooltip="Start a new drawing", layout=ipw.Layout(width="70px"))
    clear.on_click(lambda _: w.clear_drawing())
    for name, control in (("mode", mode), ("distribution", distribution), ("text", text)):
        w.bind(name, control)
    controls = row(mode, distribution, text, clear, *seed_controls(w, "Seed of the noise"))
    return controls, {"points": [distribution], "word": [text], DRAWN: [clear]}


def _path_row(w: Explorable) -> ipw.Widget:
    """Return the row of the path, the coupling, the solver and its steps."""

    def buttons(name: str) -> ipw.ToggleButtons:
        control = ipw.ToggleButtons(options=[(label, key) for key, label in LABELS[name].items()], description=name,
                                    tooltips=TOOLTIPS[name], style={**NARROW, "button_width": "auto"})
        w.bind(name, control)
        return control

    return row(*map(buttons, LABELS), steps_control(w, "Steps of the solver from noise to data"))


def _image_row(w: Explorable) -> ipw.Widget:
    """Return the row of the prompt and the guidance: each model's default, until the slider or the box is changed."""
    guidance = guidance_slider(tip="The same guidance for every model: w in uncond + w (cond - uncond)")
    default = ipw.Checkbox(description="each model's default guidance", indent=False, layout=ipw.Layout(width="230px"),
                           tooltip="The guidance each model was made for, listed in the status line below")
    w.bind("guidance", guidance, lambda v: extend_slider(guidance, DEFAULT_GUIDANCE if v is None else v))
    w.bind("guidance", default, lambda v: v is None, lambda is_checked: None if is_checked else guidance.value)
    return row(*prompt_controls(w), guidance, default)
