"""Setting traits: by name, and from a control. The error beside a control whose value was refused."""

from __future__ import annotations

import difflib
import html
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import ipywidgets as ipw
import traitlets as tr

from .layout import close_styles, descendants
from .status import error_text

GROUP_CLASS = "ex-group"  # of the folded groups of frame.py


def bind_control(owner: Any, name: str, control: ipw.Widget, to_control: Callable, to_trait: Callable) -> None:
    """Bind a control's value to a trait, both ways. A value that the trait refuses is reported and taken back.

    owner: a ComputingWidget. to_control, to_trait: convert a value of one to a value of the other.
    """

    def update_control(change: Any = None) -> None:
        control.value = to_control(getattr(owner, name))

    def update_trait(change: Any) -> None:
        if change["new"] == to_control(getattr(owner, name)):
            return  # the control followed the trait: this was not the user
        owner._changing = control
        try:
            setattr(owner, name, to_trait(change["new"]))
        except (ValueError, tr.TraitError) as error:
            owner._show_error(error_text(error), control)
            update_control()
        finally:
            owner._changing = None

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


class ErrorNote:
    """An error below the control that caused it, for controls in a folded group, away from the status line."""

    def __init__(self) -> None:
        self._html: ipw.HTML | None = None
        self._box: ipw.Box | None = None

    def show(self, owner: ipw.Widget, control: ipw.Widget | None, text: str) -> None:
        """Show the text in the control's group, below the row in which the control stands."""
        self.remove()
        for group in (box for box in descendants(owner) if GROUP_CLASS in box._dom_classes):
            for k, line in enumerate(group.children):
                if control is line or control in descendants(line):
                    self._html = ipw.HTML(f'<div class="ex-status ex-error">{html.escape(text)}</div>')
                    self._box = group
                    group.children = (*group.children[: k + 1], self._html, *group.children[k + 1 :])
                    return

    def remove(self) -> None:
        """Remove the text, if there is one."""
        if self._box is not None and self._html is not None:
            self._box.children = tuple(child for child in self._box.children if child is not self._html)
            self._html.close()
            close_styles([self._html])
            self._box = self._html = None
