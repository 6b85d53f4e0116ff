"""From a prompt to an image, with a shipped model or networks of one's own."""

from .device import choose_device
from .latent_diffusion import LATENT_SHAPE
from .loading import load
from .pipeline import Pipeline
from .protocol import PipelineProtocol

__all__ = ["LATENT_SHAPE", "Pipeline", "PipelineProtocol", "choose_device", "load"]
