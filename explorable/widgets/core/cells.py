"""Which explorables each cell of a notebook made: when a cell is run again, those that it made before are closed."""

from __future__ import annotations

import weakref
from typing import Any

from IPython import get_ipython

_MADE: dict[str, tuple[str, weakref.WeakSet]] = {}  # by cell: the execution, and what was made in it


def current_request() -> dict[str, Any]:
    """Return the message that the kernel works on: a cell to run, or an event of the page. {} outside a kernel."""
    shell = get_ipython()
    try:
        return shell.get_parent() or {}
    except (AttributeError, LookupError):  # no IPython, or not in a kernel
        return {}


def register(member: Any) -> list[Any]:
    """Note that the running cell made `member`. Returns what earlier executions of this cell made, and still exists.

    Front ends send a cell's id with its code; a script, nbconvert and a click in the page do not, and register nothing.
    """
    request = current_request()
    cell, execution = request.get("metadata", {}).get("cellId"), request.get("header", {}).get("msg_id")
    if not cell or not execution:
        return []
    of_execution, members = _MADE.get(cell, ("", weakref.WeakSet()))
    replaced = [] if of_execution == execution else list(members)
    if of_execution != execution:
        _MADE[cell] = (execution, members := weakref.WeakSet())
    members.add(member)
    return replaced
