"""Predict: the reader answers and says how sure they are; only then is the answer computed, shown and compared.

    def which_is_nearer():
        distance = distances_to_end(run).sel(step=10)
        return ex.Reveal("the estimate" if distance.estimate < distance.latent else "x_t", show=distance)

    ex.Predict("Halfway, which is nearer to the finished latent?", which_is_nearer, choices=["x_t", "the estimate"])

Nothing of the answer exists before it is given, neither on the page nor in a saved notebook. If the environment
variable EXPLORABLE_ANSWERS names a JSON file, {question: {"answer", "confidence", "is_right"}}, each question answers
itself from it: tests run notebooks that way.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import ipywidgets as ipw
import numpy as np
import torch
import traitlets as tr

from ..core.cells import register
from ..core.explorable import CSS
from ..core.layout import close_styles, close_widgets, descendants, row, with_minus_signs
from ..core.plain_traits import PlainTraits
from ..core.status import StatusArea, error_text
from ..core.worker import Check, Worker
from .answers import make_kind
from .controls import answer_control, save_row
from .score import CONFIDENCE, PREDICTIONS
from .shown import as_widget

SCRIPT = "EXPLORABLE_ANSWERS"


@dataclass(frozen=True, eq=False)
class Reveal:
    """What a question's computation returns.

    answer: the true one: a choice, a number, an order, or a mask (y, x) of an image. explanation: a sentence or two.
    show: the evidence, or a tuple of it: a table, an image (y, x, 3) uint8 or a list of them, a plotly figure, a
    widget, a text.
    """

    answer: Any
    explanation: str = ""
    show: Any = None


class Predict(PlainTraits, ipw.VBox):
    """A question that is answered before the answer is computed.

    question: the question, plain text. reveal: computes the answer when it is asked for; it takes no arguments.
    choices: the answer is one of these. number: it is a number from the first to the second, in `unit`, right
    `within` a distance or a `factor`. order: these items, to be put in order. image: (y, x, 3) uint8, in which the
    reader points at something. Give one of these four.

    answer: the reader's; a position in an image is (y, x). None as long as nothing is chosen. confidence: "a guess",
    "fairly sure" or "certain", "" at first. is_right: None until it was checked; then the controls are disabled, since
    a known answer cannot be predicted. To answer again, run the cell again; the first answer counts.

    Raises:
        ValueError: none or several kinds of answer, or values that make no question.
    """

    stands_alone = True  # False: it is part of another widget, which closes it and keeps its own score
    answer = tr.Any()
    confidence = tr.Enum(("", *CONFIDENCE), "")
    is_right = tr.Bool(None, allow_none=True, read_only=True)

    def __init__(self, question: str, reveal: Callable[[], Reveal], *, choices: Sequence[str] | None = None,
                 number: tuple[float, float] | None = None, order: Sequence[str] | None = None,
                 image: np.ndarray | None = None, unit: str = "", within: float | None = None,
                 factor: float | None = None):
        self.question, self._reveal = question, reveal
        self.kind = make_kind(choices, number, order, image, unit, within, factor)
        self._worker = Worker("Predict")
        self.error: Exception | None = None
        for old in register(self) if self.stands_alone else ():
            old._close_replaced()
        super().__init__()
        self.add_class("ex-explorable")
        self._make_controls()
        self.observe(self._update_button, names=["answer", "confidence", "is_right"])
        if (path := os.environ.get(SCRIPT)) and self.stands_alone:
            self._answer_from(Path(path))

    def check(self) -> None:
        """Compute the true answer and compare. Returns at once; see `wait`.

        Raises:
            ValueError: no answer was given, or not how sure it is.
        """
        if self.answer is None or not self.confidence:
            raise ValueError("set `answer` and `confidence` first: the true answer is computed after yours")
        if self.is_right is not None:
            raise ValueError("the answer was checked already: run the cell again to answer again")
        self._button.disabled = True
        self._area.set_status("Computing the answer …", "busy")
        self._area.start_progress()
        given, confidence = self.answer, self.confidence
        self._worker.submit(lambda check: self._run(given, confidence, check))

    def wait(self, timeout: float = 60) -> None:
        """Wait until the answer is computed. Raises TimeoutError, or what the computation raised."""
        if not self._worker.wait(timeout):
            raise TimeoutError(f"the answer is still being computed after {timeout:g} s")
        if self.error is not None:
            raise self.error

    def close(self) -> None:
        """Free everything."""
        if "_worker" not in vars(self):
            return  # its arguments were refused before anything was made
        self._worker.close(0)
        self.unobserve_all()
        widgets = close_widgets(self)
        super().close()
        close_styles([*widgets, self])

    _close_replaced = close  # when the cell is run again

    def __repr__(self) -> str:
        return f"Predict({self.question[:90] + '…' if len(self.question) > 90 else self.question!r})"

    # ---- internals --------------------------------------------------------------------------------------------------

    def _make_controls(self) -> None:
        heading = ipw.HTML(f'<style>{CSS}</style><div class="ex-question" role="heading" aria-level="3">'
                           f"{escape(with_minus_signs(self.question))}</div>")
        self._control = answer_control(self.kind, lambda answer: setattr(self, "answer", answer))
        self._sure = ipw.ToggleButtons(options=CONFIDENCE, value=None, style={"button_width": "auto"},
                                       tooltip="How sure you are of your answer")
        self._sure.observe(lambda change: setattr(self, "confidence", change["new"] or ""), names="value")
        self._button = ipw.Button(description="Check", button_style="primary", disabled=True,
                                  tooltip="Answer, and say how sure you are; then the true answer is computed")
        self._button.on_click(lambda _: self.check())
        self._area = StatusArea()
        self._outcome = ipw.VBox()
        confidence = row(ipw.Label("How sure are you?"), self._sure, self._button)
        self.children = [heading, *self._material(), self._control, confidence, self._area.line, self._outcome]

    def _update_button(self, change: Any = None) -> None:
        self._button.disabled = self.answer is None or not self.confidence or self.is_right is not None

    def _run(self, given: Any, confidence: str, check: Check) -> None:
        """On the worker's thread: compute the answer, compare, and show both."""
        try:
            with torch.inference_mode():
                reveal = self._reveal()
            self.kind.check(reveal.answer)
            check()
            is_right = self.kind.is_right(given, reveal.answer)
            said, true = self.kind.describe(given), self.kind.describe(reveal.answer)
            self._note(said, confidence, true, is_right)
            self._show(reveal, said, true, is_right)
            self.error = None
            self.set_trait("is_right", is_right)
            for control in (self._control, self._sure, *descendants(self._control)):
                if control.has_trait("disabled"):
                    control.disabled = True
        except Exception as error:
            self.error = error
            self._area.set_status(error_text(error), "error")
        finally:
            self._area.end_progress()
            self._update_button()

    def _show(self, reveal: Reveal, said: str, true: str, is_right: bool) -> None:
        mark, verdict = ("✓", "Right") if is_right else ("✗", f"Not quite: you said {said}")
        self._area.set_status("")
        self._area.set_scores([(with_minus_signs(f"{mark} {verdict}. The answer is"), with_minus_signs(true), "")])
        self._area.set_caption(with_minus_signs(reveal.explanation))
        shown = reveal.show if isinstance(reveal.show, tuple) else () if reveal.show is None else (reveal.show,)
        self._outcome.children = [self._area.description, *map(as_widget, shown), *self._footer()]

    def _material(self) -> tuple[ipw.Widget, ...]:
        """Return what is shown between the question and the control: here nothing."""
        return ()

    def _note(self, said: str, confidence: str, true: str, is_right: bool) -> None:
        """Keep the score."""
        PREDICTIONS.add(self.question, said, confidence, true, is_right)

    def _footer(self) -> tuple[ipw.Widget, ...]:
        """Return what stands below the evidence: the score so far, and a button that saves it."""
        return (save_row(PREDICTIONS.save, "Write all predictions of this notebook to predictions.json, beside the "
                         "notebook", f"So far: {PREDICTIONS.score}"),)

    def _answer_from(self, path: Path) -> None:
        """Answer from a script. Raises AssertionError if it has no answer, or if what comes out is not as it says."""
        script = json.loads(path.read_text("utf-8")).get(self.question)
        assert script is not None, f"{path.name} has no answer to {self.question!r}"
        answer = script["answer"]
        self.answer = tuple(answer) if isinstance(answer, list) else answer
        self.confidence = script["confidence"]
        self.check()
        self.wait(300)
        assert self.is_right is script["is_right"], f"{self.question!r}: is_right is {self.is_right}, not as scripted"
