"""Every published claim as a function that measures it: `python -m explorable measure NAME`.

A measure returns a `Table` of named numbers, printed as text, Markdown (`--markdown`) or JSON (`--json`).
"""

from .registry import CARD_MODELS, MEASURES, SLOW, measure
from .table import Table

__all__ = ["CARD_MODELS", "MEASURES", "SLOW", "Table", "measure"]
