"""The controls of NoiseTrajectory: the run, and the branch that leaves it. Each is bound to one of its traits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ipywidgets as ipw

from ..core.controls import (
    clamp_seed,
    example_buttons,
    extend_slider,
    guidance_control,
    guidance_slider,
    prompt_controls,
    sampler_control,
    seed_box,
    seed_controls,
    steps_control,
    text_box,
)
from ..core.explorable import Explorable
from ..core.layout import NARROW, row
from ..core.vocabulary import with_vocabulary

FORWARD_IMAGES = {"a drawing of the prompt": "drawing", "the generated image": "generated"}
OTHER_PROMPT, OTHER_SEED = "a black cat on a beach at night", 4321
EXAMPLES: dict[str, tuple[float, dict[str, Any]]] = {  # the fraction of the steps at which it leaves, and its changes
    "other prompt, early": (0.1, {"prompt": OTHER_PROMPT}), "other prompt, late": (0.6, {"prompt": OTHER_PROMPT}),
    "fresh noise, early": (0.2, {"seed": OTHER_SEED}), "fresh noise, late": (0.6, {"seed": OTHER_SEED})}


def main_rows(w: Explorable) -> tuple[ipw.Widget, ipw.Widget]:
    """Return the run's prompt and seed, and below them the step of the branch and its prompt."""
    this_step = ipw.Button(description="rewind here", layout=ipw.Layout(width="112px"),
                           tooltip="Rewind to the shown step")
    this_step.on_click(lambda _: w.rewind_here())
    prompt = text_box("branch prompt", "Another prompt from that step on; press Enter to sample", flex="2 1 200px")
    prompt.layout.min_width = "0"  # or the row would need two lines where an explorable is narrow
    _bind_change(w, "prompt", prompt)
    run = row(*prompt_controls(w, "The prompt of the image; press Enter to sample"),
              *seed_controls(w, "Seed of the noise that both halves of the slider share"))
    return run, row(_step_slider(w), this_step, *with_vocabulary(w, prompt))


def run_settings(w: Explorable) -> list[ipw.Widget]:
    """Return the further settings of the run and of the forward process."""
    forward_image = ipw.Dropdown(description="forward process from", options=list(FORWARD_IMAGES.items()), style=NARROW,
                                 layout=ipw.Layout(width="360px"),
                                 tooltip="The image that is noised in the first half of the slider")
    w.bind("forward_image", forward_image)
    return [row(steps_control(w, "Steps from noise to image"), guidance_control(w), sampler_control(w), forward_image)]


def branch_settings(w: Explorable) -> list[ipw.Widget]:
    """Return the branch's further changes, and examples. A control shows the run's own value until it is changed."""
    remove = ipw.Button(description="no branch", tooltip="Remove the branch", layout=ipw.Layout(width="90px"))
    remove.on_click(lambda _: w.branch())
    seed, new_seed = seed_box(w, "branch_seed", "Another seed: the predicted image at that step with fresh noise")
    guidance = guidance_slider("branch guidance", "Guidance from that step on")
    _bind_change(w, "seed", seed, clamp_seed)
    _bind_change(w, "guidance", guidance, lambda v: extend_slider(guidance, v))
    return [row(seed, new_seed, guidance, remove), _examples(w)]


def _step_slider(w: Explorable) -> ipw.Widget:
    slider = ipw.IntSlider(description="rewind to step", min=0, max=w.steps - 1, style=NARROW,
                           layout=ipw.Layout(flex="1 1 165px"),  # continuous: the stage follows it
                           tooltip="The step at which the branch leaves the run; arrow keys move it")

    def clamp(step: int) -> int:
        return min(step, w.steps - 1)

    def on_steps(change: Any) -> None:
        slider.max = w.steps - 1
        slider.value = clamp(w.branch_step)  # a step that was out of range may be in range again

    w.bind("branch_step", slider, clamp)
    w.observe(on_steps, names="steps")
    return slider


def _bind_change(w: Explorable, name: str, control: ipw.Widget, inward: Callable = lambda v: v) -> None:
    """Bind a control to a change of the branch. At the run's own value the control changes nothing."""

    def to_control(value: Any) -> Any:
        return inward(getattr(w, name) if value is None else value)

    def on_run_value(change: Any) -> None:
        if getattr(w, f"branch_{name}") is None:
            control.value = to_control(None)

    w.bind(f"branch_{name}", control, to_control, lambda v: None if v == getattr(w, name) else v)
    w.observe(on_run_value, names=name)


def _examples(w: Explorable) -> ipw.Widget:
    """Return a button for each example of a branch."""
    examples = {}
    for name, (fraction, changes) in EXAMPLES.items():
        change = f"the prompt {OTHER_PROMPT!r}" if "prompt" in changes else "another seed's noise"
        examples[name] = (f"Branch off after {fraction:.0%} of the steps, with {change}",
                          lambda fraction=fraction, changes=changes: w.branch(int(fraction * w.steps), **changes))
    return example_buttons(examples, "Try a branch:")
