"""The families of diffusers pipelines that can be opened, recognised by the names of their classes."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

from torch import nn

from ..diffusion.settings import SettingError
from .templates import FillTemplate, chat_template, conversation, formatted_template, instruction, system_prompt

PAIR = ("uncond", "cond")
CFG_MEANING = ("denoised = uncond + w (cond - uncond), two evaluations at each step; w = 1 is off, and this pipeline "
               "treats lower values as 1")
DISTILLED_MEANING = ("w is an input of the network, which was distilled to predict in one evaluation what classifier-"
                     "free guidance at w gives: no comparison is made, there is no uncond branch, and a negative "
                     "prompt has no effect")
UNGUIDED_MEANING = "none: this model was trained to sample without guidance, and w has no effect"


NEGATIVE_NEEDED = ("; but this pipeline compares only where it is given a negative prompt, so that without one w has "
                   "no effect: open it with ex.open(pipeline, negative=\" \") to compare in every run")
REFUSED = {  # by part of a class's name, why pipelines like it cannot be opened
    "Inpaint": "inpainting also needs the latent of the given image and a mask, and a Run stores one latent: open its "
               "text-to-image pipeline",
    "StableDiffusion3ControlNet": "it encodes the image with noise that no generator draws, so that no seed determines "
                                  "what it samples: open its pipeline without a ControlNet",
    "ControlNetImg2Img": "it takes two images: open the pipeline without a ControlNet, or the one that starts from "
                         "noise",
}
BLOCKS = {"down_blocks", "transformer_blocks", "layers", "blocks"}  # the submodules by which a denoiser is recognised


@dataclass(frozen=True)
class TextInput:
    """A stretch of the token sequence that a denoiser attends to.

    tokenizers: the pipeline's attributes whose pieces it contains; two are concatenated along the channels.
    length_argument: the argument of the call that sets its length; None: the tokenizer's model_max_length.
    template: fills the prompt into what the text encoder reads; None: the prompt is all it reads. in_negative: the
    negative prompt is put into it, too. multiple_of: the pieces are padded to the next multiple of this number; None:
    to the length above. is_trimmed: the context is padded, and the denoiser leaves its padding out of its sequence.
    padding_side: "right", or "" where it is the tokenizer's. cleaning_module: diffusers' module whose prompt_clean is
    applied to a text first; "": none.
    """

    tokenizers: tuple[str, ...]
    length_argument: str | None = None
    template: FillTemplate | None = None
    in_negative: bool = True
    multiple_of: int | None = None
    is_trimmed: bool = False
    padding_side: str = "right"
    cleaning_module: str = ""


@dataclass(frozen=True)
class Family:
    """The properties that distinguish a family of pipelines.

    denoiser: the attribute that holds the denoiser. latent_argument: the denoiser's argument for the noisy latent.
    text_inputs: the token sequence that its attention reads, in order. text_first: in joint attention, text comes
    before the image. timestep_divisor: the scheduler's timestep is divided by it before the denoiser gets it.
    distilled: guidance is an input of the denoiser. latents_have: what its pipelines take from the autoencoder's config
    beside the scale: "shift"; "statistics": each channel's mean and deviation, and float32 where float16 overflows;
    "frames": the same of latents with an axis for time, of one frame; "video": of several; "batch_norm": of 2 x 2
    patches, in its own layer. scales_in_float32: before decoding, latents are divided by the scale in float32, whatever
    the autoencoder's type.

    context_argument, timestep_argument: the denoiser's. timestep_reversed: it gets 1 - t. sign: of its prediction, in
    the scheduler's terms. branch_order: in its batch; separate_calls: each branch is an evaluation of its own.
    guidance_argument: of the call. guidance_offset: w here less the pipeline's. needs_negative: branches are compared
    only with a negative prompt. rescaled_to_cond: the parts ("patch", "row") of the guided prediction that get the norm
    of those with the prompt. patch: side of the patches in which latents are packed; latent_stride: pixels of a
    latent's position, in units of the pipeline's vae_scale_factor. reserved: arguments of the call that cannot be set,
    and why. unsupported: components that a pipeline must not have, and why.
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
    scales_in_float32: bool = False
    context_argument: str = "encoder_hidden_states"
    timestep_argument: str = "timestep"
    timestep_reversed: bool = False
    sign: int = 1
    branch_order: tuple[str, ...] = PAIR
    separate_calls: bool = False
    guidance_argument: str = "guidance_scale"
    guidance_offset: float = 0.0
    needs_negative: bool = False
    rescaled_to_cond: str = ""
    patch: int = 2
    latent_stride: float = 1
    reserved: tuple[tuple[str, str], ...] = ()
    unsupported: tuple[tuple[str, str], ...] = ()

    @property
    def is_video(self) -> bool:
        """Whether its pipelines sample videos."""
        return self.latents_have == "video"

    @property
    def has_varying_length(self) -> bool:
        """Whether the length of the text that the denoiser reads depends on the prompt."""
        return any(text_input.multiple_of for text_input in self.text_inputs)

    @property
    def is_trimmed(self) -> bool:
        """Whether the denoiser leaves the padding of its context out of its sequence."""
        return any(text_input.is_trimmed for text_input in self.text_inputs)

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

    def uses_cfg(self, pipeline: Any) -> bool:
        """Return whether guidance compares two branches."""
        config: Any = self.find_denoiser(pipeline).config
        return not (self.distilled or pipeline.config.get("is_distilled")) and config.get("time_cond_proj_dim") is None

    def guidance_meaning(self, pipeline: Any) -> str:
        """Describe what the guidance scale w does in this pipeline."""
        if self.uses_cfg(pipeline):
            offset = (f". The pipeline's own {self.guidance_argument} is w - {self.guidance_offset:g}, for it computes "
                      "cond + (w - 1) (cond - uncond)" if self.guidance_offset else "")
            rescaled = (f"; each {self.rescaled_to_cond} of the result is then rescaled to its norm in cond"
                        if self.rescaled_to_cond else "")
            return CFG_MEANING + rescaled + offset + (NEGATIVE_NEEDED if self.needs_negative else "")
        config: Any = self.find_denoiser(pipeline).config
        is_input = config.get("guidance_embeds", True) if self.distilled else bool(config.get("time_cond_proj_dim"))
        return DISTILLED_MEANING if is_input else UNGUIDED_MEANING


