"""Train the denoisers: two networks on two paths, with everything else the same; and a small pair.

All see the same latents, captions, order of images, noise and noise levels: what differs between two of the four
(twins) is the network or the path, and between the two small ones whether their attention was supervised.
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
from ..nn.unet import UNet, UNetConfig
from ..nn.vae import VAE
from .data import NO_THING, TRAIN_SIZE, captions, cell_maps, latents
from .loop import Batch, Losses, Training, fit
from .plan import Plan
from .supervised_attention import attention_loss, collect_points, token_kinds

BATCH_SIZE = 32
CAPTION_DROPOUT = 0.1  # share of captions replaced by the empty one
MEAN_LOG_RATIO = 0.5  # mean of log(sigma / alpha): latents are smooth, so that much can still be seen where it is 0
ALIGNMENT_WEIGHT = 0.5  # as in Yu et al.
ATTENTION_WEIGHT = 0.1  # times alpha
FIRST_ROUND = 9_000  # steps; more of them make a second round
SMALL = UNetConfig(widths=(48, 96, 96), head_width=24)  # as many heads as the large one at 8 x 8 and 4 x 4, nearly


@dataclass(frozen=True)
class Twin:
    """A denoiser: its network and the network's sizes, its noise path and its prediction type.

    supervised: whether its attention is trained on masks. checkpoints: the steps after which its weights are kept.
    """

    network: Callable[..., UNet | DiT]
    path: str
    prediction: str
    config: UNetConfig | None = None
    supervised: bool = True
    checkpoints: tuple[int, ...] = ()


TWINS = {
    "unet-flow": Twin(UNet, "straight", "velocity"),
    "unet-diffusion": Twin(UNet, "linear", "v"),
    "dit-flow": Twin(DiT, "straight", "velocity"),
    "dit-diffusion": Twin(DiT, "linear", "v"),
}
SMALL_PAIR = {
    "unet-small": Twin(UNet, "straight", "velocity", SMALL),
    "unet-small-unsupervised": Twin(UNet, "straight", "velocity", SMALL, supervised=False, checkpoints=(100, 1_000)),
}
DENOISERS = TWINS | SMALL_PAIR


class DenoiserOutput(NamedTuple):
    """What a denoiser gives in training: its prediction (batch, 4, 16, 16), its region vectors (batch, 64, embed_dim),
    and the supervised attention, (batch, head, position, token) for each layer."""

    prediction: Tensor
    regions: Tensor
    attention: list[Tensor]


class AlignedDenoiser(nn.Module):
    """A denoiser with a REPA head, which exists only during training.

    Yu et al. 2024 (REPA, equation 8): from the features of a *noisy* latent in the network's REPA block, a small head
    predicts the image encoder's region vectors of the *clean* latent. These are comparable with words, so the denoiser
    has to find out early what is where.
    """

    def __init__(self, net: UNet | DiT, embed_dim: int):
        super().__init__()
        self.net, self.config = net, net.config
        width = net.repa_width
        self.head = nn.Sequential(nn.Linear(width, width), nn.SiLU(), nn.Linear(width, embed_dim))

    def forward(self, x: Tensor, t: Tensor, context: Tensor, keep: Tensor) -> DenoiserOutput:
        features: list[Tensor] = []
        handle = self.net.repa_block.register_forward_hook(lambda module, inputs, output: features.append(output))
        try:
            with collect_points(self.net.supervised_attention) as attention:
                prediction = self.net(x, t, self.net.project_context(context, keep))
        finally:
            handle.remove()
        return DenoiserOutput(prediction, self.head(region_features(features[0])), attention)


def region_features(output: Tensor | tuple[Tensor, ...]) -> Tensor:
    """Return a REPA block's output as (batch, 64, width): a U-Net's is a map, a DiT's a pair of patches and words."""
    return output[0] if isinstance(output, tuple) else output.flatten(2).transpose(1, 2)


