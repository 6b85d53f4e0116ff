"""A chart: a plotly figure in an explorable that follows the page's theme and is freed when it is closed."""

from __future__ import annotations

import threading

import plotly.graph_objects as go

from .theme import template


class Chart(go.FigureWidget):
    """A plotly figure. Use at most one per explorable: each sends some 5 MB to the page once.

    Its methods may be called from the computing thread and from the one that receives the page's messages.
    """

    # plotly's own script, as text: given as a path it would never be freed (anywidget issue 929).
    _esm = str(go.FigureWidget._esm)

    def __init__(self, figure: go.Figure | None = None):
        super().__init__(figure or go.Figure(layout={"template": template()}))
        self._config = {"displayModeBar": False, "responsive": True}  # the bar covers legends
        self._dark = False
        self._lock = threading.RLock()

    def draw(self, figure: go.Figure) -> None:
        """Replace the figure, keeping the theme."""
        with self._lock, self.batch_update():
            self.data = ()
            self.add_traces(list(figure.data))
            layout = figure.layout.to_plotly_json()
            layout.pop("template", None)
            self.layout = {**layout, "template": template(self._dark)}

    def set_dark(self, dark: bool) -> None:
        """Choose the template for dark or for light pages."""
        self._dark = dark
        with self._lock:
            self.update_layout(template=template(dark))

    def __repr__(self) -> str:
        return f"Chart({len(self.data)} traces)"
