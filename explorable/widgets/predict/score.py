"""The score of a notebook: what was predicted, how sure the reader was, and what came out."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from typing import Any

from ...files import check_target, write_files

CONFIDENCE = ("a guess", "fairly sure", "certain")  # how sure the reader is
FILE_NAME = "predictions.json"


@dataclass(frozen=True)
class Prediction:
    """One answered question. given, true: both in words. confidence: one of CONFIDENCE. time: ISO 8601, UTC."""

    question: str
    given: str
    confidence: str
    true: str
    is_right: bool
    time: str


class Predictions:
    """All predictions of this kernel, in the order of answering. The first answer to a question counts:
    after it, the answer is known."""

    def __init__(self) -> None:
        self._of_question: dict[str, Prediction] = {}

    def __iter__(self) -> Iterator[Prediction]:
        return iter(list(self._of_question.values()))

    def __len__(self) -> int:
        return len(self._of_question)

    def add(self, question: str, given: str, confidence: str, true: str, is_right: bool) -> None:
        """Note an answer, unless the question was answered before."""
        time = datetime.now(UTC).isoformat(timespec="seconds")
        self._of_question.setdefault(question, Prediction(question, given, confidence, true, is_right, time))

    def clear(self) -> None:
        """Forget all predictions."""
        self._of_question.clear()

    @property
    def score(self) -> str:
        """The score in words: how many were right, of all and of those of which the reader was certain."""
        if not len(self):
            return "no prediction yet"
        parts = [f"{_share(list(self))} right"]
        parts += [f"{_share(some)} when {name}" if name != CONFIDENCE[0] else f"{_share(some)} as a guess"
                  for name in CONFIDENCE if (some := [p for p in self if p.confidence == name])]
        return "; ".join(parts)

    def to_pandas(self) -> Any:
        """Return the predictions as a pandas table, one row per question."""
        import pandas as pd

        return pd.DataFrame([asdict(p) for p in self])

    def save(self, path: str | Path = FILE_NAME) -> Path:
        """Write the predictions as JSON, a list with one entry per question. Returns the path.

        Predictions of other questions that the file holds already stay in it: one file can take those of all notebooks.

        Raises:
            ValueError: the file holds something else. OSError: it cannot be written.
        """
        path = Path(path)
        check_target(path)
        entries = {entry["question"]: entry for entry in _read(path)} | {p.question: asdict(p) for p in self}
        write_files({path: json.dumps(list(entries.values()), indent=2, ensure_ascii=False).encode()})
        return path

    def _repr_html_(self) -> str:
        cells = (("✓" if p.is_right else "✗", p.question, p.given, p.confidence, p.true) for p in self)
        rows = "".join(f"<tr>{''.join(f'<td>{escape(text)}</td>' for text in row)}</tr>" for row in cells)
        head = "".join(f"<th>{name}</th>" for name in ("", "question", "your answer", "you were", "what came out"))
        return f"<p>{escape(self.score)}</p><table><tr>{head}</tr>{rows}</table>" if rows else f"<p>{self.score}</p>"

    def __repr__(self) -> str:
        return f"Predictions: {self.score}"


def _share(some: list[Prediction]) -> str:
    return f"{sum(p.is_right for p in some)} of {len(some)}"


def _read(path: Path) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    try:
        entries = json.loads(path.read_text("utf-8"))
        if all(isinstance(entry["question"], str) for entry in entries):
            return entries
    except (ValueError, TypeError, KeyError, UnicodeDecodeError):
        pass
    raise ValueError(f"{path} holds something other than predictions: choose another name")


PREDICTIONS = Predictions()


def predictions() -> Predictions:
    """Return the predictions that were made in this kernel. Its `save` writes them as JSON."""
    return PREDICTIONS
