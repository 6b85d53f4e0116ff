"""An independent record of all attention weights in a diffusers network: torch's kernel is replaced by a function that
stores softmax(q k^T / sqrt(d) + mask) and calls it. Nothing of explorable is imported here."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F


@contextmanager
def record_attention(network: torch.nn.Module) -> Iterator[list[Tensor]]:
    """Collect the weights (batch, heads, queries, keys) of each call of the kernel within `network`, in order."""
    recorded: list[Tensor] = []
    kernel, inside = F.scaled_dot_product_attention, [False]

    def recording_kernel(query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None = None, *more: Any,
                         scale: Any = None, **others: Any) -> Tensor:
        if inside[0]:
            scores = torch.einsum("bhqd,bhkd->bhqk", query.double(), key.double())
            scores = scores / math.sqrt(query.shape[-1]) if scale is None else scores * scale
            if attn_mask is not None and attn_mask.dtype is torch.bool:
                scores = torch.where(attn_mask, scores, float("-inf"))
            elif attn_mask is not None:
                scores = scores + attn_mask
            exp = torch.exp(scores - scores.amax(-1, keepdim=True))
            recorded.append(exp / exp.sum(-1, keepdim=True))
        return kernel(query, key, value, attn_mask, *more, scale=scale, **others)

    before = network.register_forward_pre_hook(lambda *_: inside.__setitem__(0, True))
    after = network.register_forward_hook(lambda *_: inside.__setitem__(0, False))
    F.scaled_dot_product_attention = recording_kernel
    try:
        yield recorded
    finally:
        F.scaled_dot_product_attention = kernel
        before.remove()
        after.remove()
