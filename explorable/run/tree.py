"""A tree of runs as text, and as HTML for notebooks."""

from __future__ import annotations

import html
from collections.abc import Callable, Sequence
from typing import TypeVar

T = TypeVar("T")


class TreeText(str):
    """A line for each node, children indented; in notebooks a collapsible tree."""

    html: str

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        return self.html


def render_tree(root: T, current: T, label: Callable[[T], str], children: Callable[[T], Sequence[T]]) -> TreeText:
    """Return the tree below `root`, with an arrow at `current`."""

    def lines(node: T, depth: int = 0) -> list[str]:
        stem = f"{'   ' * (depth - 1)}└─ " if depth else ""
        return [f"{stem}{label(node)}{' ←' if node is current else ''}",
                *(line for child in children(node) for line in lines(child, depth + 1))]

    def branch(node: T) -> str:
        text = f"<code>{html.escape(label(node))}</code>"
        if node is current:
            text = f'<b aria-current="true">{text} ← this run</b>'
        below = "".join(f"<li>{branch(child)}</li>" for child in children(node))
        return f"<details open=\"open\"><summary>{text}</summary><ul>{below}</ul></details>" if below else text

    tree = TreeText("\n".join(lines(root)))
    tree.html = f"<div>{branch(root)}</div>"
    return tree
