"""The training data: numbered scenes, and the arrays computed from them once and cached in the user's cache folder.

Scene 2k is random; scene 2k + 1 is its counterpart, which differs in one thing that a caption says (a colour, a side, a
number, a place), so that a text encoder has to use every word.
"""

from __future__ import annotations

import copy
import functools
import hashlib
import random
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from filelock import FileLock
from platformdirs import user_cache_path
from torch import Tensor
from tqdm.auto import tqdm

from ..files import write_files
from ..nn.pixels import to_tensor
from ..nn.vae import VAE
from ..pipeline import choose_device
from ..world import COLOURS, KINDS, PLACES, TIMES, Scene, draw, held_out, sample_scene, write_caption
from ..world.scene import BUILDINGS, OPPOSITE, RELATIONS
from ..zoo import fingerprint

TRAIN_SIZE = 64_000
CHUNK_SIZE = 250  # scenes that a worker process draws at once
ENCODE_BATCH_SIZE = 100
NO_THING = len(KINDS)  # the class of a cell, or token, without a thing
MIN_COVERAGE = 0.4  # of a cell, for it to show a thing


def cache_folder() -> Path:
    """Return the folder for training data and states: safe to delete, slow to recompute."""
    return user_cache_path("explorable", ensure_exists=True)


def create_once(path: Path, write: Callable[[Path], object]) -> Path:
    """Return a file, written by `write` if it does not exist. Of several processes one writes and the others wait."""
    with FileLock(f"{path}.lock"):
        if not path.exists():
            write_files({path: write}, interruptible=True)
    return path


@functools.cache
def world_fingerprint() -> str:
    """Return a short hash of what the picture world draws, so that data from an older version is not reused."""
    drawn = b"".join(draw(scene(i), masks=False).image.tobytes() for i in range(64))
    return hashlib.sha256(drawn).hexdigest()[:8]


# ---- scenes and captions ---------------------------------------------------------------------------------------------


def scene(index: int, split: str = "train") -> Scene:
    """Return scene `index` of a split: "train", "test", or "wide", which allows held-out combinations.

    A scene with an odd index is the counterpart of the one before it.
    """
    rng = random.Random(f"{split} {index // 2}")
    base = sample_scene(rng, allow_held_out=split == "wide")
    return counterpart(base, rng, split == "wide") if index % 2 else base


def counterpart(base: Scene, rng: random.Random, allow_held_out: bool = False) -> Scene:
    """Return `base` with one property changed that a caption describes, and a new seed for all others."""
    for _ in range(50):
        other = replace(_change(base, rng), seed=rng.randrange(2**31))
        if other != base and (allow_held_out or not held_out(other)):
            return other
    return replace(base, seed=rng.randrange(2**31))


def _change(s: Scene, rng: random.Random) -> Scene:
    """Return `s` with one random property changed; it may stay the same if the drawn change does not apply."""
    groups = list(s.groups)
    i = rng.randrange(len(groups)) if groups else 0
    what = rng.choice(("place", "time", *(("colour", "colour", "kind") if groups else ()),
                       *(("relation", "swap colours", "relation") if len(groups) == 2 else ()),
                       *(("count", "count") if len(groups) == 1 and s.mood != "majestic" else ())))
    if what == "place":
        return replace(s, place=rng.choice([p for p in PLACES if p != s.place]))
    if what == "time":
        return replace(s, time=rng.choice([t for t in TIMES if t != s.time]))
    if what == "relation" and s.relation:
        choices = [OPPOSITE[s.relation], rng.choice(RELATIONS)] if max(g.count for g in groups) == 1 \
            else [OPPOSITE[s.relation]]
        return replace(s, relation=rng.choice(choices))
    if what == "colour":
        groups[i] = replace(groups[i], colour=rng.choice([c for c in COLOURS if c != groups[i].colour]))
    elif what == "swap colours":
        a, b = groups
        groups = [replace(a, colour=b.colour), replace(b, colour=a.colour)]
    elif what == "count":
        groups[0] = replace(groups[0], count=rng.choice([n for n in (1, 2, 3) if n != groups[0].count]), side="centre")
    elif what == "kind":
        present = {g.kind for g in groups}
        kinds = BUILDINGS if s.mood == "cozy" else KINDS
        absent = [k for k in kinds if k not in present]
        if absent and groups[i].count == 1:
            groups[i] = replace(groups[i], kind=rng.choice(absent))
    return replace(s, groups=tuple(groups))


