"""What a displayed explorable leaves in the notebook: the live view, and below it a still image for who has no kernel.

The still is an output of its own, which a style hides while the live view is on the page. In one output with the
view, JupyterLab would rebuild the view whenever the still changes, and show an error in place of the still when the
notebook is opened without the kernel. nbconvert, GitHub and a notebook that is only opened show the still.

Front ends with a page send the id of the cell with its code. There the cell ends at once, and the still is painted when
the explorable has rested for a moment, again after each change. Others (nbclient, nbconvert, papermill, nbval, Voilà)
keep what the cell shows while it runs: there the cell waits for the first result, and the still remains what it was.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import ipywidgets as ipw
from IPython import get_ipython
from IPython.display import display

from .cells import current_request
from .still import WIDTH
from .worker import Check, Worker

REST_SECONDS = 1.5  # without a change, until the still is painted
STEP_SECONDS = 0.05  # between checks whether there was one
MAX_SECONDS = 120  # for the first result, where the cell waits for it
VSCODE = "__vsc_ipynb_file__"  # a variable in its kernels; the view and the still would both be seen there
# The rule is only on the page while an explorable is: a still without its live view is seen.
HIDE_STILL = (f'.jp-OutputArea-child:has(.ex-explorable) + .jp-OutputArea-child:has(img[width="{WIDTH}"]) '
              "{ display: none; }\n")


def show_view(widget: ipw.DOMWidget) -> None:
    """Put the live view of a widget into the output of the running cell; of a closed widget, only its text."""
    bundle = widget._repr_mimebundle_  # ipywidgets sets it to None when it closes a widget
    display(bundle() if bundle else {"text/plain": repr(widget)}, raw=True)


class StillOutput:
    """The stills of one explorable, one for each time that it was displayed.

    paint: returns a PNG, and its text for screen readers. is_busy: whether the explorable computes. await_result: waits
    for its result, at most for some seconds.
    """

    def __init__(self, name: str, paint: Callable[[], tuple[bytes, str]], is_busy: Callable[[], bool],
                 await_result: Callable[[float], None]):
        self._name, self._paint, self._is_busy, self._await_result = name, paint, is_busy, await_result
        self._ids: list[str] = []  # of the outputs that follow the explorable
        self._worker = Worker(f"{name}-still")

    def show(self) -> None:
        """Put a still into the output of the running cell, after the live view."""
        request = current_request()
        cell = request.get("metadata", {}).get("cellId", "")
        if request.get("header", {}).get("msg_type") != "execute_request" or VSCODE in get_ipython().user_ns:
            return  # not in a cell: a click in the page, or no kernel at all
        if not cell:
            with contextlib.suppress(TimeoutError):
                self._await_result(MAX_SECONDS)
        identifier = uuid4().hex
        self._publish(identifier, update=False)
        if cell:
            self._ids.append(identifier)
            self.update_soon()

    def update_soon(self) -> None:
        """Paint the stills again when nothing has changed for a moment. Call this after each change."""
        if self._ids:
            self._worker.submit(self._update)

    def close(self) -> None:
        """Keep the stills as they are."""
        self._ids.clear()
        self._worker.close(0)

    def _update(self, check: Check) -> None:
        end = time.monotonic() + REST_SECONDS
        while time.monotonic() < end:
            time.sleep(STEP_SECONDS)
            check()
        if self._is_busy():
            return  # its result will come
        for identifier in list(self._ids):
            self._publish(identifier, update=True)

    def _publish(self, identifier: str, update: bool) -> None:
        png, text = self._paint()
        metadata: dict[str, Any] = {"image/png": {"width": WIDTH, "alt": text}}
        display({"image/png": png, "text/plain": f"Still image of {self._name}"}, raw=True, metadata=metadata,
                display_id=identifier, update=update)
