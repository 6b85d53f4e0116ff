"""Traits that several explorables share, with their validation: the settings of a sampling run.

    class MyExplorable(SamplingInputs, SamplerInput, Explorable):
        inputs = ("prompt", "seed", "steps", "guidance", "sampler")
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Any

import traitlets as tr

from ...diffusion.settings import (
    DEFAULT_GUIDANCE,
    MAX_STEPS,
    SettingError,
    Settings,
    check_settings,
    check_strength,
)


def validate_setting(name: str, value: Any) -> Any:
    """Return the value of a sampling setting if it is valid.

    Raises:
        SettingError: it is not; says the allowed range.
    """
    check_settings(replace(Settings(""), **{name: value}))
    return value


def validate_choice(name: str, value: Any, choices: Collection) -> Any:
    """Return the value if it is one of the choices; raise SettingError otherwise."""
    if value not in choices:
        raise SettingError(f"{name} is {value!r}: choose one of {', '.join(map(str, choices))}")
    return value


class SamplingInputs(tr.HasTraits):
    """The prompt, seed, steps and guidance of a run."""

    prompt = tr.Unicode("a red sports car on a mountain road at sunset")
    seed = tr.Int(0)
    steps = tr.Int(20)
    guidance = tr.Float(DEFAULT_GUIDANCE)

    @tr.validate("seed", "steps", "guidance")
    def _validate_sampling_input(self, proposal: Any) -> Any:
        return validate_setting(proposal["trait"].name, proposal["value"])


class SamplerInput(tr.HasTraits):
    """The sampler, one of those that the pipeline has."""

    samplers: tuple[str, ...]  # Explorable has it
    sampler = tr.Unicode("euler")

    @tr.validate("sampler")
    def _validate_sampler(self, proposal: Any) -> Any:
        return validate_choice("sampler", proposal["value"], self.samplers)


class StrengthInput(tr.HasTraits):
    """The strength of a run that starts from a picture: the share of the steps that are sampled."""

    strength = tr.Float(0.6)

    @tr.validate("strength")
    def _validate_strength(self, proposal: Any) -> float:
        return check_strength(proposal["value"], MAX_STEPS)
