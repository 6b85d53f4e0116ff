"""What can be asked of an opened pipeline: this package's settings, and other arguments of the pipeline's own call."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from ..diffusion.settings import TIMESTEP_FIELDS, SettingError, Settings, check_settings
from ..hooks import Point
from .families import Family, arguments, default_of

OURS = {"negative_prompt": "negative", "num_inference_steps": "steps", "guidance_scale": "guidance",
        "generator": "seed"}
RESERVED = {*OURS, "prompt", "prompt_2", "prompt_3", "negative_prompt_2", "negative_prompt_3", "num_images_per_prompt",
            "latents", "output_type", "return_dict", "callback_on_step_end", "callback_on_step_end_tensor_inputs",
            "callback", "callback_steps", "kwargs", "timesteps", "sigmas", "true_cfg_scale", "skip_guidance_layers",
            "skip_layer_guidance_scale", "skip_layer_guidance_start", "skip_layer_guidance_stop"}


@dataclass(frozen=True)
class OpenedSettings(Settings):
    """Settings of an opened pipeline. sampler: its scheduler's name; more: other arguments of its own call."""

    more: tuple[tuple[str, Any], ...] = ()


def asked(pipeline: Any, family: Family, prompt: str, negative: str | None = None, steps: int | None = None,
          guidance: float | None = None, seed: int = 0, sampler: str | None = None, **more: Any) -> OpenedSettings:
    """What is asked for, checked; None: what the pipeline takes where nothing is said.

    Raises:
        SettingError: which setting makes no sense here, and what it may be.
    """
    scheduler, network = type(pipeline.scheduler).__name__, getattr(pipeline, family.network)
    if sampler not in (None, scheduler):
        raise SettingError(f"sampler is {sampler!r}: this pipeline samples with its own {scheduler}; leave the "
                           "sampler out, and set pipeline.scheduler to change it")
    steps = default_of(pipeline, "num_inference_steps") if steps is None else steps
    guidance = default_of(pipeline, "guidance_scale") if guidance is None else guidance
    s = check_settings(Settings(prompt, negative, steps, guidance, seed))
    if family.compares(network) and s.guidance < 1:
        raise SettingError(f"guidance is {guidance!r}: choose a number from 1 to 100; {family.guidance(network)}")
    if not family.compares(network) and negative is not None:
        raise SettingError(f"negative is {negative!r}: leave it out; guidance here is {family.guidance(network)}")
    own = tuple(sorted(own_arguments(pipeline, more).items()))
    return OpenedSettings(s.prompt, s.negative, s.steps, s.guidance, s.seed, scheduler, more=own)


def own_arguments(pipeline: Any, more: Mapping[str, Any]) -> Mapping[str, Any]:
    """Arguments of the pipeline's own call, or a SettingError: which is none, or is said otherwise here."""
    free = [name for name in arguments(pipeline)
            if name not in RESERVED and not name.endswith(("prompt_embeds", "attention_mask"))]
    for name in more:
        if name not in free:
            why = f"is called {OURS[name]} here" if name in OURS else "cannot be set"
            raise SettingError(f"{name} {why}; a {type(pipeline).__name__} takes {', '.join(free)}")
    return more


def rearranged(pipeline: Any, family: Family, old: OpenedSettings, changes: Mapping[str, Any]) -> OpenedSettings:
    """Settings with some changed, as a branch may.

    Raises:
        SettingError: which change is none.
    """
    for name in changes:
        if name in TIMESTEP_FIELDS:
            raise SettingError(f"a branch cannot change {name}, which says where the steps lie")
    known = {name: getattr(old, name) for name in ("prompt", "negative", "steps", "guidance", "seed", "sampler")}
    return asked(pipeline, family, **{**known, **dict(old.more), **changes})


def with_tokens(points: Iterable[Point], tokens: int) -> tuple[Point, ...]:
    """Points as a prompt makes them: weights over pieces are gathered into so many tokens."""
    return tuple(replace(p, shape=(*p.shape[:-1], tokens)) if p.name.endswith("cross.weights") else p for p in points)


def sized(value: Any) -> str:
    """What of an argument can decide on the size of things: of a picture its own, of anything else what it says."""
    return str(getattr(value, "shape", None) or getattr(value, "size", None) or value)
