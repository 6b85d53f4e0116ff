"""Encode images to latents and decode latents to images with a pipeline's own autoencoder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor


@torch.inference_mode()
def encode_images(pipeline: Any, images: np.ndarray) -> Tensor:
    """Encode images (n, height, width, 3) uint8 as latents (n, channel, y, x) float32, on the CPU."""
    vae = pipeline.vae
    pixels = torch.from_numpy(np.array(images)).permute(0, 3, 1, 2).float() / 127.5 - 1
    with upcast_if_needed(vae):
        mode = vae.encode(pixels.to(vae.device, vae.dtype)).latent_dist.mode().float().cpu()
    return (mode - shift_factor(vae)) * vae.config.scaling_factor


@torch.inference_mode()
def decode_latents(pipeline: Any, latents: np.ndarray) -> np.ndarray:
    """Decode latents (n, channel, y, x) to images (n, height, width, 3) uint8, one at a time, rounded as the pipeline
    rounds them."""
    vae, images = pipeline.vae, []
    with upcast_if_needed(vae):
        for z in torch.from_numpy(np.array(latents, np.float32)).split(1):
            z = z.to(vae.device, vae.dtype) / vae.config.scaling_factor + shift_factor(vae)
            image = vae.decode(z, return_dict=False)[0]
            images += pipeline.image_processor.postprocess(image, output_type="pil")
    return np.stack([np.asarray(image) for image in images])


def shift_factor(vae: Any) -> float:
    """Return the shift that is subtracted from a latent before it is scaled."""
    return getattr(vae.config, "shift_factor", None) or 0.0


@contextmanager
def upcast_if_needed(vae: Any) -> Iterator[None]:
    """Within this `with`, run an autoencoder in float32 if its config says that it overflows in float16, as SDXL's."""
    before = vae.dtype
    needs_upcast = before is torch.float16 and getattr(vae.config, "force_upcast", False)
    try:
        if needs_upcast:
            vae.to(torch.float32)
        yield
    finally:
        if needs_upcast:
            vae.to(before)
