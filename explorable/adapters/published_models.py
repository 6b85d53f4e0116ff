"""The sizes of widely used models, from their public configuration files."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from .memory import PublishedModel


def _diffusers(class_name: str, **config: Any) -> Callable[[], nn.Module]:
    def build() -> nn.Module:
        import diffusers

        return getattr(diffusers, class_name)(**config)

    return build


def _clip(width: int, depth: int, heads: int) -> Callable[[], nn.Module]:
    def build() -> nn.Module:
        import transformers

        return transformers.CLIPTextModel(transformers.CLIPTextConfig(
            hidden_size=width, intermediate_size=4 * width, num_hidden_layers=depth, num_attention_heads=heads))

    return build


def _t5() -> nn.Module:
    import transformers

    return transformers.T5EncoderModel(transformers.T5Config(
        d_model=4096, d_ff=10240, d_kv=64, num_layers=24, num_heads=64, feed_forward_proj="gated-gelu"))


def _vae(channels: int) -> Callable[[], nn.Module]:
    return _diffusers("AutoencoderKL", latent_channels=channels, block_out_channels=(128, 256, 512, 512),
                      layers_per_block=2, down_block_types=["DownEncoderBlock2D"] * 4,
                      up_block_types=["UpDecoderBlock2D"] * 4)


CLIP_L, BIG_G = _clip(768, 12, 12), _clip(1280, 32, 20)


def _empty(**shapes: tuple[int, ...]) -> dict[str, Any]:
    return {name: torch.empty(shape) for name, shape in shapes.items()}


def _unet(pieces: int, width: int, pooled: int, n: int, side: int) -> dict[str, Any]:
    inputs = _empty(sample=(n, 4, side, side), timestep=(n,), encoder_hidden_states=(n, pieces, width))
    if pooled:
        inputs["added_cond_kwargs"] = _empty(text_embeds=(n, pooled), time_ids=(n, 6))
    return inputs


def _sd3(n: int, side: int) -> dict[str, Any]:
    return _empty(hidden_states=(n, 16, side, side), timestep=(n,), encoder_hidden_states=(n, 77 + 256, 4096),
                  pooled_projections=(n, 2048))


def _flux(n: int, side: int) -> dict[str, Any]:
    """Return the inputs of Flux's transformer for n images with latents of `side` positions per side."""
    positions = (side // 2) ** 2
    return _empty(hidden_states=(n, positions, 64), timestep=(n,), encoder_hidden_states=(n, 512, 4096),
                  pooled_projections=(n, 768), guidance=(n,), img_ids=(positions, 3), txt_ids=(512, 3))


def _pixart(n: int, side: int) -> dict[str, Any]:
    inputs = _empty(hidden_states=(n, 4, side, side), timestep=(n,), encoder_hidden_states=(n, 120, 4096))
    return {**inputs, "added_cond_kwargs": _empty(resolution=(n, 2), aspect_ratio=(n, 1))}


PUBLISHED_MODELS = (
    PublishedModel(
        "Stable Diffusion 1.5",
        _diffusers("UNet2DConditionModel", cross_attention_dim=768, attention_head_dim=8),
        (CLIP_L, _vae(4)), 512, 50, 2, 77, functools.partial(_unet, 77, 768, 0)),
    PublishedModel(
        "Stable Diffusion XL",
        _diffusers("UNet2DConditionModel", sample_size=128, block_out_channels=(320, 640, 1280),
                   cross_attention_dim=2048,
                   down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
                   up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
                   attention_head_dim=(5, 10, 20), transformer_layers_per_block=(1, 2, 10), use_linear_projection=True,
                   addition_embed_type="text_time", addition_time_embed_dim=256,
                   projection_class_embeddings_input_dim=2816),
        (CLIP_L, BIG_G, _vae(4)), 1024, 50, 2, 77, functools.partial(_unet, 77, 2048, 1280)),
    PublishedModel(
        "Stable Diffusion 3 Medium",
        _diffusers("SD3Transformer2DModel", sample_size=128, num_layers=24, num_attention_heads=24,
                   attention_head_dim=64, joint_attention_dim=4096, caption_projection_dim=1536,
                   pooled_projection_dim=2048, pos_embed_max_size=192),
        (CLIP_L, BIG_G, _t5, _vae(16)), 1024, 28, 2, 77 + 256, _sd3),
    PublishedModel(
        "FLUX.1 dev", _diffusers("FluxTransformer2DModel", guidance_embeds=True),
        (CLIP_L, _t5, _vae(16)), 1024, 28, 1, 512, _flux, text_first=True),
    PublishedModel(
        "PixArt-alpha XL", _diffusers("PixArtTransformer2DModel", sample_size=128, caption_channels=4096),
        (_t5, _vae(4)), 1024, 20, 2, 120, _pixart),
)
