"""Train a denoiser: the straight path, logit-normal times, a tenth of the captions dropped for guidance."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..nn.text import TextEncoder
from ..nn.unet import UNet
from ..nn.vae import VAE
from .examiner import NONE, cell_maps
from .loop import Plan, Training, fit
from .text import captions, latents
from .vae import PICTURES

BATCH = 32
DROP = 0.1  # share of captions replaced by the empty one


def flow_loss(model: nn.Module, x0: Tensor, context: Tensor, keep: Tensor, weight: Tensor) -> Tensor:
    """Weighted mean squared error of the velocity on x_t = (1 - t) x0 + t noise.

    Times are logit-normal, denser in the middle, where most is decided (Esser et al. 2024, section 3.1).
    weight (batch, 1, 16, 16) says which places matter more. Each place has its own best answer, which no
    weight moves: weights only say what to learn first.
    """
    noise = torch.randn_like(x0)
    t = torch.sigmoid(torch.randn(len(x0)))
    at = t[:, None, None, None]
    noisy = ((1 - at) * x0 + at * noise).contiguous(memory_format=torch.channels_last)
    velocity = model(noisy, t, model.remember(context, keep))  # type: ignore[operator]
    return (weight * (velocity - (noise - x0)).square()).mean()


def emphasis(cells: np.ndarray) -> Tensor:
    """Weights from cell maps (batch, 16, 16): places on or beside a thing count three times, mean 1."""
    thing = torch.from_numpy(cells != NONE)[:, None].float()
    weight = 1 + 2 * F.max_pool2d(thing, 3, stride=1, padding=1)
    return weight / weight.mean()


def train(vae: VAE, text: TextEncoder, steps: int, of: str = "") -> Training:
    """unet-flow: the text encoder stays as it is, so that every denoiser reads the same words."""
    data, cells = latents(vae), cell_maps(PICTURES)
    order = np.random.default_rng(3)
    epochs: list[np.ndarray] = []

    def pick(step: int) -> list[int]:
        epoch, at = divmod(step * BATCH, PICTURES)
        while len(epochs) <= epoch:
            epochs.append(order.permutation(PICTURES))
        return epochs[epoch][at : at + BATCH].tolist()

    def loss(model: nn.Module, step: int) -> dict[str, Tensor]:
        chosen = pick(step)
        drop = np.random.default_rng([4, step]).random(BATCH) < DROP
        texts = ["" if d else c for c, d in zip(captions(chosen, step), drop, strict=True)]
        with torch.no_grad():
            context = text.encode(texts)
        return {"loss": flow_loss(model, data[chosen].float(), context.vectors, context.keep, emphasis(cells[chosen]))}

    torch.manual_seed(0)
    model = UNet().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return fit("unet-flow", model, loss, Plan(steps, warmup=300), of)


