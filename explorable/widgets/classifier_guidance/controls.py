"""The controls of ClassifierGuidance, each bound to one of its traits."""

from __future__ import annotations

from typing import Any

import ipywidgets as ipw

from ...flow2d.guidance import CLASSES
from ...measure.classifier_guidance import SAMPLERS, TARGETS
from ..core.controls import narrow, prompt_controls, seed_controls, split_panels, steps_control
from ..core.explorable import Explorable
from ..core.layout import NARROW, row
from ..core.scale_grid import by_interest

MODES = {"steps": ("each step", "The same noise without the classifier and with it, step by step"),
         "scales": ("every scale", "The same noise at many scales, with four seeds, and what both judges say"),
         "plane": ("two dimensions", "The two gradients that add up, and where guided samples end")}
"""By mode: its label and tooltip."""
SCALES = (0, 0.1, 0.3, 1, 2, 3, 5, 7, 10, 15, 20, 30, 50, 70, 100, 150, 200, 300, 500, 700, 1000)
PLANE_SCALES = (0, 0.1, 0.2, 0.5, 1, 1.5, 2, 3, 4, 5, 7, 10, 15, 20, 30)
PROMPT_TIP = "Empty: a model that was told nothing. With the target in it: a model told in words needs no classifier"
FORMULAS = """<span class="ex-help">Both add a multiple of <b>g</b>, the gradient of log p(target | x<sub>t</sub>) by
x<sub>t</sub>; s is the classifier scale.<br>
<b>DDIM form</b> (Dhariwal and Nichol 2021, algorithm 2): predicted noise − s σ<sub>t</sub> g, which is
predicted image + s (σ<sub>t</sub>² / α<sub>t</sub>) g. No fresh noise.<br>
<b>DDPM form</b> (algorithm 1): mean of the next latent + s Σ<sub>t</sub> g, where Σ<sub>t</sub> is the variance of the
fresh noise that is added: a narrow posterior is shifted little. Both images get the same fresh noise.</span>"""


def main_rows(w: Explorable) -> tuple[ipw.Widget, ...]:
    """Return prompt, seed, target, scale and mode. Those without effect in the present mode are hidden."""
    mode = ipw.ToggleButtons(options=[(label, name) for name, (label, _) in MODES.items()], tooltip="What is shown",
                             tooltips=[tip for _, tip in MODES.values()], style={**NARROW, "button_width": "auto"})
    target = ipw.Dropdown(description="target", style=NARROW, layout=ipw.Layout(width="170px"),
                          options=[(f"{kind}: {word}", word) for kind, words in TARGETS.items() for word in words],
                          tooltip="What the classifier guides towards: one of the words that it was trained on")
    scale = scale_slider(w, "classifier_scale", "classifier scale", SCALES,
                         "How far each step follows the classifier's gradient: 0 is off")
    plane_scale = scale_slider(w, "plane_scale", "scale", PLANE_SCALES,
                               "w in grad log p(x) + w grad log p(y | x): 1 is p(x | y)")
    points = ipw.Dropdown(description="points", options=list(CLASSES), style=NARROW, layout=ipw.Layout(width="190px"),
                          tooltip="The data: points in the plane that belong to classes")
    noise_unaware = ipw.Checkbox(description="noise-unaware classifier", indent=False, layout=ipw.Layout(width="190px"),
                        tooltip="A classifier that never saw noise: the same one, always told that there is none")
    w.bind("mode", mode)
    w.bind("target", target)
    w.bind("distribution", points)
    w.bind("noise_aware", noise_unaware, lambda value: not value, lambda value: not value)
    prompt, panels = split_panels(narrow(prompt_controls(w, PROMPT_TIP)))
    seed = seed_controls(w, "Sets the initial noise, the same for both images")

    def update_visibility(change: Any = None) -> None:
        is_plane = w.mode == "plane"
        for control in (*prompt, target, scale):
            control.layout.display = "none" if is_plane else None
        for control in (points, plane_scale):
            control.layout.display = None if is_plane else "none"
        for button, panel in zip(prompt[1:], panels, strict=True):
            panel.layout.display = None if button.value and not is_plane else "none"

    w.observe(update_visibility, names="mode")
    update_visibility()
    return row(*prompt, *seed, noise_unaware, *panels), row(target, scale, points, plane_scale, mode)


def scale_slider(w: Explorable, trait: str, name: str, scales: tuple[float, ...], tip: str) -> ipw.SelectionSlider:
    """Return a slider over scales that grow by a factor, and 0. It shows the one nearest to a value set from code."""
    slider = ipw.SelectionSlider(description=name, options=[(f"{s:g}", float(s)) for s in scales], style=NARROW,
                                 tooltip=tip, layout=ipw.Layout(flex="1 1 200px"))
    w.bind(trait, slider, lambda value: by_interest(tuple(map(float, scales)), value)[0])
    return slider


def form_rows(w: Explorable) -> list[ipw.Widget]:
    """Return the switch between the two forms, and what they are."""
    form = ipw.ToggleButtons(description="the gradient in", style={**NARROW, "button_width": "auto"},
                             options=[(f"{name.upper()} form", name) for name in SAMPLERS],
                             tooltips=["It shifts the predicted image", "It shifts the mean of the next latent"])
    w.bind("sampler", form)
    return [row(form), ipw.HTML(FORMULAS)]


def setting_rows(w: Explorable, models: tuple[str, ...]) -> list[ipw.Widget]:
    """Return the further settings. models: those that can be chosen; none on a pipeline of the user's own."""
    window = ipw.FloatRangeSlider(
        description="classifier from t", min=0, max=1, step=0.05, readout_format=".2f", style=NARROW,
        continuous_update=False, layout=ipw.Layout(flex="1 1 260px"),
        tooltip="The window of steps, as noise times, in which the classifier guides; outside of it the model is alone")
    guidance = ipw.FloatSlider(
        description="guidance w", min=0, max=15, step=0.5, readout_format=".1f", style=NARROW,
        layout=ipw.Layout(flex="1 1 200px"), continuous_update=False,
        tooltip="Classifier-free guidance by the prompt in both images: 1 is off, so that only the classifier guides")
    w.bind("classifier_interval", window)
    w.bind("guidance", guidance, lambda value: 1.0 if value is None else min(value, guidance.max))
    rows = [row(window, steps_control(w)), row(guidance)]
    if models:
        model = ipw.Dropdown(description="model", options=list(models), style=NARROW, layout=ipw.Layout(width="210px"),
                             tooltip="The denoiser. The classifier is the same for all of them")
        w.bind("model", model, lambda name: name or w.default_model)
        rows[1] = row(guidance, model)
    return rows
