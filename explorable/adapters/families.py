"""The families of pipelines that can be opened, told by the names of their classes."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from torch import nn

from ..diffusion.settings import SettingError

COMPARED = ("denoised = uncond + w (cond - uncond), two looks at each step; w = 1 is off, and what lies below 1 this "
            "pipeline treats as 1")
DISTILLED = ("w is told to the network, which was trained to give in one look what a comparison at w would have given "
             "its teacher: no comparison is made, there is no uncond branch, and a negative prompt says nothing")
UNGUIDED = "none: this model was trained to draw without guidance, and w says nothing to it"


@dataclass(frozen=True)
class Reader:
    """One stretch of the tokens that a network reads. tokenizers: whose pieces stand there, side by side if there are
    two; length: where their number comes from, an argument of the call or (None) the tokenizer."""

    tokenizers: tuple[str, ...]
    length: str | None = None


@dataclass(frozen=True)
class Family:
    """What sets a family apart.

    network: the attribute that holds the denoiser. sample: what the denoiser calls the noisy latent. readers: whose
    tokens its attention reads, in order. text_first: in joint attention, words stand before places. clock: what the
    scheduler's timestep is divided by before the network is told.
    """

    name: str
    pipelines: tuple[str, ...]
    network: str
    sample: str
    readers: tuple[Reader, ...]
    text_first: bool = False
    clock: float = 1.0

    def compares(self, network: nn.Module) -> bool:
        """Does guidance compare two branches?"""
        config = network.config
        return self.name != "Flux" and getattr(config, "time_cond_proj_dim", None) is None

    def guidance(self, network: nn.Module) -> str:
        """What w means to this pipeline, in words."""
        if self.compares(network):
            return COMPARED
        return DISTILLED if getattr(network.config, "guidance_embeds", True) else UNGUIDED


FAMILIES = (
    Family("Stable Diffusion", ("StableDiffusionPipeline", "StableDiffusionImg2ImgPipeline"), "unet", "sample",
           (Reader(("tokenizer",)),)),
    Family("Stable Diffusion XL", ("StableDiffusionXLPipeline", "StableDiffusionXLImg2ImgPipeline"), "unet", "sample",
           (Reader(("tokenizer", "tokenizer_2")),)),
    Family("Stable Diffusion 3", ("StableDiffusion3Pipeline", "StableDiffusion3Img2ImgPipeline"), "transformer",
           "hidden_states", (Reader(("tokenizer", "tokenizer_2")), Reader(("tokenizer_3",), "max_sequence_length"))),
    Family("Flux", ("FluxPipeline", "FluxImg2ImgPipeline"), "transformer", "hidden_states",
           (Reader(("tokenizer_2",), "max_sequence_length"),), text_first=True, clock=1000.0),
    Family("PixArt", ("PixArtAlphaPipeline", "PixArtSigmaPipeline"), "transformer", "hidden_states",
           (Reader(("tokenizer",), "max_sequence_length"),)),
)


def arguments(pipeline: Any) -> dict[str, inspect.Parameter]:
    """What a pipeline's own call takes, by name."""
    return {name: p for name, p in inspect.signature(type(pipeline).__call__).parameters.items() if name != "self"}


def default_of(pipeline: Any, name: str) -> Any:
    """What a pipeline's own call takes where nothing is said."""
    return arguments(pipeline)[name].default


def family_of(pipeline: Any) -> Family:
    """The family of a pipeline, by its class or one that it derives from.

    Raises:
        SettingError: none of them; names those that there are.
    """
    if inspect.isclass(pipeline):
        raise SettingError(f"{pipeline.__name__} is a class: load a pipeline with from_pretrained, and open that")
    if hasattr(pipeline, "points") and hasattr(pipeline, "branch"):
        raise SettingError(f"{pipeline!r} is open already: use it as it is"
                           + ("; ex.open(pipe.pipeline) opens it anew" if hasattr(pipeline, "pipeline") else ""))
    names = [cls.__name__ for cls in type(pipeline).__mro__]
    for family in FAMILIES:
        if any(name in family.pipelines for name in names):
            return family
    known = "; ".join(f"{f.name} ({', '.join(f.pipelines)})" for f in FAMILIES)
    raise SettingError(f"{names[0]} is of no family that can be opened: {known}")


def check_openable(pipeline: Any, family: Family) -> None:
    """Refuse a network whose inside cannot be seen or changed from outside, and say what to do.

    Raises:
        SettingError: compiled, offloaded or quantised.
    """
    network = getattr(pipeline, family.network)
    compiled = hasattr(network, "_orig_mod") or any(m._compiled_call_impl is not None for m in network.modules())
    if compiled:
        raise SettingError(f"the {family.network} is compiled, and what is compiled does not stop at its points: load "
                           "the pipeline anew, and open it before, or instead of, torch.compile")
    if _offloaded(network.modules()) or getattr(pipeline, "hf_device_map", None):
        raise SettingError(f"the {family.network} is offloaded, and moves between devices while it runs: load the "
                           "pipeline anew without enable_..._offload or a device map, and move it with .to(device); "
                           "half precision (torch_dtype=torch.float16) takes half the memory")
    if getattr(network, "is_quantized", False) or getattr(network, "hf_quantizer", None) is not None:
        raise SettingError(f"the {family.network} is quantised, and its layers are no plain ones: load it in half "
                           "precision (torch_dtype=torch.float16 or bfloat16) without quantization_config")


def _offloaded(modules: Iterable[nn.Module]) -> bool:
    """Has accelerate, or diffusers' group offloading, put its hook on any of them?"""
    for module in modules:
        own = getattr(getattr(module, "_diffusers_hook", None), "hooks", {})
        if hasattr(module, "_hf_hook") or any("offloading" in name for name in own):
            return True
    return False
