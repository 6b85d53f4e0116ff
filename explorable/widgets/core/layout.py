"""Small pieces of explorables' pages: rows of controls, HTML that scrolls, durations."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from html import escape

import ipywidgets as ipw

NARROW = {"description_width": "initial"}  # style of a control whose name takes only the width it needs
SPECIAL_TOKENS = {
    "<start>": "start of the text: the encoder can gather the whole sentence here and in the end token",
    "<end>": "end of the text",
    "<pad>": "padding: fills the context up to its fixed length, and is masked in attention",
}


def format_duration(seconds: float) -> str:
    """Return a duration with its unit: 4 ms, 0.41 s."""
    return f"{seconds * 1000:.0f} ms" if seconds < 0.1 else f"{seconds:.2f} s"


def with_minus_signs(text: str) -> str:
    """Return a text whose negative numbers and differences have minus signs in place of hyphens: −2.6, 1 − t."""
    return re.sub(r"(?<![\w.)-])-(?=[\d.])|(?<=[\w)] )-(?= [-−\w(])", "−", text)


def scrollable(html: str, name: str) -> str:
    """Return HTML in a box that scrolls sideways, by keyboard too. name: for screen readers."""
    return f'<div class="ex-wide-part" tabindex="0" role="region" aria-label="{escape(name)}">{html}</div>'


def row(*widgets: ipw.Widget) -> ipw.Box:
    """Lay out controls side by side, wrapping onto as many lines as needed."""
    box = ipw.Box(widgets)
    box.add_class("ex-row")
    return box


def descendants(box: ipw.Widget) -> Iterator[ipw.Widget]:
    """Yield every widget in a box, and in the boxes in it; none for another widget."""
    for child in getattr(box, "children", ()):
        if isinstance(child, ipw.Box):
            yield from descendants(child)
        yield child


def close_widgets(owner: ipw.Widget, *others: ipw.Widget) -> list[ipw.Widget]:
    """Close all widgets in `owner`, and the others with all in them, once each. Returns them."""
    found = [*descendants(owner), *(part for other in others for part in (*descendants(other), other))]
    widgets = list({id(widget): widget for widget in found}.values())
    for widget in widgets:
        widget.unobserve_all()
        widget.close()
    return widgets


def close_styles(widgets: Iterable[ipw.Widget]) -> None:
    """Close the layouts and styles of widgets, when all are closed: a view on the page uses them until then."""
    for widget in widgets:
        for part in (widget.layout, getattr(widget, "style", None)):
            if isinstance(part, ipw.Widget):
                part.close()