def captions(indices: list[int], step: int, split: str = "train", everything: bool = False) -> list[str]:
    """Return a caption for each scene. Another step gives other wordings of the same scene."""
    return [write_caption(scene(i, split), random.Random(f"{split} {i} {step}"), everything) for i in indices]


# ---- cached arrays ---------------------------------------------------------------------------------------------------


def images(count: int, split: str = "train") -> np.ndarray:
    """Return the drawings of the first `count` scenes of a split, (count, 128, 128, 3) uint8, memory-mapped."""
    path = cache_folder() / f"pictures-{split}-{count}-{world_fingerprint()}.npy"

    def draw_all(part: Path) -> None:
        starts = range(0, count, CHUNK_SIZE)
        with ProcessPoolExecutor() as pool, part.open("wb") as file:
            np.lib.format.write_array_header_1_0(
                file, {"descr": "|u1", "fortran_order": False, "shape": (count, 128, 128, 3)})
            chunks = pool.map(_draw_chunk, [(split, s) for s in starts])
            for start, chunk in tqdm(zip(starts, chunks, strict=True), total=len(starts), desc=f"drawing {split}"):
                file.write(chunk[: count - start].tobytes())

    return np.load(create_once(path, draw_all), mmap_mode="r")


def _draw_chunk(job: tuple[str, int]) -> np.ndarray:
    split, start = job
    return np.stack([draw(scene(i, split), masks=False).image for i in range(start, start + CHUNK_SIZE)])


def cell_map(scene: Scene) -> np.ndarray:
    """Return which kind covers most of each 8 x 8 block of pixels, (16, 16) uint8; NO_THING where none has 40 %."""
    masks = draw(scene).masks
    out = np.full((16, 16), NO_THING, np.uint8)
    best = np.full((16, 16), MIN_COVERAGE)
    for group in scene.groups:
        if group.kind in masks:
            coverage = masks[group.kind].reshape(16, 8, 16, 8).mean((1, 3))
            out[coverage > best] = KINDS.index(group.kind)
            best = np.maximum(best, coverage)
    return out


def cell_maps(count: int, split: str = "train") -> np.ndarray:
    """Return the cell maps of the first `count` scenes of a split, (count, 16, 16) uint8."""

    def map_all(part: Path) -> None:
        with ProcessPoolExecutor() as pool:
            jobs = [(split, s) for s in range(0, count, CHUNK_SIZE)]
            maps = np.concatenate(list(tqdm(pool.map(_map_chunk, jobs), total=len(jobs), desc=f"mapping {split}")))
        maps[:count].tofile(part)

    path = create_once(cache_folder() / f"cells-{split}-{count}-{world_fingerprint()}.u8", map_all)
    return np.fromfile(path, np.uint8).reshape(count, 16, 16)


def _map_chunk(job: tuple[str, int]) -> np.ndarray:
    split, start = job
    return np.stack([cell_map(scene(i, split)) for i in range(start, start + CHUNK_SIZE)])


@torch.inference_mode()
def latents(vae: VAE, split: str = "train", count: int = TRAIN_SIZE) -> Tensor:
    """Return the latents of a split's images, (count, 4, 16, 16) half precision."""

    def encode_all(part: Path) -> None:
        data, device = images(count, split), choose_device()
        encoder = copy.deepcopy(vae).to(device)
        out = torch.cat([
            encoder.encode(to_tensor(data[i : i + ENCODE_BATCH_SIZE]).to(device, memory_format=torch.channels_last))
            .half().cpu() for i in tqdm(range(0, count, ENCODE_BATCH_SIZE), desc=f"encoding {split}")])
        torch.save(out, part)

    path = cache_folder() / f"latents-{split}-{count}-{world_fingerprint()}-{fingerprint('vae', 'encoder')}.pt"
    return torch.load(create_once(path, encode_all), weights_only=True)
