"""A prompt in free English: `ex.rewrite` makes a caption of it, which is shown with its notes before it is used."""

from __future__ import annotations

import html
from typing import Any

import ipywidgets as ipw

from ...world.rewriting import Rewritten, rewrite
from .explorable import Explorable
from .layout import NARROW, row
from .vocabulary import unfolding_panel

EXAMPLE = "a scarlet Ferrari by the ocean at dusk"


def rewrite_controls(w: Explorable, box: ipw.Text) -> tuple[ipw.Widget, ...]:
    """Return a button that unfolds a line for free English, and that line: a line of its own in a row.

    Nothing, for a pipeline whose prompts are not limited to the words of the picture world.
    """
    if not w.capabilities.has_limited_vocabulary:
        return ()
    tip = "Write in free English. The nearest caption is shown before it is painted"
    return unfolding_panel("rewrite", "92px", tip, lambda: _rewriting(box))


def _rewriting(box: ipw.Text) -> tuple[ipw.Widget, ...]:
    """Return the line for free English with the button that puts its caption into the box, and the caption's notes."""
    text = ipw.Text(description="free English", placeholder=f"for example: {EXAMPLE}", continuous_update=False,
                    style=NARROW, tooltip="Press Enter to see the caption", layout=ipw.Layout(flex="3 1 260px"))
    use = ipw.Button(description="use the caption", disabled=True, layout=ipw.Layout(width="auto"),
                     tooltip="Put the caption into the prompt, which paints it")
    shown = ipw.HTML()
    captions = [""]

    def show(change: Any) -> None:
        words = change["new"].strip()
        try:
            result = rewrite(words) if words else None
            shown.value = caption_html(result) if result else ""
        except ValueError as error:
            result, shown.value = None, f'<span class="ex-error">{html.escape(str(error))}</span>'
        captions[0] = result.caption if result else ""
        use.disabled = not captions[0]

    def put(_: Any) -> None:
        box.value = captions[0]

    text.observe(show, names="value")
    use.on_click(put)
    return row(text, use), shown


def caption_html(result: Rewritten) -> str:
    """Return a caption and its notes as HTML, with every word of the text as text."""
    notes = html.escape(result.notes.replace(" -> ", " → ") or "The text is a caption as it is")
    return f'<div aria-live="polite"><b>{html.escape(result.caption)}</b> <span class="ex-help">{notes}.</span></div>'
