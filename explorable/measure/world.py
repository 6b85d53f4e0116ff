"""The picture world's own claims: speed of drawing, and what is held out."""

from __future__ import annotations

import time
from concurrent.futures import ProcessPoolExecutor

from ..training.data import scene
from ..world import COLOURS, KINDS, PLACES, draw
from ..world.scene import HELD_OUT_COLOURS, HELD_OUT_PLACES, HELD_OUT_THINGS
from .table import Table


def _draw(index: int) -> int:
    return len(draw(scene(index, "test")).masks)


def world(count: int = 600, workers: int = 2) -> Table:
    """Pictures with all their masks drawn a second by two processes, and the held-out shares."""
    with ProcessPoolExecutor(workers) as pool:
        list(pool.map(_draw, range(20)))  # the processes are up, the curves cached
        start = time.perf_counter()
        masks = sum(pool.map(_draw, range(count), chunksize=25))
        seconds = time.perf_counter() - start
    pairs = len(KINDS) * (len(KINDS) - 1) // 2
    rows = [
        {"what": f"pictures with masks a second, {workers} processes", "value": f"{count / seconds:.0f}"},
        {"what": "masks a picture, mean", "value": f"{masks / count:.0f}"},
        {"what": "held-out (thing, colour)", "value": f"{len(HELD_OUT_COLOURS)} of {len(KINDS) * len(COLOURS)}"},
        {"what": "held-out (thing, place)", "value": f"{len(HELD_OUT_PLACES)} of {len(KINDS) * len(PLACES)}"},
        {"what": "held-out (thing, thing)", "value": f"{len(HELD_OUT_THINGS)} of {pairs}"},
    ]
    return Table("The picture world", rows)
