"""The cheat sheet: one printable page of every idea, with figures read from cards and committed tables."""

from .page import cheatsheet, write_cheatsheet

__all__ = ["cheatsheet", "write_cheatsheet"]
