"""The controls of UNetXRay: run settings, faders for skips and backbones on chosen steps, patched skips."""

from __future__ import annotations

from typing import Any

import ipywidgets as ipw

from ...analysis.unet_activations import UNetPart
from ..core.controls import (
    extend_slider,
    guidance_control,
    narrow,
    prompt_controls,
    seed_controls,
    steps_control,
    text_box,
)
from ..core.explorable import Explorable
from ..core.layout import NARROW, row
from ..core.vocabulary import with_vocabulary

MAX_MAIN_FADERS = 4  # in view above the stage; a network with more skips and backbones has them in the folded group


def prompt_row(w: Explorable) -> ipw.Widget:
    """Prompt and seed."""
    return row(*narrow(prompt_controls(w)), *seed_controls(w))


def sampling_row(w: Explorable) -> ipw.Widget:
    """Steps and guidance."""
    return row(steps_control(w), guidance_control(w))


def fader_rows(w: Explorable, parts: dict[str, UNetPart]) -> tuple[list[ipw.Widget], list[ipw.Widget]]:
    """What stands above the stage, and what is folded.

    Above: the faders of all skips and backbones, if they are few. Folded: presets; for each level the steps on which
    its faders act, and the faders if they are many; the patching of skips.
    """
    faded = sorted((p for p in parts.values() if p.kind in ("skip", "backbone")), key=lambda p: p.kind, reverse=True)
    few = len(faded) <= MAX_MAIN_FADERS
    levels: dict[int, list[ipw.Widget]] = {}
    main: list[ipw.Widget] = []
    for part in sorted(faded, key=lambda p: p.level):
        fader = _fader(w, part)
        levels.setdefault(part.level, []).extend([_steps_of_fader(w, part, named=few)] if few else [
            fader, _steps_of_fader(w, part, named=few)])
        main += [fader] if few else []
    folded = [_preset_row(w, parts), *(row(*levels[level]) for level in sorted(levels)), _patch_row(w, parts)]
    return [row(*main)] if main else [], folded


def _preset_row(w: Explorable, parts: dict[str, UNetPart]) -> ipw.Widget:
    """Buttons that set all faders at once: no skips, only the finest skips, reset."""
    skips = [p for p in parts.values() if p.kind == "skip"]
    presets: dict[str, list[UNetPart]] = {}  # label -> parts set to 0
    for part in skips:  # all skips of a level
        presets.setdefault(f"no skip {part.side} × {part.side}", []).append(part)
    presets |= {"no skips": skips, "only the finest skip": [
        p for p in parts.values() if p.kind == "backbone" and p.level == 0], "reset faders": []}

    def button(label: str, zeroed: list[UNetPart]) -> ipw.Button:
        tip = f"Set {', '.join(p.point for p in zeroed)} to 0 and all others to 1" if zeroed else "Edit nothing"
        made = ipw.Button(description=label, tooltip=tip)
        made.on_click(lambda _: w.set_all({p.point: 0.0 for p in zeroed}))
        return made

    buttons = row(*(button(label, zeroed) for label, zeroed in presets.items()))
    buttons.add_class("ex-examples")
    return buttons


def _fader(w: Explorable, part: UNetPart) -> ipw.Widget:
    name = part.point
    fader = ipw.FloatSlider(
        description=part.label, min=0, max=2, step=0.05, readout_format=".2f", style=NARROW,
        tooltip=f"Multiplies {name}: 0 removes it, 1 leaves it as it is, 2 doubles it",
        layout=ipw.Layout(flex="2 1 185px"))
    w.bind("faders", fader, lambda v: extend_slider(fader, float(v.get(name, 1.0))), lambda v: {**w.faders, name: v})
    return fader


def _steps_of_fader(w: Explorable, part: UNetPart, named: bool) -> ipw.Widget:
    """The steps on which a fader acts. named: with the fader's name, for one that does not stand beside it."""
    name = part.point
    steps = ipw.IntRangeSlider(
        description=f"{part.label} on steps" if named else "on steps", min=0, max=w.steps, style=NARROW,
        tooltip=f"The fader of {part.label} acts from the first of these steps until before the second",
        layout=ipw.Layout(flex="1 1 310px" if named else "1 1 220px"))

    def range_of(step_ranges: dict[str, tuple[int, int]]) -> tuple[int, int]:
        first, end = step_ranges.get(name, (0, w.steps))
        return min(first, w.steps), min(end, w.steps)

    def with_range(value: tuple[int, int]) -> dict[str, tuple[int, int]]:
        others = {n: r for n, r in w.step_ranges.items() if n != name}
        return others if tuple(value) == (0, w.steps) else {**others, name: (value[0], value[1])}

    def follow_steps(change: Any) -> None:
        steps.max = w.steps
        steps.value = range_of(w.step_ranges)

    w.bind("step_ranges", steps, range_of, with_range)
    w.observe(follow_steps, names="steps")
    return steps


def _patch_row(w: Explorable, parts: dict[str, UNetPart]) -> ipw.Widget:
    """Which skips are patched, and from which prompt's run."""
    skips = [p for p in parts.values() if p.kind == "skip"]
    options = [("none", ()), *((p.label.removeprefix("skip "), (p.point,)) for p in skips),
               ("all", tuple(p.point for p in skips))]
    choices = {value for _, value in options}
    which = ipw.Dropdown(description="swap skips", options=options, style=NARROW, layout=ipw.Layout(width="170px"),
                         tooltip="Replace these skips with those of the other prompt's run from the same noise")
    donor = text_box("with those of", "The prompt of the run that the swapped skips are taken from. Press Enter to "
                     "apply.", "write a prompt", "2 1 240px")
    w.bind("swapped_skips", which, lambda v: v if v in choices else ())
    w.bind("donor_prompt", donor)
    return row(which, *with_vocabulary(w, donor))