def denoising_loss(model: AlignedDenoiser, twin: Twin, words: TextModel, b: Batch) -> Losses:
    """Return the weighted mean squared error of the prediction, the REPA alignment and the supervised attention.

    The batch holds x0, noise (batch, 4, 16, 16); ids, keep (batch, tokens); ratio (batch,), sigma / alpha, from which
    each path computes its t; weight (batch, 1, 16, 16), the weights of positions. Weights do not move the best
    prediction, only what is learnt first. cells (batch, 16, 16) and kinds (batch, tokens), for the supervised
    attention, are optional; without supervision it is measured for the loss curve only.
    """
    path, x0, noise = PATHS[twin.path], b["x0"], b["noise"]
    times = [path.time_at(r) for r in b["ratio"].tolist()]

    def mix(weights: list[tuple[float, float]]) -> Tensor:
        of_image, of_noise = torch.tensor(weights, device=x0.device)[:, :, None, None, None].unbind(1)
        return of_image * x0 + of_noise * noise

    noisy = mix([(path.alpha(t), path.sigma(t)) for t in times]).contiguous(memory_format=torch.channels_last)
    target = mix([PREDICTIONS[twin.prediction](path, t) for t in times])
    with torch.no_grad():
        context = words.text_encoder(Tokens(b["ids"], b["keep"]))
        clean_regions, _ = words.image_encoder(x0)
    output = model(noisy, torch.tensor(times, device=x0.device), context.vectors, context.keep)
    mse = (b["weight"] * (output.prediction - target).square()).mean()
    alignment = F.cosine_similarity(output.regions, clean_regions, dim=-1).mean()
    losses = {"loss": mse - ALIGNMENT_WEIGHT * alignment, "mse": mse, "alignment": alignment}
    if "kinds" in b:
        alpha = torch.tensor([path.alpha(t) for t in times], device=x0.device)
        losses["attention"] = (alpha * attention_loss(output.attention, b["cells"], b["kinds"])).mean()
        if twin.supervised:
            losses["loss"] = losses["loss"] + ATTENTION_WEIGHT * losses["attention"]
    return losses


def position_weights(cells: np.ndarray) -> Tensor:
    """Return weights (batch, 1, 16, 16) for cell maps (batch, 16, 16): positions on or beside a thing weigh three times
    as much as others; the mean is 1."""
    thing = torch.from_numpy(cells != NO_THING)[:, None].float()
    weight = 1 + 2 * F.max_pool2d(thing, 3, stride=1, padding=1)
    return weight / weight.mean()


def train(name: str, vae: VAE, words: TextModel, steps: int, depends_on: str = "") -> Training:
    """Train a denoiser. The text encoder is frozen, so that all denoisers have the same contexts.

    The noise ratio sigma / alpha is log-normal and the same for every path. On the straight path that is a logit-normal
    t, denser in the middle, where most is decided (Esser et al. 2024, section 3.1).
    """
    twin, data, cells = DENOISERS[name], latents(vae), cell_maps(TRAIN_SIZE)
    rng = np.random.default_rng(3)
    epochs: list[np.ndarray] = []

    def batch_indices(step: int) -> list[int]:
        epoch, begin = divmod(step * BATCH_SIZE, TRAIN_SIZE)
        while len(epochs) <= epoch:
            epochs.append(rng.permutation(TRAIN_SIZE))
        return epochs[epoch][begin : begin + BATCH_SIZE].tolist()

    def batch(step: int) -> Batch:
        indices = batch_indices(step)
        is_dropped = np.random.default_rng([4, step]).random(BATCH_SIZE) < CAPTION_DROPOUT
        texts = ["" if dropped else c for c, dropped in zip(captions(indices, step), is_dropped, strict=True)]
        tokens = words.text_encoder.tokenizer(texts)
        x0 = data[indices].float()
        return {"x0": x0, "ids": tokens.ids, "keep": tokens.keep, "noise": torch.randn_like(x0),
                "ratio": torch.exp(MEAN_LOG_RATIO + torch.randn(BATCH_SIZE)),
                "weight": position_weights(cells[indices]),
                "cells": torch.from_numpy(cells[indices]).long(), "kinds": token_kinds(texts, tokens.ids.shape[1])}

    def loss(model: nn.Module, b: Batch) -> Losses:
        assert isinstance(model, AlignedDenoiser)
        return denoising_loss(model, twin, words.to(b["x0"].device), b)

    torch.manual_seed(0)
    net = twin.network(twin.config).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return fit(name, AlignedDenoiser(net, words.config.embed_dim), batch, loss,
               Plan(steps, warmup=300, decay=0.85, restart=FIRST_ROUND, checkpoints=twin.checkpoints), depends_on)
