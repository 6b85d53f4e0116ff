"""The base class of all explorables: traits in, a computation on a thread of its own, a stage and a status area out.

A subclass declares its `inputs` and implements `request`, `compute`, `show`, `data`, `table` and `code`. The base class
has the worker that drops superseded requests, stage, status area, `bind`, `save_html` and `close`: see CONTRIBUTING.
"""

from __future__ import annotations

import functools
import html
import logging
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

import ipywidgets as ipw
import torch
import traitlets as tr
import xarray as xr

from ...diffusion.samplers import SAMPLERS
from ...files import check_target, write_files
from ...pipeline import Pipeline, PipelineProtocol, load
from ...pipeline.progress import Progress
from ..stage.stage import Stage
from .arguments import HeldEdits, call_text, split_arguments
from .binding import bind_control, check_trait_names
from .lifetime import Lifetime
from .offline import offline_page
from .palette import css_variables
from .plain_traits import PlainTraits
from .preview import PREVIEW_LABEL
from .status import StatusArea, error_text
from .worker import Check, Superseded, Worker

CSS = css_variables(".ex-explorable") + (Path(__file__).parent / "explorable.css").read_text("utf-8")
EMPTY_TEXT = "There is nothing to show yet: the status line says why."
BUSY_TEXT_DELAY = 0.25  # seconds before the status line says that something is being computed
shipped_pipeline = functools.cache(load)  # by name, each loaded once per kernel
COMPUTE_LOCK = threading.Lock()  # one computation at a time per kernel: two at once would only slow each other down


