"""What can be asked of a pipeline, and the check that refuses what makes no sense, by name and range."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from numbers import Integral, Real
from typing import Any

from .samplers import SAMPLERS
from .timesteps import SPACINGS

GUIDANCE = 4.0  # w of classifier-free guidance where nothing else is said
MAX_STEPS = 1000


class SettingError(ValueError):
    """A setting that makes no sense: named, with its range."""


@dataclass(frozen=True)
class Settings:
    """What is asked for.

    prompt, negative: the words, and what they are compared with; negative None: with the empty prompt.
    guidance: w in uncond + w (cond - uncond). interval: the noise times t, from and to, within which it is
    done; outside of them w is 1 (Kynkäänniemi et al. 2024). rescale: how far contrast is brought back, 0 to 1.
    spacing, shift: where the steps fall. eta: the share of fresh noise in ddim, 0 to 1.
    target, pull: a word for the classifier to steer towards ("lion", "red", "beach", "night"), and how hard.
    """

    prompt: str
    negative: str | None = None
    steps: int = 20
    guidance: float = GUIDANCE
    seed: int = 0
    sampler: str = "euler"
    interval: tuple[float, float] = (0.0, 1.0)
    rescale: float = 0.0
    spacing: str = "uniform"
    shift: float = 1.0
    eta: float = 0.0
    target: str | None = None
    pull: float = 0.0


def check(settings: Settings) -> Settings:
    """The same settings in Python's own numbers, or a SettingError: which one is wrong, and what it may be."""
    s = settings
    for name in ("prompt", "negative"):
        if not isinstance(getattr(s, name), str) and (name, s.negative) != ("negative", None):
            raise SettingError(f"{name} is {getattr(s, name)!r}: give a text (an empty one asks for nothing)")
    for name, choices in (("sampler", tuple(SAMPLERS)), ("spacing", SPACINGS)):
        if getattr(s, name) not in choices:
            raise SettingError(f"{name} is {getattr(s, name)!r}: choose one of {', '.join(choices)}")
    if s.eta and s.sampler != "ddim":
        raise SettingError(f"eta is {s.eta!r}: choose 0, or the sampler ddim; {s.sampler} has no such setting")
    if s.target is not None and not isinstance(s.target, str):
        raise SettingError(f"target is {s.target!r}: choose a word that the classifier knows, or None")
    if s.pull and not s.target:
        raise SettingError(f"pull is {s.pull!r}: choose 0, or say by target where to")
    return replace(s, steps=_whole("steps", s.steps, 1, MAX_STEPS), seed=_whole("seed", s.seed, 0, 2**63 - 1),
                   pull=_number("pull", s.pull, 0, 1000),
                   guidance=_number("guidance", s.guidance, 0, 100, " (0: the prompt is ignored)"),
                   interval=_interval(s.interval), rescale=_number("rescale", s.rescale, 0, 1),
                   shift=_number("shift", s.shift, 0.01, 100, " (1 changes nothing)"), eta=_number("eta", s.eta, 0, 1))


PLACED = ("steps", "spacing", "shift")  # where the steps lie: a branch has its parent's


def changed_settings(settings: Settings, changes: dict[str, Any]) -> Settings:
    """Settings with some changed, as a branch of a run may, or a SettingError: which change is none."""
    free = [f.name for f in fields(Settings) if f.name not in PLACED]
    for name in changes:
        if name not in free:
            why = "says where the steps lie, and they lie where they lay" if name in PLACED else "is no setting"
            raise SettingError(f"a branch cannot change {name}, which {why}; it can change {', '.join(free)}")
    return check(replace(settings, **changes))


def changes(old: Settings, new: Settings) -> dict[str, Any]:
    """What is different in the new settings, by name."""
    return {f.name: getattr(new, f.name) for f in fields(Settings) if getattr(new, f.name) != getattr(old, f.name)}


def _whole(name: str, value: object, low: int, high: int) -> int:
    if not isinstance(value, Integral) or isinstance(value, bool) or not low <= int(value) <= high:
        raise SettingError(f"{name} is {value!r}: choose a whole number from {low} to {high}")
    return int(value)


def _number(name: str, value: object, low: float, high: float, remark: str = "") -> float:
    if not isinstance(value, Real) or isinstance(value, bool) or not low <= float(value) <= high:
        raise SettingError(f"{name} is {value!r}: choose a number from {low} to {high}{remark}")
    return float(value)


def _interval(value: object) -> tuple[float, float]:
    if isinstance(value, tuple | list) and len(value) == 2:
        low, high = _number("interval", value[0], 0, 1), _number("interval", value[1], 0, 1)
        if low <= high:
            return low, high
    raise SettingError(f"interval is {value!r}: choose two noise times from 0 to 1, the smaller first")
