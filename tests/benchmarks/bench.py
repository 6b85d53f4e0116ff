"""What the benchmarks share: their options, rows of numbers with a target beside them, and processes of their own.

A benchmark measures its machine too. Run it where nothing else runs; the line below each table says how busy it was.
"""

from __future__ import annotations

import argparse
import gc
import json
import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import numpy as np
import psutil

import explorable as ex
from explorable.measure.table import Table

EXPLORABLES = tuple(ex.EXPLORABLES)
LONG = 1800  # seconds that a busy machine may take over one answer


def options(about: str, repeats: int, names: Sequence[str] = ()) -> argparse.Namespace:
    """What was asked for on the command line: repeats, json, and only, where there are `names` to choose among."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=repeats, help=f"how often (default {repeats})")
    parser.add_argument("--json", action="store_true", help="print JSON for machines")
    if names:
        parser.add_argument("--only", nargs="+", choices=names, default=list(names), metavar="NAME",
                            help=f"some of {', '.join(names)}")
    asked = parser.parse_args()
    if asked.repeats < 1:
        parser.error(f"--repeats is {asked.repeats}: choose a whole number, 1 or more")
    return asked


def row(what: str, values: Sequence[float], unit: str, at_most: float | None = None) -> dict[str, Any]:
    """One line of a table: what was measured, its median, 95th percentile and greatest value, and the target."""
    middle, late, most = (float(f"{v:.3g}") for v in np.percentile(np.asarray(values, float), (50, 95, 100)))
    return {"what": what, "median": middle, "95th percentile": late, "greatest": most, "unit": unit,
            "at most": at_most, "values": len(values)}


def report(title: str, rows: Sequence[dict[str, Any]], as_json: bool, *notes: str) -> None:
    """Print the rows as a table, or as JSON."""
    import torch

    load = psutil.getloadavg()[0]
    machine = f"{os.cpu_count()} cores, {torch.get_num_threads()} threads of torch; load {load:.1f} in the last minute"
    table = Table(title, list(rows), [*notes, machine])
    print(json.dumps(table.as_dict(), indent=2) if as_json else table.as_markdown())


def opened(name: str, **values: Any) -> Any:
    """An explorable of the shipped model, with its first answer shown."""
    made = getattr(ex, name)(**values)
    at_rest(made)
    return made


def at_rest(made: Any) -> None:
    """Wait for an explorable's answer. Raises what went wrong with it."""
    made.wait(LONG)
    if made.error is not None:
        raise made.error


def memory() -> float:
    """Resident megabytes of this process, without what nobody refers to any more."""
    gc.collect()
    return resident()


def resident() -> float:
    """Resident megabytes of this process, as it is."""
    return psutil.Process().memory_info().rss / 1e6


def apart(function: Callable, *each: Sequence) -> Iterator[Any]:
    """map(function, *each), each call in a new process: what one leaves in memory is not seen by the next."""
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawn, max_tasks_per_child=1) as pool:
        yield from pool.map(function, *each)
