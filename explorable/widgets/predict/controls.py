"""The control for each kind of answer, usable by keyboard too, and the button that saves answers.

A slider and a list are answers from the start: the reader may agree with what they show.
"""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from pathlib import Path
from typing import Any

import ipywidgets as ipw
import numpy as np

from ..core.layout import NARROW, row
from ..core.status import error_text
from ..stage.layers import Images, Panel, Points
from ..stage.stage import Stage
from .answers import Choice, Kind, Number, Order, Position


def answer_control(kind: Kind, set_answer: Callable[[Any], None]) -> ipw.Widget:
    """Return the control for an answer of this kind. It calls `set_answer` with each new answer."""
    make = {Choice: _choice, Number: _number, Order: _order, Position: _position}[type(kind)]
    return make(kind, set_answer)  # type: ignore[operator]


def _choice(kind: Choice, set_answer: Callable[[Any], None]) -> ipw.Widget:
    buttons = ipw.RadioButtons(options=kind.options, value=None, layout=ipw.Layout(width="auto"))
    buttons.observe(lambda change: set_answer(change["new"]), names="value")
    return buttons


def _number(kind: Number, set_answer: Callable[[Any], None]) -> ipw.Widget:
    """A slider with a box to type in; on a logarithmic scale where a factor counts."""
    common = {"description": f"your answer{kind.unit and f' ({kind.unit})'}", "style": NARROW,
              "readout_format": ".3g", "layout": ipw.Layout(flex="1 1 300px")}
    if kind.factor is None:
        slider = ipw.FloatSlider(min=kind.low, max=kind.high, step=(kind.high - kind.low) / 200,
                                 value=(kind.low + kind.high) / 2, **common)
    else:
        low, high = np.log10([kind.low, kind.high])
        slider = ipw.FloatLogSlider(min=low, max=high, step=(high - low) / 200, value=10 ** ((low + high) / 2),
                                    **common)
    slider.observe(lambda change: set_answer(change["new"]), names="value")
    set_answer(slider.value)
    return row(slider)


def _order(kind: Order, set_answer: Callable[[Any], None]) -> ipw.Widget:
    """A list whose items move up and down by buttons."""
    box = ipw.VBox()
    items = list(kind.items)

    def move(k: int, by: int) -> None:
        other = min(max(k + by, 0), len(items) - 1)
        items[k], items[other] = items[other], items[k]
        for label, item in zip(labels, items, strict=True):
            label.value = item
        set_answer(tuple(items))

    def button(k: int, by: int) -> ipw.Button:
        made = ipw.Button(description="↑" if by < 0 else "↓", layout=ipw.Layout(width="36px"),
                          tooltip=f"Move item {k + 1} {'up' if by < 0 else 'down'}",
                          disabled=not 0 <= k + by < len(items))
        made.on_click(lambda _: move(k, by))
        return made

    labels = [ipw.Label(item) for item in items]
    set_answer(kind.items)
    box.children = [row(ipw.Label(f"{k + 1}."), button(k, -1), button(k, 1), label) for k, label in enumerate(labels)]
    return box


def _position(kind: Position, set_answer: Callable[[Any], None]) -> ipw.Widget:
    """The image, to click on, and a box each for row and column, to type in."""
    height, width = kind.image.shape[:2]
    stage = Stage(layout=ipw.Layout(width="260px"))
    boxes = [ipw.BoundedIntText(description=name, min=0, max=size - 1, style=NARROW, layout=ipw.Layout(width="110px"))
             for name, size in (("row", height), ("column", width))]

    def show(y: int | None = None, x: int | None = None) -> None:
        layers: list[Any] = [Images("image", "The image", kind.image[None])]
        if y is not None and x is not None:
            layers.append(Points("point", "your answer", np.array([[[x + 0.5, y + 0.5]]], np.float32),
                                 extent=(0, width, height, 0), colours=("word",), size=22.0, highlighted=(0,)))
        names = tuple(layer.name for layer in layers)
        stage.show(layers, [""], panels=[Panel("image", names, "Click where you think it is", interaction="click")],
                   autoplay=False)

    def on_boxes(change: Any) -> None:
        show(boxes[0].value, boxes[1].value)
        set_answer((boxes[0].value, boxes[1].value))

    def on_click(change: Any) -> None:
        if change["new"]:
            y, x = int(change["new"]["y"] * height), int(change["new"]["x"] * width)
            boxes[0].value, boxes[1].value = min(y, height - 1), min(x, width - 1)

    show()
    for box in boxes:
        box.observe(on_boxes, names="value")
    stage.observe(on_click, names="pointer")
    return ipw.VBox([stage, row(*boxes)])


def save_row(save: Callable[[], Path], tooltip: str, text: str = "") -> ipw.Widget:
    """Return a button that saves the answers, after a text in whose place it says where they are, or why not.

    save: writes the file, and returns its path.
    """
    button = ipw.Button(description="Save my answers", layout=ipw.Layout(width="auto"), tooltip=tooltip)
    note = ipw.HTML(f'<span class="ex-help">{escape(text)}</span>' if text else "")

    def on_save(_: Any) -> None:
        try:
            note.value = f'<span class="ex-help">Saved to {escape(str(save()))}</span>'
        except (OSError, ValueError) as error:
            note.value = f'<span class="ex-status ex-error">{escape(error_text(error))}</span>'

    button.on_click(on_save)
    return row(note, button)
