"""The base class of all explorables: traits in, a computation on a thread of its own, a stage and a status area out.

A subclass declares its `inputs` and implements `request`, `compute`, `show`, `data`, `table` and `code`. The base class
has the worker that drops superseded requests, stage, status area, `bind`, `save_html` and `close`: see CONTRIBUTING.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import ipywidgets as ipw
import xarray as xr

from ...diffusion.samplers import SAMPLERS
from ...files import check_target, write_files
from ...pipeline import Pipeline, PipelineProtocol, load
from ...pipeline.progress import Progress
from ..stage.painting import Snapshot
from .arguments import call_text, split_arguments
from .binding import bind_control, check_trait_names
from .computing import EMPTY_TEXT, ComputingWidget
from .display import HIDE_STILL, show_view
from .frame import MAX_BESIDE, arrange_panels, framed
from .offline import offline_page, position_text
from .palette import css_variables
from .still import Texts, still_png

CSS = css_variables(".ex-explorable") + HIDE_STILL + (Path(__file__).parent / "explorable.css").read_text("utf-8")
shipped_pipeline = functools.cache(load)  # by name, each loaded once per kernel


class Explorable(ComputingWidget):
    """Base class. pipe: a pipeline, or a diffusers pipeline, which is opened; a prompt, or None, stands for the shipped
    model, which is loaded when it is first needed. Edits of a `with ex.edit(...)` around the constructor hold for good.

    busy, error, result, preview_label: see ComputingWidget.
    """

    question: ClassVar[str] = ""
    inputs: ClassVar[tuple[str, ...]] = ()  # the traits on which a computation depends
    default_model: ClassVar[str] = "unet-flow"

    def __init__(self, pipe: PipelineProtocol | str | None = None, **values: Any):
        self._prepare()  # before a setting can be refused: `close` needs it
        self._replace_predecessors()
        self._pipe, values = split_arguments(pipe, values)
        check_trait_names(self, values, self.inputs)
        super().__init__(**self._pipe_defaults() | values)
        self._prepare_still()
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

    def set_layout(self, *controls: ipw.Widget, side: Sequence[ipw.Widget] = (),
                   groups: Mapping[str, Sequence[ipw.Widget]] | None = None, wide: bool = False) -> None:
        """Lay out the explorable: see frame.py.

        controls: the main ones, in rows. side: what stands beside the stage, below caption and score. groups: further
        controls and tables by title, folded at first. wide: the stage has several panels and needs the whole width.
        """
        if wide:
            self.add_class("ex-full-width")
        self.children = framed(self.question, CSS, controls, self.status_area, self.stage, side, groups or {})

    def set_panel_rows(self, rows: int) -> None:
        """Arrange the page for the panels of the present result. Call it in `show`, where their number changes.

        rows: 1: one row over the whole width, with chart and verdict below it. 2: two rows, with chart and verdict
        beside them where there is room. 0: one image, with chart and verdict beside it, as `set_layout` does.
        """
        arrange_panels(self, rows)

    def set_row_of_panels(self, count: int) -> None:
        """Arrange the page for one row of panels: more than MAX_BESIDE have the whole width."""
        self.set_panel_rows(1 if count > MAX_BESIDE else 0)

    def set_caption(self, text: str) -> None:
        """Set the sentence that says what is on the screen now."""
        self.status_area.set_caption(text)

    def set_score(self, name: str, value: str, note: str = "") -> None:
        """Set the score: what was measured, the number with its unit, and how to read it."""
        self.set_scores([(name, value, note)])

    def set_scores(self, rows: Sequence[tuple[str, str, str]]) -> None:
        """Set a score of several rows, each as in `set_score`."""
        self.status_area.set_scores(rows)

    def launch(self) -> None:
        """Compute the first result: the last line of a subclass's `__init__`."""
        self.set_status("Loading the model …", "busy")
        self.recompute()

    def bind(self, name: str, control: ipw.Widget, to_control: Callable = lambda v: v,
             to_trait: Callable = lambda v: v) -> None:
        """Keep a control and a trait in step. A value that the trait refuses is reported, and the control moves back.

        to_control, to_trait: convert a value of one to a value of the other.
        """
        bind_control(self, name, control, to_control, to_trait)

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
        settings = self._settings()
        chart = getattr(self, "chart", None)
        svg = "" if chart is None else chart.current_svg()
        page = offline_page(self.question, self.stage, CSS, text, table, self.code(), settings, svg,
                            self.panels_to_save(), self._dom_classes)
        write_files({Path(path): page.encode()})
        return Path(path)

    def panels_to_save(self) -> list[dict[str, Any]]:
        """The descriptions of the panels of a saved page: those on the stage, unless a subclass knows better."""
        return list(self.stage.panels)

    def still(self) -> bytes:
        """Return a PNG of what is on the screen, as it is saved with a notebook: question, settings, images, caption
        and score."""
        return self._paint_still()[0]

    def __repr__(self) -> str:
        return call_text(type(self).__name__, {name: getattr(self, name) for name in self.inputs})

    # ---- internals --------------------------------------------------------------------------------------------------

    def _ipython_display_(self) -> None:
        show_view(self)
        if not self.closed_text:
            self._still.show()

    def _paint_still(self) -> tuple[bytes, str]:
        """Return the still, and its text for screen readers."""
        area, snapshot = self.status_area, Snapshot.of(self.stage)
        settings = " · ".join(f"{name}: {value}" for name, value in self._settings().items())
        position = position_text(snapshot) if snapshot.captions else ""
        caption = area.caption_text if snapshot.captions else self.stage.placeholder
        texts = Texts(self.question, settings, position, caption, area.score_text)
        return still_png(snapshot, texts), " ".join(filter(None, [self.question, position, caption, texts.score]))

    def _settings(self) -> dict[str, Any]:
        """Return the settings by name, as they are shown, without those that are empty."""
        values = {name.replace("_", " "): getattr(self, name) for name in self.inputs}
        return {name: value for name, value in values.items() if value not in (None, "", (), {})}

    def _pipe_defaults(self) -> dict[str, Any]:
        """The settings that start at the pipeline's own default instead of the trait's."""
        defaults: dict[str, Any] = {}
        if "sampler" in self.inputs and self.traits()["sampler"].default() not in self.samplers:
            defaults["sampler"] = self.samplers[0]
        if self._pipe is not None and "guidance" in self.inputs and self.traits()["guidance"].default() is not None:
            defaults["guidance"] = self._pipe.default_guidance
        return defaults

    def _update_placeholder(self, change: Any) -> None:
        """If the first computation failed, the stage must not announce an image any more."""
        if not change["new"] and not self.stage.captions:
            self.stage.placeholder = EMPTY_TEXT
