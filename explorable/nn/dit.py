"""The diffusion transformer: the latent cut into patches, which attend to each other and to the words in every block.

    patches (16 / patch)^2 x width --+                        +--> mlp --+
                                     +--> joint attention ----+          +--> x depth --> final_layer --> latent
    words   24 x width --------------+                        +--> mlp --+

Peebles and Xie 2023 for patches and adaLN-zero; Esser et al. 2024 (Stable Diffusion 3, figure 2) for the two
streams, img and txt, with separate weights and a joint attention.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .hook_points import HookedModule, hook_point, set_point_names
from .layers import TimeEmbedding, hooked_attention, join_heads, split_heads, zero_init

LATENT_SIZE = 16  # height and width of a latent


@dataclass(frozen=True)
class DiTConfig:
    """Sizes of the transformer. By default it has as many weights as the U-Net, 6.2 million.

    patch_size: height and width of a patch; it must divide 16. mlp_ratio: width of the MLP relative to the stream's.
    """

    channels: int = 4
    patch_size: int = 2
    width: int = 176
    depth: int = 6
    heads: int = 4
    mlp_ratio: int = 3
    context_width: int = 160

    def __post_init__(self) -> None:
        if self.patch_size < 1 or LATENT_SIZE % self.patch_size:
            raise ValueError(f"patch_size is {self.patch_size}: choose a divisor of {LATENT_SIZE}, the latent's height "
                             "and width: 1, 2, 4, 8, 16")
        if self.width % self.heads:
            raise ValueError(f"width is {self.width}: choose a multiple of the {self.heads} heads")


class PromptCache(NamedTuple):
    """The part of the transformer's computation that depends only on the prompt, computed once and used at every step.

    txt: (batch, tokens, width). keep: (batch, tokens) bool, False on padding. pooled: (batch, width).
    """

    txt: Tensor
    keep: Tensor
    pooled: Tensor


class Modulation(nn.Module):
    """adaLN-zero: t and the pooled prompt set shift, scale and gate of attention and MLP.

    Peebles and Xie 2023, section 3.2. All start at zero: with closed gates, an untrained block is the identity.
    """

    def __init__(self, width: int):
        super().__init__()
        self.linear = nn.Linear(width, 6 * width)
        zero_init(self.linear)

    def forward(self, condition: Tensor) -> tuple[Tensor, ...]:
        """condition (batch, width) to six times (batch, 1, width): shift, scale, gate, shift, scale, gate."""
        return self.linear(F.silu(condition))[:, None].chunk(6, dim=-1)


def modulate(x: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    """Normalise x (batch, tokens, width), then scale and shift it: adaptive layer norm."""
    return F.layer_norm(x, x.shape[-1:]) * (1 + scale) + shift


class Stream(HookedModule):
    """The weights of one stream of a block, img or txt.

    Points: attn.added, mlp.added, out, all (position or token, channel).
    """

    def __init__(self, c: DiTConfig):
        super().__init__()
        self.heads = c.heads
        self.modulation = Modulation(c.width)
        self.to_qkv = nn.Linear(c.width, 3 * c.width)
        self.to_out = nn.Linear(c.width, c.width)
        self.mlp = nn.Sequential(nn.Linear(c.width, c.mlp_ratio * c.width), nn.GELU(approximate="tanh"),
                                 nn.Linear(c.mlp_ratio * c.width, c.width))

    def qkv(self, x: Tensor, shift: Tensor, scale: Tensor) -> tuple[Tensor, ...]:
        """Return queries, keys and values, each (batch, heads, tokens, width / heads). Queries and keys have unit root
        mean square (Esser et al. 2024, section 5.3.2), which bounds the attention scores."""
        q, k, v = (split_heads(part, self.heads) for part in self.to_qkv(modulate(x, shift, scale)).chunk(3, dim=-1))
        return F.rms_norm(q, q.shape[-1:]), F.rms_norm(k, k.shape[-1:]), v

    def update(self, x: Tensor, attended: Tensor, gate: Tensor, mlp_shift: Tensor, mlp_scale: Tensor,
               mlp_gate: Tensor) -> Tensor:
        """Add the attention's result (batch, tokens, width), then the MLP's."""
        axes = f"{self.position_axis} channel"
        x = x + self.hook("attn.added", gate * self.to_out(attended), axes)
        mlp = mlp_gate * self.mlp(modulate(x, mlp_shift, mlp_scale))
        return self.hook("out", x + self.hook("mlp.added", mlp, axes), axes)


class Block(HookedModule):
    """Joint attention of patches and words, then an MLP in each stream.

    Points beside those of its streams: joint.weights (head, query, key), over patches and words, patches first;
    cross.weights (head, position, token), the part of it in which patches attend to words, named as in a U-Net.
    """

    def __init__(self, c: DiTConfig):
        super().__init__()
        self.img, self.txt = Stream(c), Stream(c)

    def forward(self, img: Tensor, txt: Tensor, condition: Tensor, keep: Tensor) -> tuple[Tensor, Tensor]:
        """img (batch, patches, width), txt (batch, tokens, width), keep (batch, patches + tokens) bool."""
        img_shift, img_scale, *img_rest = self.img.modulation(condition)
        txt_shift, txt_scale, *txt_rest = self.txt.modulation(condition)
        streams = zip(self.img.qkv(img, img_shift, img_scale), self.txt.qkv(txt, txt_shift, txt_scale), strict=True)
        q, k, v = (torch.cat(pair, dim=2) for pair in streams)  # [img, txt], as in Stable Diffusion 3
        patches, tokens = img.shape[1], txt.shape[1]
        names = [self.point_prefix + "joint.weights", self.point_prefix + "cross.weights"]
        attended = join_heads(hooked_attention(names, lambda w: self._hook_weights(w, patches), q, k, v, keep))
        img_attended, txt_attended = attended.split([patches, tokens], dim=1)
        return self.img.update(img, img_attended, *img_rest), self.txt.update(txt, txt_attended, *txt_rest)

    def _hook_weights(self, weights: Tensor, patches: int) -> Tensor:
        """Pass weights (batch, heads, patches + tokens, patches + tokens) through both points."""
        weights = self.hook("joint.weights", weights, "head query key")
        cross = weights[:, :, :patches, patches:]
        edited = self.hook("cross.weights", cross, "head position token")
        if edited is not cross:
            weights = weights.clone()
            weights[:, :, :patches, patches:] = edited
        return weights


class FinalLayer(nn.Module):
    """Adaptive layer norm and a linear layer from each patch to its part of the prediction. Starts at zero."""

    def __init__(self, width: int, out_width: int):
        super().__init__()
        self.modulation = nn.Linear(width, 2 * width)
        self.linear = nn.Linear(width, out_width)
        zero_init(self.modulation)
        zero_init(self.linear)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """x (batch, patches, width), condition (batch, width); to (batch, patches, out width)."""
        shift, scale = self.modulation(F.silu(condition))[:, None].chunk(2, dim=-1)
        return self.linear(modulate(x, shift, scale))


class DiT(nn.Module):
    """Predict a field over latents (batch, 4, 16, 16) from a noisy latent, t and a prompt.

    Points beside those of its blocks: pos_embed, what each patch's place adds, and img_in, the sum, both (position,
    channel); prediction (channel, y, x).
    """

    def __init__(self, config: DiTConfig | None = None):
        super().__init__()
        self.config = c = config or DiTConfig()
        side = LATENT_SIZE // c.patch_size
        self.time_embed = TimeEmbedding(c.width)
        self.img_in = nn.Conv2d(c.channels, c.width, c.patch_size, stride=c.patch_size)  # patchify
        self.pos_embed = nn.Parameter(0.02 * torch.randn(side * side, c.width))
        self.txt_in = nn.Linear(c.context_width, c.width)
        self.pooled_in = nn.Linear(c.context_width, c.width)
        self.blocks = nn.ModuleList(Block(c) for _ in range(c.depth))
        self.final_layer = FinalLayer(c.width, c.channels * c.patch_size**2)
        set_point_names(self)
        for block in self.blocks:
            set_point_names(block.txt, block.txt.point_prefix, position_axis="token")  # type: ignore[union-attr, arg-type]

    @property
    def repa_block(self) -> Block:
        """The block whose output is aligned with image features in training: the one in the middle."""
        return self.blocks[(len(self.blocks) - 1) // 2]  # type: ignore[return-value]

    @property
    def repa_width(self) -> int:
        """Width of the REPA block's output."""
        return self.config.width

    @property
    def supervised_attention(self) -> frozenset[str]:
        """The points trained on ground-truth masks: patches attending to words, in the second half of the blocks."""
        return frozenset(f"blocks.{k}.cross.weights" for k in range((self.config.depth + 1) // 2, self.config.depth))

    def project_context(self, context: Tensor, keep: Tensor) -> PromptCache:
        """Compute the cache of a context (batch, tokens, width), which does not depend on t."""
        real = keep[..., None].to(context)
        mean = (context * real).sum(1) / real.sum(1)
        return PromptCache(self.txt_in(context), keep, self.pooled_in(mean))

    def forward(self, x: Tensor, t: Tensor, cache: PromptCache) -> Tensor:
        """x (batch, 4, 16, 16), t (batch,) in [0, 1], cache from `project_context`; to (batch, 4, 16, 16)."""
        side = LATENT_SIZE // self.config.patch_size
        condition = self.time_embed(t) + cache.pooled
        txt = cache.txt
        pos = hook_point("pos_embed", self.pos_embed.expand(len(x), -1, -1), "position channel")
        img = hook_point("img_in", self.img_in(x).flatten(2).transpose(1, 2) + pos, "position channel")
        keep = torch.cat([cache.keep.new_ones(len(img), img.shape[1]), cache.keep], dim=1)
        for block in self.blocks:
            img, txt = block(img, txt, condition, keep)
        out = self.final_layer(img, condition).transpose(1, 2).unflatten(2, (side, side))
        return hook_point("prediction", F.pixel_shuffle(out, self.config.patch_size), "channel y x")
