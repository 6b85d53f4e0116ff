"""Setting traits: by name, and from a control."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import ipywidgets as ipw
import traitlets as tr

from .status import error_text


def bind_control(owner: tr.HasTraits, name: str, control: ipw.Widget, to_control: Callable, to_trait: Callable,
                 report_error: Callable[[str], None]) -> None:
    """Bind a control's value to a trait, both ways. A value that the trait refuses is reported and taken back.

    to_control, to_trait: convert a value of one to a value of the other.
    """

    def update_control(change: Any = None) -> None:
        control.value = to_control(getattr(owner, name))

    def update_trait(change: Any) -> None:
        if change["new"] == to_control(getattr(owner, name)):
            return  # the control followed the trait: this was not the user
        try:
            setattr(owner, name, to_trait(change["new"]))
        except (ValueError, tr.TraitError) as error:
            report_error(error_text(error))
            update_control()

    update_control()
    owner.observe(update_control, names=name)
    control.observe(update_trait, names="value")


def check_trait_names(owner: tr.HasTraits, names: Iterable[str], inputs: Sequence[str]) -> None:
    """Raise TypeError for a name that is not a trait; it names the nearest trait, or else all inputs."""
    for name in names:
        if not owner.has_trait(name):
            near = difflib.get_close_matches(name, inputs, 1, 0.5) or difflib.get_close_matches(
                name, owner.trait_names(), 1)
            hint = f"did you mean {near[0]!r}?" if near else f"its settings are {', '.join(inputs)}"
            raise TypeError(f"{type(owner).__name__} has no setting {name!r}: {hint}")
