"""What does it take to keep all cross-attention maps of a 20-step guided run, and to browse them?

    python tests/benchmarks/recording.py [--repeats 3] [--json]

Twice: by the core's own functions, and in a TokenAttention, every word, layer, head, step and branch looked at once.
Each value is of a new process, in which the model has drawn a picture before. Memory is resident memory against that
moment: at the end, without what nobody refers to any more; and at its highest, looked at after each part.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from bench import apart, at_rest, memory, opened, options, report, resident, row

from explorable.analysis.attention_maps import WEIGHTS, add_means, branch_maps, gather_weights
from explorable.widgets.core.explorable import shipped_pipeline

PROMPT, STEPS = "a red sports car on a mountain road at sunset", 20
MOST_MB = 300


class Growth:
    """Resident megabytes against those at the beginning, and the most that there were."""

    def __init__(self) -> None:
        self.before = memory()
        self.highest = 0.0

    def look(self) -> None:
        self.highest = max(self.highest, resident() - self.before)

    def end(self) -> dict[str, float]:
        self.look()
        return {"memory": memory() - self.before, "memory at its highest": self.highest}


def by_the_core(_: int) -> dict[str, float]:
    """In a process of its own: see `bench.apart`."""
    pipe = shipped_pipeline("unet-flow")
    pipe(PROMPT, steps=STEPS)
    growth = Growth()
    run = pipe(PROMPT, steps=STEPS, record=[WEIGHTS])
    growth.look()
    recorded = sum(array.nbytes for array in run.recorded.values()) / 1e6
    weights = gather_weights(run)
    growth.look()
    for branch in weights.branch.values:
        maps = add_means(branch_maps(weights, str(branch), run.tokens))
        for axis in ("token", "layer", "head", "step"):
            for k in range(maps.sizes[axis]):
                maps.isel({axis: k}).mean([a for a in maps.dims if a not in (axis, "y", "x")])
                growth.look()
    return growth.end() | {"bytes recorded": recorded, "bytes kept": weights.nbytes / 1e6}


def in_the_explorable(_: int) -> dict[str, float]:
    """In a process of its own: see `bench.apart`."""
    shipped_pipeline("unet-flow")(PROMPT, steps=STEPS)
    growth = Growth()
    made = opened("TokenAttention", prompt=PROMPT, steps=STEPS, region=(0.2, 0.5, 0.8, 0.8))
    growth.look()
    for branch in ("uncond", "cond"):
        made.branch = branch
        for axis in made.stage.axes:
            for label in axis["labels"]:
                setattr(made, axis["name"], label)
                at_rest(made)  # start and end tokens are tried when they are chosen
                growth.look()
        for k in range(len(made.stage.captions)):
            made.stage.frame = k
            growth.look()
    kept, sent = made.attention.weights.nbytes / 1e6, sum(map(len, made.stage.buffers)) / 1e6
    found = growth.end() | {"bytes kept": kept, "bytes sent to the page": sent}
    made.close()
    return found


def rows_of(what: str, found: list[dict[str, float]]) -> Iterator[dict[str, Any]]:
    for name in found[0]:
        yield row(f"{what}: {name}", [each[name] for each in found], "MB", MOST_MB if "memory" in name else None)


def main() -> None:
    asked = options(__doc__, 3)
    rows = [line for what, ways in (("by the core", by_the_core), ("in TokenAttention", in_the_explorable))
            for line in rows_of(what, list(apart(ways, range(asked.repeats))))]
    report(f"All cross-attention maps of {STEPS} guided steps", rows, asked.json)


if __name__ == "__main__":
    main()
