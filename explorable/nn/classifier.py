"""The classifier: an art teacher that can read a picture through the noise, and say which way is more of a lion.

The downward half of a U-Net with a pooled end, as in Dhariwal and Nichol 2021, section 4. It guides and is
never asked to mark what it guided: that is the examiner's work.
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
    """The words it has learned, and its widths at 16 x 16 and 8 x 8.

    Of kinds and colours several can be in a picture, each is a yes or no; of places and times there is one.
    """

    kinds: tuple[str, ...]
    colours: tuple[str, ...]
    places: tuple[str, ...]
    times: tuple[str, ...]
    channels: int = 4
    widths: tuple[int, int] = (64, 128)
    time_width: int = 64


class UnknownTargetError(ValueError):
    """A target that the classifier never learned: named, with all that it did learn."""


class Classifier(nn.Module):
    """Noisy latents of any path, brought to alpha^2 + sigma^2 = 1, to logits for every word it knows."""

    def __init__(self, config: ClassifierConfig):
        super().__init__()
        self.config = c = config
        fine, coarse = c.widths
        self.words = (*c.kinds, *c.colours, *c.places, *c.times)
        self.time = TimeEmbedding(c.time_width)
        self.inlet = nn.Conv2d(c.channels, fine, 3, padding=1)
        self.fine = ResBlock(fine, c.time_width)
        self.shrink = nn.Conv2d(fine, coarse, 3, stride=2, padding=1)
        self.coarse = ResBlock(coarse, c.time_width)
        self.look = SelfAttention(coarse, 4)
        self.think = FeedForward(coarse, 2)
        self.norm = nn.LayerNorm(2 * coarse)
        self.out = nn.Linear(2 * coarse, len(self.words))
        set_point_names(self, "classifier.")

    def forward(self, x: Tensor, level: Tensor) -> Tensor:
        """x (batch, 4, 16, 16), level (batch,) from 0 (picture) to 1 (noise), see `level`; to (batch, words)."""
        time = self.time(level)
        x = self.coarse(self.shrink(self.fine(self.inlet(x), time)), time).flatten(2).transpose(1, 2)
        x = self.think(self.look(x))
        logits = self.out(self.norm(torch.cat([x.mean(1), x.amax(1)], dim=-1)))
        return hook_point("classifier.logits", logits, "word")

    def parts(self, logits: Tensor) -> tuple[Tensor, ...]:
        """Logits (batch, words) as those of kinds, of colours, of places and of times."""
        c = self.config
        return logits.split([len(c.kinds), len(c.colours), len(c.places), len(c.times)], dim=1)

    def check(self, target: str) -> None:
        """Raise UnknownTargetError for a word that it never learned."""
        if target not in self.words:
            raise UnknownTargetError(f"the classifier never learned {target!r}; it knows: {', '.join(self.words)}")

    def log_chance(self, logits: Tensor, target: str) -> Tensor:
        """log p(target | x), (batch,): a softmax among places or times, a sigmoid for a kind or a colour.

        Raises:
            UnknownTargetError: it never learned that word.
        """
        self.check(target)
        c = self.config
        *_, places, times = self.parts(logits)
        for names, group in ((c.places, places), (c.times, times)):
            if target in names:
                return group.log_softmax(dim=1)[:, names.index(target)]
        return F.logsigmoid(logits[:, self.words.index(target)])

    def gradient(self, x: Tensor, alpha: float, sigma: float, target: str) -> Tensor:
        """d log p(target | x) / dx at x = alpha x0 + sigma noise, of x's shape. Works inside inference mode too."""
        with torch.inference_mode(False), torch.enable_grad():
            x = x.detach().clone().float().requires_grad_()
            seen = x / (alpha**2 + sigma**2) ** 0.5
            logits = self(seen, torch.full((len(x),), level(alpha, sigma), device=x.device))
            if not logits.requires_grad:  # an edit has cut the way from x to its verdict: it has nothing to say
                return torch.zeros_like(x)
            [gradient] = torch.autograd.grad(self.log_chance(logits, target).sum(), x, allow_unused=True)
            return torch.zeros_like(x) if gradient is None else gradient


def level(alpha: float, sigma: float) -> float:
    """How noisy, on every path alike: the angle of (alpha, sigma), from 0 (picture) to 1 (noise)."""
    return 2 / math.pi * math.atan2(sigma, alpha)
