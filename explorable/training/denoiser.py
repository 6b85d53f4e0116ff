"""Train the denoisers: two networks on two paths, with everything else the same.

The same latents, words, order of pictures, noise and noise levels: what differs between two twins is the
network or the path.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..diffusion.paths import PATHS
from ..diffusion.predictions import PREDICTIONS
from ..nn.dit import DiT
from ..nn.text import TextModel, Tokens
from ..nn.unet import UNet
from ..nn.vae import VAE
from .examiner import NONE, cell_maps
from .loop import Batch, Losses, Training, fit
from .plan import Plan
from .supervised_attention import grounding_loss, readings, spoken_of
from .text import captions, latents
from .vae import PICTURES

BATCH = 32
DROP = 0.1  # share of captions replaced by the empty one
LEVEL = 0.5  # mean of log(sigma / alpha): latents keep neighbours alike, so much is still seen where it is 0
ALIGN = 0.5  # weight of the alignment, as Yu et al. have it
ROUND = 9_000  # steps of the first round: what is asked for beyond is a second one
GROUND = 0.1  # weight of the grounding, times how much of the picture is left in the noise


@dataclass(frozen=True)
class Twin:
    """A denoiser: its network, the path that it walks, and what it predicts there."""

    network: Callable[[], UNet | DiT]
    path: str
    prediction: str


TWINS = {
    "unet-flow": Twin(UNet, "straight", "velocity"),
    "unet-diffusion": Twin(UNet, "linear", "v"),
    "dit-flow": Twin(DiT, "straight", "velocity"),
    "dit-diffusion": Twin(DiT, "linear", "v"),
}


class Seen(NamedTuple):
    """What a denoiser in training gives out: its prediction (batch, 4, 16, 16); its region vectors (batch, 64, shared
    width); and how its places read the words, (batch, head, place, token) for each layer that is grounded."""

    prediction: Tensor
    regions: Tensor
    read: list[Tensor]


class Aligned(nn.Module):
    """A denoiser whose inner view of the picture is held against a picture encoder's, while it trains.

    Yu et al. 2024 (REPA, equation 8): what the network's overview has seen in a *noisy* latent, through a small
    head, shall point where the picture encoder's region vectors of the *clean* latent point. Those lie among
    the words, so the denoiser has to work out early what is where. The head is thrown away after training.
    """

    def __init__(self, net: UNet | DiT, embed_dim: int):
        super().__init__()
        self.net, self.config = net, net.config
        width = net.repa_width
        self.head = nn.Sequential(nn.Linear(width, width), nn.SiLU(), nn.Linear(width, embed_dim))

    def forward(self, x: Tensor, t: Tensor, context: Tensor, keep: Tensor) -> Seen:
        seen: list[Tensor] = []
        handle = self.net.repa_block.register_forward_hook(lambda module, inputs, output: seen.append(output))
        try:
            with readings(self.net.supervised_attention) as read:
                prediction = self.net(x, t, self.net.project_context(context, keep))
        finally:
            handle.remove()
        return Seen(prediction, self.head(regions(seen[0])), read)


def regions(seen: Tensor | tuple[Tensor, ...]) -> Tensor:
    """What an overview gave out, as (batch, 64, width): a picture from a U-Net, patches and words from a DiT."""
    return seen[0] if isinstance(seen, tuple) else seen.flatten(2).transpose(1, 2)


def denoising_loss(model: Aligned, twin: Twin, words: TextModel, b: Batch) -> Losses:
    """Weighted mean squared error of the prediction, the alignment, and the grounding where it is known what is where.

    In the batch: x0, noise (batch, 4, 16, 16); ids, keep (batch, tokens); ratio (batch,), which is sigma / alpha,
    and from which each path finds its own t; weight (batch, 1, 16, 16), which says what places matter more. Each
    place has its own best answer, which no weight moves: weights only say what to learn first. cells (batch, 16, 16)
    and spoken (batch, tokens), for the grounding, may be missing.
    """
    path, x0, noise = PATHS[twin.path], b["x0"], b["noise"]
    times = [path.time_at(r) for r in b["ratio"].tolist()]

    def mix(shares: list[tuple[float, float]]) -> Tensor:
        of_picture, of_noise = torch.tensor(shares, device=x0.device)[:, :, None, None, None].unbind(1)
        return of_picture * x0 + of_noise * noise

    noisy = mix([(path.alpha(t), path.sigma(t)) for t in times]).contiguous(memory_format=torch.channels_last)
    target = mix([PREDICTIONS[twin.prediction](path, t) for t in times])
    with torch.no_grad():
        context = words.text_encoder(Tokens(b["ids"], b["keep"]))
        clean, _ = words.image_encoder(x0)
    seen = model(noisy, torch.tensor(times, device=x0.device), context.vectors, context.keep)
    squared = (b["weight"] * (seen.prediction - target).square()).mean()
    alike = F.cosine_similarity(seen.regions, clean, dim=-1).mean()
    said = {"loss": squared - ALIGN * alike, "mse": squared, "alignment": alike}
    if "spoken" in b:
        left = torch.tensor([path.alpha(t) for t in times], device=x0.device)
        said["attention"] = (left * grounding_loss(seen.read, b["cells"], b["spoken"])).mean()
        said["loss"] = said["loss"] + GROUND * said["attention"]
    return said


def emphasis(cells: np.ndarray) -> Tensor:
    """Weights from cell maps (batch, 16, 16): places on or beside a thing count three times, mean 1."""
    thing = torch.from_numpy(cells != NONE)[:, None].float()
    weight = 1 + 2 * F.max_pool2d(thing, 3, stride=1, padding=1)
    return weight / weight.mean()


def train(name: str, vae: VAE, words: TextModel, steps: int, of: str = "") -> Training:
    """Train a twin; the text encoder stays as it is, so that every denoiser reads the same words.

    The noise ratio sigma / alpha is log-normal, the same for every path: on the straight one that is a
    logit-normal t, denser in the middle, where most is decided (Esser et al. 2024, section 3.1).
    """
    twin, data, cells = TWINS[name], latents(vae), cell_maps(PICTURES)
    order = np.random.default_rng(3)
    epochs: list[np.ndarray] = []

    def pick(step: int) -> list[int]:
        epoch, at = divmod(step * BATCH, PICTURES)
        while len(epochs) <= epoch:
            epochs.append(order.permutation(PICTURES))
        return epochs[epoch][at : at + BATCH].tolist()

    def batch(step: int) -> Batch:
        chosen = pick(step)
        drop = np.random.default_rng([4, step]).random(BATCH) < DROP
        said = ["" if d else c for c, d in zip(captions(chosen, step), drop, strict=True)]
        tokens = words.text_encoder.tokenizer(said)
        x0 = data[chosen].float()
        return {"x0": x0, "ids": tokens.ids, "keep": tokens.keep, "noise": torch.randn_like(x0),
                "ratio": torch.exp(LEVEL + torch.randn(BATCH)), "weight": emphasis(cells[chosen]),
                "cells": torch.from_numpy(cells[chosen]).long(), "spoken": spoken_of(said, tokens.ids.shape[1])}

    def loss(model: nn.Module, b: Batch) -> Losses:
        assert isinstance(model, Aligned)
        return denoising_loss(model, twin, words.to(b["x0"].device), b)

    torch.manual_seed(0)
    net = twin.network().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return fit(name, Aligned(net, words.config.embed_dim), batch, loss,
               Plan(steps, warmup=300, fall=0.85, restart=ROUND), of)
