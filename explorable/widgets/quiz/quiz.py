"""Quiz: a paper of generated questions, one at a time, with the results by idea at the end.

    ex.Quiz(seed=7)                       # the same ten questions for everybody with this seed
    ex.Quiz(ideas=["flow paths"])         # about one idea

An item is made when its turn comes: its answer is in the kernel's memory alone until the reader has given theirs.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from html import escape
from pathlib import Path
from typing import Any

import ipywidgets as ipw
import xarray as xr

from ...files import check_target, write_files
from ..core.cells import register
from ..core.explorable import CSS
from ..core.layout import close_styles, close_widgets, row
from ..core.status import StatusArea, error_text
from ..core.worker import Check, Superseded, Worker
from ..predict.controls import save_row
from ..predict.prediction import Predict, Reveal
from ..registry import EXPLORABLES
from .item import IDEAS, Item
from .paper import LENGTH, make_paper

FILE_NAME = "quiz.json"


@dataclass(frozen=True)
class Answered:
    """An answered item. given, true: in words. confidence: "a guess", "fairly sure" or "certain"."""

    idea: str
    kind: str
    question: str
    given: str
    confidence: str
    true: str
    is_right: bool


class Question(Predict):
    """One item of a quiz: a prediction with material, whose evidence is a button that opens the explorable."""

    stands_alone = False

    def __init__(self, quiz: Quiz, item: Item):
        self.item, self._quiz, self.opened = item, quiz, None
        super().__init__(item.question, lambda: Reveal(item.answer, item.explanation), **item.asks)

    def close(self) -> None:
        """Free everything, also the explorable that was opened."""
        if self.opened is not None:
            self.opened.close()
            self.opened = None
        super().close()

    def _material(self) -> tuple[ipw.Widget, ...]:
        return (ipw.HTML(self.item.material),) if self.item.material else ()

    def _note(self, said: str, confidence: str, true: str, is_right: bool) -> None:
        self._quiz._note(said, confidence, true, is_right)

    def _footer(self) -> tuple[ipw.Widget, ...]:
        opens = self.item.opens
        if opens.name not in EXPLORABLES:
            return ()
        button = ipw.Button(description=f"Open {opens.name} here", layout=ipw.Layout(width="auto"),
                            tooltip="Open the explorable below, in the state of this question")
        below = ipw.VBox()

        def on_open(_: Any) -> None:
            button.disabled = True
            try:
                self.opened = opens.open()
                below.children = [self.opened]
            except Exception as error:
                self._area.set_status(error_text(error), "error")
                button.disabled = False

        button.on_click(on_open)
        code = ipw.HTML(f'<pre class="ex-wide-part" style="margin: 0">{escape(opens.code())}</pre>')
        return row(button, code), below


class Quiz(ipw.VBox):
    """A paper of generated questions.

    seed: the paper: the same seed gives the same questions. ideas: some of `IDEAS`; None: all ten. count: of questions,
    up to 60.

    number: of the question on the screen, counted from 1. question: it, a `Predict`; None after the last. answered:
    what was answered so far. `answer`, `next` and `wait` do by code what the controls do.

    Raises:
        ValueError: an unknown idea, or a seed or count out of range.
    """

    def __init__(self, seed: int = 0, ideas: Sequence[str] | None = None, count: int = LENGTH):
        self.paper = make_paper(seed, ideas, count)
        self.number = 0
        self.question: Question | None = None
        self.answered: list[Answered] = []
        self.error: Exception | None = None
        self._worker = Worker("Quiz")
        for old in register(self):
            old._close_replaced()
        super().__init__()
        self.add_class("ex-explorable")
        self.add_class("ex-quiz")
        self._title = ipw.HTML()
        self._area = StatusArea()
        self._next_button = ipw.Button(description="Next question", disabled=True, layout=ipw.Layout(width="auto"),
                                       tooltip="Answer first; then go on")
        self._next_button.on_click(lambda _: self.next())
        self._body = ipw.VBox()
        self.children = [self._title, self._area.line, self._body, row(self._next_button)]
        self._start(1)

    # ---- by code -----------------------------------------------------------------------------------------------------

    def answer(self, answer: Any, confidence: str = "fairly sure") -> bool:
        """Answer the question on the screen. Returns whether it is right; waits for it.

        Raises:
            ValueError: there is no question, it was answered, or the answer or the confidence is invalid.
        """
        self.wait()
        if self.question is None:
            raise ValueError("the paper is finished: open another with another seed")
        self.question.answer, self.question.confidence = answer, confidence
        self.question.check()
        self.question.wait()
        return bool(self.question.is_right)

    def next(self) -> None:
        """Go on to the next question, or to the results; make a question that could not be made again. Returns at
        once; see `wait`.

        Raises:
            ValueError: the question on the screen is not answered.
        """
        if self.error is not None:
            self._start(self.number)
            return
        self.wait()
        if len(self.answered) < self.number:
            raise ValueError("answer this question first: `answer`, or the controls")
        if self.question is None:
            raise ValueError("the paper is finished: open another with another seed")
        self.question.close()
        self.question = None
        if self.number == len(self.paper.kinds):
            self._show_results()
        else:
            self._start(self.number + 1)

    def wait(self, timeout: float = 60) -> None:
        """Wait until the question is there. Raises TimeoutError, or what making it raised."""
        if not self._worker.wait(timeout):
            raise TimeoutError(f"the question is still being made after {timeout:g} s")
        if self.error is not None:
            raise self.error

    @property
    def data(self) -> xr.Dataset:
        """What was answered: idea, kind, question, given, confidence, true and is_right by number."""
        rows = [asdict(a) for a in self.answered]
        names = Answered.__dataclass_fields__
        return xr.Dataset({name: ("number", [r[name] for r in rows]) for name in names},
                          coords={"number": range(1, len(rows) + 1)})

    def table(self) -> Any:
        """What was answered, a pandas table with a row for each question."""
        import pandas as pd

        index = pd.RangeIndex(1, len(self.answered) + 1, name="number")
        return pd.DataFrame([asdict(a) for a in self.answered], index, list(Answered.__dataclass_fields__))

    def results(self) -> dict[str, tuple[int, int]]:
        """Return by idea how many answers were right, and of how many."""
        ideas = [idea for idea in IDEAS if any(a.idea == idea for a in self.answered)]
        return {idea: (sum(a.is_right for a in self.answered if a.idea == idea),
                       sum(a.idea == idea for a in self.answered)) for idea in ideas}

    def save(self, path: str | Path = FILE_NAME) -> Path:
        """Write the seed and the answers as JSON. Returns the path. Raises OSError where it cannot be written."""
        path = Path(path)
        check_target(path)
        content = {"seed": self.paper.seed, "count": len(self.paper.kinds),
                   "answers": [asdict(a) for a in self.answered]}
        write_files({path: json.dumps(content, indent=2, ensure_ascii=False).encode()})
        return path

    def close(self) -> None:
        """Free everything."""
        if "_worker" not in vars(self):
            return  # its arguments were refused
        self._worker.close(0)
        if self.question is not None:
            self.question.close()
        widgets = close_widgets(self, self._area.description)
        super().close()
        close_styles([*widgets, self])

    _close_replaced = close

    def __repr__(self) -> str:
        return f"Quiz(seed={self.paper.seed}, {len(self.paper.kinds)} questions)"

    # ---- internals ---------------------------------------------------------------------------------------------------

    def _start(self, number: int) -> None:
        """Make a question, on the worker's thread."""
        self.number, self.error, count = number, None, len(self.paper.kinds)
        self._title.value = (f'<style>{CSS}</style><div class="ex-help">Question {number} of {count}, about '
                             f"{escape(self.paper.kinds[number - 1].idea)} (quiz of seed {self.paper.seed})</div>")
        self._next_button.disabled = True
        self._next_button.description = "Next question" if number < count else "Results"
        self._body.children = ()
        self._area.set_status("Making the question …", "busy")
        self._area.start_progress()
        self._worker.submit(lambda check: self._make(number, check))

    def _make(self, number: int, check: Check) -> None:
        try:
            item = self.paper.item(number - 1)
            check()
            self.question = Question(self, item)
            self._body.children = [self.question]
            self._area.set_status("")
            check()  # it may have been closed meanwhile
        except Superseded:
            if self.question is not None:
                self.question.close()
            raise
        except Exception as error:
            self.error = error
            self._area.set_status(error_text(error), "error")
            self._next_button.description, self._next_button.disabled = "Try again", False
        finally:
            self._area.end_progress()

    def _note(self, said: str, confidence: str, true: str, is_right: bool) -> None:
        which, question = self.paper.kinds[self.number - 1], self.question
        assert question is not None
        if len(self.answered) == self.number:  # it counts once, also if it could not be shown and was checked again
            return
        self.answered.append(Answered(which.idea, which.name, question.question, said, confidence, true, is_right))
        self._next_button.disabled = False

    def _show_results(self) -> None:
        """Show the results by idea, and what to look at again."""
        results = self.results()
        right = sum(is_right for is_right, _ in results.values())
        rows = "".join(f"<tr><td>{escape(idea)}</td><td>{good} of "
                       f"{of}</td><td>{_again(idea) if good < of else '✓'}</td></tr>"
                       for idea, (good, of) in results.items())
        table = (f'<table class="ex-table"><thead><tr><th>idea</th><th>right</th><th>look at again</th></tr></thead>'
                 f"<tbody>{rows}</tbody></table>")
        self._title.value = (f'<style>{CSS}</style><div class="ex-question" role="heading" aria-level="3">{right} of '
                             f"{len(self.answered)} right</div>")
        self._body.children = [ipw.HTML(table),
                               save_row(self.save, f"Write them to {FILE_NAME}, beside the notebook")]
        self._next_button.layout.display = "none"


def _again(idea: str) -> str:
    """Return the notebook about an idea and its explorable, as HTML: those that there are."""
    name, notebook = IDEAS[idea]
    if name not in EXPLORABLES:
        return escape(notebook)
    return f'<a href="{notebook}">{notebook}</a>, <code>ex.{name}()</code>'
