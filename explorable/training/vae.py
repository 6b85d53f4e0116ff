"""Train the autoencoder: squared and absolute error, edges weighed in, a light pull towards a normal latent."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from ..nn.pixels import to_tensor
from ..nn.vae import VAE
from .data import pictures
from .loop import Batch, Losses, Training, fit
from .plan import Plan

BATCH = 32  # crops; or a quarter as many whole pictures
PICTURES = 64_000


def edges(x: Tensor) -> tuple[Tensor, Tensor]:
    """Differences to the right and the lower neighbour."""
    return x[..., :, 1:] - x[..., :, :-1], x[..., 1:, :] - x[..., :-1, :]


def vae_loss(vae: VAE, x: Tensor, noise: Tensor) -> Losses:
    """Kingma and Welling 2014, with a pixel loss in place of the likelihood and a small weight on the KL.

    x: pictures or crops (batch, 3, high, wide) in [-1, 1]. noise: standard normal, (batch, 4, high / 8, wide / 8).
    """
    mean, log_variance = vae.distribution(x.contiguous(memory_format=torch.channels_last))
    z = mean + torch.exp(0.5 * log_variance) * noise
    y = vae.decoder(z)
    error = y - x
    squared = error.square().mean()
    edge = sum(e.abs().mean() for e in edges(error))
    kl = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).mean()
    loss = 10 * squared + 0.2 * error.abs().mean() + 0.3 * edge + 5e-4 * kl
    return {"loss": loss, "psnr": 10 * torch.log10(4 / squared), "kl": kl}


def crops(data: np.ndarray, step: int) -> Tensor:
    """Every fourth time whole pictures, else 64 x 64 crops, most of them where things stand.

    Backgrounds are learnt soon; eyes and windows are small, and a crop shows four times as much of them in
    the same time. Crops begin at multiples of 8, so that they fall on whole latent places.
    """
    rng = np.random.default_rng([5, step])
    if step % 4 == 0:
        pick = rng.integers(len(data), size=BATCH // 4)
        return to_tensor(np.stack([data[i] for i in pick]))
    cut = []
    for i in rng.integers(len(data), size=BATCH):
        low = rng.random() < 0.8
        x, y = 8 * rng.integers(0, 9), 8 * (rng.integers(5, 9) if low else rng.integers(0, 5))
        cut.append(data[i, y : y + 64, x : x + 64])
    return to_tensor(np.stack(cut))


def train(steps: int, of: str = "") -> Training:
    """Train; `standardised` then sets the statistics that make latents unit size."""
    data = pictures(PICTURES)

    def batch(step: int) -> Batch:
        x = crops(data, step)
        return {"x": x, "noise": torch.randn(len(x), 4, x.shape[2] // 8, x.shape[3] // 8)}

    torch.manual_seed(0)
    fresh = VAE().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return fit("vae", fresh, batch, lambda vae, b: vae_loss(vae, **b),  # type: ignore[arg-type]
               Plan(steps, lr=1.5e-3, muon=0.03, fall=0.85, weight_decay=0.0), of)


@torch.inference_mode()
def standardised(vae: VAE) -> VAE:
    """A VAE with the same weights whose latents have zero mean and unit spread, channel by channel."""
    data = pictures(PICTURES)
    means = torch.cat([vae.distribution(to_tensor(data[i : i + 50]))[0] for i in range(0, 2000, 50)])
    new = VAE(replace(vae.config, shift=tuple(means.mean((0, 2, 3)).tolist()),
                      scale=tuple(means.std((0, 2, 3)).tolist())))
    new.load_state_dict(vae.state_dict())
    return new.eval()
