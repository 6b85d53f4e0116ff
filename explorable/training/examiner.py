"""Train the examiner on drawings, clean and slightly blurred, with all answers known."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from tqdm.auto import tqdm

from ..nn.examiner import Examiner, ExaminerConfig, Targets, examiner_loss
from ..nn.pixels import to_tensor
from ..world import COLOURS, KINDS, MOODS, PLACES, RELATIONS, SIDES, TIMES, Scene, draw
from .data import CHUNK, cache, edition, made_once, pictures, scene
from .loop import Batch, Losses, Training, fit
from .plan import Plan
from .vae import PICTURES

BATCH = 32
ALONE, NONE = len(RELATIONS), len(KINDS)
MOOD_NAMES = ("plain", *MOODS)
CONFIG = ExaminerConfig(KINDS, tuple(COLOURS), SIDES, RELATIONS, PLACES, TIMES, MOOD_NAMES)


def cell_map(scene: Scene) -> np.ndarray:
    """Which kind of thing owns most of each 8 x 8 block of pixels, (16, 16) uint8; NONE where none has 40%."""
    masks = draw(scene).masks
    out = np.full((16, 16), NONE, np.uint8)
    best = np.full((16, 16), 0.4)
    for group in scene.groups:
        if group.kind in masks:
            share = masks[group.kind].reshape(16, 8, 16, 8).mean((1, 3))
            out[share > best] = KINDS.index(group.kind)
            best = np.maximum(best, share)
    return out


def _map_chunk(job: tuple[str, int]) -> np.ndarray:
    split, start = job
    return np.stack([cell_map(scene(i, split)) for i in range(start, start + CHUNK)])


def cell_maps(count: int, split: str = "train") -> np.ndarray:
    """Cell maps of the first `count` scenes of a split, (count, 16, 16) uint8, kept in the cache."""

    def map_all(part: Path) -> None:
        with ProcessPoolExecutor() as pool:
            jobs = [(split, s) for s in range(0, count, CHUNK)]
            maps = np.concatenate(list(tqdm(pool.map(_map_chunk, jobs), total=len(jobs), desc=f"mapping {split}")))
        maps[:count].tofile(part)

    path = made_once(cache() / f"cells-{split}-{count}-{edition()}.u8", map_all)
    return np.fromfile(path, np.uint8).reshape(count, 16, 16)


def answers(scenes: list[Scene], cells: np.ndarray) -> Targets:
    """What the examiner should say of complete scenes."""
    n, k = len(scenes), len(KINDS)
    number = torch.zeros(n, k, dtype=torch.long)
    colour, side, relation = (torch.full((n, k), -100) for _ in range(3))
    for i, s in enumerate(scenes):
        for j, g in enumerate(s.groups):
            kind = KINDS.index(g.kind)
            number[i, kind] = g.count
            colour[i, kind] = list(COLOURS).index(g.colour)  # type: ignore[arg-type]
            relation[i, kind], where = stand(s, j)
            side[i, kind] = SIDES.index(where) if where else -100
    place, time, mood = (torch.tensor([names.index(getattr(s, what) or "plain") for s in scenes])
             for what, names in (("place", PLACES), ("time", TIMES), ("mood", MOOD_NAMES)))
    return Targets(number, colour, side, relation, place, time, mood, torch.from_numpy(cells).long())


def stand(s: Scene, which: int) -> tuple[int, str | None]:
    """How a group stands to the other (a relation's number, or ALONE), and its side where that is certain."""
    if len(s.groups) == 1:
        return ALONE, s.groups[0].side
    relation = RELATIONS.index(s.relation)
    if which == 1:
        relation ^= 1  # left of, right of and in front of, behind stand in pairs
    return relation, (RELATIONS[relation].removesuffix(" of") if relation < 2 else None)


def blurred(x: Tensor, rng: np.random.Generator) -> Tensor:
    """Half of the pictures as they are, half with a Gaussian blur of up to 1.2 pixels, all a little noisy."""
    sigma = float(rng.uniform(0.3, 1.2))
    taps = torch.exp(-torch.arange(-3, 4).float() ** 2 / (2 * sigma**2))
    taps = (taps / taps.sum()).repeat(3, 1)
    soft = F.pad(x, (3, 3, 3, 3), mode="replicate")
    soft = F.conv2d(F.conv2d(soft, taps[:, None, None, :], groups=3), taps[:, None, :, None], groups=3)
    half = torch.from_numpy(rng.random(len(x)) < 0.5)[:, None, None, None]
    return torch.where(half, soft, x) + 0.03 * torch.randn_like(x)


def train(steps: int, of: str = "") -> Training:
    """Train on the same pictures as the autoencoder."""
    data, cells = pictures(PICTURES), cell_maps(PICTURES)
    order = np.random.default_rng(2).permutation(PICTURES)

    def batch(step: int) -> Batch:
        pick = [int(order[(step * BATCH + k) % PICTURES]) for k in range(BATCH)]
        x = blurred(to_tensor(np.stack([data[i] for i in pick])), np.random.default_rng(step))
        return {"x": x, **answers([scene(i) for i in pick], cells[pick])._asdict()}

    def loss(model: nn.Module, b: Batch) -> Losses:
        report = model(b.pop("x").contiguous(memory_format=torch.channels_last))
        return examiner_loss(report, Targets(**b))

    torch.manual_seed(0)
    model = Examiner(CONFIG).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return fit("examiner", model, batch, loss, Plan(steps), of)
