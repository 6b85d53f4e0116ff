"""Seconds per image of our sampling loop and of one written as diffusers' pipelines are, timed in turns.

The differences: we project a prompt's keys and values once, diffusers at every step; our sampler computes in float64
on the CPU, a diffusers scheduler in float32. The same for both: 20 guided steps, both branches in one batch, the
prompt encoded for every image by the same text encoder, no decoder, the same threads.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from ..diffusion.samplers import initial_noise
from ..diffusion.settings import DEFAULT_GUIDANCE, Settings, check_settings
from ..nn.text import Context
from ..nn.unet import UNet
from ..pipeline import LATENT_SHAPE, Pipeline, load
from .machine import alternate, require_diffusers, timing_rows
from .table import Table, check_counts

PROMPT = "a red sports car on a mountain road at sunset"
REPEATS, QUICK_REPEATS = 15, 3
MAX_SIZE_DIFFERENCE = 0.1  # of the parameters of the two networks


def parameter_count(net: torch.nn.Module) -> int:
    """Return the number of parameters of a network."""
    return sum(p.numel() for p in net.parameters())


def diffusers_unet(size: int, context_width: int) -> torch.nn.Module:
    """Return the diffusers U-Net nearest to `size` parameters: three levels as ours, cross-attention at the upper two.

    Its blocks are those of Stable Diffusion 1.x. Widths are tried on the meta device, which allocates no memory.
    """
    diffusers, (channels, side, _) = require_diffusers(), LATENT_SHAPE

    def build(width: int) -> Any:
        return diffusers.UNet2DConditionModel(
            sample_size=side, in_channels=channels, out_channels=channels, layers_per_block=1,
            block_out_channels=(width, 2 * width, 2 * width), cross_attention_dim=context_width,
            down_block_types=("CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
            up_block_types=("UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
            attention_head_dim=(2, 4, 4), norm_num_groups=8)  # diffusers calls the number of heads attention_head_dim

    sizes: dict[int, int] = {}
    for width in itertools.count(8, 8):
        with torch.device("meta"):
            sizes[width] = parameter_count(build(width))
        if sizes[width] >= size:
            break
    return build(min(sizes, key=lambda w: abs(sizes[w] - size))).eval()


def our_loop(pipe: Pipeline, settings: Settings) -> Callable[[int], Tensor]:
    """Return our loop: from a seed to the final latent."""

    @torch.inference_mode()
    def sample(seed: int) -> Tensor:
        *_, last = pipe.sample_steps(pipe.guided_denoiser([settings.prompt], settings), settings, [seed])
        return last.next_x

    return sample


def diffusers_loop_of(pipe: Pipeline, settings: Settings, unet: Callable[..., Any]) -> Callable[[int], Tensor]:
    """Return a loop as in StableDiffusionPipeline.__call__: from a seed to the final latent.

    unet: from (x, t, context) to the predicted noise.
    """
    scheduler: Any = require_diffusers().DDIMScheduler(clip_sample=False, timestep_spacing="trailing")

    @torch.no_grad()
    def sample(seed: int) -> Tensor:
        context = pipe.text.encode(["", settings.prompt])
        scheduler.set_timesteps(settings.steps)
        latents = initial_noise(seed, (1, *LATENT_SHAPE)).float() * scheduler.init_noise_sigma
        for t in scheduler.timesteps:
            scaled = scheduler.scale_model_input(torch.cat([latents] * 2), t)
            uncond, cond = unet(scaled, t, context).chunk(2)
            noise = uncond + settings.guidance * (cond - uncond)
            latents = scheduler.step(noise, t, latents, return_dict=False)[0]
        return latents

    return sample


def as_diffusers_unet(net: UNet) -> Callable[[Tensor, Tensor, Context], Tensor]:
    """Return our U-Net with the interface of diffusers': t is 0 to 999, and the context is projected at every step."""
    return lambda x, t, context: net(x, (t.expand(len(x)) + 1) / 1000,
                                     net.project_context(context.vectors, context.keep))


def diffusers_loop(model: str = "unet-flow", steps: int = 20, repeats: int = REPEATS, quick: bool = False) -> Table:
    """Time our loop, our network in a diffusers loop, and a diffusers network in a diffusers loop.

    quick: three repeats.
    """
    check_counts(1, repeats=repeats)
    settings = check_settings(Settings(PROMPT, steps=steps, guidance=DEFAULT_GUIDANCE))
    repeats = QUICK_REPEATS if quick else repeats
    pipe = load(model, "cpu")
    if not isinstance(pipe.denoiser, UNet):
        raise ValueError(f"{model} is no U-Net: choose one, so that the two networks are alike")
    net, size = pipe.denoiser, parameter_count(pipe.denoiser)
    other = diffusers_unet(size, net.config.context_width)
    if abs(parameter_count(other) - size) > MAX_SIZE_DIFFERENCE * size:
        raise ValueError(f"diffusers builds no U-Net within {MAX_SIZE_DIFFERENCE:.0%} of the {size:,} parameters of "
                         f"{model}")
    loops = {
        "ours, our network": our_loop(pipe, settings),
        "diffusers, our network": diffusers_loop_of(pipe, settings, as_diffusers_unet(net)),
        "diffusers, diffusers network": diffusers_loop_of(pipe, settings, lambda x, t, c: other(
            x, t, encoder_hidden_states=c.vectors, return_dict=False)[0]),
    }
    return Table(f"Seconds per image of {model}, {steps} guided steps, undecoded, {torch.get_num_threads()} threads",
                 timing_rows(alternate(loops, repeats), "loop, network", "ours"), [
        f"medians of {repeats}, in turns; parameters: ours {size:,}, diffusers {parameter_count(other):,}",
        "the diffusers network has its default blocks: attention and a wide feed-forward layer at 16 x 16 too, tensors "
        "in their usual order (ours: channels last)"])
