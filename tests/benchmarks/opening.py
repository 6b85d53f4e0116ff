"""What remains of an explorable that was opened and closed? Memory, widget models, threads, the object itself.

    python tests/benchmarks/opening.py [--repeats 50] [--only Studio FlowPaths] [--json]

Each explorable runs in a new process. The first five openings do not count: they load models and modules. Memory is
resident memory after a garbage collection.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from bench import EXPLORABLES, in_new_processes, memory, open_explorable, parse_options, report, row
from ipywidgets.widgets.widget import _instances as MODELS

WARM_UP = 5  # openings
MAX_MB = 10


@dataclass(frozen=True)
class Remains:
    """What remains after `count` openings: megabytes, and numbers of widget models, threads and explorables."""

    count: int
    megabytes: float
    models: int
    threads: int
    explorables: int


def openings(name: str, repeats: int) -> Remains:
    """Run by `bench.in_new_processes`."""
    warm_up = min(WARM_UP, repeats - 1)
    sizes, models, alive = [memory()], [len(MODELS)], []
    for _ in range(repeats):
        explorable = open_explorable(name)
        alive.append(weakref.ref(explorable))
        explorable.close()
        del explorable
        sizes.append(memory())
        models.append(len(MODELS))
    threads = [thread for thread in threading.enumerate() if thread.name.startswith("explorable-")]
    return Remains(repeats - warm_up, sizes[-1] - sizes[warm_up], models[-1] - models[warm_up], len(threads),
                sum(ref() is not None for ref in alive))


def table_rows(name: str, remains: Remains) -> Iterator[dict[str, Any]]:
    yield row(f"{name}: memory growth in {remains.count} openings", [remains.megabytes], "MB", MAX_MB)
    yield row(f"{name}: memory growth per opening", [remains.megabytes / remains.count], "MB")
    yield row(f"{name}: widget models left", [remains.models], "", 0)
    yield row(f"{name}: threads left", [remains.threads], "", 0)
    yield row(f"{name}: explorables left", [remains.explorables], "", 0)


def main() -> None:
    options = parse_options(__doc__, 50, EXPLORABLES)
    found = in_new_processes(openings, options.only, [options.repeats] * len(options.only))
    rows = [line for name, remains in zip(options.only, found, strict=True) for line in table_rows(name, remains)]
    report("Opened and closed", rows, options.json)


if __name__ == "__main__":
    main()
