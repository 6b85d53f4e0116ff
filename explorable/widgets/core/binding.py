"""Keeping a control and a trait in step."""

from __future__ import annotations

from collections.abc import Callable
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
