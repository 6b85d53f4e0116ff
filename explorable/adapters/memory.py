"""How much memory each family needs: counted on networks built from their published sizes, without a number in them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from ..hooks import Point
from ..nn.hook_points import dispatching_to
from .attention import MetaPointFinder, Words
from .networks import shadowed, taps
from .settings import with_tokens

HALF = 2  # bytes of a number


@dataclass(frozen=True)
class Published:
    """A model as its configuration files describe it.

    network, others: what builds the denoiser, and the text encoders and the autoencoder. side: of its picture, in
    pixels; steps: its pipeline's own number; rows: of the denoiser's batch, 2 where guidance compares; pieces: of the
    prompt that its attention reads. inputs: of one look, beside the latent.
    """

    name: str
    network: Callable[[], nn.Module]
    others: tuple[Callable[[], nn.Module], ...]
    side: int
    steps: int
    rows: int
    pieces: int
    inputs: Callable[[int, int], dict[str, Any]]
    text_first: bool = False


@dataclass(frozen=True)
class Need:
    """What a model needs. weights: how many its denoiser has; denoiser, all: their bytes in half precision, without and
    with text encoders and autoencoder. points: the maps of its cross-attention, gathered into words."""

    model: Published
    weights: int
    denoiser: int
    all: int
    points: tuple[Point, ...]

    def maps(self, without: Iterable[str] = ()) -> int:
        """Bytes of the maps of all words, layers, heads and steps, with the axes `without` averaged."""
        return sum(point.nbytes(self.model.steps, without) for point in self.points)


def size(module: nn.Module) -> int:
    """How many numbers a module holds."""
    return sum(p.numel() for p in module.parameters())


def needed(model: Published, tokens: int = 12) -> Need:
    """What a model needs, for a prompt of so many tokens, start, end and padding counted as one each."""
    with torch.device("meta"), torch.no_grad():
        network = model.network().eval()
        others = sum(size(build()) for build in model.others)
        survey = MetaPointFinder()
        survey.image_size = (model.side, model.side)
        survey.set_step(0, 0.5)
        survey.set_branches(("uncond", "cond")[-model.rows:])
        with ExitStack() as stack:
            for module, around in taps(network, Words(model.pieces, model.pieces), model.text_first, True):
                stack.enter_context(shadowed(module, "forward", around, lambda: True))
            stack.enter_context(dispatching_to(survey))
            network(**model.inputs(model.rows, model.side // 8))
    own = size(network)
    maps = [point for point in survey.points.values() if point.name.endswith("cross.weights")]
    return Need(model, own, own * HALF, (own + others) * HALF, with_tokens(maps, tokens))
