"""Tiny networks of random weights, a pipeline of them, and a run of it."""

from __future__ import annotations

import pytest
import torch
from tiny_pipes import CODER, PROMPT, TEXT, UNET, shaken

from explorable.diffusion.paths import Straight
from explorable.nn.text import TextModel
from explorable.nn.unet import UNet
from explorable.nn.vae import VAE
from explorable.pipeline import Pipeline
from explorable.run import Run


@pytest.fixture(scope="module")
def networks() -> dict:
    torch.manual_seed(0)
    return {
        "text": shaken(TextModel(TEXT), 0.3),
        "unet-flow": shaken(UNet(UNET), 0.15),
        "vae": shaken(VAE(CODER), 0.02),
    }


@pytest.fixture(scope="module")
def pipe(networks) -> Pipeline:
    return Pipeline(
        "tiny", networks["text"].text_encoder, networks["unet-flow"], networks["vae"], Straight(), "velocity",
        torch.device("cpu")
    )


@pytest.fixture(scope="module")
def run(pipe) -> Run:
    return pipe(PROMPT, steps=5, guidance=3, seed=1)
