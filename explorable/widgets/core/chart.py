"""A chart: a plotly figure that lives in an explorable, follows the page's theme, and is freed when it is closed."""

from __future__ import annotations

import threading

import plotly.graph_objects as go

from .theme import template


class Chart(go.FigureWidget):
    """At most one an explorable: each sends the page some 5 MB once.

    Drawn from the thread that computes and from the one that hears the page: one at a time.
    """

    # plotly's own script, as text: given as a path it would never be freed (anywidget issue 929).
    _esm = str(go.FigureWidget._esm)

    def __init__(self, figure: go.Figure | None = None):
        super().__init__(figure or go.Figure(layout={"template": template()}))
        self._dark = False
        self._drawing = threading.RLock()

    def draw(self, figure: go.Figure) -> None:
        """Show a figure in place of the present one, in the page's theme."""
        with self._drawing, self.batch_update():
            self.data = ()
            self.add_traces(list(figure.data))
            layout = figure.layout.to_plotly_json()
            layout.pop("template", None)
            self.layout = {**layout, "template": template(self._dark)}

    def set_dark(self, dark: bool) -> None:
        """Take on the look of a dark page, or of a light one."""
        self._dark = dark
        with self._drawing:
            self.update_layout(template=template(dark))

    def __repr__(self) -> str:
        return f"Chart({len(self.data)} traces)"
