"""The shipped weights in safetensors, one or two bytes each, with a model card per file, and their verified loading."""

from .files import WeightError, fingerprint, model_names, read_card, read_weights, update_card, write_weights

__all__ = ["WeightError", "fingerprint", "model_names", "read_card", "read_weights", "update_card", "write_weights"]
