"""Train the text encoder against pictures: every batch holds scenes beside their twins."""

from __future__ import annotations

import copy
import random
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from tqdm.auto import tqdm

from ..nn.pixels import to_tensor
from ..nn.text import TextConfig, TextModel, Tokens
from ..nn.vae import VAE
from ..pipeline import choose_device
from ..world import VOCABULARY, write_caption
from ..zoo import fingerprint
from .data import cache, edition, made_once, pictures, scene
from .loop import Batch, Losses, Training, fit, gathered
from .plan import Plan
from .vae import PICTURES

PAIRS = 64  # scenes and their twins in a batch


@torch.inference_mode()
def latents(vae: VAE, split: str = "train", count: int = PICTURES) -> Tensor:
    """Latents of a split, (count, 4, 16, 16) half precision, kept in the cache with the encoder that made them."""

    def encode_all(part: Path) -> None:
        data, device = pictures(count, split), choose_device()
        encoder = copy.deepcopy(vae).to(device)
        out = torch.cat([
            encoder.encode(to_tensor(data[i : i + 100]).to(device, memory_format=torch.channels_last)).half().cpu()
            for i in tqdm(range(0, count, 100), desc=f"encoding {split}")])
        torch.save(out, part)

    by = fingerprint("vae", "encoder")
    path = cache() / f"latents-{split}-{count}-{edition()}-{by}.pt"
    return torch.load(made_once(path, encode_all), weights_only=True)


def captions(pick: list[int], step: int, split: str = "train", everything: bool = False) -> list[str]:
    """A fresh caption for each scene picked: the same scene is said in other words at another step."""
    return [write_caption(scene(i, split), random.Random(f"{split} {i} {step}"), everything) for i in pick]


def train(vae: VAE, steps: int, of: str = "") -> Training:
    """Contrastive training on latents: InfoNCE by whole sentences and by words and regions."""
    data = latents(vae)
    pairs = np.random.default_rng(1).permutation(PICTURES // 2)

    def batch(step: int) -> Batch:
        pick = [2 * pairs[(step * PAIRS + k) % len(pairs)] + twin for k in range(PAIRS) for twin in (0, 1)]
        tokens = model.text_encoder.tokenizer(captions(pick, step))
        return {"ids": tokens.ids, "keep": tokens.keep, "latents": data[pick].float()}

    def loss(model: nn.Module, b: Batch) -> Losses:
        assert isinstance(model, TextModel)
        return model.loss(Tokens(b["ids"], b["keep"]), b["latents"], gathered)

    torch.manual_seed(0)
    model = TextModel(TextConfig(VOCABULARY))
    return fit("text", model, batch, loss, Plan(steps, warmup=100, fall=0.85), of)
