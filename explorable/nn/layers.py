"""Layers that the networks share: time embedding, residual block, attention, feed-forward."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .hook_points import HookedModule, is_edited, is_hooked


def zero_init(layer: nn.Linear | nn.Conv2d) -> None:
    """Set a layer's weights to zero: before training, the residual block that ends in it is the identity."""
    nn.init.zeros_(layer.weight)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)


def time_features(t: Tensor, width: int) -> Tensor:
    """Return sines and cosines of t at `width` / 2 frequencies, (batch,) to (batch, width).

    Vaswani et al. 2017, section 3.5, with t in [0, 1] scaled to the usual 0 to 1000.
    """
    half = width // 2
    rates = torch.exp(-math.log(10_000) * torch.arange(half, dtype=torch.float32, device=t.device) / half)
    angles = 1000 * t.float()[:, None] * rates
    return torch.cat([angles.cos(), angles.sin()], dim=1)


class TimeEmbedding(nn.Module):
    """Embed t, (batch,), as a vector (batch, width) that every block is conditioned on."""

    def __init__(self, width: int):
        super().__init__()
        self.width = width
        self.fc1 = nn.Linear(width, width)
        self.fc2 = nn.Linear(width, width)

    def forward(self, t: Tensor) -> Tensor:
        return F.silu(self.fc2(F.silu(self.fc1(time_features(t, self.width)))))


class ResBlock(HookedModule):
    """Two convolutions with a shortcut; the time embedding scales and shifts the second normalised input.

    Points: added, the residual, and out, the sum; both (channel, y, x).
    """

    def __init__(self, width: int, time_width: int):
        super().__init__()
        self.norm1 = nn.GroupNorm(8, width)
        self.conv1 = nn.Conv2d(width, width, 3, padding=1)
        self.time_proj = nn.Linear(time_width, 2 * width)
        self.norm2 = nn.GroupNorm(8, width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1)
        zero_init(self.conv2)

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        scale, shift = self.time_proj(time)[:, :, None, None].chunk(2, dim=1)
        h = self.conv1(F.silu(self.norm1(x)))
        added = self.conv2(F.silu(self.norm2(h) * (1 + scale) + shift))
        return self.residual(x, added, "channel y x")


def split_heads(x: Tensor, heads: int) -> Tensor:
    """(batch, positions, width) to (batch, heads, positions, width / heads)."""
    return x.unflatten(-1, (heads, -1)).transpose(1, 2)


def join_heads(x: Tensor) -> Tensor:
    """(batch, heads, positions, width / heads) to (batch, positions, width)."""
    return x.transpose(1, 2).flatten(2)


def attention_weights(query: Tensor, key: Tensor, keep: Tensor | None = None) -> Tensor:
    """Return softmax(q k^T / sqrt(d)), (batch, heads, queries, keys), which sums to 1 over keys.

    query (batch, heads, queries, d), key (batch, heads, keys, d), keep (batch, keys) bool: False keys get weight 0.
    """
    scores = query @ key.transpose(-1, -2) / math.sqrt(query.shape[-1])
    if keep is not None:
        scores = scores.masked_fill(~keep[:, None, None, :], -math.inf)
    return scores.softmax(dim=-1)


def hooked_attention(names: Sequence[str], hook: Callable[[Tensor], Tensor], q: Tensor, k: Tensor, v: Tensor,
                     keep: Tensor | None) -> Tensor:
    """Fused attention, (batch, heads, queries, d), whose weights are formed only where a point needs them.

    hook: passes the weights through the points called `names` and returns them, edited or not. Recording leaves the
    result bit-identical, since it still comes from the fused kernel; only edited weights are multiplied out.
    """
    if any(is_edited(name) for name in names):
        return hook(attention_weights(q, k, keep)) @ v
    if any(is_hooked(name) for name in names):
        hook(attention_weights(q, k, keep))
    return F.scaled_dot_product_attention(q, k, v, attn_mask=None if keep is None else keep[:, None, None, :])


class SelfAttention(HookedModule):
    """Multi-head self-attention with the fused kernel, see `hooked_attention`.

    Points: weights (head, query, key), added and out (position or token, channel).
    """

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(width)
        self.to_qkv = nn.Linear(width, 3 * width)
        self.to_out = nn.Linear(width, width)
        zero_init(self.to_out)

    def forward(self, x: Tensor, keep: Tensor | None = None) -> Tensor:
        """x (batch, positions, width); keep (batch, positions) bool: which may be attended to."""
        q, k, v = (split_heads(part, self.heads) for part in self.to_qkv(self.norm(x)).chunk(3, dim=-1))
        names = [self.point_prefix + "weights"]
        attended = hooked_attention(names, lambda w: self.hook("weights", w, "head query key"), q, k, v, keep)
        return self.residual(x, self.to_out(join_heads(attended)), f"{self.position_axis} channel")


class KVCache(NamedTuple):
    """Keys and values of a prompt in one cross-attention layer: computed once, used at every step.

    key, value: (batch, heads, tokens, width / heads). keep: (batch, tokens) bool, False on padding.
    """

    key: Tensor
    value: Tensor
    keep: Tensor


class CrossAttention(HookedModule):
    """Every image position attends to the prompt's tokens (Rombach et al. 2022, section 3.3).

    Points: weights (head, position, token), added and out (position, channel).
    """

    def __init__(self, width: int, heads: int, context_width: int):
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(width)
        self.to_q = nn.Linear(width, width)
        self.to_kv = nn.Linear(context_width, 2 * width)
        self.to_out = nn.Linear(width, width)
        zero_init(self.to_out)

    def project_context(self, context: Tensor, keep: Tensor) -> KVCache:
        """Return keys and values of a context (batch, tokens, context width)."""
        key, value = (split_heads(part, self.heads) for part in self.to_kv(context).chunk(2, dim=-1))
        return KVCache(key, value, keep)

    def forward(self, x: Tensor, cache: KVCache) -> Tensor:
        weights = attention_weights(split_heads(self.to_q(self.norm(x)), self.heads), cache.key, cache.keep)
        weights = self.hook("weights", weights, "head position token")
        return self.residual(x, self.to_out(join_heads(weights @ cache.value)), "position channel")


class FeedForward(HookedModule):
    """Two linear layers, at each position separately. Points: `added` and `out`, both (position or token, channel)."""

    def __init__(self, width: int, ratio: int):
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.fc1 = nn.Linear(width, ratio * width)
        self.fc2 = nn.Linear(ratio * width, width)
        zero_init(self.fc2)

    def forward(self, x: Tensor) -> Tensor:
        added = self.fc2(F.gelu(self.fc1(self.norm(x)), approximate="tanh"))
        return self.residual(x, added, f"{self.position_axis} channel")
