"""The choice of a picture, and how far a run that starts from it noises it."""

from __future__ import annotations

from typing import Any

import ipywidgets as ipw

from .explorable import Explorable
from .layout import NARROW
from .picture import DRAWINGS, Picture, as_picture
from .picture_input import PictureInput
from .status import error_text


def picture_choice(w: Explorable, trait: str, name: str, none: str = "") -> ipw.Widget:
    """Return the choice of a drawing; pictures of the user's own are added to it. none: the text of the choice of no
    picture, where the trait may be None."""
    options: list[tuple[str, Any]] = [(none, "")] if none else []  # to a dropdown, the value None is no choice
    options += [(text, Picture(text)) for text in DRAWINGS]
    dropdown = ipw.Dropdown(description=name, options=options, style=NARROW,
                            tooltip=f"A drawing of the picture world, or your own picture ({trait.replace('_', ' ')})",
                            layout=ipw.Layout(flex="1 1 150px", min_width="150px", max_width="330px"))

    def to_control(picture: Picture | None) -> Picture | str:
        if picture is not None and picture not in [value for _, value in dropdown.options]:
            dropdown.options = (*dropdown.options, (picture.name, picture))
        return picture or ""

    w.bind(trait, dropdown, to_control, lambda value: value or None)
    return dropdown


def picture_button(w: Explorable, trait: str) -> PictureInput:
    """Return a button that sets a trait to a picture file of the user's. A file that cannot be read is reported beside
    it, and the last picture stays."""

    def refuse(error: ValueError) -> None:
        w._show_error(error_text(error), button)

    def take(name: str, content: bytes) -> None:
        try:
            picture = as_picture(content, name)
        except ValueError as error:
            refuse(error)
        else:
            setattr(w, trait, picture)

    button = PictureInput(take, refuse)
    return button


def strength_slider(w: Explorable) -> ipw.Widget:
    """Return the slider of the strength."""
    slider = ipw.FloatSlider(description="strength", min=0.05, max=1, step=0.05, readout_format=".2f", style=NARROW,
                             tooltip="The share of the steps that are sampled: how far the picture is noised",
                             layout=ipw.Layout(flex="1 1 200px"))

    def to_control(value: float) -> float:
        slider.min = min(slider.min, value)
        return value

    w.bind("strength", slider, to_control)
    return slider
