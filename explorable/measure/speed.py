"""Time, memory and size on this machine."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from statistics import median

from ..zoo import model_names, read_card
from .machine import run_python
from .table import Table

COLD_START = """
import json, sys, time
start = time.perf_counter(); import explorable as ex; imported = time.perf_counter() - start
start = time.perf_counter(); ex.load(sys.argv[1])("a red car on a mountain road").image
print(json.dumps([imported, time.perf_counter() - start]))
"""
STUDIO = """
import explorable as ex
from explorable.measure.machine import process_memory
studio = ex.Studio(ex.load(%r)); studio.wait(); studio.seed = 1; studio.wait()
print(process_memory())
"""
COLD_REPEATS = 3


@contextlib.contextmanager
def busy_core() -> Iterator[None]:
    """Keep one core busy with another process."""
    process = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        yield
    finally:
        process.kill()
        process.wait()


def kernel_memory(model: str) -> float:
    """Return the memory in MB of a Jupyter kernel after a Studio has generated two images in it."""
    from jupyter_client.manager import start_new_kernel

    manager, client = start_new_kernel()
    try:
        output: list[str] = []
        client.execute_interactive(STUDIO % model, timeout=300, allow_stdin=False, output_hook=lambda message: (
            output.append(message["content"]["text"]) if message["msg_type"] == "stream" else None))
        return float("".join(output).split()[-1])
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def speed(model: str = "unet-flow", repeats: int = 15) -> Table:
    """Measure the time of a guided 20-step image, the cold start, the memory of a kernel, and the weights' size."""
    from ..pipeline import load

    imports, first_images = zip(*(run_python(COLD_START, model) for _ in range(COLD_REPEATS)), strict=True)
    pipe = load(model)

    def seconds() -> float:
        start = time.perf_counter()
        _ = pipe("a red sports car on a mountain road at sunset", steps=20).image
        return time.perf_counter() - start

    seconds(), seconds()  # warm up
    warm = [seconds() for _ in range(repeats)]
    with busy_core():
        busy = [seconds() for _ in range(repeats)]
    rows = [{"what": what, "measured": measured, "at most": limit} for what, measured, limit in (
        ("import explorable", f"{median(imports):.2f} s", "0.3 s"),
        ("load and first image", f"{median(first_images):.2f} s", "4 s"),
        ("one image, warm", f"{median(warm):.2f} s", "0.5 s"),
        ("one image, one core kept busy", f"{median(busy):.2f} s", "1 s"),
        ("memory of a kernel with a Studio", f"{kernel_memory(model):.0f} MB", "700 MB"),
        ("weights of all models", f"{sum(read_card(name)['bytes'] for name in model_names()) / 1e6:.1f} MB", "60 MB"))]
    return Table(f"Speed and size of {model} on {os.cpu_count()} cores", rows,
                 ["an image: 20 steps, guided (two passes a step, in one batch), decoded"])
