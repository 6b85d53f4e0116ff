"""Why denoise latents? One step of a U-Net on a latent, and of the same network on the image's pixels.

Rombach et al. 2022 measured a gain of at least 2.7 times in a whole sampling, with 16 to 64 times fewer positions.
Here one step is measured, with the same widths and blocks.
"""

from __future__ import annotations

import statistics
import time

import torch

from ..nn.unet import UNet, UNetConfig
from .machine import process_memory, run_python
from .table import Table, check_counts

SPACES = {"latent": (4, 16), "pixels": (3, 128)}  # channels, positions per side
TOKENS = 24  # of the prompt
REPEATS, QUICK_REPEATS = 15, 3


def latent(repeats: int = REPEATS, quick: bool = False) -> Table:
    """Measure the median time of a step for one image, and its memory, each space in a new process.

    "memory, step" is the maximum during the steps, minus what the process occupied before. quick: three repeats.
    """
    check_counts(1, repeats=repeats)
    repeats = QUICK_REPEATS if quick else repeats
    costs = {name: in_new_process(*space, repeats) for name, space in SPACES.items()}
    rows: list[dict] = [
        {"space": f"{name}, {side} x {side} x {channels}", "positions": side**2,
         "most positions in one attention": attended(side), "ms a step": float(f"{1000 * costs[name]['seconds']:.3g}"),
         "memory, step, MB": float(f"{costs[name]['step']:.3g}"),
         "memory, process, MB": round(costs[name]["process"])} for name, (channels, side) in SPACES.items()]
    ratio = (SPACES["pixels"][1] / SPACES["latent"][1]) ** 2
    return Table(f"A step of the U-Net, {torch.get_num_threads()} threads, batch 1, median of {repeats}", rows, [
        f"pixels take {costs['pixels']['seconds'] / costs['latent']['seconds']:.0f} times as long, "
        f"for {ratio:g} times the positions",
        "both have the same widths and blocks; every block below the full size has self-attention over all positions"])


def attended(side: int) -> int:
    """Return the largest number of positions in a self-attention of the U-Net, for inputs of `side` x `side`."""
    return max((side >> k) ** 2 for k, has_attention in enumerate(UNetConfig().self_attention) if has_attention)


def in_new_process(channels: int, side: int, repeats: int) -> dict[str, float]:
    """Run `step_cost` in a new process."""
    return run_python("import json; "
                      f"from {__name__} import step_cost; print(json.dumps(step_cost({channels}, {side}, {repeats})))")


@torch.inference_mode()
def step_cost(channels: int, side: int, repeats: int, config: UNetConfig | None = None, warm_ups: int = 1,
              ) -> dict[str, float]:
    """Return the median seconds of a step, and the megabytes of the step and of the whole process at its maximum.

    The weights are random, which changes neither time nor memory.
    """
    config = UNetConfig(channels=channels) if config is None else config
    net = UNet(config).eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    context = torch.randn(1, TOKENS, config.context_width)
    caches = net.project_context(context, torch.ones(1, TOKENS, dtype=torch.bool))
    x = torch.randn(1, channels, side, side).contiguous(memory_format=torch.channels_last)
    before, seconds = process_memory("VmRSS"), []
    for _ in range(warm_ups + repeats):
        start = time.perf_counter()
        net(x, torch.ones(1), caches)
        seconds.append(time.perf_counter() - start)
    peak = process_memory("VmHWM")
    return {"seconds": statistics.median(seconds[warm_ups:]), "step": peak - before, "process": peak}
