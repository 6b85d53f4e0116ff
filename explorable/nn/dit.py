"""The diffusion transformer: the latent cut into patches, read together with the words, block after block.

    patches (16 / patch)^2 x width --+                        +--> mlp --+
                                     +--> joint attention ----+          +--> x depth --> patches --> latent
    words   24 x width --------------+                        +--> mlp --+

Peebles and Xie 2023 for patches and adaLN-zero; Esser et al. 2024 (Stable Diffusion 3, figure 2) for the two
streams with weights of their own that meet in one attention.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .hook_points import HookedModule, hook_point, set_point_names
from .layers import TimeEmbedding, join_heads, joined_reading, split_heads, zero

SIDE = 16  # places a side of a latent


@dataclass(frozen=True)
class DiTConfig:
    """Sizes of the transformer: as they stand, as many weights as the U-Net has, 6.2 million.

    patch: places a side of a patch; it must divide 16.
    """

    channels: int = 4
    patch: int = 2
    width: int = 176
    depth: int = 6
    heads: int = 4
    ratio: int = 3  # of the feed-forward layer to the width
    context_width: int = 160

    def __post_init__(self) -> None:
        if self.patch < 1 or SIDE % self.patch:
            raise ValueError(f"patch is {self.patch}: choose one that divides a latent's {SIDE} places a side: 1, 2, 4")
        if self.width % self.heads:
            raise ValueError(f"width {self.width} cannot be shared among {self.heads} heads")


class Prompt(NamedTuple):
    """What the transformer has read of a prompt before it knows t: computed once, used at every step.

    words: (batch, tokens, width). keep: (batch, tokens) bool, False on padding. summary: (batch, width).
    """

    words: Tensor
    keep: Tensor
    summary: Tensor


class Modulation(nn.Module):
    """adaLN-zero: t and the prompt's summary set scale, shift and gate of both halves of a block.

    Peebles and Xie 2023, section 3.2. All start at zero: gates closed, so an untrained block does nothing.
    """

    def __init__(self, width: int):
        super().__init__()
        self.lift = nn.Linear(width, 6 * width)
        zero(self.lift)

    def forward(self, condition: Tensor) -> tuple[Tensor, ...]:
        """condition (batch, width) to six times (batch, 1, width): shift, scale, gate, shift, scale, gate."""
        return self.lift(F.silu(condition))[:, None].chunk(6, dim=-1)


def modulated(x: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    """x (batch, tokens, width), normalised, then scaled and shifted: what adaLN does to it."""
    return F.layer_norm(x, x.shape[-1:]) * (1 + scale) + shift


class Stream(HookedModule):
    """One side of a block: the weights that patches, or words, have for themselves.

    Points: attend.added, think.added, out, all (place or token, channel).
    """

    def __init__(self, c: DiTConfig):
        super().__init__()
        self.heads = c.heads
        self.modulation = Modulation(c.width)
        self.qkv = nn.Linear(c.width, 3 * c.width)
        self.out = nn.Linear(c.width, c.width)
        self.think = nn.Sequential(nn.Linear(c.width, c.ratio * c.width), nn.GELU(approximate="tanh"),
                                   nn.Linear(c.ratio * c.width, c.width))

    def ask(self, x: Tensor, shift: Tensor, scale: Tensor) -> tuple[Tensor, ...]:
        """Queries, keys and values, each (batch, heads, tokens, width / heads). Queries and keys of unit
        root mean square (Esser et al. 2024, section 5.3.2), so that no score grows out of hand."""
        q, k, v = (split_heads(part, self.heads) for part in self.qkv(modulated(x, shift, scale)).chunk(3, dim=-1))
        return F.rms_norm(q, q.shape[-1:]), F.rms_norm(k, k.shape[-1:]), v

    def take(self, x: Tensor, read: Tensor, rest: tuple[Tensor, ...]) -> Tensor:
        """Add what attention read, (batch, tokens, width), and think about it."""
        gate, shift, scale, gate_think = rest
        axes = f"{self.position_axis} channel"
        x = x + self.hook("attend.added", gate * self.out(read), axes)
        thought = gate_think * self.think(modulated(x, shift, scale))
        return self.hook("out", x + self.hook("think.added", thought, axes), axes)


class Block(HookedModule):
    """Patches and words ask in one attention: each reads from all of both.

    Points beside those of its streams: joint.weights (head, query, key), patches and words together, patches first;
    cross.weights (head, place, token), the part of it in which patches read words, under the name it has in a U-Net.
    """

    def __init__(self, c: DiTConfig):
        super().__init__()
        self.picture, self.words = Stream(c), Stream(c)

    def forward(self, x: Tensor, words: Tensor, condition: Tensor, keep: Tensor) -> tuple[Tensor, Tensor]:
        """x (batch, patches, width), words (batch, tokens, width), keep (batch, patches + tokens) bool."""
        shift_x, scale_x, *rest_x = self.picture.modulation(condition)
        shift_w, scale_w, *rest_w = self.words.modulation(condition)
        sides = zip(self.picture.ask(x, shift_x, scale_x), self.words.ask(words, shift_w, scale_w), strict=True)
        q, k, v = (torch.cat(pair, dim=2) for pair in sides)  # [picture, words], as in Stable Diffusion 3
        names = [self.point_prefix + "joint.weights", self.point_prefix + "cross.weights"]
        read = join_heads(joined_reading(names, lambda weights: self._look(weights, x.shape[1]), q, k, v, keep))
        of_x, of_words = read.split([x.shape[1], words.shape[1]], dim=1)
        return self.picture.take(x, of_x, tuple(rest_x)), self.words.take(words, of_words, tuple(rest_w))

    def _look(self, weights: Tensor, patches: int) -> Tensor:
        """Show weights (batch, heads, patches + words, patches + words) to whoever listens."""
        weights = self.hook("joint.weights", weights, "head query key")
        across = weights[:, :, :patches, patches:]
        seen = self.hook("cross.weights", across, "head position token")
        if seen is not across:
            weights = weights.clone()
            weights[:, :, :patches, patches:] = seen
        return weights


class DiT(nn.Module):
    """Predicts a field over latents (batch, 4, 16, 16) from a noisy latent, t and a prompt.

    Points beside those of its blocks: inlet (place, channel), prediction (channel, y, x).
    """

    def __init__(self, config: DiTConfig | None = None):
        super().__init__()
        self.config = c = config or DiTConfig()
        side = SIDE // c.patch
        self.time = TimeEmbedding(c.width)
        self.inlet = nn.Conv2d(c.channels, c.width, c.patch, stride=c.patch)  # patchify
        self.places = nn.Parameter(0.02 * torch.randn(side * side, c.width))
        self.read = nn.Linear(c.context_width, c.width)
        self.summary = nn.Linear(c.context_width, c.width)
        self.blocks = nn.ModuleList(Block(c) for _ in range(c.depth))
        self.modulation = nn.Linear(c.width, 2 * c.width)
        self.outlet = nn.Linear(c.width, c.channels * c.patch**2)
        zero(self.modulation)
        zero(self.outlet)
        set_point_names(self)
        for block in self.blocks:
            set_point_names(block.words, block.words.point_prefix, position_axis="token")  # type: ignore[union-attr, arg-type]

    @property
    def overview(self) -> Block:
        """The block in the middle: there the whole picture has been seen, and detail not yet begun."""
        return self.blocks[(len(self.blocks) - 1) // 2]  # type: ignore[return-value]

    @property
    def overview_width(self) -> int:
        """Width of what the overview gives out."""
        return self.config.width

    @property
    def grounded(self) -> frozenset[str]:
        """The points that are held against the true masks in training: how the blocks after the overview read words."""
        return frozenset(f"blocks.{k}.cross.weights" for k in range((self.config.depth + 1) // 2, self.config.depth))

    def remember(self, context: Tensor, keep: Tensor) -> Prompt:
        """What does not depend on t of a context (batch, tokens, width): once a prompt."""
        real = keep[..., None].to(context)
        mean = (context * real).sum(1) / real.sum(1)
        return Prompt(self.read(context), keep, self.summary(mean))

    def forward(self, x: Tensor, t: Tensor, memory: Prompt) -> Tensor:
        """x (batch, 4, 16, 16), t (batch,) in [0, 1], memory from `remember`; to (batch, 4, 16, 16)."""
        p, side = self.config.patch, SIDE // self.config.patch
        condition = self.time(t) + memory.summary
        words = memory.words
        x = hook_point("inlet", self.inlet(x).flatten(2).transpose(1, 2) + self.places, "position channel")
        keep = torch.cat([memory.keep.new_ones(len(x), x.shape[1]), memory.keep], dim=1)
        for block in self.blocks:
            x, words = block(x, words, condition, keep)
        shift, scale = self.modulation(F.silu(condition))[:, None].chunk(2, dim=-1)
        x = self.outlet(modulated(x, shift, scale)).transpose(1, 2).unflatten(2, (side, side))
        return hook_point("prediction", F.pixel_shuffle(x, p), "channel y x")
