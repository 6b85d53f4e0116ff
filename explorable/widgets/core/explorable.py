"""What every explorable is: traits in, a computation apart from the message loop, something to look at out.

A subclass names the traits that it `asks` with, and writes `asked`, `compute` and `show`. From here it has the
status line, the progress bar, the worker that keeps only the latest wish, `data`, `table()`, `code()` and `close()`.
"""

from __future__ import annotations

import difflib
import functools
import html
import textwrap
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import ipywidgets as ipw
import torch
import traitlets as tr
import xarray as xr

from ...diffusion.settings import SAMPLERS, SettingError, Settings, check_settings
from ...pipeline import Pipeline, load
from ..stage.stage import Stage
from .offline import page
from .preview import PREVIEW_LABEL
from .worker import Check, Superseded, Worker

CSS = (Path(__file__).parent / "explorable.css").read_text("utf-8")
MAX_REPR_LENGTH = 109  # a notebook's text output stays on one line, and the same from run to run
EMPTY_TEXT = "There is nothing to see yet: the status line says why."
BUSY_TEXT_DELAY = 0.25  # seconds: what takes longer is said in words; base.css shows the bar as late
COMPUTE_LOCK = threading.Lock()  # one computation at a time in a kernel: two at once would only slow each other

Progress = Callable[[int, int], None]


@functools.cache
def shipped_pipeline(name: str) -> Pipeline:
    """The shipped pipeline, opened once a kernel."""
    return load(name)


def validate_setting(proposal: Any) -> Any:
    """For `tr.validate`: the value, if a run can be asked for it. Raises SettingError if not."""
    name, value = proposal["trait"].name, proposal["value"]
    if name != "sampler":
        check_settings(replace(Settings(""), **{name: value}))
    elif value not in (known := proposal["owner"].samplers):
        raise SettingError(f"sampler is {value!r}: choose one of {', '.join(known)}")
    return value


