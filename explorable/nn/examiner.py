"""The examiner: recognises the contents of a finished image. It scores images and never guides.

It first classifies each of 16 x 16 cells by the thing it shows, then pools the features of each kind's cells and
predicts from them how many there are, their colour, their side and their relation to the other thing.
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
    """Its classes, and its widths at 32 x 32 and 16 x 16."""

    kinds: tuple[str, ...]
    colours: tuple[str, ...]
    sides: tuple[str, ...]
    relations: tuple[str, ...]
    places: tuple[str, ...]
    times: tuple[str, ...]
    moods: tuple[str, ...]  # "plain" first
    max_number: int = 3  # of one kind
    widths: tuple[int, int] = (48, 128)


class Report(NamedTuple):
    """Logits for a batch. Per kind: number (batch, kinds, 0 to max_number), colour, side, relation (the last class:
    alone), each (batch, kinds, classes). Per image: place, time, mood (batch, classes). cells: which kind each cell
    shows, (batch, kinds + 1, 16, 16), the last for none."""

    number: Tensor
    colour: Tensor
    side: Tensor
    relation: Tensor
    place: Tensor
    time: Tensor
    mood: Tensor
    cells: Tensor


class Examiner(nn.Module):
    """Images (batch, 3, 128, 128) in [-1, 1] to a Report."""

    def __init__(self, config: ExaminerConfig):
        super().__init__()
        self.config = c = config
        fine, coarse = c.widths

        def block(width: int) -> nn.Sequential:
            return nn.Sequential(nn.Conv2d(width, width, 3, padding=1), nn.GroupNorm(8, width), nn.SiLU())

        self.trunk = nn.Sequential(
            nn.PixelUnshuffle(4), nn.Conv2d(48, fine, 3, padding=1), nn.GroupNorm(8, fine), nn.SiLU(), block(fine),
            nn.Conv2d(fine, coarse, 4, stride=2, padding=1), nn.GroupNorm(8, coarse), nn.SiLU(),
            block(coarse), block(coarse),
        )
        self.cell_head = nn.Conv2d(coarse, len(c.kinds) + 1, 1)
        # Position embeddings, so that sides and numbers can be predicted from pooled features.
        self.pos_embed = nn.Parameter(0.02 * torch.randn(coarse, 16, 16))
        self.shape_mlp = nn.Sequential(nn.Linear(256, coarse), nn.SiLU(), nn.Linear(coarse, coarse))
        self.kind_embed = nn.Parameter(0.02 * torch.randn(len(c.kinds), coarse))
        self.kind_proj = nn.Linear(2 * coarse, coarse)
        self.kind_blocks = nn.Sequential(SelfAttention(coarse, 4), FeedForward(coarse, 2), nn.LayerNorm(coarse))
        self.number_head = nn.Linear(coarse, c.max_number + 1)
        self.colour_head = nn.Sequential(nn.Linear(2 * coarse, coarse), nn.SiLU(), nn.Linear(coarse, len(c.colours)))
        self.side_head = nn.Linear(coarse, len(c.sides))
        self.relation_head = nn.Linear(coarse, len(c.relations) + 1)
        self.image_proj = nn.Sequential(nn.Linear(2 * coarse, coarse), nn.SiLU())
        self.place_head, self.time_head, self.mood_head = (
            nn.Linear(coarse, len(n)) for n in (c.places, c.times, c.moods))

    def features(self, images: Tensor) -> Tensor:
        """Return the trunk's features averaged over positions, (batch, width), to measure how far apart images are, as
        Inception's last pooling does in Heusel et al. 2017."""
        return self.trunk(images).mean((2, 3))

    def forward(self, images: Tensor) -> Report:
        features = self.trunk(images)  # (batch, width, 16, 16)
        cells = self.cell_head(features)
        share = cells.softmax(dim=1)[:, :-1].flatten(2)  # (batch, kinds, 256): probability that a cell shows a kind
        weights = share / (share.sum(-1, keepdim=True) + 0.05)
        pooled = weights @ (features + self.pos_embed).flatten(2).transpose(1, 2)  # (batch, kinds, width)
        image = self.image_proj(torch.cat([features.mean((2, 3)), features.amax((2, 3))], dim=1))
        kinds = self.kind_proj(torch.cat([pooled, self.shape_mlp(share)], dim=-1)) + self.kind_embed
        kinds = self.kind_blocks(kinds)
        colour = self.colour_head(torch.cat([pooled, image[:, None].expand_as(pooled)], dim=-1))
        return Report(self.number_head(kinds), colour, self.side_head(kinds), self.relation_head(kinds),
                      self.place_head(image), self.time_head(image), self.mood_head(image), cells)


Targets = Report  # the ground truth: the same fields, with class indices for logits, -100 where a head has no target


def examiner_loss(report: Report, targets: Targets) -> dict[str, Tensor]:
    """Return the weighted sum of all heads' cross-entropies, and each. A kind's heads count only where it is shown."""
    losses = {}
    for name, logits, target in zip(Report._fields, report, targets, strict=True):
        if logits.dim() == 3:  # one target for each kind
            logits, target = logits.flatten(0, 1), target.flatten()
        losses[name] = F.cross_entropy(logits, target, ignore_index=-100)
    weight = {"number": 4.0, "cells": 2.0}
    total = torch.stack([weight.get(name, 1.0) * value for name, value in losses.items()]).sum()
    return {"loss": total, **losses}
