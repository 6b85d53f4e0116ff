"""One evaluation of a diffusers denoiser, with hook points at its inputs and its output."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from ..diffusion.settings import SettingError
from ..hooks import PointFinder
from ..nn.hook_points import Dispatcher, hook_point, is_hooked, set_branches
from .attention import TokenLayout
from .families import Family
from .latents import context_like, in_form_of, stack_context, to_map
from .networks import map_axes
from .patching import CallArguments
from .schedulers import NoiseLevel, NoiseSchedule
from .steps import SchedulerStep, SingleEvaluation


class DenoiserHooks:
    """The denoiser's part of a pipeline's call.

    layout: the text that the denoiser reads. branches: in the order in which its batch holds them, or in which it is
    called for them. single: only this evaluation is done, and no step; None: all steps.
    """

    def __init__(self, pipeline: Any, family: Family, schedule: NoiseSchedule, layout: TokenLayout,
                 branches: tuple[str, ...], single: SingleEvaluation | None):
        self.pipeline, self.family, self.schedule, self.layout = pipeline, family, schedule, layout
        self.denoiser: Any = family.find_denoiser(pipeline)
        self.branches, self.single = branches, single
        self.generators: list[torch.Generator] = []  # one an image
        self.steps_taken: list[SchedulerStep] = []
        self.patch_grid: tuple[int, int] | None = None  # rows and columns, where latents are packed
        self.channels, self.latent_size = 0, (0, 0)
        self.begin_step()

    def begin_step(self) -> None:
        """Forget the evaluations of the last step."""
        self.calls = 0  # of the denoiser in this step
        self.edited_latent: Tensor | None = None  # for the second branch, where each is a call of its own
        self.first_output: Any = None  # of the first branch: its prediction, and what the pipeline got

    @property
    def image_size(self) -> tuple[int, int]:
        """Height and width of the image in pixels."""
        height, width = self.latent_size
        factor = "vae_scale_factor_spatial" if self.family.is_video else "vae_scale_factor"
        stride = int(getattr(self.pipeline, factor) * self.family.latent_stride)
        return height * stride, width * stride

    @property
    def call_branches(self) -> tuple[str, ...]:
        """The branches in the batch of the present evaluation."""
        return self.branches[self.calls:self.calls + 1] if self.family.separate_calls else self.branches

    def hooked_forward(self, dispatcher: Dispatcher, original: Callable[..., Any], inputs: CallArguments) -> Any:
        """Evaluate the denoiser with hook points at its inputs and its output."""
        name = self.family.latent_argument
        if isinstance(dispatcher, PointFinder):
            dispatcher.image_size = self.image_size
        level = self.level(timestep_value(inputs[self.family.timestep_argument]) * self.family.timestep_divisor)
        dispatcher.set_step(self.single.step if self.single else len(self.steps_taken), level.t)
        branches = self.layout.branches = self.call_branches
        if self.layout.by_branch and branches:
            self.layout.select(branches[0])
        if self.family.is_video:
            self.layout.frames = inputs[name].shape[2] // self.denoiser.config.patch_size[0]
        if isinstance(inputs[name], list):  # Z-Image pads the image too, so that the rest is not all text
            self.layout.positions = self.latent_size[0] * self.latent_size[1] // self.family.patch ** 2
        dispatcher.set_branches(("",))
        inputs[name] = self.hook_latent(inputs[name])
        # A survey of points reports how many branches a run has, in however many calls.
        dispatcher.set_branches(self.branches if isinstance(dispatcher, PointFinder) else branches)
        self.hook_context(inputs, len(branches))
        out = inputs.pass_to(original)
        prediction = self.hook_prediction(out[0], level, branches)
        dispatcher.set_branches(("",))
        self.calls += 1
        return (prediction, *out[1:])

    def hook_context(self, inputs: CallArguments, branches: int) -> None:
        """Pass the text that the denoiser reads through its hook point.

        Raises:
            SettingError: it is not as long as the prompt's pieces, or not of this batch.
        """
        name, layout = self.family.context_argument, self.layout
        context = whole = stack_context(inputs[name])
        if self.family.is_trimmed:
            context = whole[:, :layout.pieces]
        if len(context) != branches * len(self.generators):
            raise SettingError("a callback has changed the size of the batch: leave it out, or record and edit nothing")
        if context.shape[1] != layout.pieces and not (isinstance(inputs[name], list)
                                                      and context.shape[1] < layout.pieces):
            raise SettingError(f"the network reads {context.shape[1]} pieces, but the prompt was split into "
                               f"{layout.pieces}: leave out what changes its context")
        new = hook_point("text.context", context, f"{layout.text_axis} channel")
        if new is not context:
            inputs[name] = context_like(inputs[name], torch.cat([new, whole[:, new.shape[1]:]], 1))

    def level(self, timestep: float) -> NoiseLevel:
        return self.single.level if self.single else self.schedule.level(len(self.steps_taken), timestep)

    def unpack(self, x: Tensor) -> Tensor:
        """Return a latent as (batch, channel, y, x), with an axis for frames before y in a video."""
        return to_map(x, self.patch_grid, self.family.patch)

    def pack(self, x: Tensor, like: Any) -> Any:
        """Return a map in the form of another latent."""
        return in_form_of(like, x, self.patch_grid, self.family.patch)

    def skipped_output(self, x: Any) -> Any:
        """Return zeros in place of a prediction that is not used."""
        if isinstance(x, list):
            return [torch.zeros_like(part) for part in x]
        channels = self.denoiser.config.get("out_channels") or x.shape[1]
        return torch.zeros_like(x) if self.patch_grid else x.new_zeros(len(x), channels, *x.shape[2:])

    def replace_inputs(self, inputs: CallArguments, single: SingleEvaluation) -> None:
        """Set the latent and the timestep of a single evaluation."""
        old = inputs[self.family.latent_argument]
        expected, given = tuple(self.unpack(old).shape[1:]), tuple(single.x.shape[1:])
        if given != expected:
            raise SettingError(f"the image has a latent of shape {given}, but this pipeline expects {expected}: "
                               "resize the image")
        like = old[0] if isinstance(old, list) else old
        repeated = torch.cat([single.x.to(like)] * len(self.call_branches))
        inputs[self.family.latent_argument] = self.pack(repeated, old)
        name, timestep = self.family.timestep_argument, single.timestep / self.family.timestep_divisor
        inputs[name] = torch.full_like(torch.as_tensor(inputs[name]),
                                       1 - timestep if self.family.timestep_reversed else timestep)

    def hook_latent(self, x: Any) -> Any:
        """Pass the denoiser's input, which is the same in all branches, through its hook point, once a step."""
        if self.family.separate_calls and self.calls:
            return x if self.edited_latent is None else self.pack(self.edited_latent, x)
        copies = len(self.call_branches)
        one = self.unpack(x[:len(x) // copies])
        new = hook_point("sampler.latent", one, map_axes(one))
        self.edited_latent = None if new is one else new
        return x if new is one else self.pack(torch.cat([new] * copies), x)

    def hook_prediction(self, packed: Any, level: NoiseLevel, branches: tuple[str, ...]) -> Any:
        """Pass the prediction, and the difference cond - uncond of denoised estimates, through their hook points."""
        sign, separate = self.family.sign, self.family.separate_calls
        old = self.unpack(packed) * sign if sign != 1 else self.unpack(packed)
        new = hook_point("prediction", old, map_axes(old))
        result = packed if new is old else self.pack(new * sign, packed)
        if len(self.branches) < 2 or not is_hooked("sampler.difference"):
            return result
        if separate and not self.calls:
            self.first_output = new, result
            return result
        parts = (self.first_output[0], new) if separate else new.chunk(2)
        by_branch = dict(zip(self.branches, parts, strict=True))
        cond = self.hook_difference(by_branch["uncond"], by_branch["cond"], level)
        if cond is by_branch["cond"]:
            return result
        if not separate:
            by_branch["cond"] = cond
            return self.pack(torch.cat([by_branch[name] for name in self.branches]) * sign, packed)
        changed = self.pack(cond * sign, packed)
        if branches == ("cond",):
            return changed
        self.first_output[1].copy_(changed)  # in place: the pipeline holds it, or a view of it
        return result

    def hook_difference(self, uncond: Tensor, cond: Tensor, level: NoiseLevel) -> Tensor:
        """Return the prediction with the prompt, changed if the difference is edited."""
        slope = self.schedule.d_denoised(level)
        difference = (cond - uncond)[:, :self.channels] * slope  # further channels are a learned variance
        set_branches("")
        edited = hook_point("sampler.difference", difference, map_axes(difference))
        if edited is difference:
            return cond
        return torch.cat([uncond[:, :self.channels] + edited / slope, cond[:, self.channels:]], 1)


def timestep_value(timestep: Any) -> float:
    """Return a timestep, which may be a number or a tensor, as a float."""
    return float(timestep if not isinstance(timestep, Tensor) or timestep.dim() == 0 else timestep.flatten()[0])
