"""The controls of NoiseTrajectory: the run, and the branch that leaves it. Each is tied to one of its traits."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import ipywidgets as ipw

from ..core.controls import (
    clamp_seed,
    extend_slider,
    guidance_control,
    guidance_slider,
    prompt_control,
    seed_box,
    seed_controls,
    steps_control,
    text_box,
)
from ..core.layout import NARROW, row

if TYPE_CHECKING:
    from .widget import NoiseTrajectory

ORIGINS = {"a drawing of the prompt": "drawing", "the finished picture": "finished"}
ELSEWHERE = "a black cat on a beach at night"  # the other words of the examples
FRESH = 4321  # the other seed
EXAMPLES: dict[str, tuple[float, dict[str, Any]]] = {  # at which share of the steps, and what changes there
    "other words, early": (0.1, {"prompt": ELSEWHERE}), "other words, late": (0.6, {"prompt": ELSEWHERE}),
    "fresh noise, early": (0.2, {"seed": FRESH}), "fresh noise, late": (0.6, {"seed": FRESH})}


def run_row(w: NoiseTrajectory) -> ipw.Widget:
    """What is drawn, how, and what dissolves before."""
    sampler = ipw.Dropdown(description="sampler", options=list(w.samplers), style=NARROW,
                           layout=ipw.Layout(width="130px"),
                           tooltip="euler, ddim, heun, dpmpp_2m go one way only; ddpm throws dice at each step")
    origin = ipw.Dropdown(description="what dissolves", options=list(ORIGINS.items()), style=NARROW,
                          layout=ipw.Layout(width="300px"),
                          tooltip="The picture that drowns in noise in the slider's first half")
    w.bind("sampler", sampler)
    w.bind("origin", origin)
    seed = seed_controls(w, "Chooses the noise: what the picture dissolves into, and what it comes from")
    return row(prompt_control(w, "What shall static become? Enter draws it."), *seed,
               steps_control(w, "How many steps from noise to picture"), guidance_control(w), sampler, origin)


def branch_row(w: NoiseTrajectory) -> ipw.Widget:
    """Where the branch leaves, and what changes there. Every control shows the run's own value until it is changed."""
    here = ipw.Button(description="this step", layout=ipw.Layout(width="80px"),
                      tooltip="Rewind to the step that is on the screen")
    here.on_click(lambda _: w.rewind_here())
    gone = ipw.Button(description="no branch", tooltip="Take the branch away", layout=ipw.Layout(width="90px"))
    gone.on_click(lambda _: w.branch())
    prompt = text_box("branch prompt", "Other words from that step on. Enter draws the branch.")
    seed, dice = seed_box(w, "branch_seed", "Another seed: what is believed there, drowned in fresh noise")
    guidance = guidance_slider("branch guidance", "Guidance from that step on")
    _tie_change(w, "prompt", prompt)
    _tie_change(w, "seed", seed, clamp_seed)
    _tie_change(w, "guidance", guidance, lambda v: extend_slider(guidance, v))
    return row(_rewind(w), here, prompt, seed, dice, guidance, gone)


def _rewind(w: NoiseTrajectory) -> ipw.Widget:
    step = ipw.IntSlider(description="rewind to step", min=0, max=w.steps - 1, continuous_update=False, style=NARROW,
                         layout=ipw.Layout(flex="1 1 200px"),
                         tooltip="Where the branch leaves the run; arrow keys move it")

    def there(wished: int) -> int:
        return min(wished, w.steps - 1)

    def follow(change: Any) -> None:
        step.max = w.steps - 1
        step.value = there(w.branch_step)  # with more steps there is room again for what was wished for

    w.bind("branch_step", step, there)
    w.observe(follow, names="steps")
    return step


def _tie_change(w: NoiseTrajectory, name: str, control: ipw.Widget, inward: Callable = lambda v: v) -> None:
    """Tie what a branch changes: a control at the run's own value changes nothing."""

    def present(value: Any) -> Any:
        return inward(getattr(w, name) if value is None else value)

    def follow(change: Any) -> None:
        if getattr(w, f"branch_{name}") is None:
            control.value = present(None)

    w.bind(f"branch_{name}", control, present, lambda v: None if v == getattr(w, name) else v)
    w.observe(follow, names=name)


def example_row(w: NoiseTrajectory) -> ipw.Widget:
    """Branches to try, a button each."""

    def button(name: str, share: float, change: dict[str, Any]) -> ipw.Button:
        made = ipw.Button(description=name, tooltip=f"Branch off after {share:.0%} of the steps, with "
                          + (f"the words {ELSEWHERE!r}" if "prompt" in change else "another seed's noise"))
        made.on_click(lambda _: w.branch(int(share * w.steps), **change))
        return made

    examples = row(ipw.Label("Try a branch:"), *(button(name, *how) for name, how in EXAMPLES.items()))
    examples.add_class("ex-examples")
    return examples
