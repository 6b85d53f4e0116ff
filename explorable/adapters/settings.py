"""The settings of an opened pipeline: this package's, and further arguments of the pipeline's own call."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..diffusion.settings import TIMESTEP_FIELDS, SettingError, Settings, check_settings
from .families import Family, call_default, call_parameters

RENAMED_ARGUMENTS = {"negative_prompt": "negative", "num_inference_steps": "steps", "guidance_scale": "guidance",
                     "generator": "seed"}
RESERVED_ARGUMENTS = {
    *RENAMED_ARGUMENTS, "prompt", "prompt_2", "prompt_3", "negative_prompt_2", "negative_prompt_3",
    "num_images_per_prompt", "latents", "output_type", "return_dict", "callback_on_step_end",
    "callback_on_step_end_tensor_inputs", "callback", "callback_steps", "kwargs", "timesteps", "sigmas",
    "true_cfg_scale", "skip_guidance_layers", "skip_layer_guidance_scale", "skip_layer_guidance_start",
    "skip_layer_guidance_stop"}


@dataclass(frozen=True)
class OpenedSettings(Settings):
    """Settings of an opened pipeline. sampler: the name of its scheduler; arguments: further ones of its own call."""

    arguments: tuple[tuple[str, Any], ...] = ()


def make_settings(pipeline: Any, family: Family, prompt: str, negative: str | None = None, steps: int | None = None,
                  guidance: float | None = None, seed: int = 0, sampler: str | None = None,
                  **arguments: Any) -> OpenedSettings:
    """Check settings, and fill in the pipeline's own default where one is None.

    Raises:
        SettingError: names the setting and its valid values.
    """
    scheduler, denoiser = type(pipeline.scheduler).__name__, getattr(pipeline, family.denoiser)
    if sampler not in (None, scheduler):
        raise SettingError(f"sampler is {sampler!r}, but this pipeline samples with its own {scheduler}: leave the "
                           "sampler out, and set pipeline.scheduler to change it")
    steps = call_default(pipeline, "num_inference_steps") if steps is None else steps
    guidance = call_default(pipeline, "guidance_scale") if guidance is None else guidance
    s = check_settings(Settings(prompt, negative, steps, guidance, seed))
    if family.uses_cfg(denoiser) and s.guidance < 1:
        raise SettingError(f"guidance is {guidance!r}: choose a number from 1 to 100; "
                           f"{family.guidance_meaning(denoiser)}")
    if not family.uses_cfg(denoiser) and negative is not None:
        raise SettingError(f"negative is {negative!r}: leave it out; guidance here is "
                           f"{family.guidance_meaning(denoiser)}")
    further = tuple(sorted(check_arguments(pipeline, arguments).items()))
    return OpenedSettings(s.prompt, s.negative, s.steps, s.guidance, s.seed, scheduler, arguments=further)


def check_arguments(pipeline: Any, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return arguments of the pipeline's own call as they are.

    Raises:
        SettingError: the call has no such argument, or it has another name here.
    """
    free = [name for name in call_parameters(pipeline)
            if name not in RESERVED_ARGUMENTS and not name.endswith(("prompt_embeds", "attention_mask"))]
    for name in arguments:
        if name not in free:
            why = f"is called {RENAMED_ARGUMENTS[name]} here" if name in RENAMED_ARGUMENTS else "cannot be set"
            raise SettingError(f"{name} {why}; a {type(pipeline).__name__} takes {', '.join(free)}")
    return arguments


def change_settings(pipeline: Any, family: Family, old: OpenedSettings, changes: Mapping[str, Any]) -> OpenedSettings:
    """Return settings with some changed, as a branch may.

    Raises:
        SettingError: a change that a branch cannot make.
    """
    for name in changes:
        if name in TIMESTEP_FIELDS:
            raise SettingError(f"a branch cannot change {name}, which sets the timesteps")
    same = {name: getattr(old, name) for name in ("prompt", "negative", "steps", "guidance", "seed", "sampler")}
    return make_settings(pipeline, family, **{**same, **dict(old.arguments), **changes})


def size_key(argument: Any) -> str:
    """Return the part of an argument that can affect the sizes of activations: an image's size, or else the value."""
    if isinstance(argument, (list, tuple)):
        return str([size_key(part) for part in argument])
    return str(getattr(argument, "shape", None) or getattr(argument, "size", None) or argument)
