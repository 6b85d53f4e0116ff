"""Tiny text towers, and tiny networks that read them, for tests of training."""

from __future__ import annotations

import functools

import torch

from explorable.nn.dit import DiT, DiTConfig
from explorable.nn.text import TextConfig, TextModel
from explorable.nn.unet import UNet, UNetConfig

CONTEXT = 12
NETWORKS = {
    "unet": lambda: UNet(UNetConfig(widths=(32, 64, 64), context_width=CONTEXT, time_width=32)),
    "dit": lambda: DiT(DiTConfig(width=32, depth=2, heads=2, context_width=CONTEXT)),
}


@functools.cache
def words() -> TextModel:
    torch.manual_seed(3)
    return TextModel(TextConfig(("red",), 5, CONTEXT, 1, 2, 8, (8, 16, 16))).eval().requires_grad_(False)
