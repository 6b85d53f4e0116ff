"""One call of a diffusers pipeline, observed: its own loop and scheduler run, and their values are recorded or edited.

The pipeline is changed only during the call: the `forward` of its denoiser and the `step` of its scheduler are wrapped,
and the modules' forwards where something is hooked.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from contextlib import ExitStack, nullcontext
from contextvars import ContextVar
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from ..diffusion.settings import SettingError
from ..hooks import HookDispatcher, PointFinder
from ..nn.hook_points import ACTIVE, dispatching_to, hook_point, is_hooked
from .attention import TokenLayout
from .caches import cache_states, fresh_caches, innermost_forward, warn_of_skipped
from .denoiser_hooks import DenoiserHooks, timestep_value
from .families import Family
from .latents import patch_grid
from .networks import map_axes, module_hooks
from .patching import (
    CallArguments,
    TensorCopies,
    copy_attributes,
    preserved_attributes,
    restored_modes,
    set_attributes,
    wrapped_method,
)
from .rollback import rollback_on_error
from .schedulers import NoiseLevel, NoiseSchedule, SeededNoise
from .settings import CALLBACKS
from .steps import BranchStart, SchedulerStep, SingleEvaluation, StopSampling

CHECKED_STEPS = 2  # in which noise that no seed determines is refused
ACTIVE_CALL: ContextVar[PipelineCall | None] = ContextVar("active_call", default=None)


class PipelineCall(DenoiserHooks):
    """One call of a pipeline.

    start: where a branch of another run begins; None: at the first step. Further arguments: see DenoiserHooks.
    """

    def __init__(self, pipeline: Any, family: Family, schedule: NoiseSchedule, layout: TokenLayout,
                 branches: tuple[str, ...], half_precision: bool, progress: Callable[[int, int], None] | None = None,
                 start: BranchStart | None = None, single: SingleEvaluation | None = None):
        super().__init__(pipeline, family, schedule, layout, branches, single)
        self.half_precision, self.progress, self.start = half_precision, progress, start
        self.final_sample: Any = None
        self.scheduler_copies = TensorCopies()
        self.blocked: list[bool] = []  # by the pipeline's safety checker, each image; empty without one
        self.end: NoiseLevel | None = None  # None: no noise is left in the final latent
        self.timestamps = [time.perf_counter()]  # start, first evaluation, last step, end

    def __call__(self, **arguments: Any) -> list[Any]:
        """Call the pipeline with its own arguments and return its images, or its videos as lists of frames.
        StopSampling ends a single evaluation."""
        generator, modules = arguments["generator"], list(self.denoiser.modules())
        for name in CALLBACKS:
            if arguments.get(name) is not None:
                inputs = getattr(arguments[name], "tensor_inputs", None)  # of diffusers' own kind of callback
                arguments |= {"callback_on_step_end_tensor_inputs": inputs} if inputs else {}
                arguments[name] = functools.partial(self.call_back, arguments[name])
        self.generators = generator if isinstance(generator, list) else [generator]
        self.cache_states = cache_states(modules)
        token = ACTIVE_CALL.set(self)
        try:
            with ExitStack() as stack:
                stack.enter_context(rollback_on_error(modules, next(self.denoiser.parameters()).device))
                stack.enter_context(restored_modes())
                stack.enter_context(fresh_caches(self.cache_states))
                self.wrap_methods(stack)
                output = self.pipeline(**arguments)
                self.end = self.schedule.end_level(len(self.steps_taken), self.steps_taken[-1].timestep)
        finally:
            ACTIVE_CALL.reset(token)
        self.timestamps.append(time.perf_counter())
        if isinstance(ACTIVE.dispatcher, HookDispatcher):
            warn_of_skipped(ACTIVE.dispatcher.passes, len(self.steps_taken) - self.first_step, self.denoiser)
        self.blocked = list(getattr(output, "nsfw_content_detected", None) or ())
        return output.frames if self.family.is_video else output.images

    def wrap_methods(self, stack: ExitStack) -> None:
        """Wrap the denoiser's and the scheduler's methods until the stack is closed."""
        scheduler = self.pipeline.scheduler
        stack.enter_context(preserved_attributes(self.pipeline))
        stack.enter_context(preserved_attributes(scheduler))
        self.pipeline.set_progress_bar_config(disable=True)
        if ACTIVE.dispatcher is not None:
            for hook in module_hooks(self.denoiser, self.layout, self.family.text_first, self.half_precision):
                if any(map(is_hooked, hook.points)):
                    stack.enter_context(wrapped_method(*innermost_forward(hook.module), hook.wrapper, self.is_active))
        stack.enter_context(wrapped_method(self.denoiser, "forward", self.forward, self.is_active))
        stack.enter_context(wrapped_method(scheduler, "step", self.scheduler_step, self.is_active))

    def is_active(self) -> bool:
        return ACTIVE_CALL.get() is self

    @property
    def first_step(self) -> int:
        """The first step that is computed and not copied from the parent."""
        return self.start.step if self.start else 0

    # ---- an evaluation of the denoiser ---------------------------------------------------------------------------

    def forward(self, original: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Wrap the denoiser's forward."""
        if isinstance(ACTIVE.dispatcher, HookDispatcher) and ACTIVE.dispatcher.is_dispatching:
            raise SettingError("an edit cannot call the diffusers pipeline that it edits: call the opened one")
        inputs = CallArguments(self.family.denoiser_inputs(self.denoiser), args, kwargs)
        name = self.family.latent_argument
        self.patch_grid = patch_grid(inputs)
        _, self.channels, *size = self.unpack(inputs[name]).shape
        self.latent_size = (size[-2], size[-1])
        if len(self.timestamps) == 1:
            self.timestamps += [time.perf_counter()] * 2
        if len(self.steps_taken) < self.first_step:
            return (self.skipped_output(inputs[name]),)
        if ACTIVE.dispatcher is None and not self.single:
            return original(*args, **kwargs)
        with torch.set_grad_enabled(self.single is not None and self.single.x.requires_grad):
            if self.single:
                self.replace_inputs(inputs, self.single)
            return (inputs.pass_to(original) if ACTIVE.dispatcher is None
                    else self.hooked_forward(ACTIVE.dispatcher, original, inputs))

    # ---- a step of the scheduler ---------------------------------------------------------------------------------

    def scheduler_step(self, original: Callable[..., Any], prediction: Tensor, timestep: Any, sample: Tensor,
                       *args: Any, **kwargs: Any) -> Any:
        """Wrap `scheduler.step`, so that each call records the values that a Run stores."""
        self.begin_step()
        if len(self.steps_taken) < self.first_step:
            return self.replay_step(sample)
        if not self.channels:
            raise self.family.bypassed_error(self.pipeline)
        timestep_number = timestep_value(timestep)
        level = self.level(timestep_number)
        x = self.schedule.to_latent(self.unpack(sample).cpu(), level)
        denoised = self.schedule.denoised(x, self.unpack(prediction).cpu(), level)
        edited = hook_point("sampler.denoised", denoised, map_axes(denoised))
        if edited is not denoised:
            denoised = edited
            prediction = self.pack(self.schedule.predicted(x, denoised, level), prediction).to(prediction)
        if self.single or isinstance(ACTIVE.dispatcher, PointFinder):
            raise StopSampling
        state = (copy_attributes(self.pipeline.scheduler, self.scheduler_copies),
                 tuple(g.get_state() for g in self.generators))
        # A scheduler that draws noise does so from its first steps on, and looking on costs as much as its own step.
        is_first = len(self.steps_taken) < self.first_step + CHECKED_STEPS
        with SeededNoise(self.pipeline) if is_first else nullcontext():
            out = original(prediction, timestep, sample, *args, **kwargs)
        self.steps_taken.append(SchedulerStep(len(self.steps_taken), level.t, 0.0, x, denoised, x, level,
                                              timestep_number, sample.cpu(), *state))
        self.final_sample = out[0]
        self.timestamps[2] = time.perf_counter()
        if self.progress is not None:
            self.report(self.progress)
        return out

    def report(self, progress: Callable[[int, int], None]) -> None:
        """Call `progress`, which may use the same pipeline itself."""
        token = ACTIVE_CALL.set(None)
        scheduler = self.pipeline.scheduler
        try:
            with (dispatching_to(None), preserved_attributes(self.pipeline), preserved_attributes(scheduler),
                  fresh_caches(self.cache_states)):
                progress(len(self.steps_taken), getattr(self.pipeline, "num_timesteps", len(scheduler.timesteps)))
        finally:
            ACTIVE_CALL.reset(token)

    def call_back(self, function: Callable[..., Any], *args: Any) -> Any:
        """Call a callback of the user's, which may use the same pipeline itself, and change the latent. That of a step
        copied from the parent has been changed there."""
        token = ACTIVE_CALL.set(None)
        try:
            with dispatching_to(None):
                changed = function(*args)
        finally:
            ACTIVE_CALL.reset(token)
        if changed and "latents" in changed:
            if len(self.steps_taken) <= self.first_step:
                return {name: value for name, value in changed.items() if name != "latents"}
            self.final_sample = changed["latents"]
        return changed

    def replay_step(self, sample: Tensor) -> tuple[Tensor, Tensor]:
        """Copy a step of the parent run, and return the latent, scheduler and generators at its end."""
        assert self.start is not None
        self.steps_taken.append(self.start.steps_taken[len(self.steps_taken)])
        resumed = self.start.steps_taken[len(self.steps_taken)]
        set_attributes(self.pipeline.scheduler, resumed.scheduler_state)
        latent, states = resumed.sample, resumed.generator_states
        if len(self.steps_taken) == self.first_step and self.start.generator is not None:  # same estimate, other noise
            level = resumed.level
            noise = torch.randn(resumed.x.shape, generator=self.start.generator, dtype=torch.float64)
            x = level.alpha_t * resumed.denoised + level.sigma_t * noise
            latent, states = self.pack(self.schedule.to_sample(x, level), sample), (self.start.generator.get_state(),)
        for generator, state in zip(self.generators, states, strict=True):
            generator.set_state(state)
        return latent.to(sample), latent.to(sample)

    def finished_steps(self) -> list[SchedulerStep]:
        """Return the steps, each with the start of the next as its end, and the last with the final latent, in which
        noise is left where the call ends early (denoising_end)."""
        final = self.unpack(self.final_sample).cpu()
        end = (0.0, final.double()) if self.end is None else (self.end.t, self.schedule.to_latent(final, self.end))
        ends = [(s.t, s.x) for s in self.steps_taken[1:]] + [end]
        return [replace(step, next_t=t, next_x=x) for step, (t, x) in zip(self.steps_taken, ends, strict=True)]
