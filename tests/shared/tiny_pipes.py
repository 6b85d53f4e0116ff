"""Tiny pipelines of random weights, for what does not rest on training."""

from __future__ import annotations

import numpy as np
import torch

from explorable.diffusion.paths import PATHS
from explorable.nn.dit import DiT, DiTConfig
from explorable.nn.examiner import Examiner, ExaminerConfig
from explorable.nn.text import TextConfig, TextModel
from explorable.nn.unet import UNet, UNetConfig
from explorable.nn.vae import VAE, VAEConfig
from explorable.pipeline import Pipeline
from explorable.run import Run
from explorable.world import COLOURS, KINDS, MOODS, PLACES, RELATIONS, SIDES, TIMES, VOCABULARY

TEXT = TextConfig(VOCABULARY, width=16, layers=1, heads=2, embed_dim=8, image_widths=(8, 8, 8))
UNET = UNetConfig(widths=(8, 16, 16), up=(1, 1), head_width=8, context_width=16, time_width=16)
DIT = DiTConfig(patch_size=4, width=16, depth=2, heads=2, context_width=16)
CODER = VAEConfig(
    encoder_widths=(8, 8),
    decoder_widths=(8, 8),
    encoder_blocks=(1, 1),
    decoder_blocks=(1, 1),
    shift=(0.5, -1.0, 0.0, 2.0),
    scale=(0.5, 2.0, 1.0, 3.0),
)


PROMPT, OTHER = "a red car on a mountain road", "two dogs at night"


def same(a: Run, b: Run) -> bool:
    """Bit for bit, through and through."""
    return (np.array_equal(a.image, b.image) and np.array_equal(a.latents.values, b.latents.values)
            and np.array_equal(a.denoised.values, b.denoised.values))


def shaken(network: torch.nn.Module, spread: float) -> torch.nn.Module:
    """Random weights with nothing at zero, halved as weight files are."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for p in network.parameters():
            p.add_(spread * torch.randn(p.shape, generator=generator))
            p.copy_(p.half().float())
    return network


def tiny(network: str = "unet", path: str = "straight") -> Pipeline:
    """A pipeline of a tiny "unet" or "dit" on a path, predicting v on curved paths."""
    torch.manual_seed(0)
    text, coder = shaken(TextModel(TEXT), 0.3), shaken(VAE(CODER), 0.02)
    denoiser = shaken(UNet(UNET) if network == "unet" else DiT(DIT), 0.15)
    prediction = "velocity" if path == "straight" else "v"
    return Pipeline(f"tiny-{network}", text.text_encoder, denoiser, coder, PATHS[path], prediction, torch.device("cpu"))


def tiny_examiner() -> Examiner:
    """An untrained examiner that knows the names of everything in the picture world."""
    torch.manual_seed(0)
    return Examiner(ExaminerConfig(KINDS, tuple(COLOURS), SIDES, RELATIONS, PLACES, TIMES, ("plain", *MOODS),
                                   widths=(8, 16))).eval()
