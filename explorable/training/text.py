"""Train the text encoder against images. Every batch holds scenes together with their counterparts."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from ..nn.text import TextConfig, TextModel, Tokens
from ..nn.vae import VAE
from ..world import VOCABULARY
from .data import TRAIN_SIZE, captions, latents
from .loop import Batch, Losses, Training, fit, gather_rows
from .plan import Plan

PAIRS = 64  # scenes with their counterparts in a batch


def train(vae: VAE, steps: int, depends_on: str = "") -> Training:
    """Train both encoders on latents: InfoNCE by sentences, and by words and regions."""
    data = latents(vae)
    pairs = np.random.default_rng(1).permutation(TRAIN_SIZE // 2)

    def batch(step: int) -> Batch:
        indices = [2 * pairs[(step * PAIRS + k) % len(pairs)] + which for k in range(PAIRS) for which in (0, 1)]
        tokens = model.text_encoder.tokenizer(captions(indices, step))
        return {"ids": tokens.ids, "keep": tokens.keep, "latents": data[indices].float()}

    def loss(model: nn.Module, b: Batch) -> Losses:
        assert isinstance(model, TextModel)
        return model.loss(Tokens(b["ids"], b["keep"]), b["latents"], gather_rows)

    torch.manual_seed(0)
    model = TextModel(TextConfig(VOCABULARY))
    return fit("text", model, batch, loss, Plan(steps, warmup=100, decay=0.85), depends_on)
