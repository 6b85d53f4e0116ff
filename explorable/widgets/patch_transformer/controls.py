"""The controls of PatchTransformer, each bound to one of its traits."""

from __future__ import annotations

from typing import Any

import ipywidgets as ipw

from ...analysis.patch_attention import POSITIONS, PatchLayout
from ..core.controls import example_buttons, guidance_control, prompt_controls, seed_controls, steps_control
from ..core.explorable import Explorable
from ..core.layout import NARROW, row

ALL = "all"  # stands for None in a dropdown, which cannot choose None
RADII = (0.0, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0)  # patches
NOTHING: dict[str, Any] = {"radius": None, "dropped_block": "", "dropped_head": None, "positions": "kept",
                           "edit_steps": None}
EXAMPLES: dict[str, tuple[str, dict[str, Any]]] = {
    "edit nothing": ("The original image", {}),
    "only neighbours": ("Each patch attends to itself, eight neighbours and the words", {"radius": 1.5}),
    "itself only": ("Each patch attends to itself and the words", {"radius": 0.0}),
    "no positions": ("Patches do not know where they are", {"positions": "removed"}),
    "shuffled positions": ("Each patch has another one's positional embedding", {"positions": "shuffled"}),
}


def _dropdown(name: str, tip: str, width: str, options: list[tuple[str, Any]]) -> ipw.Dropdown:
    return ipw.Dropdown(description=name, options=options, style=NARROW, tooltip=tip, layout=ipw.Layout(width=width))


def _radius_text(radius: float) -> str:
    return f"{radius:g} patch{'' if radius == 1 else 'es'}"


def _extend(control: ipw.Dropdown, value: Any, text: str) -> Any:
    """Add a value that was set from code to a dropdown's options. Returns the value."""
    if value not in [option for _, option in control.options]:
        control.options = [*control.options, (text, value)]
    return value


def _to_trait(value: Any) -> Any:
    return None if value == ALL else value


class EditControls:
    """The controls of the edits. Blocks and heads are filled in once the network's are known."""

    def __init__(self, w: Explorable):
        radius = _dropdown("attention radius", "How far a patch may attend to other patches; it attends to all words",
                           "220px", [("all patches", ALL), *((_radius_text(r), r) for r in RADII)])
        self.block = _dropdown("drop block", "The block that is dropped", "140px", [("none", "")])
        self.head = _dropdown("only its head", "The head of that block that is dropped; all: the whole block", "160px",
                              [("all", ALL)])
        positions = _dropdown("positions", "What becomes of the positional embedding, which tells a patch where it is",
                              "145px", [(name, name) for name in POSITIONS])
        steps = ipw.IntRangeSlider(
            description="on steps", min=0, max=w.steps, style=NARROW, continuous_update=False,
            layout=ipw.Layout(flex="1 1 200px"),
            tooltip="The edits act from the first of these steps until before the second")

        def range_of(edit_steps: Any) -> tuple[int, int]:
            first, end = edit_steps or (0, w.steps)
            return min(first, w.steps), min(end, w.steps)

        def on_steps(change: Any) -> None:
            if w.edit_steps is None:
                steps.max, steps.value = max(w.steps, steps.max), (0, w.steps)
            steps.max = w.steps

        w.bind("radius", radius, lambda r: ALL if r is None else _extend(radius, r, _radius_text(r)), _to_trait)
        w.bind("dropped_block", self.block, lambda b: _extend(self.block, b, b))
        w.bind("dropped_head", self.head, lambda h: ALL if h is None else _extend(self.head, h, f"{h}"), _to_trait)
        w.bind("positions", positions)
        w.bind("edit_steps", steps, range_of, lambda pair: None if tuple(pair) == (0, w.steps) else tuple(pair))
        w.observe(on_steps, names="steps")
        self.row, self.steps_row = row(radius, self.block, self.head, positions), row(steps)

    def fill(self, layout: PatchLayout) -> None:
        """Offer the blocks and heads of a network."""
        blocks = [("none", ""), *((block, block) for block in layout.blocks)]
        heads = [("all", ALL), *((f"{k + 1}", k + 1) for k in range(layout.heads))]
        for control, options in ((self.block, blocks), (self.head, heads)):
            missing = [option for option in control.options if option[1] not in [value for _, value in options]]
            if list(control.options) != [*options, *missing]:
                value = control.value
                control.options = [*options, *missing]
                control.value = value


def example_row(w: Explorable) -> ipw.Widget:
    """Buttons that set all edits at once."""

    def button(values: dict[str, Any]) -> Any:
        def apply() -> None:
            with w.hold_trait_notifications():
                for name, value in (NOTHING | values).items():
                    setattr(w, name, value)

        return apply

    return example_buttons({name: (tip, button(values)) for name, (tip, values) in EXAMPLES.items()})


def prompt_row(w: Explorable) -> ipw.Widget:
    """The prompt and the seed."""
    return row(*prompt_controls(w), *seed_controls(w))


def setting_rows(w: Explorable, models: tuple[str, ...]) -> list[ipw.Widget]:
    """The model, where one can be chosen, and how the image is sampled."""
    parts = [steps_control(w), guidance_control(w)]
    if models:
        model = _dropdown("model", "The transformer: on the straight path, or on DDPM's", "190px",
                          [(name, name) for name in models])
        w.bind("model", model, lambda name: name or w.default_model)
        parts.append(model)
    return [row(*parts)]
