"""Time, memory and size, measured on the machine at hand."""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator

from ..zoo import card, names
from .table import Table

COLD = """
import json, resource, sys, time
start = time.perf_counter(); import explorable as ex; imported = time.perf_counter() - start
heavy = [m for m in ("torch", "plotly", "ipywidgets") if m in sys.modules]
start = time.perf_counter(); ex.load()("a red car on a mountain road").image; first = time.perf_counter() - start
print(json.dumps([imported, first, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, heavy]))
"""
KERNEL = """
import json, resource
import explorable as ex
w = ex.Studio(); w.wait(); w.seed = 1; w.wait()
print(json.dumps(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024))
"""
TARGET = {"import explorable": "0.3 s", "load and first picture": "4 s", "one picture, warm": "0.5 s",
          "one picture, one core kept busy": "1 s", "memory of a kernel with a Studio": "700 MB", "weights": "25 MB"}


def spin() -> None:
    """Keep one core busy."""
    while True:
        pass


@contextlib.contextmanager
def busy_core() -> Iterator[None]:
    """Another process that computes all the time."""
    process = multiprocessing.get_context("spawn").Process(target=spin, daemon=True)
    process.start()
    time.sleep(1.0)
    try:
        yield
    finally:
        process.kill()
        process.join()


def _in_new_process(code: str):
    env = {**os.environ, "OMP_WAIT_POLICY": os.environ.get("OMP_WAIT_POLICY", "PASSIVE")}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=env)
    return json.loads(done.stdout.splitlines()[-1])


def speed(model: str = "unet-flow", repeats: int = 15) -> Table:
    """One guided 20-step picture, decoded; cold start; memory; weights. Medians over `repeats`."""
    from ..pipeline import load

    colds = [_in_new_process(COLD) for _ in range(3)]
    pipe = load(model)

    def picture() -> float:
        start = time.perf_counter()
        _ = pipe("a red sports car on a mountain road at sunset", steps=20).image
        return time.perf_counter() - start

    picture(), picture()
    warm = [picture() for _ in range(repeats)]
    with busy_core():
        loaded = [picture() for _ in range(repeats)]
    weights = sum(card(name)["bytes"] for name in names()) / 1e6
    values = {
        "import explorable": f"{statistics.median(c[0] for c in colds):.2f} s",
        "load and first picture": f"{statistics.median(c[1] for c in colds):.2f} s",
        "one picture, warm": f"{statistics.median(warm):.2f} s",
        "one picture, one core kept busy": f"{statistics.median(loaded):.2f} s",
        "memory of a kernel with a Studio": f"{_in_new_process(KERNEL):.0f} MB",
        "weights": f"{weights:.1f} MB",
    }
    rows = [{"what": what, "measured": value, "at most": TARGET[what]} for what, value in values.items()]
    return Table(f"Speed and size of {model} on {os.cpu_count()} cores", rows,
                 ["a picture: 20 steps, guided (two passes a step, in one batch), decoded"])
