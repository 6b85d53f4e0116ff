"""Train the autoencoder's decoder alone. The encoder stays, and with it all latents and the models trained on them."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..nn.pixels import to_tensor
from ..nn.vae import VAE
from .data import TRAIN_SIZE, cell_maps, images, latents
from .denoiser import position_weights
from .loop import Batch, Losses, Training, fit
from .plan import Plan
from .vae import edges

BATCH_SIZE = 8


def decoder_loss(vae: VAE, z: Tensor, x: Tensor, weight: Tensor) -> Losses:
    """Squared, absolute and edge error of decoded latents z (batch, 4, 16, 16) to images x (batch, 3, 128, 128).

    weight (batch, 1, 128, 128): weights of the pixels, with mean 1.
    """
    error = vae.decode(z) - x
    edge = sum(e.abs().mean() for e in edges(error))
    loss = (weight * (10 * error.square() + 0.1 * error.abs())).mean() + 0.2 * edge
    return {"loss": loss, "psnr": 10 * torch.log10(4 / error.square().mean())}


def train(vae: VAE, steps: int, depends_on: str = "") -> Training:
    """Train the decoder of `vae` on. Things and their surroundings, where eyes and windows are, weigh three times."""
    data, codes, cells = images(TRAIN_SIZE), latents(vae), cell_maps(TRAIN_SIZE)
    order = np.random.default_rng(8).permutation(TRAIN_SIZE)

    def batch(step: int) -> Batch:
        indices = [int(order[(step * BATCH_SIZE + k) % TRAIN_SIZE]) for k in range(BATCH_SIZE)]
        return {"x": to_tensor(np.stack([data[i] for i in indices])), "z": codes[indices].float(),
                "weight": F.interpolate(position_weights(cells[indices]), scale_factor=8.0)}

    def loss(model: nn.Module, b: Batch) -> Losses:
        assert isinstance(model, VAE)
        x = b["x"].contiguous(memory_format=torch.channels_last)
        return decoder_loss(model, b["z"], x, b["weight"])

    torch.manual_seed(0)
    model = vae.train().requires_grad_().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    model.encoder.requires_grad_(False)
    return fit("decoder", model, batch, loss, Plan(steps, lr=1e-3, muon_lr=0.02, decay=0.9, weight_decay=0.0),
               depends_on)
