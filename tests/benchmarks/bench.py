"""What the benchmarks share: options, table rows with targets, and new processes.

Run a benchmark on an idle machine; the line below each table gives the load.
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
MAX_SECONDS = 1800  # for one result, on a busy machine


def parse_options(about: str, repeats: int, names: Sequence[str] = ()) -> argparse.Namespace:
    """Parse the command line: repeats, json, and only, if there are `names` to select from."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=repeats, help=f"number of repeats (default {repeats})")
    parser.add_argument("--json", action="store_true", help="print JSON")
    if names:
        parser.add_argument("--only", nargs="+", choices=names, default=list(names), metavar="NAME",
                            help=f"some of {', '.join(names)}")
    options = parser.parse_args()
    if options.repeats < 1:
        parser.error(f"--repeats is {options.repeats}: choose a whole number, 1 or more")
    return options


def row(what: str, values: Sequence[float], unit: str, at_most: float | None = None) -> dict[str, Any]:
    """Return a table row: what was measured, its median, 95th percentile and maximum, and the target."""
    median, high, maximum = (float(f"{v:.3g}") for v in np.percentile(np.asarray(values, float), (50, 95, 100)))
    return {"what": what, "median": median, "95th percentile": high, "maximum": maximum, "unit": unit,
            "at most": at_most, "values": len(values)}


def report(title: str, rows: Sequence[dict[str, Any]], as_json: bool, *notes: str) -> None:
    """Print the rows as a table, or as JSON."""
    import torch

    load = psutil.getloadavg()[0]
    machine = f"{os.cpu_count()} cores, {torch.get_num_threads()} torch threads; load {load:.1f} in the last minute"
    table = Table(title, list(rows), [*notes, machine])
    print(json.dumps(table.as_dict(), indent=2) if as_json else table.as_markdown())


def open_explorable(name: str, **settings: Any) -> Any:
    """Open an explorable of the shipped model and wait for its first result."""
    explorable = getattr(ex, name)(**settings)
    wait_until_idle(explorable)
    return explorable


def wait_until_idle(explorable: Any) -> None:
    """Wait until an explorable shows its result. Raises the error of its computation."""
    explorable.wait(MAX_SECONDS)
    if explorable.error is not None:
        raise explorable.error


def memory() -> float:
    """Return the resident megabytes of this process after a garbage collection."""
    gc.collect()
    return resident()


def resident() -> float:
    """Return the resident megabytes of this process."""
    return psutil.Process().memory_info().rss / 1e6


def in_new_processes(function: Callable, *arguments: Sequence) -> Iterator[Any]:
    """Do map(function, *arguments), each call in a new process, so that none inherits memory from another."""
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawn, max_tasks_per_child=1) as pool:
        yield from pool.map(function, *arguments)
