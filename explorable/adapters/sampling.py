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
from ..nn.hook_points import ACTIVE, Dispatcher, dispatching_to, hook_point, is_hooked, set_branches
from .attention import TokenLayout
from .caches import cache_states, fresh_caches, innermost_forward, warn_of_skipped
from .families import Family
from .networks import MAP_AXES, module_hooks, pack_latents, unpack_latents
from .patching import CallArguments, TensorCopies, copy_attributes, preserved_attributes, set_attributes, wrapped_method
from .rollback import rollback_on_error
from .schedulers import NoiseLevel, NoiseSchedule, SeededNoise
from .settings import CALLBACKS
from .steps import BranchStart, SchedulerStep, SingleEvaluation, StopSampling

CHECKED_STEPS = 2  # in which noise that no seed determines is refused
ACTIVE_CALL: ContextVar[PipelineCall | None] = ContextVar("active_call", default=None)


class PipelineCall:
    """One call of a pipeline.

    layout, branches: the text that the denoiser reads, and the order of the branches in its batch. single: only this
    evaluation is done, and no step; None: all steps.
    """

    def __init__(self, pipeline: Any, family: Family, schedule: NoiseSchedule, layout: TokenLayout,
                 branches: tuple[str, ...], half_precision: bool, progress: Callable[[int, int], None] | None = None,
                 start: BranchStart | None = None, single: SingleEvaluation | None = None):
        self.pipeline, self.family, self.schedule, self.layout = pipeline, family, schedule, layout
        self.denoiser: Any = family.find_denoiser(pipeline)
        self.branches, self.half_precision, self.progress = branches, half_precision, progress
        self.start, self.single = start, single
        self.steps_taken: list[SchedulerStep] = []
        self.patch_grid: tuple[int, int] | None = None  # rows and columns, where latents are packed
        self.channels, self.latent_size = 0, (0, 0)
        self.final_sample: Any = None
        self.scheduler_copies = TensorCopies()
        self.blocked: list[bool] = []  # by the pipeline's safety checker, each image; empty without one
        self.end: NoiseLevel | None = None  # None: no noise is left in the final latent
        self.timestamps = [time.perf_counter()]  # start, first evaluation, last step, end

    def __call__(self, **arguments: Any) -> list[Any]:
        """Call the pipeline with its own arguments and return its images; StopSampling ends a single evaluation."""
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
        return output.images

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

    @property
    def image_size(self) -> tuple[int, int]:
        """Height and width of the image in pixels."""
        height, width = self.latent_size
        return height * self.pipeline.vae_scale_factor, width * self.pipeline.vae_scale_factor

    # ---- an evaluation of the denoiser ---------------------------------------------------------------------------

    def forward(self, original: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Wrap the denoiser's forward."""
        if isinstance(ACTIVE.dispatcher, HookDispatcher) and ACTIVE.dispatcher.is_dispatching:
            raise SettingError("an edit cannot call the diffusers pipeline that it edits: call the opened one")
        inputs = CallArguments(self.family.denoiser_inputs(self.denoiser), args, kwargs)
        name = self.family.latent_argument
        if "img_ids" in inputs:
            rows, columns = (int(n) + 1 for n in inputs["img_ids"].reshape(-1, 3).amax(0)[1:])
            self.patch_grid = rows, columns
        _, self.channels, *size = self.unpack(inputs[name]).shape
        self.latent_size = (size[0], size[1])
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

    def hooked_forward(self, dispatcher: Dispatcher, original: Callable[..., Any], inputs: CallArguments) -> Any:
        """Evaluate the denoiser with hook points at its inputs and its output."""
        name = self.family.latent_argument
        if isinstance(dispatcher, PointFinder):
            dispatcher.image_size = self.image_size
        level = self.level(timestep_value(inputs["timestep"]) * self.family.timestep_divisor)
        dispatcher.set_step(self.single.step if self.single else len(self.steps_taken), level.t)
        dispatcher.set_branches(("",))
        inputs[name] = self.hook_latent(inputs[name])
        dispatcher.set_branches(self.branches)
        context = inputs["encoder_hidden_states"]
        if len(context) != len(self.branches) * len(self.generators):
            raise SettingError("a callback has changed the size of the batch: leave it out, or record and edit nothing")
        if context.shape[1] != self.layout.pieces:
            raise SettingError(f"the network reads {context.shape[1]} pieces, but the prompt was split into "
                               f"{self.layout.pieces}: leave out what changes its context")
        inputs["encoder_hidden_states"] = hook_point("text.context", context, f"{self.layout.text_axis} channel")
        out = inputs.pass_to(original)
        prediction = self.hook_prediction(out[0], level)
        dispatcher.set_branches(("",))
        return (prediction, *out[1:])

    def level(self, timestep: float) -> NoiseLevel:
        return self.single.level if self.single else self.schedule.level(len(self.steps_taken), timestep)

    def unpack(self, x: Tensor) -> Tensor:
        """Return a latent as (batch, channel, y, x)."""
        return unpack_latents(x, *self.patch_grid) if self.patch_grid else x

    def pack(self, x: Tensor) -> Tensor:
        """Return a latent in the form that the denoiser takes."""
        return pack_latents(x) if self.patch_grid else x

    def skipped_output(self, x: Tensor) -> Tensor:
        """Return zeros in place of a prediction that is not used."""
        return torch.zeros_like(x) if self.patch_grid else x.new_zeros(
            len(x), self.denoiser.config.out_channels, *x.shape[2:])

    def replace_inputs(self, inputs: CallArguments, single: SingleEvaluation) -> None:
        """Set the latent and the timestep of a single evaluation."""
        old = inputs[self.family.latent_argument]
        expected, given = tuple(self.unpack(old).shape[1:]), tuple(single.x.shape[1:])
        if given != expected:
            raise SettingError(f"the image has a latent of shape {given}, but this pipeline expects {expected}: "
                               "resize the image")
        inputs[self.family.latent_argument] = self.pack(single.x).to(old).repeat(
            len(self.branches), *[1] * (old.dim() - 1))
        inputs["timestep"] = torch.full_like(torch.as_tensor(inputs["timestep"]),
                                             single.timestep / self.family.timestep_divisor)

    def hook_latent(self, x: Tensor) -> Tensor:
        """Pass the denoiser's input, which is the same in all branches, through its hook point."""
        one = self.unpack(x[:len(x) // len(self.branches)])
        new = hook_point("sampler.latent", one, MAP_AXES)
        return x if new is one else torch.cat([self.pack(new)] * len(self.branches))

    def hook_prediction(self, packed: Tensor, level: NoiseLevel) -> Tensor:
        """Pass the prediction, and the difference cond - uncond of denoised estimates, through their hook points."""
        old = self.unpack(packed)
        new = hook_point("prediction", old, MAP_AXES)
        if len(self.branches) == 2 and is_hooked("sampler.difference"):
            slope = self.schedule.d_denoised(level)
            uncond, cond = new.chunk(2)
            difference = (cond - uncond)[:, :self.channels] * slope  # further channels are a learned variance
            set_branches("")
            edited = hook_point("sampler.difference", difference, MAP_AXES)
            if edited is not difference:
                prediction = uncond[:, :self.channels] + edited / slope
                new = torch.cat([uncond, torch.cat([prediction, cond[:, self.channels:]], 1)])
        return packed if new is old else self.pack(new)

    # ---- a step of the scheduler ---------------------------------------------------------------------------------

    def scheduler_step(self, original: Callable[..., Any], prediction: Tensor, timestep: Any, sample: Tensor,
                       *args: Any, **kwargs: Any) -> Any:
        """Wrap `scheduler.step`, so that each call records the values that a Run stores."""
        if len(self.steps_taken) < self.first_step:
            return self.replay_step(sample)
        if not self.channels:
            raise self.family.bypassed_error(self.pipeline)
        timestep_number = timestep_value(timestep)
        level = self.level(timestep_number)
        x = self.schedule.to_latent(self.unpack(sample).cpu(), level)
        denoised = self.schedule.denoised(x, self.unpack(prediction).cpu(), level)
        edited = hook_point("sampler.denoised", denoised, MAP_AXES)
        if edited is not denoised:
            denoised = edited
            prediction = self.pack(self.schedule.predicted(x, denoised, level)).to(prediction)
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
            latent, states = self.pack(self.schedule.to_sample(x, level)), (self.start.generator.get_state(),)
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


def timestep_value(timestep: Any) -> float:
    """Return a timestep, which may be a number or a tensor, as a float."""
    return float(timestep if not isinstance(timestep, Tensor) or timestep.dim() == 0 else timestep.flatten()[0])
