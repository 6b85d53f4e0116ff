"""An explorable's status line and progress bar, above its stage, and its caption and score, beside it."""

from __future__ import annotations

import html
from collections.abc import Sequence

import ipywidgets as ipw
import traitlets as tr

MIN_BAR_CHANGE = 0.04  # the bar moves in steps of this size: at most some 25 messages per computation


class StatusArea:
    """The texts of an explorable. line: status and bar, above the stage. description: caption and score, beside it.

    All text is shown as text, never as HTML. caption_text, score_text: the caption and the score, in words.
    """

    def __init__(self) -> None:
        self.caption, self.score, self.status = (ipw.HTML(layout=ipw.Layout(margin="0")) for _ in range(3))
        self.bar = ipw.FloatProgress(min=0, max=1, layout=ipw.Layout(width="100%", height="4px", margin="0"))
        self.bar.add_class("ex-bar")
        self.line, self.description = ipw.VBox([self.status, self.bar]), ipw.VBox([self.caption, self.score])
        self.caption_text = self.score_text = ""
        for box, name in ((self.line, "ex-status-area"), (self.description, "ex-verdict")):
            box.add_class(name)

    def set_caption(self, text: str) -> None:
        """Set the sentence that says what is on the screen now; an empty text removes it."""
        self.caption_text = text
        self.caption.value = f'<div class="ex-description" aria-live="polite">{html.escape(text)}</div>' if text else ""

    def set_scores(self, rows: Sequence[tuple[str, str, str]]) -> None:
        """Set the score. Each row: what was measured, the number with its unit, and how to read it."""
        self.score_text = ". ".join(f"{name.removesuffix(':')}: {value}" + (f"; {note}" if note else "")
                                    for name, value, note in rows)
        self.score.value = "".join(
            f'<div class="ex-score"><span>{html.escape(name)}</span> <b>{html.escape(value)}</b> '
            f'<span class="ex-help">{html.escape(note)}</span></div>' for name, value, note in rows)

    def set_status(self, text: str, kind: str = "note") -> None:
        """Set the status line. kind: "note", "busy" or "error"."""
        self.status.value = status_html(text, kind)

    def start_progress(self) -> None:
        """Show the bar, empty. The stylesheet shows it with a delay, so that short computations show none."""
        self.bar.value = 0
        self.bar.add_class("ex-moving")

    def set_progress(self, fraction: float) -> None:
        """Move the bar, unless the change is too small to see."""
        if fraction >= self.bar.value + MIN_BAR_CHANGE or fraction >= 1:
            self.bar.value = fraction

    def end_progress(self) -> None:
        """Hide the bar."""
        self.bar.remove_class("ex-moving")


def status_html(text: str, kind: str) -> str:
    """Return a status line as HTML. kind: "note", "busy" or "error"."""
    role = "alert" if kind == "error" else "status"
    return f'<div class="ex-status ex-{kind}" role="{role}">{html.escape(text)}</div>'


def error_text(error: Exception) -> str:
    """Return an error as a sentence: its message, preceded by its class unless it is a refused value."""
    text = str(error) if isinstance(error, (ValueError, tr.TraitError)) else f"{type(error).__name__}: {error}"
    return text[:1].upper() + text[1:].rstrip(".") + "."
