"""One call of somebody else's pipeline, watched: its own loop and its own scheduler run, and are listened to.

Nothing is changed but for the time of the call, and then only by shadows on `forward` and `step`, which go with it.
"""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from ..diffusion.samplers import Step
from ..diffusion.settings import SettingError
from ..hooks import PointFinder
from ..nn.hook_points import ACTIVE, dispatching_to, hook_point, is_hooked
from .attention import Words
from .families import Family
from .networks import MAP, packed, shadowed, taps, unpacked
from .schedulers import Level, Noise


class Enough(Exception):
    """One look was all that was wanted."""


@dataclass(frozen=True)
class Watched(Step):
    """A step, and what it takes to go on from its start: how much noise there is, what the scheduler calls that time,
    the latent as it keeps it, its own state, and that of the dice."""

    level: Level
    timestep: float
    raw: Tensor = field(repr=False)
    state: dict[str, Any] = field(repr=False)
    dice: tuple[Tensor, ...] = field(repr=False)


@dataclass
class Start:
    """Where a branch begins: the steps of the run that it leaves, and the first of its own. dice: where it is seeded
    anew, what throws the noise in which the belief of that step is drowned."""

    steps_taken: Sequence[Watched]
    step: int
    dice: torch.Generator | None = None


@dataclass
class Fixed:
    """One look alone. x: the latents that the network is shown, (rows, channel, y, x); level, timestep: how much noise
    they have, and what the network calls that; step: as which step those who listen are told of it."""

    level: Level
    timestep: float
    x: Tensor
    step: int = 0


CURRENT: ContextVar[Sampling | None] = ContextVar("sampling", default=None)


