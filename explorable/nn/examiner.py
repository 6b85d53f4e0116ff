"""The examiner: looks at a finished picture and says what is in it. It scores and never guides.

It first says of each of 16 x 16 cells which thing is there; each thing's own cells are then gathered,
and from them it reads how many there are, their colour, their side and how they stand to the other thing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .layers import FeedForward, SelfAttention


@dataclass(frozen=True)
class ExaminerConfig:
    """The words it can answer with, and its widths at 32 x 32 and 16 x 16."""

    kinds: tuple[str, ...]
    colours: tuple[str, ...]
    sides: tuple[str, ...]
    relations: tuple[str, ...]
    places: tuple[str, ...]
    times: tuple[str, ...]
    moods: tuple[str, ...]  # "plain" first
    most: int = 3  # of a kind
    widths: tuple[int, int] = (48, 128)


class Report(NamedTuple):
    """Logits for a batch. Per thing: number (batch, kinds, 0 to most), colour, side, relation (the last class:
    alone) each (batch, kinds, classes). Per picture: place, time, mood (batch, classes). cells: which thing
    is where, (batch, kinds + 1, 16, 16), the last for none."""

    number: Tensor
    colour: Tensor
    side: Tensor
    relation: Tensor
    place: Tensor
    time: Tensor
    mood: Tensor
    cells: Tensor


class Examiner(nn.Module):
    """Pictures (batch, 3, 128, 128) in [-1, 1] to a Report."""

    def __init__(self, config: ExaminerConfig):
        super().__init__()
        self.config = c = config
        fine, wide = c.widths

        def block(width: int) -> nn.Sequential:
            return nn.Sequential(nn.Conv2d(width, width, 3, padding=1), nn.GroupNorm(8, width), nn.SiLU())

        self.look = nn.Sequential(
            nn.PixelUnshuffle(4), nn.Conv2d(48, fine, 3, padding=1), nn.GroupNorm(8, fine), nn.SiLU(), block(fine),
            nn.Conv2d(fine, wide, 4, stride=2, padding=1), nn.GroupNorm(8, wide), nn.SiLU(), block(wide), block(wide),
        )
        self.cell_kind = nn.Conv2d(wide, len(c.kinds) + 1, 1)
        # A cell also knows where it is, so that sides and numbers can be read from what is gathered.
        self.places = nn.Parameter(0.02 * torch.randn(wide, 16, 16))
        self.shape = nn.Sequential(nn.Linear(256, wide), nn.SiLU(), nn.Linear(wide, wide))  # of a kind's own cells
        self.kind = nn.Parameter(0.02 * torch.randn(len(c.kinds), wide))
        self.gather = nn.Linear(2 * wide, wide)
        self.compare = nn.Sequential(SelfAttention(wide, 4), FeedForward(wide, 2), nn.LayerNorm(wide))
        self.number = nn.Linear(wide, c.most + 1)
        self.colour = nn.Sequential(nn.Linear(2 * wide, wide), nn.SiLU(), nn.Linear(wide, len(c.colours)))
        self.side = nn.Linear(wide, len(c.sides))
        self.relation = nn.Linear(wide, len(c.relations) + 1)
        self.whole = nn.Sequential(nn.Linear(2 * wide, wide), nn.SiLU())
        self.place, self.time, self.mood = (nn.Linear(wide, len(n)) for n in (c.places, c.times, c.moods))

    def features(self, pictures: Tensor) -> Tensor:
        """What it has seen before any head reads it, averaged over the places: (batch, wide). For measuring how
        far apart pictures are, as the last pooling of Inception serves in Heusel et al. 2017."""
        return self.look(pictures).mean((2, 3))

    def forward(self, pictures: Tensor) -> Report:
        features = self.look(pictures)  # (batch, wide, 16, 16)
        cells = self.cell_kind(features)
        share = cells.softmax(dim=1)[:, :-1].flatten(2)  # (batch, kinds, 256): is this cell mine?
        mine = share / (share.sum(-1, keepdim=True) + 0.05)
        seen = mine @ (features + self.places).flatten(2).transpose(1, 2)  # (batch, kinds, wide)
        whole = self.whole(torch.cat([features.mean((2, 3)), features.amax((2, 3))], dim=1))
        things = self.gather(torch.cat([seen, self.shape(share)], dim=-1)) + self.kind
        things = self.compare(things)
        colour = self.colour(torch.cat([seen, whole[:, None].expand_as(seen)], dim=-1))
        return Report(self.number(things), colour, self.side(things), self.relation(things),
                      self.place(whole), self.time(whole), self.mood(whole), cells)


Truth = Report  # the right answers: the same fields, with class numbers for logits, -100 where there is no answer


def examiner_loss(report: Report, truth: Truth) -> dict[str, Tensor]:
    """Sum of the cross-entropies of all heads; those of a thing count only where the thing is."""
    losses = {}
    for name, logits, answer in zip(Report._fields, report, truth, strict=True):
        if logits.dim() == 3:  # one answer for each kind of thing
            logits, answer = logits.flatten(0, 1), answer.flatten()
        losses[name] = F.cross_entropy(logits, answer, ignore_index=-100)
    weight = {"number": 4.0, "cells": 2.0}
    total = torch.stack([weight.get(name, 1.0) * value for name, value in losses.items()]).sum()
    return {"loss": total, **losses}
