"""The families of diffusers pipelines that can be opened, recognised by the names of their classes."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from torch import nn

from ..diffusion.settings import SettingError

CFG_MEANING = ("denoised = uncond + w (cond - uncond), two evaluations at each step; w = 1 is off, and this pipeline "
               "treats lower values as 1")
DISTILLED_MEANING = ("w is an input of the network, which was distilled to predict in one evaluation what classifier-"
                     "free guidance at w gives: no comparison is made, there is no uncond branch, and a negative "
                     "prompt has no effect")
UNGUIDED_MEANING = "none: this model was trained to sample without guidance, and w has no effect"


@dataclass(frozen=True)
class TextInput:
    """A stretch of the token sequence that a denoiser attends to.

    tokenizers: the pipeline's attributes whose pieces it contains; two are concatenated along the channels.
    length_argument: the argument of the call that sets its length; None: the tokenizer's model_max_length.
    """

    tokenizers: tuple[str, ...]
    length_argument: str | None = None


@dataclass(frozen=True)
class Family:
    """The properties that distinguish a family of pipelines.

    denoiser: the attribute that holds the denoiser. latent_argument: the denoiser's argument for the noisy latent.
    text_inputs: the token sequence that its attention reads, in order. text_first: in joint attention, text comes
    before the image. timestep_divisor: the scheduler's timestep is divided by it before the denoiser gets it.
    distilled: guidance is an input of the denoiser.
    """

    name: str
    pipelines: tuple[str, ...]
    denoiser: str
    latent_argument: str
    text_inputs: tuple[TextInput, ...]
    text_first: bool = False
    timestep_divisor: float = 1.0
    distilled: bool = False

    def uses_cfg(self, denoiser: nn.Module) -> bool:
        """Return whether guidance compares two branches."""
        return not self.distilled and getattr(denoiser.config, "time_cond_proj_dim", None) is None

    def guidance_meaning(self, denoiser: nn.Module) -> str:
        """Describe what the guidance scale w does in this pipeline."""
        if self.uses_cfg(denoiser):
            return CFG_MEANING
        return DISTILLED_MEANING if getattr(denoiser.config, "guidance_embeds", True) else UNGUIDED_MEANING


FAMILIES = (
    Family("Stable Diffusion", ("StableDiffusionPipeline", "StableDiffusionImg2ImgPipeline"), "unet", "sample",
           (TextInput(("tokenizer",)),)),
    Family("Stable Diffusion XL", ("StableDiffusionXLPipeline", "StableDiffusionXLImg2ImgPipeline"), "unet", "sample",
           (TextInput(("tokenizer", "tokenizer_2")),)),
    Family("Stable Diffusion 3", ("StableDiffusion3Pipeline", "StableDiffusion3Img2ImgPipeline"), "transformer",
           "hidden_states",
           (TextInput(("tokenizer", "tokenizer_2")), TextInput(("tokenizer_3",), "max_sequence_length"))),
    Family("Flux", ("FluxPipeline", "FluxImg2ImgPipeline"), "transformer", "hidden_states",
           (TextInput(("tokenizer_2",), "max_sequence_length"),), text_first=True, timestep_divisor=1000.0,
           distilled=True),
    Family("PixArt", ("PixArtAlphaPipeline", "PixArtSigmaPipeline"), "transformer", "hidden_states",
           (TextInput(("tokenizer",), "max_sequence_length"),)),
)


def call_parameters(pipeline: Any) -> dict[str, inspect.Parameter]:
    """Return the parameters of a pipeline's own call by name."""
    return {name: p for name, p in inspect.signature(type(pipeline).__call__).parameters.items() if name != "self"}


def call_default(pipeline: Any, name: str) -> Any:
    """Return the default of a parameter of a pipeline's own call."""
    return call_parameters(pipeline)[name].default


def find_family(pipeline: Any) -> Family:
    """Return the family of a pipeline, by its class or one of its base classes.

    Raises:
        SettingError: it belongs to no known family.
    """
    if inspect.isclass(pipeline):
        raise SettingError(f"{pipeline.__name__} is a class: load a pipeline with from_pretrained, and open that")
    if hasattr(pipeline, "points") and hasattr(pipeline, "branch"):
        raise SettingError(f"{pipeline!r} is open already: use it as it is"
                           + ("; ex.open(pipe.pipeline) opens it again" if hasattr(pipeline, "pipeline") else ""))
    names = [cls.__name__ for cls in type(pipeline).__mro__]
    for family in FAMILIES:
        if any(name in family.pipelines for name in names):
            return family
    known = "; ".join(f"{f.name} ({', '.join(f.pipelines)})" for f in FAMILIES)
    raise SettingError(f"{names[0]} belongs to no family that can be opened: {known}")


def check_openable(pipeline: Any, family: Family) -> None:
    """Refuse a denoiser whose activations cannot be read or changed from outside.

    Raises:
        SettingError: it is compiled, offloaded or quantised; says what to do.
    """
    denoiser = getattr(pipeline, family.denoiser)
    compiled = hasattr(denoiser, "_orig_mod") or any(m._compiled_call_impl is not None for m in denoiser.modules())
    if compiled:
        raise SettingError(f"the {family.denoiser} is compiled, and compiled code skips hook points: load the "
                           "pipeline again, and open it before, or instead of, torch.compile")
    if _is_offloaded(denoiser.modules()) or getattr(pipeline, "hf_device_map", None):
        raise SettingError(f"the {family.denoiser} is offloaded, and moves between devices while it runs: load the "
                           "pipeline again without enable_..._offload or a device map, and move it with .to(device); "
                           "half precision (torch_dtype=torch.float16) takes half the memory")
    if getattr(denoiser, "is_quantized", False) or getattr(denoiser, "hf_quantizer", None) is not None:
        raise SettingError(f"the {family.denoiser} is quantised, and its layers are not plain ones: load it in half "
                           "precision (torch_dtype=torch.float16 or bfloat16) without quantization_config")


def _is_offloaded(modules: Iterable[nn.Module]) -> bool:
    """Return whether any module has a hook of accelerate or of diffusers' group offloading."""
    for module in modules:
        hooks = getattr(getattr(module, "_diffusers_hook", None), "hooks", {})
        if hasattr(module, "_hf_hook") or any("offloading" in name for name in hooks):
            return True
    return False
