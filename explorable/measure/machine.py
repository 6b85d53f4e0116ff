"""Time and memory on this machine: alternating runs, new processes, and packages that may not be installed."""

from __future__ import annotations

import importlib
import json
import re
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from .statistics import central_range, resample

Run = Callable[[int], object]  # takes a seed; what it returns is ignored


def alternate(runs: Mapping[str, Run], repeats: int,
              clock: Callable[[], float] = time.perf_counter) -> dict[str, list[float]]:
    """Time several ways to do one thing, in turns: what slows the machine down then affects all of them alike. Every
    second turn is in reverse, since caches and the clock favour the later of two.

    clock: time.process_time counts the processor's time instead, which other programs affect less.
    Returns the seconds of every run by name, without a first round that is not counted.
    """
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for seed in range(repeats + 1):
        for name, run in list(runs.items())[:: -1 if seed % 2 else 1]:
            start = clock()
            run(seed)
            seconds[name].append(clock() - start)
    return {name: times[1:] for name, times in seconds.items()}


def timing_rows(seconds: dict[str, list[float]], column: str, baseline: str) -> list[dict[str, Any]]:
    """Return a row for each name: the median, the middle half, and the ratio to the first name's median.

    column: the heading of the names. baseline: what to call the first of them in the heading of the ratio.
    """
    first = float(np.median(next(iter(seconds.values()))))
    rows: list[dict[str, Any]] = []
    for name, times in seconds.items():
        low, middle, high = np.percentile(times, (25, 50, 75))
        rows.append({column: name, "seconds": float(f"{middle:.3g}"), "middle half": f"{low:.3g} to {high:.3g}",
                     f"times {baseline}": round(float(middle / first), 3)})
    return rows


def overhead(seconds: list[float], baseline: list[float]) -> tuple[float, float, float]:
    """Return by how many percent a run takes longer than the baseline of the same turn: median, and 95% interval."""
    more = 100 * (np.array(seconds) / np.array(baseline) - 1)
    return round(float(np.median(more)), 2), *central_range(np.median(more[resample(len(more))], axis=1))


def overhead_rows(seconds: dict[str, list[float]], column: str, baseline: str) -> list[dict[str, Any]]:
    """Return `timing_rows` with the overhead of each name over the first, and its interval."""
    rows = timing_rows(seconds, column, baseline)
    rows[0] |= {"cost %": None, "95%": None}
    for row in rows[1:]:
        middle, low, high = overhead(seconds[row[column]], next(iter(seconds.values())))
        row |= {"cost %": middle, "95%": f"{low:.1f} to {high:.1f}"}
    return rows


def run_python(program: str, *arguments: str) -> Any:
    """Run a program in a new process and return what its last line prints, as JSON."""
    done = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def process_memory(field: str = "VmRSS") -> float:
    """Return the megabytes that this process occupies now (VmRSS), or has occupied at most (VmHWM).

    Only Linux reports the first; elsewhere both are the maximum. On Linux ru_maxrss would be wrong: a child process
    inherits its parent's.
    """
    status = Path("/proc/self/status")
    if status.exists():
        return int(re.findall(rf"{field}:\s+(\d+)", status.read_text())[0]) / 1024
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20  # macOS counts in bytes


def require(package: str, install: str) -> Any:
    """Import and return a package that this measure needs and that explorable does not.

    Raises:
        ModuleNotFoundError: it is not installed. The message says how to install it.
    """
    try:
        return importlib.import_module(package)
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(f"this measure needs {package}, which is not installed: pip install {install}"
                                  ) from error


def require_diffusers() -> Any:
    """Import and return diffusers, or raise a ModuleNotFoundError that says how to install it."""
    return require("diffusers", "'explorable[diffusers]'")