FAMILIES = (
    Family("Stable Diffusion", ("StableDiffusionPipeline", "StableDiffusionImg2ImgPipeline",
                                 "StableDiffusionControlNetPipeline"), "unet", "sample",
           (TextInput(("tokenizer",)),)),
    Family("Stable Diffusion XL", ("StableDiffusionXLPipeline", "StableDiffusionXLImg2ImgPipeline",
                                    "StableDiffusionXLControlNetPipeline"), "unet", "sample",
           (TextInput(("tokenizer", "tokenizer_2")),), latents_have="statistics"),
    Family("Stable Diffusion 3", ("StableDiffusion3Pipeline", "StableDiffusion3Img2ImgPipeline"), "transformer",
           "hidden_states",
           (TextInput(("tokenizer", "tokenizer_2")), TextInput(("tokenizer_3",), "max_sequence_length")),
           latents_have="shift"),
    Family("Flux", ("FluxPipeline", "FluxImg2ImgPipeline", "FluxControlNetPipeline"), "transformer", "hidden_states",
           (TextInput(("tokenizer_2",), "max_sequence_length"),), text_first=True, timestep_divisor=1000.0,
           distilled=True, latents_have="shift"),
    Family("PixArt", ("PixArtAlphaPipeline", "PixArtSigmaPipeline"), "transformer", "hidden_states",
           (TextInput(("tokenizer",), "max_sequence_length"),)),
    Family("Chroma", ("ChromaPipeline", "ChromaImg2ImgPipeline"), "transformer", "hidden_states",
           (TextInput(("tokenizer",), "max_sequence_length"),), text_first=True, timestep_divisor=1000.0,
           latents_have="shift", branch_order=("cond", "uncond"), separate_calls=True),
    Family("Bria", ("BriaPipeline",), "transformer", "hidden_states",
           (TextInput(("tokenizer",), "max_sequence_length"),), text_first=True, latents_have="shift",
           scales_in_float32=True, latent_stride=0.5,
           reserved=tuple((name, "cannot be set: it changes the prediction after guidance has been applied")
                          for name in ("clip_value", "normalize"))),
    Family("Z-Image", ("ZImagePipeline",), "transformer", "x",
           (TextInput(("tokenizer",), "max_sequence_length", chat_template(enable_thinking=True), multiple_of=32),),
           timestep_divisor=1000.0, latents_have="shift", context_argument="cap_feats", timestep_argument="t",
           timestep_reversed=True, sign=-1, branch_order=("cond", "uncond"), guidance_offset=1.0,
           reserved=(("cfg_truncation", "cannot be set: some steps would have one branch, and others two"),
                     *((f"{which}prompt_embeds", "cannot be given: its embeddings are lists; give the prompt")
                       for which in ("", "negative_")))),
    Family("FLUX.2 Klein", ("Flux2KleinPipeline",), "transformer", "hidden_states",
           (TextInput(("tokenizer",), "max_sequence_length", chat_template(enable_thinking=False)),), text_first=True,
           timestep_divisor=1000.0, latents_have="batch_norm", branch_order=("cond", "uncond"), separate_calls=True,
           patch=1, latent_stride=2,
           reserved=(("image", "cannot be given: the positions of reference images are not labelled"),)),
    Family("FLUX.2", ("Flux2Pipeline",), "transformer", "hidden_states",
           (TextInput(("tokenizer",), "max_sequence_length", conversation("system_message"), padding_side=""),),
           text_first=True, timestep_divisor=1000.0, distilled=True, latents_have="batch_norm", patch=1,
           latent_stride=2,
           reserved=(("image", "cannot be given: the positions of reference images are not labelled"),
                     ("caption_upsample_temperature", "cannot be set: the words that label recordings are yours"))),
    Family("Qwen-Image", ("QwenImagePipeline", "QwenImageImg2ImgPipeline"), "transformer", "hidden_states",
           (TextInput(("tokenizer",), "max_sequence_length",
                      formatted_template("prompt_template_encode", "prompt_template_encode_start_idx"),
                      multiple_of=1),),
           text_first=True, timestep_divisor=1000.0, latents_have="frames", branch_order=("cond", "uncond"),
           separate_calls=True, guidance_argument="true_cfg_scale", needs_negative=True,
           rescaled_to_cond="patch"),
    Family("Ovis-Image", ("OvisImagePipeline",), "transformer", "hidden_states",
           (TextInput(("tokenizer",), "max_sequence_length",
                      chat_template("system_prompt", "user_prompt_begin_id", enable_thinking=False)),),
           text_first=True, timestep_divisor=1000.0, latents_have="shift", branch_order=("cond", "uncond"),
           separate_calls=True),
    Family("Lumina 2", ("Lumina2Pipeline",), "transformer", "hidden_states",
           (TextInput(("tokenizer",), "max_sequence_length", system_prompt(" <Prompt Start> "), in_negative=False,
                      multiple_of=1, is_trimmed=True),),
           text_first=True, timestep_divisor=1000.0, timestep_reversed=True, sign=-1, latents_have="shift",
           branch_order=("cond", "uncond"), separate_calls=True, rescaled_to_cond="row",
           reserved=(("cfg_trunc_ratio", "cannot be set: some steps would have one branch, and others two"),)),
    Family("Sana", ("SanaPipeline",), "transformer", "hidden_states",
           (TextInput(("tokenizer",), "max_sequence_length", instruction("complex_human_instruction"),
                      in_negative=False),)),
    Family("Wan", ("WanPipeline",), "transformer", "hidden_states",
           (TextInput(("tokenizer",), "max_sequence_length",
                      cleaning_module="diffusers.pipelines.wan.pipeline_wan"),), latents_have="video",
           branch_order=("cond", "uncond"), separate_calls=True,
           reserved=(("guidance_scale_2", "cannot be set: it is the scale of a second network"),),
           unsupported=(("transformer_2", "it has a second network for the later steps, and a run here is of one"),)),
)


@cache
def _forward_parameters(forward: Callable[..., Any]) -> tuple[str, ...]:
    """Return the names of the parameters of a class's forward without self."""
    return tuple(inspect.signature(forward).parameters)[1:]


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
    for part, reason in REFUSED.items():
        if any(part in name for name in names):
            raise SettingError(f"a {names[0]} cannot be opened: {reason}")
    known = "; ".join(f"{f.name} ({', '.join(f.pipelines)})" for f in FAMILIES)
    raise SettingError(f"{names[0]} belongs to no family that can be opened: {known}")
