"""The images that a pipeline's call needs beside the prompt: the one it starts from, and those of its IP-Adapters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import nn

from ..diffusion.settings import SettingError
from .call_parameters import call_parameters

ADAPTER_ARGUMENTS = ("ip_adapter_image", "ip_adapter_image_embeds")


def check_inputs(pipeline: Any, denoiser: nn.Module, arguments: Mapping[str, Any]) -> None:
    """Refuse a call without an image that it needs.

    Raises:
        SettingError: names the argument.
    """
    if name := _lacking_image(pipeline, arguments):
        use = "starts from an image" if "strength" in call_parameters(pipeline) else "is conditioned on an image"
        raise SettingError(f"a {type(pipeline).__name__} {use}: give {name}=…, to this call, or to "
                           f"ex.open(pipeline, {name}=…) for all calls")
    if _lacks_adapter_image(pipeline, denoiser, arguments):
        raise SettingError("an IP-Adapter is loaded: give ip_adapter_image=… or ip_adapter_image_embeds=…, to this "
                           "call, or to ex.open(pipeline, ip_adapter_image=…) for all calls; or unload it with "
                           "pipeline.unload_ip_adapter()")


def stand_ins(pipeline: Any, denoiser: Any, arguments: Mapping[str, Any], branches: int) -> dict[str, Any]:
    """Return a black image for each that a call needs and does not have, to find its points. branches: of the batch."""
    found: dict[str, Any] = {}
    if name := _lacking_image(pipeline, arguments):
        height, width = (arguments.get(side) or _default_side(pipeline, denoiser, k)
                         for k, side in enumerate(("height", "width")))
        black = Image.new("RGB", (width, height))
        several = getattr(getattr(pipeline, "controlnet", None), "nets", ())
        found[name] = [black for _ in several] if several else black
        if "strength" in call_parameters(pipeline):
            found["strength"] = arguments.get("strength", 1.0)
    if _lacks_adapter_image(pipeline, denoiser, arguments):
        projections = denoiser.encoder_hid_proj.image_projection_layers
        if getattr(pipeline, "image_encoder", None) is not None:
            found["ip_adapter_image"] = [Image.new("RGB", (64, 64)) for _ in projections]
        else:
            embeddings = [_black_embedding(projection, branches) for projection in projections]
            found |= {"ip_adapter_image_embeds": embeddings}
            if "negative_ip_adapter_image_embeds" in call_parameters(pipeline):
                found["negative_ip_adapter_image_embeds"] = embeddings
    return found


def starting_image(pipeline: Any, image: np.ndarray) -> dict[str, Any]:
    """Return the arguments that make a call work on an existing image (height, width, 3) uint8 of that size."""
    parameters = call_parameters(pipeline)
    if "strength" not in parameters:  # what it calls image is no start, but a reference
        parameters = {name: p for name, p in parameters.items() if name != "image"}
    arguments = {"height": image.shape[0], "width": image.shape[1], "image": Image.fromarray(image), "strength": 1.0,
                 "num_frames": 1}
    return {name: value for name, value in arguments.items() if name in parameters}


def image_argument(image: Any) -> Any:
    """Return an image, or a latent, as a pipeline's call takes it: an array (height, width, 3) uint8 as a PIL image, a
    latent (channel, y, x) as a tensor with an axis for the batch; anything else as it is."""
    if isinstance(image, np.ndarray) and image.dtype == np.uint8:
        return Image.fromarray(image)
    if isinstance(image, np.ndarray) and image.dtype.kind == "f" and image.ndim == 3 and image.shape[2] != 3:
        return torch.from_numpy(image.astype(np.float32))[None]
    return image


def _lacking_image(pipeline: Any, arguments: Mapping[str, Any]) -> str:
    """Return the name of the image that each call of a pipeline needs, and this one has not: to start from, or to
    condition a ControlNet on. Empty: it lacks none."""
    parameters, has_controlnet = call_parameters(pipeline), getattr(pipeline, "controlnet", None) is not None
    name = "control_image" if "control_image" in parameters else "image"
    is_needed = name in parameters and ("strength" in parameters or has_controlnet)
    return name if is_needed and arguments.get(name) is None else ""


def _lacks_adapter_image(pipeline: Any, denoiser: nn.Module, arguments: Mapping[str, Any]) -> bool:
    """Return whether IP-Adapters are loaded into the denoiser, and the call has no image for them."""
    return (hasattr(getattr(denoiser, "encoder_hid_proj", None), "image_projection_layers")
            and ADAPTER_ARGUMENTS[0] in call_parameters(pipeline)
            and all(arguments.get(name) is None for name in ADAPTER_ARGUMENTS))


def _default_side(pipeline: Any, denoiser: Any, axis: int) -> int:
    """Return the height (axis 0) or width of an image where the call sets none."""
    side = getattr(pipeline, "default_sample_size", None) or denoiser.config.sample_size
    return int(side[axis] if isinstance(side, (list, tuple)) else side) * int(pipeline.vae_scale_factor)


def _black_embedding(projection: nn.Module, branches: int) -> torch.Tensor:
    """Return zeros (branches, images, width) or (branches, images, positions, width), as the projection takes them."""
    first = next(module for module in projection.modules() if isinstance(module, nn.Linear))
    positions = () if type(projection).__name__ == "ImageProjection" else (1,)
    return torch.zeros(branches, 1, *positions, first.in_features, device=first.weight.device,
                       dtype=first.weight.dtype)
