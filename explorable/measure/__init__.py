"""Every published claim as a function that measures it: `python -m explorable measure NAME`.

A measure returns a `Table` of named numbers, printed as text, Markdown (`--markdown`) or JSON (`--json`).
"""

from .registry import CARD_MODELS, MEASURES, SLOW, measure
from .results import SavedTable, save_table, saved_table
from .table import Table

__all__ = ["CARD_MODELS", "MEASURES", "SLOW", "SavedTable", "Table", "measure", "save_table", "saved_table"]
