"""The forms in which pipelines keep a latent: a map, a sequence of patches, a list of latents with an axis for time."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from .patching import CallArguments


def unpack_latents(x: Tensor, rows: int, columns: int, patch: int = 2) -> Tensor:
    """Unpack patches (batch, rows * columns, patch ** 2 * channels) to a latent (batch, channels, y, x)."""
    return (x.unflatten(2, (-1, patch, patch)).unflatten(1, (rows, columns)).permute(0, 3, 1, 4, 2, 5)
            .flatten(4, 5).flatten(2, 3))


def pack_latents(x: Tensor, patch: int = 2) -> Tensor:
    """Pack a latent into a sequence of patches."""
    return (x.unflatten(3, (-1, patch)).unflatten(2, (-1, patch)).permute(0, 2, 4, 1, 3, 5).flatten(3, 5)
            .flatten(1, 2))


def patch_grid(inputs: CallArguments) -> tuple[int, int] | None:
    """Return the rows and columns of patches in a denoiser's input, which it needs for its rotary positions; None:
    its latents are not packed."""
    if inputs.get("img_ids") is not None:  # a row a position: time, y, x, and what else there is
        ids = inputs["img_ids"]
        rows, columns = (int(n) + 1 for n in ids.reshape(-1, ids.shape[-1]).amax(0)[1:3])
        return rows, columns
    if inputs.get("img_shapes") is not None:
        _, rows, columns = inputs["img_shapes"][0][0]
        return rows, columns
    return None


def to_map(x: Any, grid: tuple[int, int] | None, patch: int) -> Tensor:
    """Return a latent of any form as (batch, channel, y, x)."""
    if isinstance(x, list):  # (channel, 1, y, x) each
        return torch.stack(x)[:, :, 0]
    return unpack_latents(x, *grid, patch) if grid else x


def in_form_of(like: Any, x: Tensor, grid: tuple[int, int] | None, patch: int) -> Any:
    """Return a map (batch, channel, y, x) in the form of another latent."""
    if isinstance(like, list):
        return list(x[:, :, None].to(like[0]).unbind())
    return pack_latents(x, patch) if grid else x


def stack_context(context: Any) -> Tensor:
    """Return the context of a batch as one tensor (batch, piece, channel), padded with zeros."""
    return pad_sequence(context, batch_first=True) if isinstance(context, list) else context


def context_like(like: Any, context: Tensor) -> Any:
    """Return a stacked context in the form of the one that it was made from."""
    return [row[:len(old)] for row, old in zip(context, like, strict=True)] if isinstance(like, list) else context
