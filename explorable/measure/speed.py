"""Time, memory and size, measured on the machine at hand."""

from __future__ import annotations

import contextlib
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator

from ..zoo import model_names, read_card
from .table import Table

COLD = """
import json, sys, time
start = time.perf_counter(); import explorable as ex; imported = time.perf_counter() - start
start = time.perf_counter(); ex.load(sys.argv[1])("a red car on a mountain road").image
print(json.dumps([imported, time.perf_counter() - start]))
"""
BUSY = "while True: pass"
NOTEBOOK = """
import explorable as ex
studio = ex.Studio(ex.load(%r)); studio.wait(); studio.seed = 1; studio.wait()
import pathlib, re
status = pathlib.Path("/proc/self/status")  # only Linux tells
print(int(re.findall(r"VmRSS:\\s+(\\d+)", status.read_text())[0]) / 1024 if status.exists() else "nan")
"""
TARGET = {"import explorable": "0.3 s", "load and first picture": "4 s", "one picture, warm": "0.5 s",
          "one picture, one core kept busy": "1 s", "memory of a kernel with a Studio": "700 MB", "weights": "40 MB"}


@contextlib.contextmanager
def busy_core() -> Iterator[None]:
    """Another process that computes all the time."""
    process = subprocess.Popen([sys.executable, "-c", BUSY])
    try:
        yield
    finally:
        process.kill()
        process.wait()


def cold(model: str) -> tuple[float, float]:
    """Seconds to import the package, and to load a model and draw its first picture, in a new process."""
    done = subprocess.run([sys.executable, "-c", COLD, model], capture_output=True, text=True, check=True)
    imported, first = json.loads(done.stdout.splitlines()[-1])
    return imported, first


def kernel_memory(model: str) -> float:
    """Resident megabytes of a Jupyter kernel in which a Studio has drawn two pictures."""
    from jupyter_client.manager import start_new_kernel

    manager, client = start_new_kernel()
    try:
        said: list[str] = []
        client.execute_interactive(NOTEBOOK % model, timeout=300, allow_stdin=False, output_hook=lambda message: (
            said.append(message["content"]["text"]) if message["msg_type"] == "stream" else None))
        return float("".join(said).split()[-1])
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def speed(model: str = "unet-flow", repeats: int = 15) -> Table:
    """One guided 20-step picture, decoded; cold start; memory; weights. Medians over `repeats`."""
    from ..pipeline import load

    colds = [cold(model) for _ in range(3)]
    pipe = load(model)

    def picture() -> float:
        start = time.perf_counter()
        _ = pipe("a red sports car on a mountain road at sunset", steps=20).image
        return time.perf_counter() - start

    picture(), picture()
    warm = [picture() for _ in range(repeats)]
    with busy_core():
        loaded = [picture() for _ in range(repeats)]
    weights = sum(read_card(name)["bytes"] for name in model_names()) / 1e6
    values = {
        "import explorable": f"{statistics.median(c[0] for c in colds):.2f} s",
        "load and first picture": f"{statistics.median(c[1] for c in colds):.2f} s",
        "one picture, warm": f"{statistics.median(warm):.2f} s",
        "one picture, one core kept busy": f"{statistics.median(loaded):.2f} s",
        "memory of a kernel with a Studio": f"{kernel_memory(model):.0f} MB",
        "weights": f"{weights:.1f} MB",
    }
    rows = [{"what": what, "measured": value, "at most": TARGET[what]} for what, value in values.items()]
    return Table(f"Speed and size of {model} on {os.cpu_count()} cores", rows,
                 ["a picture: 20 steps, guided (two passes a step, in one batch), decoded"])
