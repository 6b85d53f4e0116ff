"""How fast does a part of Studio's map open, and what memory do all parts take?

    python tests/benchmarks/studio_map.py [--repeats 3] [--only words guidance] [--json]

Milliseconds from opening a part to its first recording, warm: each part was opened once before. Memory is resident
memory after a garbage collection: the most while every part is opened in turn in one Studio, and what more there is
than before when the last is closed. The parts are opened twice, and the second time counts for what is left: the first
loads models and modules, which stay in the kernel, and is reported as "loaded once".
"""

from __future__ import annotations

import time
from typing import Any

from bench import in_new_processes, memory, parse_options, report, resident, row, wait_until_idle

import explorable as ex
from explorable.widgets.pipeline_map.nodes import NODES, why_closed

FIRST_MS, MAX_MB, LEFT_MB = 400, 900, 30
PARTS = tuple(name for name, node in NODES.items() if not why_closed(node))


def opened_ms(studio: Any, name: str) -> tuple[float, float]:
    """Open a part, wait for its result, and close it. Returns the milliseconds to its first recording, and the
    resident megabytes when its result was there."""
    began, times = time.perf_counter(), []
    opened = studio.open_part(name)
    opened.stage.observe(lambda change: times.append(time.perf_counter()), names="recording_id")
    if opened.stage.captions:  # it was there before it could be observed
        times.append(time.perf_counter())
    wait_until_idle(opened)
    size = resident()
    studio.open_part("")
    return 1000 * (min(times) - began), size


def measured(names: list[str], repeats: int) -> dict[str, Any]:
    """Run by `bench.in_new_processes`."""
    studio = ex.Studio()
    wait_until_idle(studio)
    start = memory()
    peak = max(opened_ms(studio, name)[1] for name in names)
    loaded = memory()
    times: dict[str, list[float]] = {name: [] for name in names}
    for _ in range(repeats):
        for name in names:
            ms, size = opened_ms(studio, name)
            times[name].append(ms)
            peak = max(peak, size)
    left = memory() - loaded
    studio.close()
    return {"times": times, "peak": peak, "loaded": loaded - start, "left": left}


def main() -> None:
    options = parse_options(__doc__, 3, PARTS)
    found, = in_new_processes(measured, [options.only], [options.repeats])
    rows = [row(f"{name}: first view", values, "ms", FIRST_MS) for name, values in found["times"].items()]
    rows += [row("kernel memory, every part opened", [found["peak"]], "MB", MAX_MB),
             row("loaded once: models and modules", [found["loaded"]], "MB"),
             row("left after closing", [found["left"]], "MB", LEFT_MB)]
    report("The map of Studio", rows, options.json)


if __name__ == "__main__":
    main()
