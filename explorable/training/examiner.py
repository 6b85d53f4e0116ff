"""Train the examiner on drawings, sharp and slightly blurred, with full ground truth."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..nn.examiner import Examiner, ExaminerConfig, Targets, examiner_loss
from ..nn.pixels import to_tensor
from ..world import COLOURS, KINDS, MOODS, PLACES, RELATIONS, SIDES, TIMES, Scene
from .data import TRAIN_SIZE, cell_maps, images, scene
from .loop import Batch, Losses, Training, fit
from .plan import Plan

BATCH_SIZE = 32
NO_RELATION = len(RELATIONS)  # the class of a thing without another one
NO_TARGET = -100
MOOD_NAMES = ("plain", *MOODS)
CONFIG = ExaminerConfig(KINDS, tuple(COLOURS), SIDES, RELATIONS, PLACES, TIMES, MOOD_NAMES)


def targets(scenes: list[Scene], cells: np.ndarray) -> Targets:
    """Return the ground truth of scenes."""
    n, k = len(scenes), len(KINDS)
    number = torch.zeros(n, k, dtype=torch.long)
    colour, side, relation = (torch.full((n, k), NO_TARGET) for _ in range(3))
    for i, s in enumerate(scenes):
        for j, g in enumerate(s.groups):
            kind = KINDS.index(g.kind)
            number[i, kind] = g.count
            colour[i, kind] = list(COLOURS).index(g.colour)  # type: ignore[arg-type]
            relation[i, kind], where = relation_and_side(s, j)
            side[i, kind] = SIDES.index(where) if where else NO_TARGET
    place, time, mood = (torch.tensor([names.index(getattr(s, what) or "plain") for s in scenes])
             for what, names in (("place", PLACES), ("time", TIMES), ("mood", MOOD_NAMES)))
    return Targets(number, colour, side, relation, place, time, mood, torch.from_numpy(cells).long())


def relation_and_side(s: Scene, group: int) -> tuple[int, str | None]:
    """Return a group's relation to the other one (its index, or NO_RELATION), and its side where that is certain."""
    if len(s.groups) == 1:
        return NO_RELATION, s.groups[0].side
    relation = RELATIONS.index(s.relation)
    if group == 1:
        relation ^= 1  # left of and right of, in front of and behind are neighbours in RELATIONS
    return relation, (RELATIONS[relation].removesuffix(" of") if relation < 2 else None)


def random_blur(x: Tensor, rng: np.random.Generator) -> Tensor:
    """Blur half of the images by a Gaussian of up to 1.2 pixels, and add a little noise to all."""
    sigma = float(rng.uniform(0.3, 1.2))
    taps = torch.exp(-torch.arange(-3, 4).float() ** 2 / (2 * sigma**2))
    taps = (taps / taps.sum()).repeat(3, 1)
    blurred = F.pad(x, (3, 3, 3, 3), mode="replicate")
    blurred = F.conv2d(F.conv2d(blurred, taps[:, None, None, :], groups=3), taps[:, None, :, None], groups=3)
    half = torch.from_numpy(rng.random(len(x)) < 0.5)[:, None, None, None]
    return torch.where(half, blurred, x) + 0.03 * torch.randn_like(x)


def train(steps: int, depends_on: str = "") -> Training:
    """Train on the autoencoder's images."""
    data, cells = images(TRAIN_SIZE), cell_maps(TRAIN_SIZE)
    order = np.random.default_rng(2).permutation(TRAIN_SIZE)

    def batch(step: int) -> Batch:
        indices = [int(order[(step * BATCH_SIZE + k) % TRAIN_SIZE]) for k in range(BATCH_SIZE)]
        x = random_blur(to_tensor(np.stack([data[i] for i in indices])), np.random.default_rng(step))
        return {"x": x, **targets([scene(i) for i in indices], cells[indices])._asdict()}

    def loss(model: nn.Module, b: Batch) -> Losses:
        report = model(b.pop("x").contiguous(memory_format=torch.channels_last))
        return examiner_loss(report, Targets(**b))

    torch.manual_seed(0)
    model = Examiner(CONFIG).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return fit("examiner", model, batch, loss, Plan(steps), depends_on)
