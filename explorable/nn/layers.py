"""The blocks that the networks share: time embedding, convolution, attention, feed-forward."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .hook_points import HookedModule, hook_point, is_edited, is_hooked


def zero(layer: nn.Linear | nn.Conv2d) -> None:
    """Start a gate at zero: until it has trained, the block that ends in it is the identity."""
    nn.init.zeros_(layer.weight)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)


def time_features(t: Tensor, width: int) -> Tensor:
    """Sines and cosines of t at `width` / 2 frequencies, (batch,) to (batch, width).

    Vaswani et al. 2017, section 3.5, with t in [0, 1] stretched to the customary 0 to 1000.
    """
    half = width // 2
    rates = torch.exp(-math.log(10_000) * torch.arange(half, device=t.device) / half)
    angles = 1000 * t.float()[:, None] * rates
    return torch.cat([angles.cos(), angles.sin()], dim=1)


class TimeEmbedding(nn.Module):
    """t, (batch,), to a vector that tells every block how noisy its input is, (batch, width)."""

    def __init__(self, width: int):
        super().__init__()
        self.width = width
        self.lift = nn.Linear(width, width)
        self.out = nn.Linear(width, width)

    def forward(self, t: Tensor) -> Tensor:
        return F.silu(self.out(F.silu(self.lift(time_features(t, self.width)))))


class ResBlock(HookedModule):
    """Two convolutions that know the time: the second normalised input is scaled and shifted by t.

    Points: added, what it adds to its input, and out, the sum; both (channel, y, x).
    """

    def __init__(self, width: int, time_width: int):
        super().__init__()
        self.norm1 = nn.GroupNorm(8, width)
        self.conv1 = nn.Conv2d(width, width, 3, padding=1)
        self.modulate = nn.Linear(time_width, 2 * width)
        self.norm2 = nn.GroupNorm(8, width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1)
        zero(self.conv2)

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        scale, shift = self.modulate(time)[:, :, None, None].chunk(2, dim=1)
        h = self.conv1(F.silu(self.norm1(x)))
        added = self.conv2(F.silu(self.norm2(h) * (1 + scale) + shift))
        return self.residual(x, added, "channel y x")


def split_heads(x: Tensor, heads: int) -> Tensor:
    """(batch, places, width) to (batch, heads, places, width / heads)."""
    return x.unflatten(-1, (heads, -1)).transpose(1, 2)


def join_heads(x: Tensor) -> Tensor:
    """(batch, heads, places, width / heads) to (batch, places, width)."""
    return x.transpose(1, 2).flatten(2)


def attention_weights(query: Tensor, key: Tensor, keep: Tensor | None = None) -> Tensor:
    """softmax(q k^T / sqrt(d)): for each query, how much it reads from each key; sums to 1 over keys.

    query (batch, heads, queries, d), key (batch, heads, keys, d), keep (batch, keys) bool: False keys get 0.
    """
    scores = query @ key.transpose(-1, -2) / math.sqrt(query.shape[-1])
    if keep is not None:
        scores = scores.masked_fill(~keep[:, None, None, :], -math.inf)
    return scores.softmax(dim=-1)


class SelfAttention(HookedModule):
    """Every place reads from every other. The fused kernel never forms the weights, unless somebody asks.

    Points: weights (head, query, key), added and out (place or token, channel).
    """

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        zero(self.out)

    def forward(self, x: Tensor, keep: Tensor | None = None) -> Tensor:
        """x (batch, places, width); keep (batch, places) bool marks the places that may be read."""
        q, k, v = (split_heads(part, self.heads) for part in self.qkv(self.norm(x)).chunk(3, dim=-1))
        name = self.point_prefix + "weights"
        read = joined_reading([name], lambda weights: hook_point(name, weights, "head query key"), q, k, v, keep)
        return self.residual(x, self.out(join_heads(read)), f"{self.position_axis} channel")


def joined_reading(names: Sequence[str], look: Callable[[Tensor], Tensor], q: Tensor, k: Tensor, v: Tensor,
                   keep: Tensor | None) -> Tensor:
    """Attention by the fused kernel, (batch, heads, queries, d); its weights are formed only to be looked at.

    look: shows the weights to the points called `names`, and gives them back, changed or not. Whoever looks gets the
    same picture to the last bit; whoever changes them gets what the changed ones read.
    """
    if any(is_edited(name) for name in names):
        return look(attention_weights(q, k, keep)) @ v
    if any(is_hooked(name) for name in names):
        look(attention_weights(q, k, keep))
    return F.scaled_dot_product_attention(q, k, v, attn_mask=None if keep is None else keep[:, None, None, :])


class Memory(NamedTuple):
    """What a cross-attention layer has read of a prompt: computed once, used at every step.

    key, value: (batch, heads, tokens, width / heads). keep: (batch, tokens) bool, False on padding.
    """

    key: Tensor
    value: Tensor
    keep: Tensor


class CrossAttention(HookedModule):
    """Every place of the picture asks the prompt's tokens (Rombach et al. 2022, section 3.3).

    Points: weights (head, place, token), added and out (place, channel).
    """

    def __init__(self, width: int, heads: int, context_width: int):
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(width)
        self.query = nn.Linear(width, width)
        self.key_value = nn.Linear(context_width, 2 * width)
        self.out = nn.Linear(width, width)
        zero(self.out)

    def remember(self, context: Tensor, keep: Tensor) -> Memory:
        """Keys and values of a context (batch, tokens, context width)."""
        key, value = (split_heads(part, self.heads) for part in self.key_value(context).chunk(2, dim=-1))
        return Memory(key, value, keep)

    def forward(self, x: Tensor, memory: Memory) -> Tensor:
        weights = attention_weights(split_heads(self.query(self.norm(x)), self.heads), memory.key, memory.keep)
        weights = self.hook("weights", weights, "head position token")
        return self.residual(x, self.out(join_heads(weights @ memory.value)), "position channel")


class FeedForward(HookedModule):
    """Two linear layers at each place by itself. Points: added and out (place or token, channel)."""

    def __init__(self, width: int, ratio: int):
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.lift = nn.Linear(width, ratio * width)
        self.out = nn.Linear(ratio * width, width)
        zero(self.out)

    def forward(self, x: Tensor) -> Tensor:
        added = self.out(F.gelu(self.lift(self.norm(x)), approximate="tanh"))
        return self.residual(x, added, f"{self.position_axis} channel")
