"""Every claim as a function that measures it: `python -m explorable measure NAME`.

A measure returns a `Table`: plain numbers with names, printed for people or (--json) for machines.
"""

from .table import MEASURES, ON_CARD, PATIENT, Table, measure

__all__ = ["MEASURES", "ON_CARD", "PATIENT", "Table", "measure"]
