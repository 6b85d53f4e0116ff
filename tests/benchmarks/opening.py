"""What does an explorable leave behind that was opened and closed? Memory, widget models, threads, itself.

    python tests/benchmarks/opening.py [--repeats 50] [--only Studio FlowPaths] [--json]

Each explorable in a process of its own. Of 50 openings the first five are left out: they load what stays loaded.
Memory is resident memory, without what nobody refers to any more.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from bench import EXPLORABLES, apart, memory, opened, options, report, row
from ipywidgets.widgets.widget import _instances as MODELS

LEFT_OUT = 5
MOST_MB = 10


@dataclass(frozen=True)
class Left:
    """What is left: megabytes in all; and widget models, threads and explorables, each a number."""

    counted: int
    growth: float
    models: int
    threads: int
    explorables: int


def openings(name: str, repeats: int) -> Left:
    """In a process of its own: see `bench.apart`."""
    out = min(LEFT_OUT, repeats - 1)
    sizes, models, alive = [memory()], [len(MODELS)], []
    for _ in range(repeats):
        made = opened(name)
        alive.append(weakref.ref(made))
        made.close()
        del made
        sizes.append(memory())
        models.append(len(MODELS))
    threads = [thread for thread in threading.enumerate() if thread.name.startswith("explorable-")]
    return Left(repeats - out, sizes[-1] - sizes[out], models[-1] - models[out], len(threads),
                sum(ref() is not None for ref in alive))


def rows_of(name: str, left: Left) -> Iterator[dict[str, Any]]:
    yield row(f"{name}: memory grown in {left.counted} openings", [left.growth], "MB", MOST_MB)
    yield row(f"{name}: memory grown in one of them", [left.growth / left.counted], "MB")
    yield row(f"{name}: widget models left", [left.models], "", 0)
    yield row(f"{name}: threads left", [left.threads], "", 0)
    yield row(f"{name}: explorables left", [left.explorables], "", 0)


def main() -> None:
    asked = options(__doc__, 50, EXPLORABLES)
    found = apart(openings, asked.only, [asked.repeats] * len(asked.only))
    rows = [line for name, left in zip(asked.only, found, strict=True) for line in rows_of(name, left)]
    report("Opened and closed", rows, asked.json)


if __name__ == "__main__":
    main()
