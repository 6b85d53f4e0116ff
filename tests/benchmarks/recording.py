"""How much memory does it take to record all cross-attention maps of a guided run of 20 steps, and to browse them?

    python tests/benchmarks/recording.py [--repeats 3] [--json]

Measured with the analysis functions, and in a TokenAttention in which every word, layer, head, step and branch is shown
once. Each value is from a new process, in which the model has generated an image before. Memory is resident memory
relative to that moment: at the end, after a garbage collection; and at its peak, sampled after each part.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from bench import in_new_processes, memory, open_explorable, parse_options, report, resident, row, wait_until_idle

from explorable.analysis.attention_maps import WEIGHTS, add_means, branch_maps, gather_weights
from explorable.widgets.core.explorable import shipped_pipeline

PROMPT, STEPS = "a red sports car on a mountain road at sunset", 20
MAX_MB = 300


class MemoryGrowth:
    """Resident megabytes relative to the beginning, and their maximum."""

    def __init__(self) -> None:
        self.before = memory()
        self.peak = 0.0

    def sample(self) -> None:
        self.peak = max(self.peak, resident() - self.before)

    def end(self) -> dict[str, float]:
        self.sample()
        return {"memory": memory() - self.before, "peak memory": self.peak}


def with_functions(_: int) -> dict[str, float]:
    """Run by `bench.in_new_processes`."""
    pipe = shipped_pipeline("unet-flow")
    pipe(PROMPT, steps=STEPS)
    growth = MemoryGrowth()
    run = pipe(PROMPT, steps=STEPS, record=[WEIGHTS])
    growth.sample()
    recorded = sum(array.nbytes for array in run.recorded.values()) / 1e6
    weights = gather_weights(run)
    growth.sample()
    for branch in weights.branch.values:
        maps = add_means(branch_maps(weights, str(branch), run.tokens))
        for axis in ("token", "layer", "head", "step"):
            for k in range(maps.sizes[axis]):
                maps.isel({axis: k}).mean([a for a in maps.dims if a not in (axis, "y", "x")])
                growth.sample()
    return growth.end() | {"bytes recorded": recorded, "bytes of maps": weights.nbytes / 1e6}


def in_token_attention(_: int) -> dict[str, float]:
    """Run by `bench.in_new_processes`."""
    shipped_pipeline("unet-flow")(PROMPT, steps=STEPS)
    growth = MemoryGrowth()
    explorable = open_explorable("TokenAttention", prompt=PROMPT, steps=STEPS, region=(0.2, 0.5, 0.8, 0.8))
    growth.sample()
    for branch in ("uncond", "cond"):
        explorable.branch = branch
        for axis in explorable.stage.axes:
            for label in axis["labels"]:
                setattr(explorable, axis["name"], label)
                wait_until_idle(explorable)  # effects of start and end tokens are computed on selection
                growth.sample()
        for k in range(len(explorable.stage.captions)):
            explorable.stage.frame = k
            growth.sample()
    maps, sent = explorable.attention.weights.nbytes / 1e6, sum(map(len, explorable.stage.buffers)) / 1e6
    found = growth.end() | {"bytes of maps": maps, "bytes sent to the page": sent}
    explorable.close()
    return found


def table_rows(what: str, found: list[dict[str, float]]) -> Iterator[dict[str, Any]]:
    for name in found[0]:
        yield row(f"{what}: {name}", [each[name] for each in found], "MB", MAX_MB if "memory" in name else None)


def main() -> None:
    options = parse_options(__doc__, 3)
    rows = [line for what, function in (("with functions", with_functions), ("in TokenAttention", in_token_attention))
            for line in table_rows(what, list(in_new_processes(function, range(options.repeats))))]
    report(f"All cross-attention maps of {STEPS} guided steps", rows, options.json)


if __name__ == "__main__":
    main()
