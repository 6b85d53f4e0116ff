"""Train the classifier on noisy latents, at every noise level."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ..nn.classifier import Classifier, ClassifierConfig
from ..nn.vae import VAE
from ..world import COLOURS, KINDS, PLACES, TIMES, Scene
from .data import TRAIN_SIZE, latents, scene
from .loop import Batch, Losses, Training, fit
from .plan import Plan

BATCH_SIZE = 64
CONFIG = ClassifierConfig(KINDS, tuple(COLOURS), PLACES, TIMES)


def targets(scenes: list[Scene]) -> Batch:
    """Return the kinds and colours in each scene, (batch, kinds) and (batch, colours) float, and the indices of its
    place and time, (batch,) long."""
    return {
        "kinds": torch.tensor([[float(any(g.kind == k for g in s.groups)) for k in KINDS] for s in scenes]),
        "colours": torch.tensor([[float(any(g.colour == c for g in s.groups)) for c in COLOURS] for s in scenes]),
        "place": torch.tensor([PLACES.index(s.place) for s in scenes]),
        "time": torch.tensor([TIMES.index(s.time) for s in scenes]),
    }


def classifier_loss(model: Classifier, x0: Tensor, noise: Tensor, level: Tensor, kinds: Tensor, colours: Tensor,
                    place: Tensor, time: Tensor) -> Losses:
    """Return the cross-entropies on latents (batch, 4, 16, 16) at noise levels (batch,) from 0 to 1."""
    angle = (0.5 * math.pi * level)[:, None, None, None]
    logits = model.split_logits(model(angle.cos() * x0 + angle.sin() * noise, level))
    losses = {
        "kinds": F.binary_cross_entropy_with_logits(logits[0], kinds) * len(KINDS),
        "colours": F.binary_cross_entropy_with_logits(logits[1], colours) * len(COLOURS),
        "place": F.cross_entropy(logits[2], place), "time": F.cross_entropy(logits[3], time),
    }
    return {"loss": torch.stack(list(losses.values())).sum(), **losses}


def train(vae: VAE, steps: int, depends_on: str = "") -> Training:
    """Train on the denoisers' latents, at uniform noise levels, since guidance uses the classifier at all of them."""
    data = latents(vae)
    order = np.random.default_rng(6).permutation(TRAIN_SIZE)

    def batch(step: int) -> Batch:
        indices = [int(order[(step * BATCH_SIZE + k) % TRAIN_SIZE]) for k in range(BATCH_SIZE)]
        x0 = data[indices].float()
        return {"x0": x0, "noise": torch.randn_like(x0), "level": torch.rand(BATCH_SIZE),
                **targets([scene(i) for i in indices])}

    torch.manual_seed(0)
    return fit("classifier", Classifier(CONFIG), batch, lambda model, b: classifier_loss(model, **b),  # type: ignore
               Plan(steps), depends_on)
