"""From a prompt to a picture, by a shipped model or one put together by hand."""

from .device import choose_device
from .loading import load
from .pipeline import LATENT_SHAPE, Pipeline
from .protocol import PipelineProtocol

__all__ = ["LATENT_SHAPE", "Pipeline", "PipelineProtocol", "choose_device", "load"]
