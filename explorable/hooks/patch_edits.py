"""Edits of a transformer's patches: attention limited to a radius, and shuffled positions.

    with ex.edit(pipe, {"*.joint.weights": ex.LocalAttention(2.0, grid=(8, 8))}):
        pipe("a red car at night")
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .dispatcher import HookContext
from .edits import EditError, StepEdit


@dataclass(frozen=True)
class LocalAttention(StepEdit):
    """Let each patch attend only to the patches within `radius`, and to all words.

    The other weights become 0, and the remaining ones of the same query are scaled to the sum before: what a mask
    before the softmax gives. Queries that are words are unchanged. For "*.joint.weights" and "*.self.weights", whose
    axes are (head, query, key), with the patches first.

    radius: Euclidean distance between the centres of two patches, in patches; 0: only the patch itself. grid: rows and
    columns of patches.
    """

    radius: float
    grid: tuple[int, int]

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.radius >= 0:
            raise ValueError(f"radius is {self.radius!r}: give a distance of 0 or more, in patches")

    def apply(self, x: Tensor, context: HookContext) -> Tensor:
        patches = self.grid[0] * self.grid[1]
        if context.axes != ("head", "query", "key"):
            raise EditError(f"LocalAttention edits attention between patches, and {context.name} has the axes "
                            f"{', '.join(context.axes)}: use it on \"*.joint.weights\"")
        if x.shape[-2] < patches:
            raise EditError(f"grid is {self.grid}, {patches} patches, and {context.name} has {x.shape[-2]} queries: "
                            "give the rows and columns of its patches")
        near = torch.ones(patches, x.shape[-1], dtype=torch.bool, device=x.device)
        near[:, :patches] = self.is_near(x.device)
        new = x.clone()
        rows = x[..., :patches, :]
        kept = rows * near
        new[..., :patches, :] = kept * (rows.sum(-1, keepdim=True) / kept.sum(-1, keepdim=True).clamp(min=1e-20))
        return new

    def is_near(self, device: torch.device | str = "cpu") -> Tensor:
        """Return which patches are within the radius of which, (patches, patches) bool."""
        rows, columns = (torch.arange(n, device=device, dtype=torch.float32) for n in self.grid)
        centres = torch.cartesian_prod(rows, columns)
        return torch.cdist(centres, centres) <= self.radius + 1e-4  # a little more than the rounding of the distance


@dataclass(frozen=True)
class ShufflePositions(StepEdit):
    """Give each patch the positional embedding of another one: permute the axis of positions at random.

    For "pos_embed", whose axes are (position, channel). seed: of the permutation, which is the same at every step.
    """

    seed: int = 0

    def apply(self, x: Tensor, context: HookContext) -> Tensor:
        if "position" not in context.axes:
            raise EditError(f"{context.name} has no positions to shuffle: its axes are {', '.join(context.axes)}")
        axis = 1 + context.axes.index("position")
        generator = torch.Generator().manual_seed(self.seed)
        order = torch.randperm(x.shape[axis], generator=generator, device="cpu")
        return x.index_select(axis, order.to(x.device))
