"""Grounding: while a denoiser trains, it is told which places its words speak of.

Wang et al. 2024 (TokenCompose, equations 3 and 4) add two losses on the cross-attention of the way up, where a
picture's layout is decided: a word that speaks of a thing should be read inside that thing, and a place inside a
thing should read that thing's words. Here both come from the picture world's own masks. What attention shows in a
network trained so was taught, not found: measures of attention against the true masks have to be read with that.
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
from .examiner import NONE

NOTHING = NONE  # what a place, or a token, has where there is no thing: as the maps of cells have it
FLOOR = 1e-3  # added to a share before its logarithm: the worst places too have a slope, and a finite one


class Readings:
    """A listener that keeps what it hears at some points, with its gradients."""

    def __init__(self, names: frozenset[str]):
        self.names = names
        self.heard: list[Tensor] = []

    def set_step(self, step: int | None, t: float | None, evaluation: int = 0) -> None: ...

    def set_branches(self, branches: tuple[str, ...]) -> None: ...

    def is_hooked(self, name: str) -> bool:
        return name in self.names

    def is_edited(self, name: str) -> bool:
        return False

    def dispatch(self, name: str, value: Tensor, axes: str) -> Tensor:
        if name in self.names:
            self.heard.append(value)
        return value

    def end(self, interrupted: bool) -> None: ...


@contextmanager
def readings(names: frozenset[str]) -> Iterator[list[Tensor]]:
    """Within this `with`, what passes through the points called `names` is gathered in a list."""
    listener = Readings(names)
    with dispatching_to(listener):
        yield listener.heard


def spoken_of(captions: list[str], length: int) -> Tensor:
    """Which kind of thing each token speaks of, (captions, length) long; NOTHING for most.

    "two red cars on a beach": two, red and cars speak of cars.
    """
    out = torch.full((len(captions), length), NOTHING)
    for row, caption in enumerate(captions):
        if caption:
            read = parse(caption)
            for at, word in enumerate(read.words, start=1):  # 0 is the start token
                if word.group is not None:
                    out[row, at] = KINDS.index(read.scene.groups[word.group].kind)
    return out


def grounding_loss(weights: list[Tensor], cells: Tensor, spoken: Tensor) -> Tensor:
    """How far the words of things are from being read where those things are, (batch,); 0 where no thing is spoken of.

    weights: cross-attention of some layers, each (batch, head, place, token). cells: which kind of thing covers each
    place, (batch, 16, 16) long. spoken: which each token speaks of, (batch, token) long. NOTHING where there is none.
    """
    each = [_of_layer(layer, cells, spoken) for layer in weights]
    return torch.stack(each).mean(0)


def _of_layer(weights: Tensor, cells: Tensor, spoken: Tensor) -> Tensor:
    """Both losses of one layer, (batch,)."""
    read = weights.float().mean(1)
    read = read / read.sum(-1, keepdim=True)  # in joint attention a place reads other places too
    covered = F.one_hot(cells, NOTHING + 1).permute(0, 3, 1, 2).float()
    covered = F.adaptive_avg_pool2d(covered, math.isqrt(read.shape[1])).flatten(2)  # (batch, kinds, places)
    covered[:, NOTHING] = 0
    mask = covered.gather(1, spoken[:, :, None].expand(-1, -1, covered.shape[2])).mT  # (batch, place, token)

    speaks = mask.amax(1) > 0  # (batch, token): of a thing that can be seen
    inside = (read * mask).sum(1) / read.sum(1).clamp(min=1e-6)
    of_words = ((1 - inside).square() * speaks).sum(1) / speaks.sum(1).clamp(min=1)

    thing = mask.amax(2)  # (batch, place): how much of it is of a thing that is spoken of
    own = (read * (mask > 0)).sum(2)
    of_places = -(((own + FLOOR) / (1 + FLOOR)).log() * thing).sum(1) / thing.sum(1).clamp(min=1)
    return of_words + of_places
