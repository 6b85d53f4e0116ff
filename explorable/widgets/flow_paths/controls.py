"""The controls of FlowPaths, each bound to one of its traits."""

from __future__ import annotations

from collections.abc import Iterable

import ipywidgets as ipw

from ...diffusion.settings import DEFAULT_GUIDANCE
from ...flow2d import COUPLINGS, DISTRIBUTIONS, SOLVERS
from ..core.controls import (
    extend_slider,
    guidance_slider,
    prompt_controls,
    seed_controls,
    split_panels,
    steps_control,
)
from ..core.explorable import Explorable
from ..core.layout import NARROW, row
from .compute import DRAWN, STOCHASTIC

MODES = {"points": "points in the plane", "images": "images"}
PATH_LABELS = {"straight": "straight", "linear": "variance preserving", "cosine": "cosine"}
TIPS = {
    "distribution": "The data that the particles flow to",
    "path": "straight: x = (1 - t) point + t noise. The others: alpha² + sigma² = 1; beta grows linearly, or alpha "
            "falls along a cosine",
    "coupling": "independent: noises and points paired at random. optimal: with the least total squared distance. "
                "reflowed: each noise with its endpoint under the independent coupling's flow",
    "solver": "euler: one evaluation per step, error of order 1. heun: two, of order 2. stochastic: one, with fresh "
              "noise at every step",
}


def control_rows(w: Explorable) -> tuple[list[ipw.Widget], list[ipw.Widget]]:
    """Return the main controls in rows, and further ones. Those without effect in the present mode are hidden."""
    mode = ipw.ToggleButtons(
        options=[(label, name) for name, label in MODES.items()], tooltip="Paths of what",
        style={**NARROW, "button_width": "auto"},
        tooltips=["Points in the plane, whose field is known in closed form",
                  "Images of the trained denoisers, in few and in many steps"])
    w.bind("mode", mode)
    distribution, text, clear = _data_controls(w)
    prompt, panels = split_panels(prompt_controls(w))
    prompt[0].layout.flex = "3 1 180px"  # beside the mode where an explorable is narrow
    noise = _noise_slider(w)
    path = row(_choice(w, "path", [(label, name) for name, label in PATH_LABELS.items()], "190px"),
               _choice(w, "coupling", COUPLINGS, "180px"),
               _choice(w, "solver", [*((name, name) for name in SOLVERS), ("stochastic", STOCHASTIC)], "150px"),
               steps_control(w, "Steps of the solver from noise to data"), noise)
    count, guidance = _count_slider(w), _guidance_controls(w)
    images = [*prompt, *guidance]

    def update_visibility(change: object = None) -> None:
        is_points = w.mode == "points"
        visible = {distribution: is_points, text: is_points and w.distribution == "word",
                   clear: is_points and w.distribution == DRAWN, path: is_points,
                   noise: is_points and w.solver == STOCHASTIC,
                   count: is_points and w.distribution != DRAWN, **dict.fromkeys(images, not is_points)}
        for button in prompt[1:] if is_points else ():
            button.value = False  # fold the panels
        for control, is_visible in visible.items():
            control.layout.display = None if is_visible else "none"

    w.observe(update_visibility, names=["mode", "distribution", "solver"])
    update_visibility()
    more = row(*seed_controls(w, "Seed of the noise"), count, *guidance)
    return [row(mode, distribution, text, clear, *prompt, *panels), path], [more]


def _choice(w: Explorable, name: str, options: Iterable, width: str) -> ipw.Dropdown:
    control = ipw.Dropdown(description=name, options=list(options), style=NARROW, tooltip=TIPS[name],
                           layout=ipw.Layout(width=width))
    w.bind(name, control)
    return control


def _data_controls(w: Explorable) -> tuple[ipw.Widget, ipw.Widget, ipw.Widget]:
    """Return the distribution, the text of "word", and a button that clears the drawing."""
    distribution = _choice(w, "distribution", [*((name, name) for name in DISTRIBUTIONS), ("drawn by hand", DRAWN)],
                           "210px")
    text = ipw.Text(description="word", continuous_update=False, style=NARROW, layout=ipw.Layout(width="150px"),
                    tooltip="A short word to sample points from; press Enter to apply")
    clear = ipw.Button(description="clear", tooltip="Empty the drawing", layout=ipw.Layout(width="60px"))
    clear.on_click(lambda _: w.clear_drawing())
    w.bind("text", text)
    return distribution, text, clear


def _noise_slider(w: Explorable) -> ipw.Widget:
    noise = ipw.FloatSlider(description="noise", min=0, max=1, step=0.1, readout_format=".1f", style=NARROW,
                            tooltip="eta, the share of fresh noise: 0 is deterministic (DDIM), 1 is DDPM",
                            continuous_update=False, layout=ipw.Layout(flex="1 1 130px"))
    w.bind("eta", noise)
    return noise


def _count_slider(w: Explorable) -> ipw.Widget:
    count = ipw.IntSlider(description="data points", min=8, max=512, continuous_update=False, style=NARROW,
                          tooltip="How many points the data have", layout=ipw.Layout(flex="1 1 200px"))
    w.bind("count", count)
    return count


def _guidance_controls(w: Explorable) -> tuple[ipw.Widget, ipw.Widget]:
    """Return the guidance of the images: each model's default, until the slider or the box is changed."""
    guidance = guidance_slider(tip="The same guidance for every model: w in uncond + w (cond - uncond)")
    default = ipw.Checkbox(description="each model's default guidance", indent=False, layout=ipw.Layout(width="230px"),
                           tooltip="The guidance each model was made for, listed in the status line below")
    w.bind("guidance", guidance, lambda v: extend_slider(guidance, DEFAULT_GUIDANCE if v is None else v))
    w.bind("guidance", default, lambda v: v is None, lambda is_checked: None if is_checked else guidance.value)
    return guidance, default
