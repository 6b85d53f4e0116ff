"""The U-Net: down to a coarse resolution, up again to detail, with skips across and cross-attention to the prompt.

    16 x 16   conv_in ---> down.0 ------------ skip ------------> up.0 ---> conv_out
                             |                                      ^
     8 x 8                 down.1 ------------ skip ------------> up.1
                             |                                      ^
     4 x 4                   +--------------> middle ---------------+

Ronneberger et al. 2015 for the shape; Rombach et al. 2022 for the attention in it.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .hook_points import hook_point, set_point_names
from .layers import CrossAttention, FeedForward, KVCache, ResBlock, SelfAttention, TimeEmbedding, zero_init


@dataclass(frozen=True)
class UNetConfig:
    """Sizes of the U-Net.

    widths: channels at 16 x 16, 8 x 8 and 4 x 4. down, up: blocks on the way down and up at 16 x 16 and 8 x 8.
    self_attention: which resolutions have self-attention and an MLP.
    """

    channels: int = 4
    widths: tuple[int, int, int] = (96, 192, 192)
    down: tuple[int, int] = (1, 1)
    up: tuple[int, int] = (2, 2)
    self_attention: tuple[bool, bool, bool] = (False, True, True)
    head_width: int = 32
    context_width: int = 160
    time_width: int = 192


class UNetBlock(nn.Module):
    """One block: (concatenate a skip,) convolutions, self-attention, cross-attention, MLP."""

    def __init__(self, width: int, c: UNetConfig, self_attention: bool, skip_width: int = 0):
        super().__init__()
        heads = width // c.head_width
        self.skip_proj = nn.Conv2d(width + skip_width, width, 1) if skip_width else None
        self.res = ResBlock(width, c.time_width)
        self.self_attn = SelfAttention(width, heads) if self_attention else None
        self.cross_attn = CrossAttention(width, heads, c.context_width)
        self.mlp = FeedForward(width, 2) if self_attention else None

    def forward(self, x: Tensor, time: Tensor, cache: KVCache, skip: Tensor | None = None) -> Tensor:
        if self.skip_proj is not None and skip is not None:
            x = self.skip_proj(torch.cat([x, skip], dim=1))
        x = self.res(x, time)
        height = x.shape[2]
        x = x.flatten(2).transpose(1, 2)  # (batch, positions, width)
        x = self.self_attn(x) if self.self_attn is not None else x
        x = self.cross_attn(x, cache)
        x = self.mlp(x) if self.mlp is not None else x
        return x.transpose(1, 2).unflatten(2, (height, -1))


def blocks_at(levels: nn.ModuleList, level: int) -> list[UNetBlock]:
    """Return the blocks of `down` or `up` at one level: 0 is 16 x 16, 1 is 8 x 8."""
    return [block for block in levels[level].children() if isinstance(block, UNetBlock)]


class UNet(nn.Module):
    """Predict a field over latents (batch, 4, 16, 16) from a noisy latent, t and a prompt's keys and values.

    Points beside those of its blocks: conv_in; up.K.skip, the skip at level K, and up.K.backbone, the upsampled
    features from below; prediction. All (channel, y, x).
    """

    def __init__(self, config: UNetConfig | None = None):
        super().__init__()
        self.config = c = config or UNetConfig()
        fine, mid, coarse = c.widths
        self.time_embed = TimeEmbedding(c.time_width)
        self.conv_in = nn.Conv2d(c.channels, fine, 3, padding=1)
        self.down = nn.ModuleList([
            nn.ModuleList(UNetBlock(fine, c, c.self_attention[0]) for _ in range(c.down[0])),
            nn.ModuleList(UNetBlock(mid, c, c.self_attention[1]) for _ in range(c.down[1])),
        ])
        self.downsample = nn.ModuleList([nn.Conv2d(fine, mid, 3, stride=2, padding=1),
                                         nn.Conv2d(mid, coarse, 3, stride=2, padding=1)])
        self.middle = UNetBlock(coarse, c, c.self_attention[2])
        self.upsample = nn.ModuleList([nn.Conv2d(mid, fine, 1), nn.Conv2d(coarse, mid, 1)])
        self.up = nn.ModuleList([
            nn.ModuleList(UNetBlock(fine, c, c.self_attention[0], fine if k == 0 else 0) for k in range(c.up[0])),
            nn.ModuleList(UNetBlock(mid, c, c.self_attention[1], mid if k == 0 else 0) for k in range(c.up[1])),
        ])
        self.norm_out = nn.GroupNorm(8, fine)
        self.conv_out = nn.Conv2d(fine, c.channels, 3, padding=1)
        zero_init(self.conv_out)
        set_point_names(self)

    def blocks(self) -> list[UNetBlock]:
        """Return all blocks in the order in which they run."""
        down, up = self.down, self.up
        return [*blocks_at(down, 0), *blocks_at(down, 1), self.middle, *blocks_at(up, 1), *blocks_at(up, 0)]

    @property
    def repa_block(self) -> UNetBlock:
        """The block whose output is aligned with image features in training: the last one at 8 x 8 on the way up."""
        return blocks_at(self.up, 1)[-1]

    @property
    def repa_width(self) -> int:
        """Channels of the REPA block's output."""
        return self.config.widths[1]

    @property
    def supervised_attention(self) -> frozenset[str]:
        """The points trained on ground-truth masks: the cross-attention of the way up."""
        return frozenset(f"up.{k}.{i}.cross.weights" for k in (0, 1) for i in range(self.config.up[k]))

    def project_context(self, context: Tensor, keep: Tensor) -> list[KVCache]:
        """Return the keys and values of a context (batch, tokens, width) for every block: once per prompt."""
        return [block.cross_attn.project_context(context, keep) for block in self.blocks()]

    def forward(self, x: Tensor, t: Tensor, caches: list[KVCache]) -> Tensor:
        """x (batch, 4, 16, 16), t (batch,) in [0, 1], caches from `project_context`; to (batch, 4, 16, 16)."""
        time, cache, skips = self.time_embed(t), iter(caches), []
        x = hook_point("conv_in", self.conv_in(x), "channel y x")
        for k in (0, 1):
            for block in blocks_at(self.down, k):
                x = block(x, time, next(cache))
            skips.append(hook_point(f"up.{k}.skip", x, "channel y x"))
            x = self.downsample[k](x)
        x = self.middle(x, time, next(cache))
        for k in (1, 0):
            x = F.interpolate(self.upsample[k](x), scale_factor=2.0, mode="nearest")
            x = hook_point(f"up.{k}.backbone", x, "channel y x")
            for block in blocks_at(self.up, k):
                x = block(x, time, next(cache), skips[k])
        return hook_point("prediction", self.conv_out(F.silu(self.norm_out(x))), "channel y x")
