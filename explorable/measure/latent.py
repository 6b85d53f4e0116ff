"""Why paint small? One step of a U-Net on a latent, and of the same network on the picture's own pixels.

Rombach et al. 2022 measured a gain of at least 2.7 times where the latent has 16 to 64 times fewer places: a step
is not all, and a picture's channels are fewer. Here it is one step alone, with the same widths and units.
"""

from __future__ import annotations

import json
import re
import statistics
import subprocess
import sys
import time
from pathlib import Path

import torch

from ..nn.unet import UNet, UNetConfig
from .table import Table, check_counts

SPACES = {"latent": (4, 16), "pixels": (3, 128)}  # channels, places a side
TOKENS = 24  # of a prompt
REPEATS = 15


def latent(repeats: int = REPEATS, quick: bool = False) -> Table:
    """Median time of a step for one picture, and its memory, each space in a process of its own.

    memory, step: what the process held at most while it stepped, above what it held just before.
    quick: three repeats.

    Raises:
        ValueError: a number of repeats that cannot be.
    """
    check_counts(1, repeats=repeats)
    repeats = 3 if quick else repeats
    told = {name: in_new_process(channels, side, repeats) for name, (channels, side) in SPACES.items()}
    rows: list[dict] = [
        {"space": f"{name}, {side} x {side} x {channels}", "places": side**2,
         "most places in one attention": attended(side), "ms a step": float(f"{1000 * told[name]['seconds']:.3g}"),
         "memory, step, MB": float(f"{told[name]['step']:.3g}"),
         "memory, process, MB": round(told[name]["process"])} for name, (channels, side) in SPACES.items()]
    small, big = told["latent"], told["pixels"]
    places = (SPACES["pixels"][1] / SPACES["latent"][1]) ** 2
    return Table(f"A step of the U-Net, {torch.get_num_threads()} threads, batch 1, median of {repeats}", rows, [
        f"pixels take {big['seconds'] / small['seconds']:.0f} times as long, for {places:g} times the places",
        "the same widths and units in both; each unit but those at full size looks around over all its places"])


def attended(side: int) -> int:
    """How many places the widest self-attention of the U-Net reads from, on a picture of `side` places a side."""
    return max((side >> k) ** 2 for k, looks in enumerate(UNetConfig().self_attention) if looks)


def in_new_process(channels: int, side: int, repeats: int) -> dict[str, float]:
    """`stepped` in a process that has done nothing else."""
    program = f"import json; from {__name__} import stepped; print(json.dumps(stepped({channels}, {side}, {repeats})))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


@torch.inference_mode()
def stepped(channels: int, side: int, repeats: int, config: UNetConfig | None = None) -> dict[str, float]:
    """Seconds of a step (median), and megabytes: of the step, and of the whole process at its peak.

    The weights are random: what they are changes neither time nor memory.
    """
    config = UNetConfig(channels=channels) if config is None else config
    net = UNet(config).eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    context = torch.randn(1, TOKENS, config.context_width)
    caches = net.project_context(context, torch.ones(1, TOKENS, dtype=torch.bool))
    x = torch.randn(1, channels, side, side).contiguous(memory_format=torch.channels_last)
    before, seconds = held("VmRSS"), []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        net(x, torch.ones(1), caches)
        seconds.append(time.perf_counter() - start)
    peak = held("VmHWM")
    return {"seconds": statistics.median(seconds[1:]), "step": peak - before, "process": peak}  # the first warms up


def held(what: str) -> float:
    """Megabytes that this process holds now (VmRSS), or has held at most (VmHWM). Only Linux tells the first.

    Linux' ru_maxrss will not do: a child begins with its parent's.
    """
    status = Path("/proc/self/status")
    if status.exists():
        return int(re.findall(rf"{what}:\s+(\d+)", status.read_text())[0]) / 1024
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20  # macOS counts in bytes
