"""The shipped weights (safetensors, one or two bytes per weight) with a card per file, and verified loading."""

from .files import (
    WeightError,
    denoiser_names,
    fingerprint,
    model_names,
    read_card,
    read_weights,
    update_card,
    write_weights,
)

__all__ = ["WeightError", "denoiser_names", "fingerprint", "model_names", "read_card", "read_weights", "update_card",
           "write_weights"]
