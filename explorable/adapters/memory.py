"""How much memory a published model needs, counted on networks that are built without allocating weights."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from ..hooks import Point
from ..nn.hook_points import dispatching_to
from .attention import TokenLayout
from .networks import module_hooks
from .patching import wrapped_method
from .points import CROSS_WEIGHTS, OpenedPointFinder, with_token_count

BYTES_PER_WEIGHT = 2  # half precision


@dataclass(frozen=True)
class PublishedModel:
    """A model as its configuration files describe it.

    build_denoiser, build_others: return the denoiser, and the text encoders and the autoencoder. image_side: in pixels.
    steps: the pipeline's default. batch_size: of the denoiser for one image, 2 with classifier-free guidance.
    pieces: of the prompt that its attention reads. inputs: of a batch size and a latent's side, the denoiser's inputs.
    """

    name: str
    build_denoiser: Callable[[], nn.Module]
    build_others: tuple[Callable[[], nn.Module], ...]
    image_side: int
    steps: int
    batch_size: int
    pieces: int
    inputs: Callable[[int, int], dict[str, Any]]
    text_first: bool = False


@dataclass(frozen=True)
class MemoryNeed:
    """What a model needs. weights: of its denoiser, their number; denoiser_bytes, all_bytes: in half precision, without
    and with text encoders and autoencoder. points: the maps of its cross-attention, one for each word."""

    model: PublishedModel
    weights: int
    denoiser_bytes: int
    all_bytes: int
    points: tuple[Point, ...]

    def map_bytes(self, reduced: Iterable[str] = ()) -> int:
        """Return the bytes of all attention maps of a run, with the axes `reduced` averaged."""
        return sum(point.nbytes(self.model.steps, reduced) for point in self.points)


def count_weights(module: nn.Module) -> int:
    """Return the number of parameters."""
    return sum(p.numel() for p in module.parameters())


def memory_need(model: PublishedModel, tokens: int = 12) -> MemoryNeed:
    """Return the memory that a model needs for a prompt of `tokens` tokens; start, end and padding count as one."""
    with torch.device("meta"), torch.no_grad():
        denoiser = model.build_denoiser().eval()
        others = sum(count_weights(build()) for build in model.build_others)
        finder = OpenedPointFinder()
        finder.image_size = (model.image_side, model.image_side)
        finder.set_step(0, 0.5)
        finder.set_branches(("uncond", "cond")[-model.batch_size:])
        with ExitStack() as stack:
            layout = TokenLayout(model.pieces, model.pieces)
            for hook in module_hooks(denoiser, layout, model.text_first, True):
                stack.enter_context(wrapped_method(hook.module, "forward", hook.wrapper, lambda: True))
            stack.enter_context(dispatching_to(finder))
            denoiser(**model.inputs(model.batch_size, model.image_side // 8))
    weights = count_weights(denoiser)
    maps = [point for point in finder.points.values() if point.name.endswith(CROSS_WEIGHTS)]
    return MemoryNeed(model, weights, weights * BYTES_PER_WEIGHT, (weights + others) * BYTES_PER_WEIGHT,
                      with_token_count(maps, tokens))
