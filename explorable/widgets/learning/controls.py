"""The controls of Learning, each bound to one of its traits."""

from __future__ import annotations

import ipywidgets as ipw

from ...diffusion.paths import PATHS
from ...diffusion.predictions import PREDICTIONS
from ...flow2d import DISTRIBUTIONS
from ...flow2d.training import TIME_DISTRIBUTIONS
from ..core.controls import extend_slider, prompt_controls, seed_box, seed_controls
from ..core.explorable import Explorable
from ..core.layout import NARROW, row
from ..flow_paths.compute import DRAWN

MODES = {"train": "train", "step": "one step", "image": "one step on an image", "run": "a real run"}
MODE_TIPS = ["Train a network on points in the plane, and compare it with the exact field",
             "Draw, mix, predict and compare a single pair in the plane",
             "Draw, mix, predict and compare an image with a trained model",
             "See what a denoiser paints after some steps of its training"]
TIPS = {
    "path": ["x = (1 - t) x0 + t noise: flow matching", "alpha² + sigma² = 1, DDPM's schedule",
             "alpha² + sigma² = 1, alpha falls along a cosine"],
    "prediction": ["The noise in x: DDPM", "The data point: the image itself", "alpha noise - sigma x0",
                   "dx/dt: flow matching"],
    "times": ["Every t is equally likely", "t in the middle is more likely: Stable Diffusion 3"],
}
SLIDERS = {"width": (8, 256, 8, "Neurons in each of the three hidden layers"),
           "batch": (16, 2048, 16, "Draws that are averaged in each step"),
           "steps": (100, 10_000, 100, "Training steps, over which the learning rate falls to 0")}


def main_rows(w: Explorable) -> tuple[ipw.Widget, ...]:
    """Return the main controls in rows. Those without effect in the present mode are hidden."""
    mode = _buttons(w, "mode", MODES, MODE_TIPS)
    distribution = ipw.Dropdown(
        description="data", style=NARROW, layout=ipw.Layout(width="190px"), tooltip="The data that the network learns",
        options=[*((name, name) for name in DISTRIBUTIONS), ("drawn by hand", DRAWN)])
    w.bind("distribution", distribution)
    clear = ipw.Button(description="Clear", tooltip="Start a new drawing", layout=ipw.Layout(width="70px"))
    clear.on_click(lambda _: w.clear_drawing())
    seed = seed_controls(w, "Seed of the first weights and of everything that is drawn in training")
    draw, another = seed_box(w, "draw", "Seed of the x0 and the noise")
    w.bind("draw", draw)
    draw.layout.width = "110px"
    path = _buttons(w, "path", {name: name for name in PATHS}, TIPS["path"])
    prediction = _buttons(w, "prediction", {name: name for name in PREDICTIONS}, TIPS["prediction"])
    prompt = row(*prompt_controls(w, "What the image shows. Press Enter to apply."))
    pause = _pause_button(w)
    choices = row(ipw.Label("path"), path, ipw.Label("prediction"), prediction)
    in_plane, with_draw = ("train", "step"), ("step", "image", "run")
    places = {distribution: in_plane, clear: ("train",), choices: in_plane, pause: ("train",), seed[0]: ("train",),
              seed[1]: ("train",), draw: with_draw, another: with_draw, prompt: ("image", "run")}

    def update_visibility(change: object = None) -> None:
        for control, modes in places.items():
            is_visible = w.mode in modes and (control is not clear or w.distribution == DRAWN)
            control.layout.display = None if is_visible else "none"

    w.observe(update_visibility, names=["mode", "distribution"])
    update_visibility()
    return row(mode, distribution, clear, *seed, draw, another, pause), choices, prompt


def setting_rows(w: Explorable) -> list[ipw.Widget]:
    """Return the further settings of a training."""
    times = _buttons(w, "times", {name: name for name in TIME_DISTRIBUTIONS}, TIPS["times"])
    controls: list[ipw.Widget] = [ipw.Label("t is drawn"), times]
    for name, (low, high, step, tip) in SLIDERS.items():
        slider = ipw.IntSlider(description=name, min=low, max=high, step=step, continuous_update=False, style=NARROW,
                               tooltip=tip, layout=ipw.Layout(flex="1 1 200px"))

        def to_control(value: int, slider: ipw.IntSlider = slider) -> int:
            slider.min = min(slider.min, value)
            return int(extend_slider(slider, value))

        w.bind(name, slider, to_control)
        controls.append(slider)
    return [row(*controls)]


def _buttons(w: Explorable, name: str, options: dict[str, str], tips: list[str]) -> ipw.ToggleButtons:
    """Return the choices of a trait. Their name stands beside them: ipywidgets would place it above."""
    control = ipw.ToggleButtons(options=[(label, key) for key, label in options.items()], tooltips=tips, tooltip=name,
                                style={**NARROW, "button_width": "auto"})
    w.bind(name, control)
    return control


def _pause_button(w: Explorable) -> ipw.ToggleButton:
    """Return the button that pauses the training and continues it."""
    button = ipw.ToggleButton(layout=ipw.Layout(width="90px"))

    def to_control(paused: bool) -> bool:
        button.description = "continue" if paused else "pause"
        button.tooltip = "Continue the training" if paused else "Pause the training"
        return paused

    w.bind("paused", button, to_control)
    return button
