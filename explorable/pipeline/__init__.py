"""From a prompt to a picture, by a shipped model or one put together by hand."""

from .device import choose_device
from .loading import load
from .pipeline import LATENT, Pipeline

__all__ = ["LATENT", "Pipeline", "choose_device", "load"]
