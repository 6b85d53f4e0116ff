"""The U-Net: down to a small overview, up again to detail, with skips across and words read on the way.

    16 x 16   in ---> down.0 ------------ skip ------------> up.0 ---> out
                        |                                      ^
     8 x 8            down.1 ------------ skip ------------> up.1
                        |                                      ^
     4 x 4              +--------------> middle ---------------+

Ronneberger et al. 2015 for the shape; Rombach et al. 2022 for the attention in it.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .hook_points import hook_point, set_point_names
from .layers import CrossAttention, FeedForward, Memory, ResBlock, SelfAttention, TimeEmbedding, zero


@dataclass(frozen=True)
class UNetConfig:
    """Sizes of the U-Net: channels at 16 x 16, 8 x 8 and 4 x 4; units on the way down and up at each."""

    channels: int = 4
    widths: tuple[int, int, int] = (96, 192, 192)
    down: tuple[int, int] = (1, 1)
    up: tuple[int, int] = (2, 2)
    self_attention: tuple[bool, bool, bool] = (False, True, True)
    head_width: int = 32
    context_width: int = 160
    time_width: int = 192


class Unit(nn.Module):
    """What happens at one level: (fuse a skip,) convolve, look around, read the words, think."""

    def __init__(self, width: int, c: UNetConfig, look_around: bool, skip_width: int = 0):
        super().__init__()
        heads = width // c.head_width
        self.fuse = nn.Conv2d(width + skip_width, width, 1) if skip_width else None
        self.res = ResBlock(width, c.time_width)
        self.attend = SelfAttention(width, heads) if look_around else None
        self.cross = CrossAttention(width, heads, c.context_width)
        self.think = FeedForward(width, 2) if look_around else None

    def forward(self, x: Tensor, time: Tensor, memory: Memory, skip: Tensor | None = None) -> Tensor:
        if self.fuse is not None and skip is not None:
            x = self.fuse(torch.cat([x, skip], dim=1))
        x = self.res(x, time)
        high = x.shape[2]
        x = x.flatten(2).transpose(1, 2)  # (batch, places, width)
        x = self.attend(x) if self.attend is not None else x
        x = self.cross(x, memory)
        x = self.think(x) if self.think is not None else x
        return x.transpose(1, 2).unflatten(2, (high, -1))


def level(stack: nn.ModuleList, k: int) -> list[Unit]:
    """The units of one side of the U at 16 x 16 (k = 0) or 8 x 8 (k = 1)."""
    return [unit for unit in stack[k].children() if isinstance(unit, Unit)]


class UNet(nn.Module):
    """Predicts a field over latents (batch, 4, 16, 16) from a noisy latent, t and a prompt's memory.

    Points beside those of its units: inlet; up.K.skip, what comes across at level K, and up.K.backbone, what comes
    up from below; prediction. All (channel, y, x).
    """

    def __init__(self, config: UNetConfig | None = None):
        super().__init__()
        self.config = c = config or UNetConfig()
        fine, middle, deep = c.widths
        self.time = TimeEmbedding(c.time_width)
        self.inlet = nn.Conv2d(c.channels, fine, 3, padding=1)
        self.down = nn.ModuleList([
            nn.ModuleList(Unit(fine, c, c.self_attention[0]) for _ in range(c.down[0])),
            nn.ModuleList(Unit(middle, c, c.self_attention[1]) for _ in range(c.down[1])),
        ])
        self.shrink = nn.ModuleList([nn.Conv2d(fine, middle, 3, stride=2, padding=1),
                                     nn.Conv2d(middle, deep, 3, stride=2, padding=1)])
        self.middle = Unit(deep, c, c.self_attention[2])
        self.grow = nn.ModuleList([nn.Conv2d(middle, fine, 1), nn.Conv2d(deep, middle, 1)])
        self.up = nn.ModuleList([
            nn.ModuleList(Unit(fine, c, c.self_attention[0], fine if k == 0 else 0) for k in range(c.up[0])),
            nn.ModuleList(Unit(middle, c, c.self_attention[1], middle if k == 0 else 0) for k in range(c.up[1])),
        ])
        self.norm = nn.GroupNorm(8, fine)
        self.outlet = nn.Conv2d(fine, c.channels, 3, padding=1)
        zero(self.outlet)
        set_point_names(self)

    def units(self) -> list[Unit]:
        """All units in the order in which they run."""
        down, up = self.down, self.up
        return [*level(down, 0), *level(down, 1), self.middle, *level(up, 1), *level(up, 0)]

    @property
    def overview(self) -> Unit:
        """The last unit at 8 x 8 on the way up: there the whole picture has been seen, and detail not yet begun."""
        return level(self.up, 1)[-1]

    @property
    def overview_width(self) -> int:
        """Channels of what the overview gives out."""
        return self.config.widths[1]

    @property
    def grounded(self) -> frozenset[str]:
        """The points that are held against the true masks in training: how the way up reads the words."""
        return frozenset(f"up.{k}.{i}.cross.weights" for k in (0, 1) for i in range(self.config.up[k]))

    def remember(self, context: Tensor, keep: Tensor) -> list[Memory]:
        """What every cross-attention layer reads of a context (batch, tokens, width): once a prompt."""
        return [unit.cross.remember(context, keep) for unit in self.units()]

    def forward(self, x: Tensor, t: Tensor, memory: list[Memory]) -> Tensor:
        """x (batch, 4, 16, 16), t (batch,) in [0, 1], memory from `remember`; to (batch, 4, 16, 16)."""
        time, words, skips = self.time(t), iter(memory), []
        x = hook_point("inlet", self.inlet(x), "channel y x")
        for k in (0, 1):
            for unit in level(self.down, k):
                x = unit(x, time, next(words))
            skips.append(hook_point(f"up.{k}.skip", x, "channel y x"))
            x = self.shrink[k](x)
        x = self.middle(x, time, next(words))
        for k in (1, 0):
            x = F.interpolate(self.grow[k](x), scale_factor=2.0, mode="nearest")
            x = hook_point(f"up.{k}.backbone", x, "channel y x")
            for unit in level(self.up, k):
                x = unit(x, time, next(words), skips[k])
        return hook_point("prediction", self.outlet(F.silu(self.norm(x))), "channel y x")
