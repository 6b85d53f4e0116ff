"""The frame of an explorable: where its question, controls, status line, stage, verdict and folded groups stand.

    question
    main controls
    status line, progress bar
    stage: images and scrubber   |  caption and score; beside them a chart, a legend
    titles of the groups; below the titles, the groups that are unfolded: further controls, diagrams, tables

explorable.css arranges it by the width of the explorable itself, which may have half a window: below 600 pixels, from
600 to 1000, and above. Images are no higher than the window leaves room for, so that on a projector of 1024 x 700
everything down to the titles is on the screen at once. A row of panels can take the whole width, with the right column
below it; two rows leave the right column a third of it, where there is room (`arrange_panels`).
"""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from typing import Any

import ipywidgets as ipw

from .binding import GROUP_CLASS
from .status import StatusArea

FOLDED, UNFOLDED = "▸", "▾"
MAX_BESIDE = 3  # panels of one row that have the right column beside them; with more it is below them
PANEL_ROWS = {1: "ex-panel-rows-1", 2: "ex-panel-rows-2"}  # rows of panels over the whole width: their class


def framed(question: str, css: str, controls: Sequence[ipw.Widget], area: StatusArea, stage: ipw.Widget,
           side: Sequence[ipw.Widget], groups: Mapping[str, Sequence[ipw.Widget]]) -> tuple[ipw.Widget, ...]:
    """Return the children of an explorable, from top to bottom. css: its style sheet."""
    heading = ipw.HTML(f'<style>{css}</style><div class="ex-question" role="heading" aria-level="2">'
                       f"{html.escape(question)}</div>")
    top = _with_class(ipw.VBox(list(controls)), "ex-controls")
    beside = _with_class(ipw.VBox([area.description, *side]), "ex-beside")
    body = _with_class(ipw.Box([stage, beside]), "ex-body")
    return (heading, top, area.line, body, *([folded_groups(groups)] if groups else []))


def arrange_panels(explorable: ipw.Widget, rows: int) -> None:
    """Arrange an explorable for one or two rows of panels, or for a single image beside the right column (0).

    Raises:
        ValueError: another number of rows.
    """
    if rows not in (0, *PANEL_ROWS):
        raise ValueError(f"rows is {rows!r}: choose 0, {', '.join(map(str, PANEL_ROWS))}")
    for count, name in PANEL_ROWS.items():
        if count == rows:
            explorable.add_class(name)
        else:
            explorable.remove_class(name)


def folded_groups(groups: Mapping[str, Sequence[ipw.Widget]]) -> ipw.VBox:
    """Return groups of widgets, each under a title that unfolds it. All are folded at first."""
    titles, panels = [], []
    for title, widgets in groups.items():
        panel = _with_class(ipw.VBox(list(widgets), layout=ipw.Layout(display="none")), GROUP_CLASS)
        button = ipw.ToggleButton(description=f"{FOLDED} {title}", tooltip=f"Show {title}",
                                  layout=ipw.Layout(width="auto"))

        def fold(change: Any, button: ipw.ToggleButton = button, panel: ipw.VBox = panel, title: str = title) -> None:
            is_open = change["new"]
            panel.layout.display = None if is_open else "none"
            button.description = f"{UNFOLDED if is_open else FOLDED} {title}"
            button.tooltip = f"{'Hide' if is_open else 'Show'} {title}"

        button.observe(fold, names="value")
        titles.append(button)
        panels.append(panel)
    return _with_class(ipw.VBox([_with_class(ipw.Box(titles), "ex-titles"), *panels]), "ex-groups")


def _with_class(box: ipw.Box, name: str) -> Any:
    box.add_class(name)
    return box
