"""The families of diffusers pipelines that can be opened, recognised by the names of their classes."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

from torch import nn

from ..diffusion.settings import SettingError

CFG_MEANING = ("denoised = uncond + w (cond - uncond), two evaluations at each step; w = 1 is off, and this pipeline "
               "treats lower values as 1")
DISTILLED_MEANING = ("w is an input of the network, which was distilled to predict in one evaluation what classifier-"
                     "free guidance at w gives: no comparison is made, there is no uncond branch, and a negative "
                     "prompt has no effect")
UNGUIDED_MEANING = "none: this model was trained to sample without guidance, and w has no effect"


BLOCKS = {"down_blocks", "transformer_blocks"}  # the submodules by which a denoiser is recognised


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
    distilled: guidance is an input of the denoiser. latents_have: what its pipelines take from the autoencoder's config
    beside the scale: "shift"; "statistics": each channel's mean and deviation, and float32 where float16 overflows.
    """

    name: str
    pipelines: tuple[str, ...]
    denoiser: str
    latent_argument: str
    text_inputs: tuple[TextInput, ...]
    text_first: bool = False
    timestep_divisor: float = 1.0
    distilled: bool = False
    latents_have: str = ""

    def find_denoiser(self, pipeline: Any) -> nn.Module:
        """Return a pipeline's denoiser; where another library has wrapped it (PEFT, DistributedDataParallel, a module
        that calls it), the network inside.

        Raises:
            SettingError: there is none; names the wrapper.
        """
        network = getattr(pipeline, self.denoiser)
        for module in network.modules() if isinstance(network, nn.Module) else ():
            if BLOCKS & module._modules.keys() and self.latent_argument in _forward_parameters(type(module).forward):
                return module
        raise SettingError(f"the {self.denoiser} is a {type(network).__name__}, and contains no network of diffusers "
                           f"whose layers can be read: set pipeline.{self.denoiser} to the one it was made from, as "
                           "from_pretrained loads it, and open that")

    def bypassed_error(self, pipeline: Any) -> SettingError:
        """Return the error about a wrapper that computes without the network inside it."""
        wrapper, inside = getattr(pipeline, self.denoiser), self.find_denoiser(pipeline)
        return SettingError(f"the {type(wrapper).__name__} in pipeline.{self.denoiser} does not call the "
                            f"{type(inside).__name__} inside it, whose layers are those to be read: set "
                            f"pipeline.{self.denoiser} to that network")

    def denoiser_inputs(self, denoiser: nn.Module) -> tuple[str, ...]:
        """Return the names of the denoiser's inputs, in order."""
        return _forward_parameters(type(denoiser).forward)

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
           (TextInput(("tokenizer", "tokenizer_2")),), latents_have="statistics"),
    Family("Stable Diffusion 3", ("StableDiffusion3Pipeline", "StableDiffusion3Img2ImgPipeline"), "transformer",
           "hidden_states",
           (TextInput(("tokenizer", "tokenizer_2")), TextInput(("tokenizer_3",), "max_sequence_length")),
           latents_have="shift"),
    Family("Flux", ("FluxPipeline", "FluxImg2ImgPipeline"), "transformer", "hidden_states",
           (TextInput(("tokenizer_2",), "max_sequence_length"),), text_first=True, timestep_divisor=1000.0,
           distilled=True, latents_have="shift"),
    Family("PixArt", ("PixArtAlphaPipeline", "PixArtSigmaPipeline"), "transformer", "hidden_states",
           (TextInput(("tokenizer",), "max_sequence_length"),)),
)


@cache
def _forward_parameters(forward: Callable[..., Any]) -> tuple[str, ...]:
    """Return the names of the parameters of a class's forward without self."""
    return tuple(inspect.signature(forward).parameters)[1:]


def call_parameters(pipeline: Any) -> dict[str, inspect.Parameter]:
    """Return the parameters of a pipeline's own call by name."""
    return _call_parameters(type(pipeline).__call__)


@cache
def _call_parameters(call: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    return {name: p for name, p in inspect.signature(call).parameters.items() if name != "self"}


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
        SettingError: it is compiled, spread over devices, offloaded or quantised; says what to do.
    """
    name, network, denoiser = family.denoiser, getattr(pipeline, family.denoiser), family.find_denoiser(pipeline)
    is_mapped = bool(getattr(pipeline, "hf_device_map", None))
    for wrapper in network.modules():
        if "_orig_mod" in wrapper._modules:
            raise SettingError(f"the {name} is compiled (by torch.compile, into {type(wrapper).__name__}), and "
                               f"compiled code skips hook points: {_unwrapped(name, network, wrapper, '_orig_mod')}")
        if len(vars(wrapper).get("device_ids") or ()) > 1:
            raise SettingError(f"the {name} is spread over {len(wrapper.device_ids)} devices by "
                               f"{type(wrapper).__name__}: {_unwrapped(name, network, wrapper, 'module')}")
        if wrapper._compiled_call_impl is not None:
            raise SettingError(f"the {name} is compiled in place (by .compile()), and compiled code skips hook points: "
                               "load the pipeline again, and leave .compile() out")
        if is_mapped or _is_offloaded(wrapper):
            raise SettingError(f"the {name} is offloaded, and moves between devices while it runs: load the "
                               "pipeline again without enable_..._offload or a device map, and move it with "
                               ".to(device); half precision (torch_dtype=torch.float16) takes half the memory")
    if getattr(denoiser, "is_quantized", False) or getattr(denoiser, "hf_quantizer", None) is not None:
        raise SettingError(f"the {family.denoiser} is quantised, and its layers are not plain ones: load it in half "
                           "precision (torch_dtype=torch.float16 or bfloat16) without quantization_config")


def _unwrapped(name: str, network: nn.Module, wrapper: nn.Module, attribute: str) -> str:
    """Return the advice to take out what a wrapper contains."""
    inside = f"pipeline.{name}.{attribute}" if wrapper is network else f"the wrapper's {attribute}"
    return f"pipeline.{name} = {inside} gives the network itself back, and that can be opened"


def _is_offloaded(module: nn.Module) -> bool:
    """Return whether a module has a hook of accelerate or of diffusers' group offloading."""
    registry = vars(module).get("_diffusers_hook")
    return "_hf_hook" in vars(module) or (registry is not None and any("offloading" in name for name in registry.hooks))
