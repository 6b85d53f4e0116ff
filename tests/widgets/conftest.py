"""A Studio on a tiny untrained model."""

from __future__ import annotations

import threading

import pytest
import torch
from tiny import CountingPipeline

from explorable.diffusion.paths import Straight
from explorable.nn.dit import DiT, DiTConfig
from explorable.nn.text import TextConfig, TextEncoder
from explorable.nn.unet import UNet, UNetConfig
from explorable.nn.vae import VAE, VAEConfig
from explorable.widgets.studio.widget import Studio
from explorable.world.words import VOCABULARY

TRANSFORMER_ONLY = "PatchTransformer"  # the explorable that needs patches


@pytest.fixture
def pipe(request: pytest.FixtureRequest) -> CountingPipeline:
    """A U-Net; a transformer in the tests of the explorable that needs one."""
    torch.manual_seed(0)
    text = TextEncoder(TextConfig(VOCABULARY, width=32, layers=1, heads=2))
    case = getattr(request.node, "callspec", None)
    denoiser: torch.nn.Module = UNet(UNetConfig(widths=(32, 32, 32), head_width=16, context_width=32, time_width=32))
    if case is not None and case.params.get("name") == TRANSFORMER_ONLY:
        denoiser = DiT(DiTConfig(width=32, depth=2, heads=2, context_width=32))
    vae = VAE(VAEConfig(encoder_widths=(8, 16), decoder_widths=(16, 16)))
    pipe = CountingPipeline("tiny", text, denoiser, vae, Straight(), "velocity", torch.device("cpu"))
    pipe.requests, pipe.finished = [], []
    pipe.reached, pipe.go_on = threading.Event(), threading.Event()
    pipe.go_on.set()
    return pipe


@pytest.fixture
def studio(pipe: CountingPipeline):
    studio = Studio(pipe, prompt="a red car", steps=3)
    studio.wait()
    yield studio
    pipe.go_on.set()
    studio.close()
