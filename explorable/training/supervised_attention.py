"""Supervised attention: while a denoiser trains, its cross-attention is compared with the ground-truth masks.

Wang et al. 2024 (TokenCompose, equations 3 and 4) add two losses on the cross-attention of the way up, where an
image's layout is decided: a word that refers to a thing should be attended to from inside that thing, and a position
inside a thing should attend to that thing's words. Here the masks are the picture world's own. Attention that was
supervised shows what it was taught: scores of attention maps against the masks have to be read with that in mind.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor
from torch.nn import functional as F

from ..nn.hook_points import dispatching_to
from ..world import KINDS
from ..world.grammar import parse
from .data import NO_THING

EPSILON = 1e-3  # added to a share before its logarithm, which bounds the gradient where the share is 0


class PointCollector:
    """A dispatcher that collects the values of some points, with their gradients."""

    def __init__(self, names: frozenset[str]):
        self.names = names
        self.values: list[Tensor] = []

    def set_step(self, step: int | None, t: float | None, evaluation: int = 0) -> None: ...

    def set_branches(self, branches: tuple[str, ...]) -> None: ...

    def is_hooked(self, name: str) -> bool:
        return name in self.names

    def is_edited(self, name: str) -> bool:
        return False

    def dispatch(self, name: str, x: Tensor, axes: str) -> Tensor:
        if name in self.names:
            self.values.append(x)
        return x

    def end(self, interrupted: bool) -> None: ...


@contextmanager
def collect_points(names: frozenset[str]) -> Iterator[list[Tensor]]:
    """Collect the values of the points called `names` in a list, within a `with`."""
    collector = PointCollector(names)
    with dispatching_to(collector):
        yield collector.values


def token_kinds(captions: list[str], length: int) -> Tensor:
    """Return which kind of thing each token refers to, (captions, length) long; NO_THING for most.

    In "two red cars on a beach", two, red and cars refer to cars.
    """
    out = torch.full((len(captions), length), NO_THING)
    for row, caption in enumerate(captions):
        if caption:
            parsed = parse(caption)
            for position, word in enumerate(parsed.words, start=1):  # 0 is the start token
                if word.group is not None:
                    out[row, position] = KINDS.index(parsed.scene.groups[word.group].kind)
    return out


def attention_loss(weights: list[Tensor], cells: Tensor, kinds: Tensor) -> Tensor:
    """Return how far cross-attention is from the ground truth, (batch,); 0 for captions that name no thing.

    weights: cross-attention of some layers, each (batch, head, position, token). cells: the kind of thing at each
    position, (batch, 16, 16) long. kinds: the kind that each token refers to, (batch, token) long. Either can be
    NO_THING.
    """
    return torch.stack([_layer_loss(layer, cells, kinds) for layer in weights]).mean(0)


def _layer_loss(weights: Tensor, cells: Tensor, kinds: Tensor) -> Tensor:
    """Both losses of one layer, (batch,)."""
    attention = weights.float().mean(1)
    attention = attention / attention.sum(-1, keepdim=True)  # in joint attention a position also attends to positions
    coverage = F.one_hot(cells, NO_THING + 1).permute(0, 3, 1, 2).float()
    coverage = F.adaptive_avg_pool2d(coverage, math.isqrt(attention.shape[1])).flatten(2)  # (batch, kinds, positions)
    coverage[:, NO_THING] = 0
    mask = coverage.gather(1, kinds[:, :, None].expand(-1, -1, coverage.shape[2])).mT  # (batch, position, token)

    visible = mask.amax(1) > 0  # (batch, token): refers to a thing in the image
    inside = (attention * mask).sum(1) / attention.sum(1).clamp(min=1e-6)
    token_loss = ((1 - inside).square() * visible).sum(1) / visible.sum(1).clamp(min=1)

    thing = mask.amax(2)  # (batch, position): how much of it is a thing that the caption names
    own = (attention * (mask > 0)).sum(2)
    position_loss = -(((own + EPSILON) / (1 + EPSILON)).log() * thing).sum(1) / thing.sum(1).clamp(min=1)
    return token_loss + position_loss
