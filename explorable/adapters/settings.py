"""The settings of an opened pipeline: this package's, and further arguments of the pipeline's own call."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from torch import Tensor

from ..diffusion.settings import (
    DIFFUSERS_NAMES,
    TIMESTEP_FIELDS,
    SettingError,
    Settings,
    check_settings,
    check_strength,
)
from .call_parameters import call_default, call_parameters
from .families import Family

RESERVED_ARGUMENTS = {  # why they cannot be set
    **{name: f"is called {other} here" for name, other in DIFFUSERS_NAMES.items()
       if other != "rescale"},
    **dict.fromkeys(("prompt_2", "prompt_3", "negative_prompt_2", "negative_prompt_3"),
                    "cannot be set: each text encoder reads the same prompt, so that its words label the recordings"),
    **dict.fromkeys(("num_images_per_prompt", "num_videos_per_prompt"),
                    "cannot be set: a run is one image; sample_images(prompts, seeds) samples several"),
    "latents": "cannot be set: the seed sets the initial noise",
    **dict.fromkeys(("output_type", "return_dict"), "cannot be set: a run contains the image"),
    **dict.fromkeys(("timesteps", "sigmas"), "cannot be set: steps and the scheduler set the timesteps"),
    "true_cfg_scale": "cannot be set: it would add a second call of the network at each step, with another prompt, "
                      "and a step of a run is one call; guidance is the scale that this network takes as an input",
    **dict.fromkeys(("skip_guidance_layers", "skip_layer_guidance_scale", "skip_layer_guidance_start",
                     "skip_layer_guidance_stop"),
                    "cannot be set: it would add another call of the network, without some layers, at each step; "
                    "ex.edit with ex.Ablate leaves layers out"),
    **dict.fromkeys(("callback_on_step_end_tensor_inputs", "callback_steps"), "can only be set with a callback"),
    **dict.fromkeys(("prompt", "kwargs"), "cannot be set"),
}
IMAGE_HINT = ("cannot be given, since this pipeline starts from noise only: open its image-to-image pipeline, as in "
              "ex.open(diffusers.AutoPipelineForImage2Image.from_pipe(pipeline)), where diffusers has one")
EMBEDDING_ARGUMENTS = ("prompt_embeds", "prompt_attention_mask", "prompt_embeds_mask")  # how their names end
CALLBACKS = ("callback_on_step_end", "callback")  # diffusers' present name, and PixArt's


@dataclass(frozen=True)
class OpenedSettings(Settings):
    """Settings of an opened pipeline. sampler: the name of its scheduler; arguments: further ones of its own call."""

    arguments: tuple[tuple[str, Any], ...] = ()


def make_opened_settings(pipeline: Any, family: Family, prompt: str | None, negative: str | None = None,
                         steps: int | None = None, guidance: float | None = None, seed: int = 0,
                         sampler: str | None = None, **arguments: Any) -> OpenedSettings:
    """Check settings, and fill in the pipeline's own default where one is None.

    Raises:
        SettingError: names the setting and its valid values.
    """
    if prompt is None and arguments.get("prompt_embeds") is None:
        raise SettingError("prompt is None: give a text (an empty one is unconditional), or prompt_embeds=…")
    scheduler = type(pipeline.scheduler).__name__
    if sampler not in (None, scheduler):
        raise SettingError(f"sampler is {sampler!r}, but this pipeline samples with its own {scheduler}: leave the "
                           "sampler out, and set pipeline.scheduler to change it")
    steps = call_default(pipeline, "num_inference_steps") if steps is None else steps
    if guidance is None:
        guidance = call_default(pipeline, family.guidance_argument) + family.guidance_offset
    s = check_settings(Settings("" if prompt is None else prompt, negative, steps, guidance, seed))
    if family.uses_cfg(pipeline) and 0 < s.guidance < 1:
        raise SettingError(f"guidance is {guidance!r}: choose a number from 1 to 100, or 0, which is off like 1; "
                           f"{family.guidance_meaning(pipeline)}")
    if not family.uses_cfg(pipeline) and negative is not None:
        raise SettingError(f"negative is {negative!r}: leave it out; guidance here is "
                           f"{family.guidance_meaning(pipeline)}")
    if negative is not None and "negative_prompt" not in call_parameters(pipeline):
        raise SettingError(f"negative is {negative!r}: leave it out; a {type(pipeline).__name__} always compares with "
                           "the empty prompt")
    if isinstance(arguments.get("strength"), (int, float)):
        check_strength(arguments["strength"], s.steps)
    further = tuple(sorted(check_arguments(pipeline, family, arguments).items()))
    return OpenedSettings(s.prompt, s.negative, s.steps, s.guidance, s.seed, scheduler, arguments=further)


def check_arguments(pipeline: Any, family: Family, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return arguments of the pipeline's own call as they are.

    Raises:
        SettingError: the call has no such argument, or it has another name here.
    """
    with_callback = ("callback_on_step_end_tensor_inputs", "callback_steps")
    reasons = RESERVED_ARGUMENTS | {family.guidance_argument: "is called guidance here"} | dict(family.reserved)
    reserved = reasons.keys() - (with_callback if any(name in arguments for name in CALLBACKS) else ())
    free = [name for name in call_parameters(pipeline) if name not in reserved]
    for name, value in arguments.items():
        if name not in free:
            ours = ("prompt", "negative", "steps", "guidance", "seed", "record", "progress")
            near = get_close_matches(name, [*ours, *free], 1)
            unknown = "is no argument of this pipeline" + (f": did you mean {near[0]}?" if near else "")
            unknown = IMAGE_HINT if name in ("image", "strength") else unknown
            raise SettingError(f"{name} {reasons.get(name, unknown)}; a {type(pipeline).__name__} takes "
                               f"{', '.join([*ours, *free])}")
        if name in CALLBACKS and not (value is None or callable(value)):
            raise SettingError(f"{name} is {value!r}: give a function, as diffusers describes it")
        if name.endswith(EMBEDDING_ARGUMENTS) and not (value is None or (isinstance(value, Tensor) and value.dim())):
            raise SettingError(f"{name} is {value!r}: give a tensor, as the pipeline's encode_prompt returns it")
        if name.endswith("prompt_embeds") and value is not None and len(value) != 1:
            raise SettingError(f"{name} has {len(value)} prompts: give the embeddings of one, (1, …)")
    return arguments


def change_opened_settings(pipeline: Any, family: Family, old: OpenedSettings,
                           changes: Mapping[str, Any]) -> OpenedSettings:
    """Return settings with some changed, as a branch may.

    Raises:
        SettingError: a change that a branch cannot make.
    """
    for name in changes:
        if name in TIMESTEP_FIELDS:
            raise SettingError(f"a branch cannot change {name}, which sets the timesteps")
    if "prompt" in changes and "prompt_embeds" not in changes and dict(old.arguments).get("prompt_embeds") is not None:
        raise SettingError("this run was sampled from prompt_embeds: change these, or sample a run from the prompt")
    same = {name: getattr(old, name) for name in ("prompt", "negative", "steps", "guidance", "seed", "sampler")}
    return make_opened_settings(pipeline, family, **{**same, **dict(old.arguments), **changes})


def size_key(argument: Any) -> str:
    """Return the part of an argument that can affect the sizes of activations: an image's size, or else the value."""
    if isinstance(argument, (list, tuple)):
        return str([size_key(part) for part in argument])
    return str(getattr(argument, "shape", None) or getattr(argument, "size", None) or argument)
