"""Pictures to latents and back, by a pipeline's own autoencoder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor


@torch.inference_mode()
def encoded(pipeline: Any, images: np.ndarray) -> Tensor:
    """Pictures (n, high, wide, 3) uint8 to latents (n, channels, y, x) float32, on the CPU."""
    vae = pipeline.vae
    pictures = torch.from_numpy(np.array(images)).permute(0, 3, 1, 2).float() / 127.5 - 1
    with in_range(vae):
        mode = vae.encode(pictures.to(vae.device, vae.dtype)).latent_dist.mode().float().cpu()
    return (mode - shift_of(vae)) * vae.config.scaling_factor


@torch.inference_mode()
def decoded(pipeline: Any, latents: np.ndarray) -> np.ndarray:
    """Latents (n, channels, y, x) to pictures (n, high, wide, 3) uint8, one at a time, as the pipeline rounds them."""
    vae, pictures = pipeline.vae, []
    with in_range(vae):
        for z in torch.from_numpy(np.array(latents, np.float32)).split(1):
            z = z.to(vae.device, vae.dtype) / vae.config.scaling_factor + shift_of(vae)
            picture = vae.decode(z, return_dict=False)[0]
            pictures += pipeline.image_processor.postprocess(picture, output_type="pil")
    return np.stack([np.asarray(picture) for picture in pictures])


def shift_of(vae: Any) -> float:
    """What is taken from a latent before it is scaled."""
    return getattr(vae.config, "shift_factor", None) or 0.0


@contextmanager
def in_range(vae: Any) -> Iterator[None]:
    """SDXL's autoencoder overflows in half precision: within this it is in single, if it says that it must be."""
    before = vae.dtype
    forced = before is torch.float16 and getattr(vae.config, "force_upcast", False)
    try:
        if forced:
            vae.to(torch.float32)
        yield
    finally:
        if forced:
            vae.to(before)
