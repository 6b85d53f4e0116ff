"""Encode images to latents and decode latents to images with a pipeline's own autoencoder, as its own call does."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .families import Family


@torch.inference_mode()
def encode_images(pipeline: Any, family: Family, images: np.ndarray) -> Tensor:
    """Encode images (n, height, width, 3) uint8 as latents (n, channel, y, x) float32, on the CPU."""
    vae = pipeline.vae
    pixels = torch.from_numpy(np.array(images)).permute(0, 3, 1, 2).float() / 127.5 - 1
    with upcast_if_needed(vae, family):
        encoded = vae.encode(with_time(family, pixels.to(vae.device, vae.dtype)))
        names = [name for name in ("latents", "latent") if hasattr(encoded, name)]  # some autoencoders draw nothing
        latents = getattr(encoded, names[0]) if names else encoded.latent_dist.mode()
    latents = latents[:, :, 0] if family.latents_have == "frames" else latents
    if family.latents_have == "batch_norm":
        latents = pipeline._patchify_latents(latents)
    shift, std = latent_statistics(vae, family, latents.float())
    return ((latents.float() - shift) * scaling_factor(vae) / std).cpu()


def decode_latents(pipeline: Any, family: Family, latents: np.ndarray) -> np.ndarray:
    """Decode latents (n, channel, y, x) to images (n, height, width, 3) uint8, one at a time, rounded as the pipeline
    rounds them, and with its watermark. A decoder that draws noise draws the same for each image. Of latents of videos,
    (n, channel, frame, y, x), the images are middle frames."""
    return np.stack([middle_frame(frames) for frames in decode_frames(pipeline, family, latents)])


@torch.inference_mode()
def decode_frames(pipeline: Any, family: Family, latents: np.ndarray) -> list[np.ndarray]:
    """Decode latents as above, each to all of its frames (frame, height, width, 3) uint8: one, where it is an image."""
    vae, decoded = pipeline.vae, []
    draws_noise = hasattr(vae, "decoder_scheduler")  # it decodes by diffusion (ConsistencyDecoderVAE)
    with upcast_if_needed(vae, family):
        for z in torch.from_numpy(np.array(latents, np.float32)).split(1):
            z = z.to(vae.device, torch.float32 if family.scales_in_float32 else vae.dtype)
            shift, std = latent_statistics(vae, family, z)
            more = {"generator": torch.Generator().manual_seed(0)} if draws_noise else {}
            # the same product is rounded in another way where pipelines divide by 1 / std
            divides = family.latents_have in ("frames", "video")
            z = z / (1 / std) + shift if divides else z * std / scaling_factor(vae) + shift
            z = pipeline._unpatchify_latents(z) if family.latents_have == "batch_norm" else z
            image = vae.decode(with_time(family, z).to(vae.dtype), return_dict=False, **more)[0]
            image = image[:, :, 0] if family.latents_have == "frames" else image
            if getattr(pipeline, "watermark", None) is not None:
                image = pipeline.watermark.apply_watermark(image)
            if family.is_video:
                images = pipeline.video_processor.postprocess_video(image, output_type="pil")[0]
            else:
                images = pipeline.image_processor.postprocess(image, output_type="pil")
            decoded.append(np.stack([np.asarray(image) for image in images]))
    return decoded


def with_time(family: Family, x: Tensor) -> Tensor:
    """Return a batch of images or latents as its autoencoder takes it: with an axis for time of one frame, or as is."""
    return x[:, :, None] if family.latents_have in ("frames", "video") and x.dim() == 4 else x


def middle_frame(frames: np.ndarray) -> np.ndarray:
    """Return the frame of a video that stands for all."""
    return frames[len(frames) // 2]


def scaling_factor(vae: Any) -> float:
    """Return what latents are multiplied by; 1 where their statistics do all."""
    return float(vae.config.get("scaling_factor") or 1.0)


def latent_statistics(vae: Any, family: Family, like: Tensor) -> tuple[Tensor | float, Tensor | float]:
    """Return what this family's pipelines subtract from a latent before it is scaled, and what they divide it by."""
    if family.latents_have == "shift":
        return getattr(vae.config, "shift_factor", None) or 0.0, 1.0
    if family.latents_have == "batch_norm":
        deviation = (vae.bn.running_var + vae.config.batch_norm_eps).sqrt()
        return vae.bn.running_mean.view(1, -1, 1, 1).to(like), deviation.view(1, -1, 1, 1).to(like)
    mean, std = (getattr(vae.config, name, None) for name in ("latents_mean", "latents_std"))
    if family.latents_have not in ("statistics", "frames", "video") or mean is None or std is None:
        return 0.0, 1.0
    shape = (1, -1, *[1] * (like.dim() - 2))
    return torch.tensor(mean).view(shape).to(like), torch.tensor(std).view(shape).to(like)


@contextmanager
def upcast_if_needed(vae: Any, family: Family) -> Iterator[None]:
    """Within this `with`, run an autoencoder in float32 if it overflows in float16 and this family's pipelines do so,
    as SDXL's."""
    before = vae.dtype
    needs_upcast = (family.latents_have == "statistics" and before is torch.float16
                    and getattr(vae.config, "force_upcast", False))
    try:
        if needs_upcast:
            vae.to(torch.float32)
        yield
    finally:
        if needs_upcast:
            vae.to(before)
