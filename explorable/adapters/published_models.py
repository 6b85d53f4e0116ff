"""The sizes of the models that people open most, as their public configuration files give them."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from .memory import Published


def _diffusers(kind: str, **config: Any) -> Callable[[], nn.Module]:
    def build() -> nn.Module:
        import diffusers

        return getattr(diffusers, kind)(**config)

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


def _unet(pieces: int, width: int, pooled: int, rows: int, side: int) -> dict[str, Any]:
    made: dict[str, Any] = {"sample": torch.empty(rows, 4, side, side), "timestep": torch.empty(rows),
                            "encoder_hidden_states": torch.empty(rows, pieces, width)}
    if pooled:
        made["added_cond_kwargs"] = {"text_embeds": torch.empty(rows, pooled), "time_ids": torch.empty(rows, 6)}
    return made


def _sd3(rows: int, side: int) -> dict[str, Any]:
    return {"hidden_states": torch.empty(rows, 16, side, side), "timestep": torch.empty(rows),
            "encoder_hidden_states": torch.empty(rows, 77 + 256, 4096), "pooled_projections": torch.empty(rows, 2048)}


def _flux(rows: int, side: int) -> dict[str, Any]:
    places = (side // 2) ** 2
    return {"hidden_states": torch.empty(rows, places, 64), "encoder_hidden_states": torch.empty(rows, 512, 4096),
            "pooled_projections": torch.empty(rows, 768), "timestep": torch.empty(rows), "guidance": torch.empty(rows),
            "img_ids": torch.empty(places, 3), "txt_ids": torch.empty(512, 3)}


def _pixart(rows: int, side: int) -> dict[str, Any]:
    return {"hidden_states": torch.empty(rows, 4, side, side), "timestep": torch.empty(rows),
            "encoder_hidden_states": torch.empty(rows, 120, 4096), "added_cond_kwargs": {
                "resolution": torch.empty(rows, 2), "aspect_ratio": torch.empty(rows, 1)}}


MODELS = (
    Published("Stable Diffusion 1.5", _diffusers("UNet2DConditionModel", cross_attention_dim=768, attention_head_dim=8),
              (CLIP_L, _vae(4)), 512, 50, 2, 77, functools.partial(_unet, 77, 768, 0)),
    Published("Stable Diffusion XL", _diffusers(
        "UNet2DConditionModel", sample_size=128, block_out_channels=(320, 640, 1280), cross_attention_dim=2048,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"), attention_head_dim=(5, 10, 20),
        transformer_layers_per_block=(1, 2, 10), use_linear_projection=True, addition_embed_type="text_time",
        addition_time_embed_dim=256, projection_class_embeddings_input_dim=2816),
        (CLIP_L, BIG_G, _vae(4)), 1024, 50, 2, 77, functools.partial(_unet, 77, 2048, 1280)),
    Published("Stable Diffusion 3 Medium", _diffusers(
        "SD3Transformer2DModel", sample_size=128, num_layers=24, num_attention_heads=24, attention_head_dim=64,
        joint_attention_dim=4096, caption_projection_dim=1536, pooled_projection_dim=2048, pos_embed_max_size=192),
        (CLIP_L, BIG_G, _t5, _vae(16)), 1024, 28, 2, 77 + 256, _sd3),
    Published("FLUX.1 dev", _diffusers("FluxTransformer2DModel", guidance_embeds=True), (CLIP_L, _t5, _vae(16)), 1024,
              28, 1, 512, _flux, text_first=True),
    Published("PixArt-alpha XL", _diffusers("PixArtTransformer2DModel", sample_size=128, caption_channels=4096),
              (_t5, _vae(4)), 1024, 20, 2, 120, _pixart),
)
