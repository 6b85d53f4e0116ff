"""The settings of one sampling run, and their check."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, fields, replace
from difflib import get_close_matches
from numbers import Integral, Real
from typing import Any

from .samplers import SAMPLERS, sampler_options
from .timesteps import SPACINGS

DEFAULT_GUIDANCE = 4.0  # w of classifier-free guidance
MAX_STEPS = 1000


class SettingError(ValueError):
    """An invalid setting. The message names it and its allowed range."""


@dataclass(frozen=True)
class Settings:
    """The settings of one sampling run.

    prompt, negative: the prompt, and the negative prompt that guidance compares it with (None: the empty prompt).
    guidance: w in uncond + w (cond - uncond). interval: noise times t, from and to, in which guidance is applied;
    outside of them w is 1 (Kynkäänniemi et al. 2024). rescale: how far the contrast is brought back, 0 to 1.
    spacing, shift: the timesteps, see `make_timesteps`. eta: share of fresh noise in ddim, 0 to 1.
    target, classifier_scale: classifier guidance: a word that the classifier knows ("lion", "red", "beach", "night"),
    and the scale of its gradient. classifier_interval: noise times t, from and to, in which it is applied. noise_aware:
    whether the classifier is told the noise level; False: it is always told t = 0, as if it had never seen noise.
    strength: of a run that starts from an image, the share of the steps that are sampled, above 0, up to 1 (SDEdit,
    Meng et al. 2022); the image first gets the noise of the first of them. 1 where a run starts from noise.
    """

    prompt: str
    negative: str | None = None
    steps: int = 20
    guidance: float = DEFAULT_GUIDANCE
    seed: int = 0
    sampler: str = "euler"
    interval: tuple[float, float] = (0.0, 1.0)
    rescale: float = 0.0
    spacing: str = "uniform"
    shift: float = 1.0
    eta: float = 0.0
    target: str | None = None
    classifier_scale: float = 0.0
    classifier_interval: tuple[float, float] = (0.0, 1.0)
    noise_aware: bool = True
    strength: float = 1.0

    @property
    def sampled_steps(self) -> int:
        """How many of the steps are sampled: all, or from an image the last ones, as many as in diffusers."""
        return min(int(self.steps * self.strength), self.steps)


def check_settings(settings: Settings) -> Settings:
    """Return the same settings with plain Python numbers.

    Raises:
        SettingError: an invalid setting.
    """
    s = settings
    for name in ("prompt", "negative"):
        if not isinstance(getattr(s, name), str) and (name, s.negative) != ("negative", None):
            raise SettingError(f"{name} is {getattr(s, name)!r}: give a text (an empty one is unconditional)")
        if halves := re.findall("[\ud800-\udfff]", getattr(s, name) or ""):
            raise SettingError(f"{name} contains {halves[0]!r}, which is half of a character: leave it out")
    for name, choices in (("sampler", tuple(SAMPLERS)), ("spacing", SPACINGS)):
        if getattr(s, name) not in choices:
            raise SettingError(f"{name} is {getattr(s, name)!r}: choose one of {', '.join(choices)}")
    if s.eta and "eta" not in sampler_options(s.sampler):
        raise SettingError(f"eta is {s.eta!r}: choose 0 or the sampler ddim; {s.sampler} does not use eta")
    if s.target is not None and not isinstance(s.target, str):
        raise SettingError(f"target is {s.target!r}: choose a word that the classifier knows, or None")
    if s.noise_aware not in (True, False):
        raise SettingError(f"noise_aware is {s.noise_aware!r}: choose True or False")
    if s.classifier_scale and not s.target:
        raise SettingError(f"classifier_scale is {s.classifier_scale!r}: choose 0, or give a target")
    steps = _check_integer("steps", s.steps, 1, MAX_STEPS)
    return replace(s, steps=steps, strength=check_strength(s.strength, steps),
                   seed=_check_integer("seed", s.seed, 0, 2**63 - 1),
                   classifier_scale=_check_number("classifier_scale", s.classifier_scale, 0, 1000),
                   guidance=_check_number("guidance", s.guidance, 0, 100, " (0: the prompt is ignored)"),
                   interval=_check_interval("interval", s.interval),
                   classifier_interval=_check_interval("classifier_interval", s.classifier_interval),
                   noise_aware=bool(s.noise_aware), rescale=_check_number("rescale", s.rescale, 0, 1),
                   shift=_check_number("shift", s.shift, 0.01, 100, " (1 changes nothing)"),
                   eta=_check_number("eta", s.eta, 0, 1))


DIFFUSERS_NAMES = {"negative_prompt": "negative", "num_inference_steps": "steps", "guidance_scale": "guidance",
                   "generator": "seed", "scheduler": "sampler", "guidance_rescale": "rescale"}


def make_settings(prompt: str, **given: Any) -> Settings:
    """Return checked settings.

    Raises:
        SettingError: an invalid value, or no setting of that name.
    """
    known = [f.name for f in fields(Settings)]
    for name in given:
        if name not in known:
            nearest = DIFFUSERS_NAMES.get(name) or next(iter(get_close_matches(name, known, 1)), None)
            hint = f"did you mean {nearest}? Settings are" if nearest else "choose among"
            raise SettingError(f"{name} is not a setting: {hint} {', '.join(known[1:])}, record and progress")
    return check_settings(Settings(prompt, **given))


def check_strength(strength: object, steps: int) -> float:
    """Return the strength of a run from an image as a float.

    Raises:
        SettingError: it is not above 0 and up to 1, or it leaves none of the steps.
    """
    if not isinstance(strength, Real) or isinstance(strength, bool) or not 0 < float(strength) <= 1:
        raise SettingError(f"strength is {strength!r}: choose a number above 0, up to 1 (1: all of it is noise)")
    if int(steps * float(strength)) < 1:
        raise SettingError(f"strength is {strength!r}, which leaves none of the {steps} steps: choose a strength of "
                           f"{math.ceil(1000 / steps) / 1000:g} or more, or more steps")
    return float(strength)


TIMESTEP_FIELDS = ("steps", "spacing", "shift", "strength")  # a branch shares the timesteps


def change_settings(settings: Settings, changes: dict[str, Any]) -> Settings:
    """Return settings with some fields changed, for a branch of a run.

    Raises:
        SettingError: an invalid value, or a field that a branch cannot change.
    """
    allowed = [f.name for f in fields(Settings) if f.name not in TIMESTEP_FIELDS]
    for name in changes:
        if name not in allowed:
            why = "sets the timesteps of the whole run" if name in TIMESTEP_FIELDS else "is not a setting"
            raise SettingError(f"a branch cannot change {name}, which {why}; it can change {', '.join(allowed)}")
    return check_settings(replace(settings, **changes))


def changed_settings(old: Settings, new: Settings) -> dict[str, Any]:
    """Return the fields of `new` that differ from `old`, by name."""
    return {f.name: getattr(new, f.name) for f in fields(Settings) if getattr(new, f.name) != getattr(old, f.name)}


def _check_integer(name: str, value: object, low: int, high: int) -> int:
    if not isinstance(value, Integral) or isinstance(value, bool) or not low <= int(value) <= high:
        raise SettingError(f"{name} is {value!r}: choose a whole number from {low} to {high}")
    return int(value)


def _check_number(name: str, value: object, low: float, high: float, note: str = "") -> float:
    if not isinstance(value, Real) or isinstance(value, bool) or not low <= float(value) <= high:
        raise SettingError(f"{name} is {value!r}: choose a number from {low} to {high}{note}")
    return float(value)


def _check_interval(name: str, value: object) -> tuple[float, float]:
    if isinstance(value, tuple | list) and len(value) == 2:
        low, high = (_check_number(name, end, 0, 1) for end in value)
        if low <= high:
            return low, high
    raise SettingError(f"{name} is {value!r}: choose two noise times from 0 to 1, the smaller first")
