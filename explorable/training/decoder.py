"""Train the decoder on by itself: the encoder stays, and with it every latent and all that was trained on them."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..nn.pixels import to_tensor
from ..nn.vae import VAE
from .data import pictures
from .denoiser import emphasis
from .examiner import cell_maps
from .loop import Batch, Losses, Training, fit
from .plan import Plan
from .text import latents
from .vae import PICTURES, edges

BATCH = 8


def decoder_loss(vae: VAE, z: Tensor, x: Tensor, weight: Tensor) -> Losses:
    """Squared and absolute error, edges weighed in: latents (batch, 4, 16, 16) against pictures (batch, 3, 128, 128).

    weight (batch, 1, 128, 128), mean 1: which places count more.
    """
    error = vae.decode(z) - x
    edge = sum(e.abs().mean() for e in edges(error))
    loss = (weight * (10 * error.square() + 0.1 * error.abs())).mean() + 0.2 * edge
    return {"loss": loss, "psnr": 10 * torch.log10(4 / error.square().mean())}


def train(vae: VAE, steps: int, of: str = "") -> Training:
    """The shipped autoencoder with a finer decoder. Things and what is beside them count three times: there are the
    eyes and the windows."""
    data, codes, cells = pictures(PICTURES), latents(vae), cell_maps(PICTURES)
    order = np.random.default_rng(8).permutation(PICTURES)

    def batch(step: int) -> Batch:
        pick = [int(order[(step * BATCH + k) % PICTURES]) for k in range(BATCH)]
        return {"x": to_tensor(np.stack([data[i] for i in pick])), "z": codes[pick].float(),
                "weight": F.interpolate(emphasis(cells[pick]), scale_factor=8.0)}

    def loss(model: nn.Module, b: Batch) -> Losses:
        assert isinstance(model, VAE)
        x = b["x"].contiguous(memory_format=torch.channels_last)
        return decoder_loss(model, b["z"], x, b["weight"])

    torch.manual_seed(0)
    model = vae.train().requires_grad_().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    model.encoder.requires_grad_(False)
    return fit("decoder", model, batch, loss, Plan(steps, lr=1e-3, muon=0.02, fall=0.9, weight_decay=0.0), of)