class Sampling:
    """One call.

    words, branches: what the network reads, and in which order branches lie in its batch. fixed: this one look is
    taken, and no step; None: all steps.
    """

    def __init__(self, pipeline: Any, family: Family, noise: Noise, words: Words, branches: tuple[str, ...],
                 half: bool, progress: Callable[[int, int], None] | None = None, start: Start | None = None,
                 fixed: Fixed | None = None):
        self.pipeline, self.family, self.noise, self.words, self.branches = pipeline, family, noise, words, branches
        self.half, self.progress, self.start, self.fixed = half, progress, start, fixed
        self.steps_taken: list[Watched] = []
        self.grid: tuple[int, int] | None = None  # of packed patches
        self.channels, self.sides = 0, (0, 0)  # of the latent
        self.last: Tensor | None = None
        self.marks = [time.perf_counter()]  # begun, first look, last step, done

    def __call__(self, **call: Any) -> list[Any]:
        """The pictures that the pipeline paints. call: its own arguments.

        Raises:
            Enough: the one look is taken.
        """
        network, scheduler = getattr(self.pipeline, self.family.network), self.pipeline.scheduler
        self.dice = call["generator"] if isinstance(call["generator"], list) else [call["generator"]]
        token = CURRENT.set(self)
        try:
            with ExitStack() as stack:
                for owner in (self.pipeline, scheduler):
                    stack.enter_context(kept(owner))
                self.pipeline.set_progress_bar_config(disable=True)
                if ACTIVE.dispatcher is not None:
                    for module, around in taps(network, self.words, self.family.text_first, self.half):
                        stack.enter_context(shadowed(module, "forward", around, self.active))
                stack.enter_context(shadowed(network, "forward", self.look, self.active))
                stack.enter_context(shadowed(scheduler, "step", self.step, self.active))
                pictures = self.pipeline(**call).images
        finally:
            CURRENT.reset(token)
        self.marks.append(time.perf_counter())
        return pictures

    def active(self) -> bool:
        return CURRENT.get() is self

    @property
    def first(self) -> int:
        """The first step that is computed."""
        return self.start.step if self.start else 0

    # ---- one look of the network ---------------------------------------------------------------------------------

    def look(self, original: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """The network's forward: what it is shown and what it says are points."""
        bound = inspect.signature(original).bind(*args, **kwargs)
        asked, name = bound.arguments, self.family.sample
        if "img_ids" in asked:
            self.grid = tuple(int(n) + 1 for n in asked["img_ids"].reshape(-1, 3).amax(0)[1:])  # type: ignore[assignment]
        _, self.channels, *sides = self.as_map(asked[name]).shape
        self.sides = (sides[0], sides[1])
        if len(self.marks) == 1:
            self.marks += [time.perf_counter()] * 2
        if len(self.steps_taken) < self.first:
            return (self.blank(asked[name], getattr(self.pipeline, self.family.network)),)
        if ACTIVE.dispatcher is None and not self.fixed:
            return original(*bound.args, **bound.kwargs)
        with torch.set_grad_enabled(self.fixed is not None and self.fixed.x.requires_grad):
            if self.fixed:
                self.put(asked)
            return self.heard(ACTIVE.dispatcher, original, bound)

    def heard(self, listener: Any, original: Callable[..., Any], bound: inspect.BoundArguments) -> Any:
        """A look with somebody listening."""
        asked, name = bound.arguments, self.family.sample
        if listener is None:
            return original(*bound.args, **bound.kwargs)
        if isinstance(listener, PointFinder):
            listener.image_size = self.picture
        level = self.level(number(asked["timestep"]) * self.family.clock)
        listener.set_step(self.fixed.step if self.fixed else len(self.steps_taken), level.t)
        listener.set_branches(("",))
        asked[name] = self.hear_latent(asked[name])
        listener.set_branches(self.branches)
        context = asked["encoder_hidden_states"]
        if context.shape[1] != self.words.pieces:
            raise SettingError(f"the network reads {context.shape[1]} pieces, and the prompt was cut into "
                               f"{self.words.pieces}: leave out what changes its context (learned embeddings, …)")
        asked["encoder_hidden_states"] = hook_point("text.context", context, f"{self.words.axis} channel")
        out = original(*bound.args, **bound.kwargs)
        prediction = self.hear_prediction(out[0], level)
        listener.set_branches(("",))
        return (prediction, *out[1:])

    @property
    def picture(self) -> tuple[int, int]:
        """The picture's sides in pixels."""
        return self.sides[0] * self.pipeline.vae_scale_factor, self.sides[1] * self.pipeline.vae_scale_factor

    def level(self, timestep: float) -> Level:
        return self.fixed.level if self.fixed else self.noise.level(len(self.steps_taken), timestep)

    def as_map(self, x: Tensor) -> Tensor:
        """(batch, channel, y, x), whether packed or not."""
        return unpacked(x, *self.grid) if self.grid else x

    def as_given(self, x: Tensor) -> Tensor:
        """A map as the network takes it."""
        return packed(x) if self.grid else x

    def blank(self, x: Tensor, network: Any) -> Tensor:
        """What stands for a prediction that nobody will read."""
        return torch.zeros_like(x) if self.grid else x.new_zeros(len(x), network.config.out_channels, *x.shape[2:])

    def put(self, asked: dict[str, Any]) -> None:
        """Show the network the latent, and the time, of the one look."""
        assert self.fixed is not None
        x, timestep = self.fixed.x, self.fixed.timestep
        old = asked[self.family.sample]
        if self.as_map(old).shape[1:] != x.shape[1:]:
            raise SettingError(f"the picture makes a latent of {tuple(x.shape[1:])}, and this pipeline would look at "
                               f"one of {tuple(self.as_map(old).shape[1:])}: give a picture of that size")
        asked[self.family.sample] = self.as_given(x).to(old).repeat(len(self.branches), *[1] * (old.dim() - 1))
        asked["timestep"] = torch.full_like(torch.as_tensor(asked["timestep"]), timestep / self.family.clock)

    def hear_latent(self, x: Tensor) -> Tensor:
        """What the network is shown, once for all branches."""
        one = self.as_map(x[:len(x) // len(self.branches)])
        new = hook_point("sampler.latent", one, MAP)
        return x if new is one else torch.cat([self.as_given(new)] * len(self.branches))

    def hear_prediction(self, given: Tensor, level: Level) -> Tensor:
        """What the network says, and the difference that the words make, in terms of the finished latent."""
        old = self.as_map(given)
        new = hook_point("prediction", old, MAP)
        if len(self.branches) == 2 and is_hooked("sampler.difference"):
            slope = self.noise.slope(level)
            uncond, cond = new.chunk(2)
            gap = (cond - uncond)[:, :self.channels] * slope  # what comes after them is a network's uncertainty
            ACTIVE.dispatcher.set_branches(("",))  # type: ignore[union-attr]
            heard = hook_point("sampler.difference", gap, MAP)
            if heard is not gap:
                said = uncond[:, :self.channels] + heard / slope
                new = torch.cat([uncond, torch.cat([said, cond[:, self.channels:]], 1)])
        return given if new is old else self.as_given(new)

    # ---- one step of the scheduler -------------------------------------------------------------------------------

    def step(self, original: Callable[..., Any], prediction: Tensor, timestep: Any, sample: Tensor, *args: Any,
             **kwargs: Any) -> Any:
        """The scheduler's step, written down."""
        if len(self.steps_taken) < self.first:
            return self.again(sample)
        level = self.level(number(timestep))
        x = self.noise.shown(self.as_map(sample).cpu(), level)
        denoised = self.noise.denoised(x, self.as_map(prediction).cpu(), level)
        heard = hook_point("sampler.denoised", denoised, MAP)
        if heard is not denoised:
            denoised = heard
            prediction = self.as_given(self.noise.predicted(x, denoised, level)).to(prediction)
        if self.fixed or isinstance(ACTIVE.dispatcher, PointFinder):
            raise Enough
        state, dice = state_of(self.pipeline.scheduler), tuple(g.get_state() for g in self.dice)
        out = original(prediction, timestep, sample, *args, **kwargs)
        self.steps_taken.append(Watched(len(self.steps_taken), level.t, 0.0, x, denoised, x, level, number(timestep),
                                   sample.cpu(), state, dice))
        self.last = self.as_map(out[0]).cpu().double()
        self.marks[2] = time.perf_counter()
        if self.progress is not None:
            self.tell()
        return out

    def tell(self) -> None:
        """Say how far it is. What is drawn meanwhile is none of this call's business."""
        assert self.progress is not None
        token = CURRENT.set(None)
        try:
            with dispatching_to(None), kept(self.pipeline), kept(self.pipeline.scheduler):
                steps = getattr(self.pipeline, "num_timesteps", len(self.pipeline.scheduler.timesteps))
                self.progress(len(self.steps_taken), steps)
        finally:
            CURRENT.reset(token)

    def again(self, sample: Tensor) -> tuple[Tensor, Tensor]:
        """A step that another run took already: its latent, with the scheduler and the dice as they were then."""
        assert self.start is not None
        self.steps_taken.append(self.start.steps_taken[len(self.steps_taken)])
        there = self.start.steps_taken[len(self.steps_taken)]
        put_back(self.pipeline.scheduler, there.state)
        raw, dice = there.raw, there.dice
        if len(self.steps_taken) == self.first and self.start.dice is not None:  # same estimate, other noise
            fresh = torch.randn(there.x.shape, generator=self.start.dice, dtype=torch.float64)
            x = there.level.at_alpha * there.denoised + there.level.at_sigma * fresh
            raw, dice = self.as_given(self.noise.kept(x, there.level)), (self.start.dice.get_state(),)
        for generator, state in zip(self.dice, dice, strict=True):
            generator.set_state(state)
        return raw.to(sample), raw.to(sample)

    def steps(self) -> list[Watched]:
        """The steps, each leading to where the next begins, and the last to the finished latent."""
        assert self.last is not None
        ends = [(s.t, s.x) for s in self.steps_taken[1:]] + [(0.0, self.last)]
        return [replace(step, next_t=t, next_x=x) for step, (t, x) in zip(self.steps_taken, ends, strict=True)]


def number(timestep: Any) -> float:
    """A timestep, whether it comes as a number or in a tensor."""
    return float(timestep.flatten()[0]) if isinstance(timestep, Tensor) else float(timestep)


def state_of(owner: Any) -> dict[str, Any]:
    """What an object keeps, with its lists copied, for they are written into; without what shadows its methods."""
    return {name: list(value) if isinstance(value, list) else value for name, value in vars(owner).items()
            if not callable(value) or isinstance(value, torch.nn.Module)}


def put_back(owner: Any, state: dict[str, Any]) -> None:
    """The other way."""
    vars(owner).update({name: list(value) if isinstance(value, list) else value for name, value in state.items()})


@contextmanager
def kept(owner: Any) -> Iterator[None]:
    """After this, an object keeps what it kept before it."""
    names, state = set(vars(owner)), state_of(owner)
    try:
        yield
    finally:
        for name in vars(owner).keys() - names:
            delattr(owner, name)
        put_back(owner, state)
