"""Figures that were measured before: rows of the tables in twins.md and attention.md, of saved tables, and of cards."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

from ...zoo import read_card

FOLDER = Path(__file__).parents[1]


@functools.cache
def page_tables(page: str) -> dict[str, list[dict[str, str]]]:
    """Return the tables of a page of this package, "twins.md", by the line that stands above each."""
    tables: dict[str, list[dict[str, str]]] = {}
    title, columns = "", []  # type: ignore[var-annotated]
    for line in (FOLDER / page).read_text("utf-8").splitlines():
        if not line.startswith("|"):
            title, columns = line or title, []
        elif not columns:
            columns = _cells(line)
            tables[title] = []
        elif not line.startswith("| ---"):
            tables[title].append(dict(zip(columns, _cells(line), strict=True)))
    return tables


def figure(page: str, title: str, column: str, **where: Any) -> str:
    """Return one cell: of the table whose title begins with `title`, in the only row whose columns equal `where`.

    where: values by column, with "_" for a space.

    Raises:
        LookupError: not exactly one row is meant. The page and this call have drifted apart.
    """
    wanted = {name.replace("_", " "): str(value) for name, value in where.items()}
    rows = [row for name, table in page_tables(page).items() if name.startswith(title) for row in table
            if all(row.get(key) == value for key, value in wanted.items())]
    if len(rows) != 1 or column not in rows[0]:
        raise LookupError(f"{page}: {len(rows)} rows of {title!r} have {wanted}; needed is one with {column!r}")
    return rows[0][column]


def card_figure(model: str, key: str, value: str, column: str) -> Any:
    """Return one cell of the table on a model's card, in the row where column `key` is `value`. Raises LookupError."""
    rows = [row for row in read_card(model)["measured"]["rows"] if row.get(key) == value]
    if len(rows) != 1:
        raise LookupError(f"the card of {model} has {len(rows)} rows with {key} {value!r}")
    return rows[0][column]


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("| ").split("|")]
