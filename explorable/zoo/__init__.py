"""The shipped weights: one or two bytes each in safetensors, a card beside each, and `read` to open them, checked."""

from .files import WeightError, annotate, card, fingerprint, names, read, write

__all__ = ["WeightError", "annotate", "card", "fingerprint", "names", "read", "write"]
