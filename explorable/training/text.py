"""Train the text encoder against pictures: every batch holds scenes beside their twins."""

from __future__ import annotations

import random

import numpy as np
import torch
from torch import Tensor, nn
from tqdm.auto import tqdm

from ..nn.text import TextConfig, TextModel
from ..nn.vae import VAE
from ..world import VOCABULARY, say
from .data import cache, pictures, scene
from .loop import Plan, fit
from .vae import PICTURES, to_tensor

PAIRS = 64  # scenes and their twins in a batch


@torch.inference_mode()
def latents(vae: VAE, split: str = "train", count: int = PICTURES) -> Tensor:
    """Latents of a split, (count, 4, 16, 16) half precision, kept in the cache with the VAE that made them."""
    mark = f"{sum(float(p.double().sum()) for p in vae.encoder.parameters()):.6f}"
    path = cache() / f"latents-{split}-{count}.pt"
    if path.exists():
        saved = torch.load(path, weights_only=True)
        if saved["vae"] == mark:
            return saved["latents"]
    data = pictures(count, split)
    out = torch.cat([vae.encode(to_tensor(data[i : i + 100]).contiguous(memory_format=torch.channels_last)).half()
                     for i in tqdm(range(0, count, 100), desc=f"encoding {split}")])
    torch.save({"vae": mark, "latents": out}, path)
    return out


def captions(pick: list[int], step: int, split: str = "train") -> list[str]:
    """A fresh caption for each scene picked: the same scene is said in other words at another step."""
    return [say(scene(i, split), random.Random(f"{split} {i} {step}")) for i in pick]


def train(vae: VAE, steps: int = 900) -> TextModel:
    """Contrastive training on latents: InfoNCE by whole sentences and by words and regions."""
    data = latents(vae)
    pairs = np.random.default_rng(1).permutation(PICTURES // 2)

    def loss(model: nn.Module, step: int) -> dict[str, Tensor]:
        pick = [2 * pairs[(step * PAIRS + k) % len(pairs)] + twin for k in range(PAIRS) for twin in (0, 1)]
        assert isinstance(model, TextModel)
        return model.loss(model.text.tokenizer(captions(pick, step)), data[pick].float())

    torch.manual_seed(0)
    return fit("text", TextModel(TextConfig(VOCABULARY)), loss, Plan(steps, lr=1e-3, warmup=100))  # type: ignore[return-value]