class Explorable(ipw.VBox):
    """The base class. `pipe=None` means the shipped model, opened when it is first needed.

    busy: whether something is being computed. error: what went wrong last, None when nothing did.
    shown: what `compute` made of the last wish that went well; it stays when a later one fails.
    """

    question: ClassVar[str] = ""
    inputs: ClassVar[tuple[str, ...]] = ()  # the traits that a computation depends on
    busy_text: ClassVar[str] = "Computing …"  # what the status line says of a computation that takes a while
    default_model: ClassVar[str] = "unet-flow"

    busy = tr.Bool(False)
    stage: Stage  # what the recording is shown on: a subclass makes it

    def __init__(self, pipe: Pipeline | None = None, **values: Any):
        self._pipe = pipe
        self._worker = Worker(type(self).__name__)
        self._asking = threading.Lock()
        self.error: Exception | None = None
        self.result: Any = None
        self.preview_label = ""  # while what is on the stage is a first look, and no answer: what it is called
        self._refuse_unknown(values)
        if "sampler" in self.inputs and self.traits()["sampler"].default() not in self.samplers:
            values = {"sampler": self.samplers[0], **values}
        if isinstance(pipe, Pipeline) and "guidance" in self.inputs and self.traits()["guidance"].default() is not None:
            values = {"guidance": pipe.default_guidance, **values}
        super().__init__(**values)
        self._status = ipw.HTML(layout=ipw.Layout(margin="0"))
        self._bar = ipw.FloatProgress(min=0, max=1, layout=ipw.Layout(width="100%", height="4px", margin="0"))
        self._bar.add_class("ex-bar")
        self._seen, self._score = ipw.HTML(layout=ipw.Layout(margin="0")), ipw.HTML(layout=ipw.Layout(margin="0"))
        self.add_class("ex-explorable")
        self.observe(self._say_if_empty, names="busy")
        self.observe(lambda change: self.recompute(), names=list(self.inputs))

    # ---- what a subclass writes -----------------------------------------------------------------------------------

    def request(self) -> Any:
        """The present wish, as a value that can be compared: what `compute` needs, and nothing of the screen."""
        raise NotImplementedError

    def compute(self, pipe: Pipeline, request: Any, progress: Progress) -> Any:
        """The answer. Runs apart from the message loop; calls progress(done, of), which may end it."""
        raise NotImplementedError

    def show(self, result: Any) -> str:
        """Put an answer on the screen. Returns what the status line says of it."""
        raise NotImplementedError

    @property
    def data(self) -> xr.Dataset:
        """What is on the screen, as labelled arrays."""
        raise NotImplementedError

    def table(self) -> Any:
        """The same as a table: its twin for a screen reader."""
        raise NotImplementedError

    def code(self) -> str:
        """The lines that reproduce what the explorable is set to."""
        raise NotImplementedError

    # ---- what it gets -------------------------------------------------------------------------------------------

    @property
    def pipe(self) -> Pipeline:
        """The pipeline that this explorable opens up."""
        return self._pipe or shipped_pipeline(self.default_model)

    @property
    def ours(self) -> bool:
        """Whether the pipeline is of this package. Of others, opened by `ex.open`, less is known: how many steps they
        take of those asked for, what their text encoder hears, what an examiner would say of their pictures."""
        return self._pipe is None or isinstance(self._pipe, Pipeline)

    @property
    def samplers(self) -> tuple[str, ...]:
        """The samplers that can be chosen."""
        return tuple(SAMPLERS) if self._pipe is None else getattr(self._pipe, "samplers", tuple(SAMPLERS))

    @property
    def pipe_code(self) -> str:
        """The line of code that opens the pipeline."""
        return f"pipe = ex.load({self.default_model!r})" if self._pipe is None else f"# pipe: your own {self._pipe!r}"

    def recompute(self) -> None:
        """Compute what the traits now ask for, unless that is being done. Returns at once; `wait` waits."""
        with self._asking:  # or of two traits set on two threads, the older wish might be asked for last
            request = self.request()
            self._worker.submit(functools.partial(self._answer, request), request)

    def wait(self, timeout: float = 60) -> None:
        """Wait until nothing is being computed.

        Raises:
            TimeoutError: it took longer.
        """
        if not self._worker.wait(timeout):
            raise TimeoutError(f"{type(self).__name__} is still computing after {timeout:g} s")

    def wait_for_result(self) -> Any:
        """The last good answer, waited for where there is none yet. Raises what went wrong with the first."""
        if self.result is None:
            self.wait()
        if self.result is None:
            raise self.error or RuntimeError(f"this {type(self).__name__} is closed and never drew anything")
        return self.result

    def set_status(self, text: str, kind: str = "note") -> None:
        """Write the status line: kind is note, busy or error. The text is shown as text, whatever is in it."""
        role = "alert" if kind == "error" else "status"
        self._status.value = f'<div class="ex-status ex-{kind}" role="{role}">{html.escape(text)}</div>'

    def save_html(self, path: str | Path) -> Path:
        """Write what is on the screen to one file that opens without a kernel or a network. Returns its path.

        The recording is scrubbed there as here; the table and the code that reproduces it are folded below. What is
        being computed is waited for. Raises what is wrong with the present settings: the picture would not be of them.
        """
        self.wait()
        if self.error is not None:
            raise self.error
        self.wait_for_result()
        table = self.table().to_html(classes="ex-table", border=0, float_format="{:.3g}".format)
        made = page(self.question, self.stage, self._seen.value + self._score.value, table, self.code())
        path = Path(path)
        path.write_text(made, "utf-8")
        return path

    def set_caption(self, text: str) -> None:
        """The one sentence that says what is being seen now. Shown as text."""
        self._seen.value = f'<div class="ex-seen" aria-live="polite">{html.escape(text)}</div>'

    def set_score(self, name: str, value: str, note: str = "") -> None:
        """The score of what is seen: what was measured, the number with its unit, and how to read it. As text."""
        self._score.value = (f'<div class="ex-score"><span>{html.escape(name)}</span> <b>{html.escape(value)}</b> '
                             f'<span class="ex-help">{html.escape(note)}</span></div>')

    def show_preview(self, put: Callable[[], None], called: str = PREVIEW_LABEL) -> None:
        """For `compute`: put a first look on the stage (see first_look.py), and say that the rest is on its way."""
        put()
        self.preview_label = called
        self.set_status(self._busily(), "busy")
        self.set_caption(f"This is {called}; the whole, with its score, is on its way.")

    def close(self, timeout: float = 10) -> None:
        """Stop computing, and take everything off the page: no thread, no observer and no widget model is left.

        Warns where the computation did not stop in time: it will by itself, at its next step.
        """
        if not self._worker.close(timeout):
            warnings.warn(f"{type(self).__name__} is closed, but its computation has not stopped after {timeout:g} s; "
                          "it will at its next step", RuntimeWarning, stacklevel=2)
        self.unobserve_all()
        lines = (vars(self).get(name) for name in ("_seen", "_score", "_status", "_bar"))  # it may not show all of them
        below = list({id(w): w for w in (*_below(self), *lines) if w is not None}.values())
        for widget in below:
            widget.unobserve_all()
            widget.close()
        super().close()
        for widget in [*below, self]:  # last: a view on the page uses them to its end
            for part in (widget.layout, getattr(widget, "style", None)):
                if isinstance(part, ipw.Widget):  # a chart's layout is plotly's
                    part.close()

    def __repr__(self) -> str:
        values = {name: value for name in self.inputs if (value := getattr(self, name)) is not None}
        said = [f"{value:g}" if isinstance(value, float) else repr(value) for value in values.values()]
        named = [f"{name}={value}" for name, value in zip(values, said, strict=True)]
        state = ", ".join([*said[:1], *named[1:]])
        return textwrap.shorten(f"{type(self).__name__}({state})", MAX_REPR_LENGTH, placeholder=" …)")

    # ---- how -------------------------------------------------------------------------------------------------------

    def set_layout(self, *rows: ipw.Widget) -> None:
        """Lay out: the question, then the rows: controls, the stage, then `_seen`, `_score`, `_status` and `_bar`."""
        heading = ipw.HTML(f'<style>{CSS}</style><div class="ex-question" role="heading" aria-level="2">'
                           f'{html.escape(self.question)}</div>')
        self.children = (heading, *rows)

    def bind(self, name: str, control: ipw.Widget, inward: Callable = lambda v: v, outward: Callable = lambda v: v,
            ) -> None:
        """Moving the control sets the trait, and setting the trait moves the control. What is refused moves back."""

        def move_in(change: Any = None) -> None:
            control.value = inward(getattr(self, name))

        def move_out(change: Any) -> None:
            if change["new"] == inward(getattr(self, name)):
                return  # the control followed the trait: it is not the reader's hand
            try:
                setattr(self, name, outward(change["new"]))
            except (ValueError, tr.TraitError) as error:
                self.set_status(_sentence(error), "error")
                move_in()

        move_in()
        self.observe(move_in, names=name)
        control.observe(move_out, names="value")

    def _say_if_empty(self, change: Any) -> None:
        """Where the first computation came to nothing, the stage does not promise any more."""
        if not change["new"] and not self.stage.captions:
            self.stage.placeholder = EMPTY_TEXT

    def _refuse_unknown(self, values: dict[str, Any]) -> None:
        for name in values:
            if not self.has_trait(name):
                near = difflib.get_close_matches(name, self.inputs, 1, 0.5) or difflib.get_close_matches(
                    name, self.trait_names(), 1)
                hint = f"did you mean {near[0]!r}?" if near else f"it can be given {', '.join(self.inputs)}"
                raise TypeError(f"{type(self).__name__} has no setting {name!r}: {hint}")

    def _answer(self, request: Any, check: Check) -> None:
        """On the worker's thread: compute one wish, and show it or say what is wrong with it."""
        self.busy = True
        self._bar.bar_style, self._bar.value = "", 0
        self._bar.add_class("ex-moving")
        progress = functools.partial(self._progress, check, time.monotonic() + BUSY_TEXT_DELAY)
        if COMPUTE_LOCK.locked():
            self.set_status("Waiting for another computation …", "busy")
        try:
            with COMPUTE_LOCK, torch.inference_mode():
                check()
                result = self.compute(self.pipe, request, progress)
            check()
            self.result, self.error = result, None
            self.set_status(self._shown(result))
        except Superseded:
            raise
        except Exception as error:
            self.error = error
            if self.preview_label and self.result is not None:  # the last good answer comes back
                self._shown(self.result)
            self.set_status(_sentence(error), "error")
            if not isinstance(error, ValueError):
                raise
        finally:
            self._bar.remove_class("ex-moving")
            self.busy = False

    def _busily(self) -> str:
        """What the status line says meanwhile."""
        return (
            f"{self.preview_label[:1].upper()}{self.preview_label[1:]}. {self.busy_text}"
            if self.preview_label
            else self.busy_text
        )

    def _shown(self, result: Any) -> str:
        """Show an answer in place of a first look at it, and of what was said of that."""
        if self.preview_label:
            self._seen.value = ""
        said = self.show(result)
        self.preview_label = ""
        return said

    def _progress(self, check: Check, noticeable: float, done: int, of: int) -> None:
        check()
        if time.monotonic() >= noticeable:
            self.set_status(self._busily(), "busy")
        if done / of >= self._bar.value + 0.04 or done >= of:  # at most some 25 messages a computation
            self._bar.value = done / of


def _sentence(error: Exception) -> str:
    """An error in plain words: what it says if it is one of ours, its kind too if it is a surprise."""
    text = str(error) if isinstance(error, (ValueError, tr.TraitError)) else f"{type(error).__name__}: {error}"
    return text[:1].upper() + text[1:].rstrip(".") + "."


def _below(box: ipw.Box) -> Iterator[ipw.Widget]:
    """Every widget in a box, and in the boxes in it."""
    for child in box.children:
        if isinstance(child, ipw.Box):
            yield from _below(child)
        yield child
