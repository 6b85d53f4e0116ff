"""The table that every measure returns, and the check of its counts."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Table:
    """Rows of one measure, all with the same columns, and notes on how to read them.

    facts: what goes onto a model's card, by name. Empty: the title and the rows.
    """

    title: str
    rows: list[dict[str, Any]]
    notes: list[str] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def card_facts(self) -> dict[str, Any]:
        """The entries that `--card` writes onto a model's card."""
        return self.facts or {"measured": {"title": self.title, "rows": self.rows}}

    def as_dict(self) -> dict:
        """Return plain data, for JSON."""
        return asdict(self)

    def as_text(self) -> list[list[str]]:
        """Return the cells of every row as text; an empty cell is ""."""
        return [["" if v is None else f"{v:g}" if isinstance(v, float) else str(v) for v in row.values()]
                for row in self.rows]

    def as_markdown(self) -> str:
        """Return the title, the table in Markdown and the notes."""
        lines = [list(self.rows[0]), ["---"] * len(self.rows[0]), *self.as_text()]
        return "\n\n".join([self.title, "\n".join(f"| {' | '.join(line)} |" for line in lines), *self.notes])


def check_counts(minimum: int, **counts: int) -> None:
    """Raise ValueError for a count that is not an integer of at least `minimum`: check_counts(2, prompts=prompts)."""
    for name, value in counts.items():
        if not isinstance(value, int) or isinstance(value, bool) or value < minimum:
            raise ValueError(f"{name} is {value!r}: choose a whole number, {minimum} or more")
