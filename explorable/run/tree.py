"""The family of a run: which run branched off from which, and what each changed."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

from ..diffusion.settings import changed_settings

if TYPE_CHECKING:
    from .run import Run


class Family(str):
    """A line for each run, children further in; in notebooks a tree that folds."""

    tree: str  # HTML

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        return self.tree


def family(run: Run) -> Family:
    """All that descend from the first of a run's forebears; the run itself has an arrow."""
    root = run
    while root.parent is not None:
        root = root.parent
    found = Family("\n".join(_lines(root, run)))
    found.tree = f"<div>{_branch(root, run)}</div>"
    return found


def _children(run: Run) -> list[Run]:
    """Those that somebody still holds."""
    return [child for ref in run._children if (child := ref()) is not None]


def _said(run: Run) -> str:
    """What a run is, beside its parent."""
    if run.parent is None:
        return repr(run)
    changed = [f"{k}={v!r}" for k, v in changed_settings(run.parent.settings, run.settings).items()]
    if run.edited_points:
        changed.append(f"edits of {', '.join(run.edited_points)}")
    elif run.parent.edited_points:
        changed.append(f"without the edits of {', '.join(run.parent.edited_points)}")
    return f"from step {run.branched_at}: {', '.join(changed) or 'no change'}"


def _lines(run: Run, me: Run, depth: int = 0) -> list[str]:
    stem = f"{'   ' * (depth - 1)}└─ " if depth else ""
    return [f"{stem}{_said(run)}{' ←' if run is me else ''}",
            *(line for child in _children(run) for line in _lines(child, me, depth + 1))]


def _branch(run: Run, me: Run) -> str:
    text = f"<code>{html.escape(_said(run))}</code>"
    if run is me:
        text = f'<b aria-current="true">{text} ← this run</b>'
    below = "".join(f"<li>{_branch(child, me)}</li>" for child in _children(run))
    return f"<details open=\"open\"><summary>{text}</summary><ul>{below}</ul></details>" if below else text
