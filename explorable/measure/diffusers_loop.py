"""Our loop beside one as the pipelines of diffusers have it: seconds a picture, in one run, taking turns.

What is different: we read a prompt's keys and values once, they at every step; we walk in float64 on the CPU,
they in float32 with a scheduler. What is the same: 20 guided steps, both branches in one batch, the prompt encoded
for every picture by the same text encoder, no decoder, the same threads.
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
from .table import Table, check_counts
from .timing import Way, rows, turns

PROMPT = "a red sports car on a mountain road at sunset"
REPEATS = 15
NEAR = 0.1  # how far apart the sizes of the two networks may be

def parameters(net: torch.nn.Module) -> int:
    """How many numbers a network has learned."""
    return sum(p.numel() for p in net.parameters())


def their_unet(size: int, context_width: int) -> torch.nn.Module:
    """The diffusers U-Net nearest to `size` parameters: three levels like ours, words read at the upper two.

    Its blocks are those of Stable Diffusion 1.x. Only the width is searched, on a device that holds no numbers.

    Raises:
        ModuleNotFoundError: diffusers is not installed.
    """
    from diffusers import UNet2DConditionModel

    def build(width: int) -> Any:
        return UNet2DConditionModel(
            sample_size=LATENT_SHAPE[1], in_channels=LATENT_SHAPE[0], out_channels=LATENT_SHAPE[0], layers_per_block=1,
            block_out_channels=(width, 2 * width, 2 * width), cross_attention_dim=context_width,
            down_block_types=("CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
            up_block_types=("UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
            attention_head_dim=(2, 4, 4), norm_num_groups=8)  # the first is how many heads, whatever its name says

    sizes: dict[int, int] = {}
    for width in itertools.count(8, 8):
        with torch.device("meta"):
            sizes[width] = parameters(build(width))
        if sizes[width] >= size:
            break
    return build(min(sizes, key=lambda w: abs(sizes[w] - size))).eval()


def our_loop(pipe: Pipeline, settings: Settings) -> Way:
    """A picture as our pipeline samples it, left a latent."""

    @torch.inference_mode()
    def picture(seed: int) -> Tensor:
        *_, last = pipe.sample_steps(pipe.guided_denoiser([settings.prompt], settings), settings, [seed])
        return last.next_x

    return picture


def their_loop(pipe: Pipeline, settings: Settings, unet: Callable[..., Any]) -> Way:
    """A picture as StableDiffusionPipeline.__call__ samples it, left a latent. unet: (x, t, context) to noise."""
    from diffusers import DDIMScheduler

    scheduler: Any = DDIMScheduler(clip_sample=False, timestep_spacing="trailing")

    @torch.no_grad()
    def picture(seed: int) -> Tensor:
        context = pipe.text.encode(["", settings.prompt])
        scheduler.set_timesteps(settings.steps)
        latents = initial_noise(seed, (1, *LATENT_SHAPE)).float() * scheduler.init_noise_sigma
        for t in scheduler.timesteps:
            seen = scheduler.scale_model_input(torch.cat([latents] * 2), t)
            uncond, cond = unet(seen, t, context).chunk(2)
            noise = uncond + settings.guidance * (cond - uncond)
            latents = scheduler.step(noise, t, latents, return_dict=False)[0]
        return latents

    return picture


def forgetful(net: UNet) -> Callable[[Tensor, Tensor, Context], Tensor]:
    """Our network as theirs is called: it reads the prompt anew at every step. Their t counts from 0 to 999."""
    return lambda x, t, context: net(x, (t.expand(len(x)) + 1) / 1000,
                                     net.project_context(context.vectors, context.keep))


def diffusers_loop(model: str = "unet-flow", steps: int = 20, repeats: int = REPEATS, quick: bool = False) -> Table:
    """Seconds a picture: ours, our network in their loop, and their network in their loop.

    quick: three repeats.

    Raises:
        ValueError: a model that is no U-Net, or a number of steps or repeats that cannot be.
        ModuleNotFoundError: diffusers is not installed.
    """
    check_counts(1, repeats=repeats)
    settings = check_settings(Settings(PROMPT, steps=steps, guidance=DEFAULT_GUIDANCE))
    repeats = 3 if quick else repeats
    pipe = load(model, "cpu")
    if not isinstance(pipe.denoiser, UNet):
        raise ValueError(f"{model} is no U-Net: choose one, so that the two networks are alike")
    net, size = pipe.denoiser, parameters(pipe.denoiser)
    other = their_unet(size, net.config.context_width)
    if abs(parameters(other) - size) > NEAR * size:
        raise ValueError(f"diffusers builds no U-Net within {NEAR:.0%} of the {size:,} parameters of {model}")
    sides = {
        "ours, our network": our_loop(pipe, settings),
        "theirs, our network": their_loop(pipe, settings, forgetful(net)),
        "theirs, their network": their_loop(pipe, settings, lambda x, t, c: other(
            x, t, encoder_hidden_states=c.vectors, return_dict=False)[0]),
    }
    return Table(f"Seconds a picture of {model}, {steps} guided steps, undecoded, "
                 f"{torch.get_num_threads()} threads",
                 rows(turns(sides, repeats), "loop, network", "times ours"), [
        f"medians of {repeats}, taking turns; parameters: ours {size:,}, theirs {parameters(other):,}",
        "their network is as diffusers builds it by default: attention and a wide feed-forward layer at 16 x 16 too, "
        "tensors in their usual order (ours: channels last)"])
