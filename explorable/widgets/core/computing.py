"""The half of an explorable that computes: the latest request wins; its result, preview or error goes on the screen."""

from __future__ import annotations

import functools
import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import ipywidgets as ipw
import torch
import traitlets as tr

from ...pipeline.arguments import check_samples_images
from ..stage.stage import Stage
from .arguments import HeldEdits
from .binding import ErrorNote
from .display import StillOutput
from .lifetime import Lifetime
from .plain_traits import PlainTraits
from .preview import PREVIEW_LABEL
from .status import StatusArea, error_text
from .worker import Check, Superseded, Worker

EMPTY_TEXT = "There is nothing to show yet: the status line says why."
BUSY_TEXT_DELAY = 0.25  # seconds before the status line says that something is being computed
COMPUTE_LOCK = threading.Lock()  # one computation at a time per kernel: two at once would only slow each other down


class ComputingWidget(Lifetime, PlainTraits):
    """A widget that computes a result from its traits, on a thread of its own, and shows it on a stage.

    busy: whether something is being computed. error: the last computation's exception, or None. result: what `compute`
    returned last; it stays when a later computation fails. preview_label: while a preview is on the stage, its label.
    """

    busy_text: ClassVar[str] = "Computing …"  # status line during a computation that takes a while
    placeholder: ClassVar[str] = "The first image is being computed …"  # on the stage before the first result

    busy = tr.Bool(False)
    _is_changing = False

    def _prepare(self) -> None:
        """Create what computing needs: the first line of a subclass's `__init__`."""
        self._worker = Worker(type(self).__name__)
        self._request_lock = threading.Lock()
        self.error: Exception | None = None
        self.result: Any = None
        self._request: Any = None  # submitted last
        self._result_request: Any = None  # that of `result`
        self.preview_label = ""
        self.stage = Stage(placeholder=self.placeholder)
        self.status_area = StatusArea()
        self._edits = HeldEdits()
        self._changing: ipw.Widget | None = None  # the control whose change is being taken over
        self._note = ErrorNote()

    def _prepare_still(self) -> None:
        """Create the still image, when no setting can be refused any more: it refers to this object, which would keep
        one that was refused from being freed at once."""
        self._still = StillOutput(type(self).__name__, self._paint_still, lambda: bool(self.busy), self.wait)
        self.stage.observe(lambda change: self._still.update_soon(), names=["frame", "selection", "layer"])

    def recompute(self) -> None:
        """Compute the result of the present traits, unless that is under way. Returns at once; see `wait`.

        Raises:
            ClosedError: this explorable is closed.
        """
        self.check_open()
        with self._request_lock:  # or of two traits set on two threads, the older request might be submitted last
            self._request = request = self.request()
            self._worker.submit(functools.partial(self._run, request, self._changing), request)

    def wait(self, timeout: float = 60) -> None:
        """Wait until nothing is being computed.

        Raises:
            TimeoutError: it took longer than `timeout` seconds. RuntimeError: called in the computation itself.
        """
        if self._worker.is_current_thread and self.busy:
            raise RuntimeError("the computation cannot wait for itself: observe `busy`, and go on when it is False")
        if not self._worker.wait(timeout):
            raise TimeoutError(f"{type(self).__name__} is still computing after {timeout:g} s")

    def wait_for_result(self) -> Any:
        """Return the last result; wait for the first one. Raises its exception if the first computation failed, and
        ClosedError if this explorable is closed."""
        if self.result is None:
            self.wait()
        self.check_open()
        if self.result is None:
            raise self.error or RuntimeError(f"this {type(self).__name__} computes nothing yet: call `launch`")
        return self.result

    def show_preview(self, put_on_stage: Callable[[], None], label: str = PREVIEW_LABEL) -> None:
        """Call this in `compute` to show something before the result is there (see preview.py).

        put_on_stage: shows it. label: what it is, in the status line and in the caption.
        """
        put_on_stage()
        self.preview_label = label
        self.set_status(self._busy_message(), "busy")
        self.set_caption(f"This is {label}; the full result and its score will follow.")

    def set_status(self, text: str, kind: str = "note") -> None:
        """Set the status line. kind: "note", "busy" or "error"."""
        self.status_area.set_status(text, kind)
        if kind != "error":
            self._note.remove()

    def show_failure(self, error: Exception, control: ipw.Widget | None = None) -> None:
        """Show why there is no result of the present settings; the last one stays, marked as such.

        control: the one that caused it, if known.
        """
        self.error = error
        self._show_error(error_text(error), control)
        if self.result is not None:
            self.stage.stale = stale_text(self._result_request)

    @contextmanager
    def computing_once(self) -> Iterator[None]:
        """Within this, a changed setting is validated at once, and a result is computed at the end, unless one was
        refused."""
        self._is_changing = True
        try:
            yield
        finally:
            self._is_changing = False
        self._on_input(None)

    # ---- internals --------------------------------------------------------------------------------------------------

    def _paint_still(self) -> tuple[bytes, str]:
        """Return a still image of what is on the screen, and its text."""
        raise NotImplementedError

    def _on_input(self, change: Any) -> None:
        """Recompute, unless the trait has no effect at present: a branch's step, while the branch changes nothing."""
        if not self._is_changing and (self.error is not None or self._request != self.request()):
            self.recompute()

    def _run(self, request: Any, control: ipw.Widget | None, check: Check) -> None:
        """On the worker's thread: compute a request, and show its result or error. control: the cause, if known."""
        self._set_busy(True)
        self.status_area.start_progress()
        progress = functools.partial(self._report_progress, check, time.monotonic() + BUSY_TEXT_DELAY)
        if COMPUTE_LOCK.locked():
            self.set_status("Waiting for another computation …", "busy")
        try:
            with COMPUTE_LOCK, torch.inference_mode(), self._edits.holding():
                check()
                check_samples_images(self.pipe, type(self).__name__)
                result = self.compute(self.pipe, request, progress)
            check()
            self.result, self._result_request, self.error = result, request, None
            self.stage.stale = ""
            self.set_status(self._edits.annotate(self._show_result(result), " ", lambda: self.pipe))
        except Superseded:
            raise
        except Exception as error:
            self.show_failure(error, control)
            if self.result is not None and self.preview_label:  # the last result replaces the preview
                self._show_result(self.result)
            if not isinstance(error, ValueError):
                raise
        finally:
            self.status_area.end_progress()
            self._set_busy(False)
            self._still.update_soon()
            if self.closed_text:
                self.forget_results()

    def _set_busy(self, busy: bool) -> None:
        """Set the trait. What a user's observer raises is logged, and the computation goes on."""
        try:
            self.busy = busy
        except (Exception, SystemExit):
            logging.getLogger(__name__).exception("an observer of %s.busy failed", type(self).__name__)

    def _show_result(self, result: Any) -> str:
        if self.preview_label:
            self.set_caption("")
        status = self.show(result)
        self.preview_label = ""
        return status

    def _busy_message(self) -> str:
        label = self.preview_label
        return f"{label[:1].upper()}{label[1:]}. {self.busy_text}" if label else self.busy_text

    def _report_progress(self, check: Check, busy_text_time: float, done: int, total: int) -> None:
        check()
        if time.monotonic() >= busy_text_time:
            self.set_status(self._busy_message(), "busy")
        self.status_area.set_progress(done / total)

    def _show_error(self, text: str, control: ipw.Widget | None) -> None:
        """Show an error in the status line, and beside the control that caused it if that stands elsewhere."""
        self.set_status(text, "error")
        self._note.show(self, control, text)


def stale_text(request: Any) -> str:
    """Return the label of a result that stays on the stage when a later request was refused."""
    prompt = getattr(request, "prompt", getattr(getattr(request, "settings", None), "prompt", None))
    return "This is still the last result" + (f", of “{prompt}”" if prompt else "")
