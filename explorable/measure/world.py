"""The picture world: how fast it draws, and how many combinations are held out."""

from __future__ import annotations

import time
from concurrent.futures import ProcessPoolExecutor

from ..training.data import scene
from ..world import COLOURS, KINDS, PLACES, draw
from ..world.scene import HELD_OUT_COLOURS, HELD_OUT_PLACES, HELD_OUT_THINGS
from .table import Table


def _mask_count(index: int) -> int:
    return len(draw(scene(index, "test")).masks)


def world(count: int = 600, workers: int = 2) -> Table:
    """Measure how many images with all their masks two processes draw per second, and count held-out combinations."""
    with ProcessPoolExecutor(workers) as pool:
        list(pool.map(_mask_count, range(20)))  # start the processes and fill the caches of curves
        start = time.perf_counter()
        masks = sum(pool.map(_mask_count, range(count), chunksize=25))
        seconds = time.perf_counter() - start
    pairs = len(KINDS) * (len(KINDS) - 1) // 2
    rows = [
        {"what": f"images with masks per second, {workers} processes", "value": f"{count / seconds:.0f}"},
        {"what": "masks per image, mean", "value": f"{masks / count:.0f}"},
        {"what": "held-out (thing, colour)", "value": f"{len(HELD_OUT_COLOURS)} of {len(KINDS) * len(COLOURS)}"},
        {"what": "held-out (thing, place)", "value": f"{len(HELD_OUT_PLACES)} of {len(KINDS) * len(PLACES)}"},
        {"what": "held-out (thing, thing)", "value": f"{len(HELD_OUT_THINGS)} of {pairs}"},
    ]
    return Table("The picture world", rows)
