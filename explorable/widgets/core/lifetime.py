"""The end of an explorable: closed by hand, or because the cell that made it is run again."""

from __future__ import annotations

import ctypes
import warnings
from contextlib import suppress
from typing import Any, ClassVar

import ipywidgets as ipw

from ..stage.stage import Stage
from .cells import register
from .display import StillOutput
from .layout import close_styles, close_widgets
from .status import StatusArea
from .worker import Worker


class ClosedError(RuntimeError):
    """A closed explorable was used."""


class Lifetime(ipw.VBox):
    """Closes an explorable and frees what it holds. Used by the base class alone."""

    result_attributes: ClassVar[tuple[str, ...]] = ("result",)  # those that closing sets to None
    closed_text = ""  # what using it raises, once it is closed
    inputs: ClassVar[tuple[str, ...]]
    stage: Stage
    status_area: StatusArea
    result: Any
    _worker: Worker
    _still: StillOutput

    def close(self, timeout: float = 10, quietly: bool = False) -> None:
        """Stop computing and free everything: threads, observers, results and all widget models.

        Warns if the computation did not stop within `timeout` seconds, unless `quietly`. It stops at its next call of
        `progress`.
        """
        if "_worker" not in vars(self):
            return  # its arguments were refused before anything was made
        if not self._worker.close(timeout) and not quietly:
            warnings.warn(f"{type(self).__name__} is closed, but its computation has not stopped after {timeout:g} s; "
                          "it will at its next step", RuntimeWarning, stacklevel=2)
        name = type(self).__name__
        self._free(f"this {name} is closed: make a new one with ex.{name}(...)")

    def forget_results(self) -> None:
        """Drop what closing frees, since a variable may still refer to this explorable."""
        for name in self.result_attributes:
            setattr(self, name, None)
        self.stage.forget()
        return_freed_memory()

    def check_open(self) -> None:
        """Raise ClosedError if this explorable is closed."""
        if self.closed_text:
            raise ClosedError(self.closed_text)

    def _replace_predecessors(self) -> None:
        """Close what an earlier execution of the running cell made."""
        for old in register(self):
            old._close_replaced()

    def _close_replaced(self) -> None:
        """Close without waiting for the computation: nobody can see its result, and it stops at its next step."""
        if self.closed_text:
            return
        self._worker.close(0)
        name = type(self).__name__
        self._free(f"this {name} is closed, because the cell that made it was run again: use the one that the cell "
                   f"made then, or make a new one with ex.{name}(...)")
        self.observe(lambda change: self.check_open(), names=list(self.inputs))  # setting one would do nothing

    def _free(self, closed_text: str) -> None:
        self.closed_text = self.closed_text or closed_text
        if "_still" in vars(self):  # not in one whose settings were refused
            self._still.close()
        self.unobserve_all()
        widgets = close_widgets(self, self.stage, self.status_area.line, self.status_area.description)
        super().close()
        close_styles([*widgets, self])
        self.forget_results()


def return_freed_memory() -> None:
    """Give freed memory back to the operating system, where the C library is glibc, which keeps it otherwise."""
    with suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)
