"""The training data: numbered scenes, drawn once into a file in the user's cache folder.

Scene 2k is drawn by lot; scene 2k + 1 is its twin, the same but for one thing said differently
(a colour, a side, a number, a place), so that a text encoder has to read every word.
"""

from __future__ import annotations

import functools
import hashlib
import random
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
from filelock import FileLock
from platformdirs import user_cache_path
from tqdm.auto import tqdm

from ..world import COLOURS, KINDS, PLACES, TIMES, Scene, draw, held_out, sample_scene
from ..world.scene import BUILDINGS, OPPOSITE, RELATIONS

CHUNK = 250


def cache() -> Path:
    """The folder for training state: safe to delete, costly to remake."""
    return user_cache_path("explorable", ensure_exists=True)


def write_beside(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` fill a file beside `path`, then put it in its place: whoever reads sees the old or the new one."""
    part = path.with_name(path.name + ".part")
    write(part)
    part.replace(path)


def made_once(path: Path, write: Callable[[Path], object]) -> Path:
    """A file that `write` fills if it is not there yet. Of several processes one makes it, and the others wait."""
    with FileLock(f"{path}.lock"):
        if not path.exists():
            write_beside(path, write)
    return path


@functools.cache
def edition() -> str:
    """A short mark of how the world draws now: what another edition drew is not taken for this one's."""
    drawn = b"".join(draw(scene(i), masks=False).image.tobytes() for i in range(64))
    return hashlib.sha256(drawn).hexdigest()[:8]


def scene(index: int, split: str = "train") -> Scene:
    """Scene number `index` of a split ("train", "test"; "wide": held-out pairs allowed)."""
    rng = random.Random(f"{split} {index // 2}")
    base = sample_scene(rng, allow_held_out=split == "wide")
    return twin(base, rng, split == "wide") if index % 2 else base


def twin(base: Scene, rng: random.Random, allow_held_out: bool = False) -> Scene:
    """`base` with one thing said differently, and other accidents (a new seed)."""
    for _ in range(50):
        other = replace(_change(base, rng), seed=rng.randrange(2**31))
        if other != base and (allow_held_out or not held_out(other)):
            return other
    return replace(base, seed=rng.randrange(2**31))


def _change(s: Scene, rng: random.Random) -> Scene:
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
        taken = {g.kind for g in groups}
        kinds = BUILDINGS if s.mood == "cozy" else KINDS
        free = [k for k in kinds if k not in taken]
        if free and groups[i].count == 1:
            groups[i] = replace(groups[i], kind=rng.choice(free))
    return replace(s, groups=tuple(groups))


def _draw_chunk(job: tuple[str, int]) -> np.ndarray:
    split, start = job
    return np.stack([draw(scene(i, split), masks=False).image for i in range(start, start + CHUNK)])


def pictures(count: int, split: str = "train") -> np.ndarray:
    """The first `count` pictures of a split, (count, 128, 128, 3) uint8, read from a file; drawn once."""
    path = cache() / f"pictures-{split}-{count}-{edition()}.npy"

    def draw_all(part: Path) -> None:
        starts = range(0, count, CHUNK)
        with ProcessPoolExecutor() as pool, part.open("wb") as file:
            np.lib.format.write_array_header_1_0(
                file, {"descr": "|u1", "fortran_order": False, "shape": (count, 128, 128, 3)})
            drawn = pool.map(_draw_chunk, [(split, s) for s in starts])
            for start, chunk in tqdm(zip(starts, drawn, strict=True), total=len(starts), desc=f"drawing {split}"):
                file.write(chunk[: count - start].tobytes())

    return np.load(made_once(path, draw_all), mmap_mode="r")
