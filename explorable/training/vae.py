"""Train the autoencoder: squared, absolute and edge error, with a small KL term towards a normal latent."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from ..nn.pixels import to_tensor
from ..nn.vae import VAE
from .data import TRAIN_SIZE, images
from .loop import Batch, Losses, Training, fit
from .plan import Plan

BATCH_SIZE = 32  # crops; or a quarter as many whole images


def edges(x: Tensor) -> tuple[Tensor, Tensor]:
    """Return differences to the right and the lower neighbour."""
    return x[..., :, 1:] - x[..., :, :-1], x[..., 1:, :] - x[..., :-1, :]


def vae_loss(vae: VAE, x: Tensor, noise: Tensor) -> Losses:
    """Kingma and Welling 2014, with a pixel loss in place of the likelihood and a small weight on the KL term.

    x: images or crops (batch, 3, height, width) in [-1, 1]. noise: standard normal, (batch, 4, height / 8, width / 8).
    """
    mean, log_variance = vae.distribution(x.contiguous(memory_format=torch.channels_last))
    z = mean + torch.exp(0.5 * log_variance) * noise
    y = vae.decoder(z)
    error = y - x
    mse = error.square().mean()
    edge = sum(e.abs().mean() for e in edges(error))
    kl = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).mean()
    loss = 10 * mse + 0.2 * error.abs().mean() + 0.3 * edge + 5e-4 * kl
    return {"loss": loss, "psnr": 10 * torch.log10(4 / mse), "kl": kl}


def crops(data: np.ndarray, step: int) -> Tensor:
    """Return whole images at every fourth step, else 64 x 64 crops, most of them where things stand.

    Backgrounds are learnt quickly. Eyes and windows are small, and crops show four times as many in the same time.
    Crops begin at multiples of 8, to fall on whole latent positions.
    """
    rng = np.random.default_rng([5, step])
    if step % 4 == 0:
        indices = rng.integers(len(data), size=BATCH_SIZE // 4)
        return to_tensor(np.stack([data[i] for i in indices]))
    batch = []
    for i in rng.integers(len(data), size=BATCH_SIZE):
        in_lower_half = rng.random() < 0.8
        x, y = 8 * rng.integers(0, 9), 8 * (rng.integers(5, 9) if in_lower_half else rng.integers(0, 5))
        batch.append(data[i, y : y + 64, x : x + 64])
    return to_tensor(np.stack(batch))


def train(steps: int, depends_on: str = "") -> Training:
    """Train the autoencoder. `standardise` then sets the shift and scale of its latents."""
    data = images(TRAIN_SIZE)

    def batch(step: int) -> Batch:
        x = crops(data, step)
        return {"x": x, "noise": torch.randn(len(x), 4, x.shape[2] // 8, x.shape[3] // 8)}

    torch.manual_seed(0)
    vae = VAE().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return fit("vae", vae, batch, lambda vae, b: vae_loss(vae, **b),  # type: ignore[arg-type]
               Plan(steps, lr=1.5e-3, muon_lr=0.03, decay=0.85, weight_decay=0.0), depends_on)


@torch.inference_mode()
def standardise(vae: VAE) -> VAE:
    """Return a VAE with the same weights whose latents have zero mean and unit variance in each channel."""
    data = images(TRAIN_SIZE)
    means = torch.cat([vae.distribution(to_tensor(data[i : i + 50]))[0] for i in range(0, 2000, 50)])
    new = VAE(replace(vae.config, shift=tuple(means.mean((0, 2, 3)).tolist()),
                      scale=tuple(means.std((0, 2, 3)).tolist())))
    new.load_state_dict(vae.state_dict())
    return new.eval()