class Explorable(Lifetime, PlainTraits):
    """Base class. pipe: a pipeline, or a diffusers pipeline, which is opened; a prompt, or None, stands for the shipped
    model, which is loaded when it is first needed. Edits of a `with ex.edit(...)` around the constructor hold for good.

    busy: whether something is being computed. error: the last computation's exception, or None. result: what `compute`
    returned last; it stays when a later computation fails. preview_label: while a preview is on the stage, its label.
    """

    question: ClassVar[str] = ""
    inputs: ClassVar[tuple[str, ...]] = ()  # the traits on which a computation depends
    busy_text: ClassVar[str] = "Computing …"  # status line during a computation that takes a while
    placeholder: ClassVar[str] = "The first image is being computed …"  # on the stage before the first result
    default_model: ClassVar[str] = "unet-flow"

    busy = tr.Bool(False)

    def __init__(self, pipe: PipelineProtocol | str | None = None, **values: Any):
        self._worker = Worker(type(self).__name__)
        self._request_lock = threading.Lock()
        self.error: Exception | None = None
        self.result: Any = None
        self._request: Any = None  # submitted last
        self.preview_label = ""
        self.stage = Stage(placeholder=self.placeholder)  # before a setting can be refused: `close` needs both
        self.status_area = StatusArea()
        self._edits = HeldEdits()
        self._replace_predecessors()
        self._pipe, values = split_arguments(pipe, values)
        check_trait_names(self, values, self.inputs)
        super().__init__(**self._pipe_defaults() | values)
        self.add_class("ex-explorable")
        self.observe(self._update_placeholder, names="busy")
        self.observe(self._on_input, names=list(self.inputs))

    # ---- what a subclass implements -------------------------------------------------------------------------------

    def request(self) -> Any:
        """Return everything that `compute` needs from the traits, as a value that can be compared."""
        raise NotImplementedError

    def compute(self, pipe: PipelineProtocol, request: Any, progress: Progress) -> Any:
        """Compute the result, on the worker's thread. Call progress(done, total) often: it stops superseded work."""
        raise NotImplementedError

    def show(self, result: Any) -> str:
        """Put a result on the screen. Returns the text of the status line."""
        raise NotImplementedError

    @property
    def data(self) -> xr.Dataset:
        """What is on the screen, as labelled arrays."""
        raise NotImplementedError

    def table(self) -> Any:
        """Return what is on the screen as a pandas table, which a screen reader can read."""
        raise NotImplementedError

    def code(self) -> str:
        """Return the lines of code that reproduce the present state without the explorable."""
        raise NotImplementedError

    # ---- what it inherits -----------------------------------------------------------------------------------------

    @property
    def pipe(self) -> PipelineProtocol:
        """The pipeline that is explored."""
        return self._pipe or shipped_pipeline(self.default_model)

    @property
    def capabilities(self) -> PipelineProtocol | type[Pipeline]:
        """Where the pipeline's capability flags (pipeline/protocol.py) can be read without loading a model."""
        return Pipeline if self._pipe is None else self._pipe

    @property
    def samplers(self) -> tuple[str, ...]:
        """The samplers that can be chosen."""
        return tuple(SAMPLERS) if self._pipe is None else self._pipe.samplers

    @property
    def pipe_code(self) -> str:
        """The line of code that opens the pipeline."""
        code = f"pipe = ex.load({self.default_model!r})" if self._pipe is None else f"# pipe: your own {self._pipe!r}"
        return self._edits.annotate(code, "\n# ", lambda: self.pipe)

    def set_layout(self, *controls: ipw.Widget, below: Sequence[ipw.Widget] = ()) -> None:
        """Lay out question, controls, status line, progress bar, stage, caption, score, and the widgets `below`."""
        heading = ipw.HTML(f'<style>{CSS}</style><div class="ex-question" role="heading" aria-level="2">'
                           f"{html.escape(self.question)}</div>")
        self.children = (heading, *controls, self.status_area.line, self.stage, self.status_area.description, *below)

    def set_caption(self, text: str) -> None:
        """Set the sentence that says what is on the screen now."""
        self.status_area.set_caption(text)

    def set_score(self, name: str, value: str, note: str = "") -> None:
        """Set the score: what was measured, the number with its unit, and how to read it."""
        self.status_area.set_score(name, value, note)

    def set_status(self, text: str, kind: str = "note") -> None:
        """Set the status line. kind: "note", "busy" or "error"."""
        self.status_area.set_status(text, kind)

    def launch(self) -> None:
        """Compute the first result: the last line of a subclass's `__init__`."""
        self.set_status("Loading the model …", "busy")
        self.recompute()

    def bind(self, name: str, control: ipw.Widget, to_control: Callable = lambda v: v,
             to_trait: Callable = lambda v: v) -> None:
        """Keep a control and a trait in step. A value that the trait refuses is reported, and the control moves back.

        to_control, to_trait: convert a value of one to a value of the other.
        """
        bind_control(self, name, control, to_control, to_trait, lambda text: self.set_status(text, "error"))

    def recompute(self) -> None:
        """Compute the result of the present traits, unless that is under way. Returns at once; see `wait`.

        Raises:
            ClosedError: this explorable is closed.
        """
        self.check_open()
        with self._request_lock:  # or of two traits set on two threads, the older request might be submitted last
            self._request = request = self.request()
            self._worker.submit(functools.partial(self._run, request), request)

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

    def save_html(self, path: str | Path) -> Path:
        """Write what is on the screen to one file that opens without a kernel or a network. Returns its path.

        The recording can be scrubbed there; the table and the code are folded below it. Waits for a running
        computation, and raises its exception if it fails, since the image on the screen is then not of these settings.

        Raises:
            OSError: the file cannot be written; one that was there is unchanged.
        """
        check_target(path)
        self.wait()
        if self.error is not None:
            raise self.error
        self.wait_for_result()
        table = self.table().to_html(classes="ex-table", border=0, float_format="{:.3g}".format)
        text = self.status_area.caption.value + self.status_area.score.value
        write_files({Path(path): offline_page(self.question, self.stage, CSS, text, table, self.code()).encode()})
        return Path(path)

    def __repr__(self) -> str:
        return call_text(type(self).__name__, {name: getattr(self, name) for name in self.inputs})

    # ---- internals --------------------------------------------------------------------------------------------------

    def _pipe_defaults(self) -> dict[str, Any]:
        """The settings that start at the pipeline's own default instead of the trait's."""
        defaults: dict[str, Any] = {}
        if "sampler" in self.inputs and self.traits()["sampler"].default() not in self.samplers:
            defaults["sampler"] = self.samplers[0]
        if self._pipe is not None and "guidance" in self.inputs and self.traits()["guidance"].default() is not None:
            defaults["guidance"] = self._pipe.default_guidance
        return defaults

    def _on_input(self, change: Any) -> None:
        """Recompute, unless the trait has no effect at present: a branch's step, while the branch changes nothing."""
        if self.error is not None or self._request != self.request():
            self.recompute()

    def _update_placeholder(self, change: Any) -> None:
        """If the first computation failed, the stage must not announce an image any more."""
        if not change["new"] and not self.stage.captions:
            self.stage.placeholder = EMPTY_TEXT

    def _run(self, request: Any, check: Check) -> None:
        """On the worker's thread: compute one request, and show its result or its error."""
        self._set_busy(True)
        self.status_area.start_progress()
        progress = functools.partial(self._report_progress, check, time.monotonic() + BUSY_TEXT_DELAY)
        if COMPUTE_LOCK.locked():
            self.set_status("Waiting for another computation …", "busy")
        try:
            with COMPUTE_LOCK, torch.inference_mode(), self._edits.holding():
                check()
                result = self.compute(self.pipe, request, progress)
            check()
            self.result, self.error = result, None
            self.set_status(self._edits.annotate(self._show_result(result), " ", lambda: self.pipe))
        except Superseded:
            raise
        except Exception as error:
            self.error = error
            if self.preview_label and self.result is not None:  # the last result replaces the preview
                self._show_result(self.result)
            self.set_status(error_text(error), "error")
            if not isinstance(error, ValueError):
                raise
        finally:
            self.status_area.end_progress()
            self._set_busy(False)
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
