"""The shipped weights: half precision in safetensors, a card beside each, and `load` to open them."""

from .files import WeightError, card, names, read, write

__all__ = ["WeightError", "card", "names", "read", "write"]
