"""The controls of UNetXRay: a wish, faders for all skips and backbones with their steps, and whose skips are used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import ipywidgets as ipw

from ...analysis.unet_activations import Stage
from ..core.controls import guidance_of, make_room, prompt_of, seed_of, steps_of, text_box
from ..core.layout import NARROW, row

if TYPE_CHECKING:
    from .widget import UNetXRay


def wish_row(owner: UNetXRay) -> ipw.Widget:
    """Prompt, seed, steps and guidance."""
    return row(prompt_of(owner), *seed_of(owner), steps_of(owner), guidance_of(owner))


def example_row(owner: UNetXRay, stages: dict[str, Stage]) -> ipw.Widget:
    """Buttons that set all faders at once: no skips, skips alone, and back."""
    kinds = {kind: [s for s in stages.values() if s.kind == kind] for kind in ("skip", "backbone")}
    finest = [s for s in kinds["backbone"] if s.level == 0]
    said: dict[str, list[Stage]] = {}
    for s in kinds["skip"]:  # all of a level
        said.setdefault(f"no skip {s.side} × {s.side}", []).append(s)
    said |= {"no skips": kinds["skip"], "the finest skip alone": finest, "all back to 1": []}

    def button(text: str, off: list[Stage]) -> ipw.Button:
        tip = f"{', '.join(s.point for s in off)} at 0, all else at 1" if off else "Edit nothing"
        made = ipw.Button(description=text, tooltip=tip)
        made.on_click(lambda _: owner.set_all({s.point: 0.0 for s in off}))
        return made

    made = row(*(button(text, off) for text, off in said.items()))
    made.add_class("ex-examples")
    return made


def fader_rows(owner: UNetXRay, stages: dict[str, Stage]) -> list[ipw.Widget]:
    """A row a level: the skip's fader and the backbone's, each with its steps; then whose skips are used."""
    pairs: dict[int, list[ipw.Widget]] = {}
    for stage in sorted(stages.values(), key=lambda s: s.kind, reverse=True):
        if stage.kind in ("skip", "backbone"):
            pairs.setdefault(stage.level, []).extend(_fader(owner, stage))
    return [example_row(owner, stages), *(row(*pairs[level]) for level in sorted(pairs)), _swap_row(owner, stages)]


def _fader(owner: UNetXRay, stage: Stage) -> tuple[ipw.Widget, ipw.Widget]:
    name, said = stage.point, stage.label
    fader = ipw.FloatSlider(
        description=said, min=0, max=2, step=0.05, readout_format=".2f", style=NARROW, continuous_update=False,
        tooltip=f"{name} is multiplied by this: 0 takes it away, 1 leaves it, 2 doubles it",
        layout=ipw.Layout(flex="2 1 230px"))
    span = ipw.IntRangeSlider(
        description="acts on steps", min=0, max=owner.steps, style=NARROW, continuous_update=False,
        tooltip=f"From which step on, and before which, the fader of {said} acts", layout=ipw.Layout(flex="1 1 150px"))

    def now(step_ranges: dict[str, tuple[int, int]]) -> tuple[int, int]:
        first, end = step_ranges.get(name, (0, owner.steps))
        return min(first, owner.steps), min(end, owner.steps)

    def changed(value: tuple[int, int]) -> dict[str, tuple[int, int]]:
        others = {n: s for n, s in owner.step_ranges.items() if n != name}
        return others if tuple(value) == (0, owner.steps) else {**others, name: (value[0], value[1])}

    def follow_steps(change: Any) -> None:
        span.max = owner.steps
        span.value = now(owner.step_ranges)

    owner.tie("faders", fader, lambda v: make_room(fader, float(v.get(name, 1.0))), lambda v: {**owner.faders, name: v})
    owner.tie("step_ranges", span, now, changed)
    owner.observe(follow_steps, names="steps")
    return fader, span


def _swap_row(owner: UNetXRay, stages: dict[str, Stage]) -> ipw.Widget:
    skips = [s for s in stages.values() if s.kind == "skip"]
    options = [("none", ()), *((s.label.removeprefix("skip "), (s.point,)) for s in skips), ("all", tuple(
        s.point for s in skips))]
    which = ipw.Dropdown(description="swap skips", options=options, style=NARROW, layout=ipw.Layout(width="170px"),
                         tooltip="These skips carry what they carry for the other prompt, from the same noise")
    donor = text_box("with those of", "The prompt that the swapped skips are taken from. Enter draws it.",
                     "write a prompt", "2 1 240px")
    known = {value for _, value in options}
    owner.tie("swapped_skips", which, lambda v: v if v in known else ())
    owner.tie("donor_prompt", donor)
    hint = ipw.HTML('<span class="ex-help">Click a place in a tile: where in the latent does it look?</span>')
    return row(which, donor, hint)
