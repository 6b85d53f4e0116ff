"""A chart: a plotly figure in an explorable, which follows the page's theme.

The page draws it with plotly.js, which it gets from the kernel once, when the first chart has something to show.
plotly's own FigureWidget is not used: importing it takes 3 seconds, and each one sends 5 MB to the page.
"""

from __future__ import annotations

import functools
import json
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anywidget
import traitlets as tr

from ..stage.bundle import bundle

if TYPE_CHECKING:
    import plotly.graph_objects as go

HERE = Path(__file__).parent
SVG_SECONDS = 3.0  # for the page to draw a chart again


@functools.cache
def plotly_script() -> bytes:
    """Return plotly.js, the script that comes with plotly, as an ES module."""
    from plotly.offline import get_plotlyjs  # 5 MB that are only read for the first chart

    return f"const module = {{ exports: {{}} }};\n{get_plotlyjs()}\nexport default module.exports;".encode()


class Chart(anywidget.AnyWidget):
    """A plotly figure on the page.

    figure: what is drawn, None at first. spec: the same for the page; revision: counts its changes. svg: the chart as
    the page has drawn it, "" before; svg_revision: the revision that it shows.
    Its methods may be called from the computing thread and from the one that receives the page's messages.
    """

    # A string, not a path: a widget whose _esm is a path is never freed (anywidget issue 929).
    _esm = bundle(HERE / "chart.js")

    spec = tr.Dict().tag(sync=True)
    placeholder = tr.Unicode("Computing the chart …").tag(sync=True)
    revision = tr.Int(0).tag(sync=True)
    svg = tr.Unicode("").tag(sync=True)
    svg_revision = tr.Int(-1).tag(sync=True)

    def __init__(self, figure: go.Figure | None = None, **values: Any):
        self.figure = figure
        self._dark = False
        self._lock = threading.RLock()
        super().__init__(**values)
        self.on_msg(self._on_message)
        self._update()

    @property
    def data(self) -> tuple[Any, ...]:
        """The traces of the figure."""
        return () if self.figure is None else self.figure.data

    def draw(self, figure: go.Figure) -> None:
        """Replace the figure, keeping the theme."""
        with self._lock:
            self.figure = figure
            self._update()

    def move_line(self, name: str, x: float | None) -> None:
        """Move a vertical line, `add_vline(..., name=name)`, to x; None hides it."""
        with self._lock:
            for shape in () if self.figure is None else self.figure.layout.shapes:
                if shape.name == name:
                    shape.visible = x is not None
                    shape.x0 = shape.x1 = shape.x0 if x is None else x
            self._update()

    def set_dark(self, dark: bool) -> None:
        """Choose the template for dark or for light pages."""
        with self._lock:
            if dark != self._dark:
                self._dark = dark
                self._update()

    def current_svg(self, timeout: float | None = None) -> str | None:
        """Return the chart as the page shows it now, "" if no page has drawn it.

        An SVG of an earlier figure is not returned: it waits until the page has drawn the present one, and returns None
        if it has not within `timeout` seconds (SVG_SECONDS).
        """
        end = time.monotonic() + (SVG_SECONDS if timeout is None else timeout)
        if self.svg_revision not in (-1, self.revision):
            self.send({"need": "svg"})
            while self.svg_revision != self.revision:
                if time.monotonic() >= end:
                    return None
                time.sleep(0.02)
        return self.svg

    def _update(self) -> None:
        from .theme import template

        if self.figure is not None:
            self.figure.layout.template = template(self._dark)
            with self.hold_sync():
                self.revision += 1
                self.spec = json.loads(self.figure.to_json())

    def _on_message(self, widget: Any, message: Any, buffers: Any) -> None:
        if message == {"need": "plotly"}:
            self.send({"plotly": True}, [plotly_script()])

    def __repr__(self) -> str:
        return f"Chart({len(self.data)} traces)"
