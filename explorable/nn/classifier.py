"""The classifier of noisy latents, whose gradient steers classifier guidance.

The encoder half of a U-Net with a pooled head, as in Dhariwal and Nichol 2021, section 4. It never scores what it
guided: the examiner does.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .hook_points import hook_point, set_point_names
from .layers import FeedForward, ResBlock, SelfAttention, TimeEmbedding


@dataclass(frozen=True)
class ClassifierConfig:
    """Its labels, and its widths at 16 x 16 and 8 x 8.

    An image can contain several kinds and colours (a sigmoid each); it has one place and one time (a softmax each).
    """

    kinds: tuple[str, ...]
    colours: tuple[str, ...]
    places: tuple[str, ...]
    times: tuple[str, ...]
    channels: int = 4
    widths: tuple[int, int] = (64, 128)
    time_width: int = 64


class UnknownTargetError(ValueError):
    """A target that is not among the classifier's labels."""


class Classifier(nn.Module):
    """Classify noisy latents of any path, scaled to alpha^2 + sigma^2 = 1, with a logit per label."""

    def __init__(self, config: ClassifierConfig):
        super().__init__()
        self.config = c = config
        fine, coarse = c.widths
        self.labels = (*c.kinds, *c.colours, *c.places, *c.times)
        self.time_embed = TimeEmbedding(c.time_width)
        self.conv_in = nn.Conv2d(c.channels, fine, 3, padding=1)
        self.res1 = ResBlock(fine, c.time_width)
        self.downsample = nn.Conv2d(fine, coarse, 3, stride=2, padding=1)
        self.res2 = ResBlock(coarse, c.time_width)
        self.self_attn = SelfAttention(coarse, 4)
        self.mlp = FeedForward(coarse, 2)
        self.norm_out = nn.LayerNorm(2 * coarse)
        self.head = nn.Linear(2 * coarse, len(self.labels))
        set_point_names(self, "classifier.")

    def forward(self, x: Tensor, level: Tensor) -> Tensor:
        """x (batch, 4, 16, 16), level (batch,) from 0 (image) to 1 (noise), see `noise_level`; to (batch, labels)."""
        time = self.time_embed(level)
        x = self.res2(self.downsample(self.res1(self.conv_in(x), time)), time).flatten(2).transpose(1, 2)
        x = self.mlp(self.self_attn(x))
        logits = self.head(self.norm_out(torch.cat([x.mean(1), x.amax(1)], dim=-1)))
        return hook_point("classifier.logits", logits, "label")

    def split_logits(self, logits: Tensor) -> tuple[Tensor, ...]:
        """Split logits (batch, labels) into those of kinds, colours, places and times."""
        c = self.config
        return logits.split([len(c.kinds), len(c.colours), len(c.places), len(c.times)], dim=1)

    def check_target(self, target: str) -> None:
        """Raise UnknownTargetError for a word that is not a label."""
        if target not in self.labels:
            raise UnknownTargetError(f"the classifier has no label {target!r}; choose one of: {', '.join(self.labels)}")

    def log_prob(self, logits: Tensor, target: str) -> Tensor:
        """Return log p(target | x), (batch,): a softmax among places or times, a sigmoid for a kind or a colour.

        Raises:
            UnknownTargetError: not a label.
        """
        self.check_target(target)
        c = self.config
        *_, places, times = self.split_logits(logits)
        for labels, group in ((c.places, places), (c.times, times)):
            if target in labels:
                return group.log_softmax(dim=1)[:, labels.index(target)]
        return F.logsigmoid(logits[:, self.labels.index(target)])

    def gradient(self, x: Tensor, alpha: float, sigma: float, target: str, noise_aware: bool = True) -> Tensor:
        """Return d log p(target | x) / dx at x = alpha x0 + sigma noise, of x's shape. Works in inference mode too.

        noise_aware: whether the classifier is told the noise level of x; False: it is told that there is no noise.
        """
        with torch.inference_mode(False), torch.enable_grad():
            x = x.detach().clone().float().requires_grad_()
            scaled = x / (alpha**2 + sigma**2) ** 0.5
            level = noise_level(alpha, sigma) if noise_aware else 0.0
            logits = self(scaled, torch.full((len(x),), level, dtype=x.dtype, device=x.device))
            if not logits.requires_grad:  # an edit has cut the graph between x and the logits
                return torch.zeros_like(x)
            [gradient] = torch.autograd.grad(self.log_prob(logits, target).sum(), x, allow_unused=True)
            return torch.zeros_like(x) if gradient is None else gradient


def noise_level(alpha: float, sigma: float) -> float:
    """Return the noise level on any path: the angle of (alpha, sigma), from 0 (image) to 1 (noise)."""
    return 2 / math.pi * math.atan2(sigma, alpha)
