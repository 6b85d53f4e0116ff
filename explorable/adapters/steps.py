"""The steps of an opened pipeline's run, and the two kinds of call that are not a whole run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from ..diffusion.samplers import Step
from .schedulers import NoiseLevel


class StopSampling(Exception):
    """The one evaluation that was needed is done."""


@dataclass(frozen=True)
class SchedulerStep(Step):
    """A step, with what it takes to resume there: its noise level, the scheduler's timestep, the latent in the
    scheduler's form, the scheduler's attributes, and the states of the random generators."""

    level: NoiseLevel
    timestep: float
    sample: Tensor = field(repr=False)
    scheduler_state: dict[str, Any] = field(repr=False)
    generator_states: tuple[Tensor, ...] = field(repr=False)


@dataclass
class BranchStart:
    """Where a branch begins: the steps of the parent run, and the first step of its own. generator: with a new seed,
    the source of the noise that replaces the parent's at that step."""

    steps_taken: Sequence[SchedulerStep]
    step: int
    generator: torch.Generator | None = None


@dataclass
class SingleEvaluation:
    """An evaluation of the denoiser outside of a run.

    x: its input, (batch, channel, y, x). level, timestep: the noise level of x, and the network's name for it.
    step: the step that recordings are labelled with.
    """

    level: NoiseLevel
    timestep: float
    x: Tensor
    step: int = 0
