"""Train the classifier on noisy latents: at every noise level it says what it can still make out."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ..nn.classifier import Classifier, ClassifierConfig
from ..nn.vae import VAE
from ..world import COLOURS, KINDS, PLACES, TIMES, Scene
from .data import scene
from .loop import Batch, Losses, Training, fit
from .plan import Plan
from .text import latents
from .vae import PICTURES

BATCH = 64
CONFIG = ClassifierConfig(KINDS, tuple(COLOURS), PLACES, TIMES)


def answers(scenes: list[Scene]) -> Batch:
    """Kinds and colours that are there, (batch, kinds) and (batch, colours) float; place and time, (batch,) long."""
    return {
        "kinds": torch.tensor([[float(any(g.kind == k for g in s.groups)) for k in KINDS] for s in scenes]),
        "colours": torch.tensor([[float(any(g.colour == c for g in s.groups)) for c in COLOURS] for s in scenes]),
        "place": torch.tensor([PLACES.index(s.place) for s in scenes]),
        "time": torch.tensor([TIMES.index(s.time) for s in scenes]),
    }


def classifier_loss(model: Classifier, x0: Tensor, noise: Tensor, level: Tensor, kinds: Tensor, colours: Tensor,
                    place: Tensor, time: Tensor) -> Losses:
    """Cross-entropies on latents (batch, 4, 16, 16) at noise levels (batch,) from 0 to 1."""
    angle = (0.5 * math.pi * level)[:, None, None, None]
    seen = model.split_logits(model(angle.cos() * x0 + angle.sin() * noise, level))
    losses = {
        "kinds": F.binary_cross_entropy_with_logits(seen[0], kinds) * len(KINDS),
        "colours": F.binary_cross_entropy_with_logits(seen[1], colours) * len(COLOURS),
        "place": F.cross_entropy(seen[2], place), "time": F.cross_entropy(seen[3], time),
    }
    return {"loss": torch.stack(list(losses.values())).sum(), **losses}


def train(vae: VAE, steps: int, of: str = "") -> Training:
    """Train on the latents that the denoisers train on, at levels drawn evenly: a teacher is asked all the way."""
    data = latents(vae)
    order = np.random.default_rng(6).permutation(PICTURES)

    def batch(step: int) -> Batch:
        pick = [int(order[(step * BATCH + k) % PICTURES]) for k in range(BATCH)]
        x0 = data[pick].float()
        return {"x0": x0, "noise": torch.randn_like(x0), "level": torch.rand(BATCH),
                **answers([scene(i) for i in pick])}

    torch.manual_seed(0)
    return fit("classifier", Classifier(CONFIG), batch, lambda model, b: classifier_loss(model, **b),  # type: ignore
               Plan(steps), of)
