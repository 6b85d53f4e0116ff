"""What happens when a control moves 500 times within 5 seconds? Each message arrives as the page would send it.

    python tests/benchmarks/bursts.py [--repeats 5] [--only Studio FlowPaths] [--json]

Computations that a newer value supersedes stop at their next step; counted are those that started and those that
finished. Memory is resident memory after a garbage collection, after a burst minus before it; "peak" is the maximum in
between. The first burst is not counted, as it fills caches of a fixed size.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from bench import (
    EXPLORABLES,
    in_new_processes,
    memory,
    open_explorable,
    parse_options,
    report,
    resident,
    row,
    wait_until_idle,
)

from explorable.widgets.core.layout import descendants
from explorable.widgets.flow_paths.compute import HALF_EXTENT

EVENTS, SECONDS = 500, 5.0
MAX_FINISHED = 5  # computations


@dataclass(frozen=True)
class Movement:
    """A control, by its label, that moves from `low` to `high`; without a control, a drag on the stage.

    current: reads the explorable's value. is_whole: the control takes whole numbers.
    """

    control: str
    low: float
    high: float
    current: Callable[[Any], float]
    is_whole: bool = False

    def values(self, turn: int) -> list[float]:
        """Return the values of one burst, all different from those of others, whose results are cached."""
        span = (self.high - self.low) * 0.99**turn
        values = [self.low + span * (k + 1) / EVENTS for k in range(EVENTS)]
        return [round(value) for value in values] if self.is_whole else values

    def sender(self, explorable: Any) -> Callable[[float], None]:
        """Return the function that handles the page's message with a value."""
        if not self.control:
            return lambda v: explorable.stage.set_state({"pointer": {
                "panel": "marginal", "kind": "drag", "x": (v / HALF_EXTENT + 1) / 2, "y": 0.25, "done": False}})
        control = next(w for w in descendants(explorable) if getattr(w, "description", "") == self.control)
        return lambda v: control.set_state({"value": v})


MOVEMENTS = {
    "Studio": Movement("guidance", 1, 15, lambda explorable: explorable.guidance),
    "NoiseTrajectory": Movement("guidance", 1, 15, lambda explorable: explorable.guidance),
    "ClassifierGuidance": Movement("guidance w", 1, 15, lambda explorable: explorable.guidance),
    "GuidanceScale": Movement("guidance w", 1, 15, lambda explorable: explorable.guidance),
    "LatentSpace": Movement("channel 2", 0, 1.99, lambda explorable: explorable.scales[1]),
    "UNetXRay": Movement("skip 16 × 16", 0, 1.99, lambda explorable: next(iter(explorable.faders.values()))),
    "TokenAttention": Movement("attention to every word ×", 0.1, 4, lambda explorable: explorable.scale),
    "PatchTransformer": Movement("seed", 0, 1e6, lambda explorable: explorable.seed, is_whole=True),
    "Learning": Movement("seed", 0, 1e6, lambda explorable: explorable.seed, is_whole=True),
    "FlowPaths": Movement("", -3, 3, lambda explorable: explorable.start[0]),
}


@dataclass
class Burst:
    """The result of one burst: computations, times, and memory in MB."""

    started: int = 0
    finished: list[Any] = field(default_factory=list)  # requests
    burst_seconds: float = 0.0
    idle_ms: float = 0.0  # after the last movement
    is_missed: bool = False  # the last value is not shown
    growth: float = 0.0
    peak: float = 0.0


def burst(explorable: Any, movement: Movement, turn: int) -> Burst:
    found, compute, move, values = Burst(), type(explorable).compute, movement.sender(explorable), movement.values(turn)

    def counted(pipe: Any, request: Any, progress: Any) -> Any:
        found.started += 1
        result = compute(explorable, pipe, request, progress)
        found.finished.append(request)
        return result

    before = peak = memory()
    explorable.compute = counted
    began = time.perf_counter()
    for k, value in enumerate(values):
        time.sleep(max(0.0, began + k * SECONDS / EVENTS - time.perf_counter()))
        move(value)
        peak = max(peak, resident())
    moved = time.perf_counter()
    wait_until_idle(explorable)
    found.burst_seconds, found.idle_ms = moved - began, 1000 * (time.perf_counter() - moved)
    is_last = math.isclose(movement.current(explorable), values[-1], abs_tol=1e-3)
    found.is_missed = not is_last or explorable.request() not in found.finished[-1:]
    after = memory()
    found.growth, found.peak = after - before, max(peak, after) - before
    del explorable.compute  # the class's method again
    return found


def bursts(name: str, repeats: int) -> list[Burst]:
    """Run by `bench.in_new_processes`."""
    explorable = open_explorable(name)
    found = [burst(explorable, MOVEMENTS[name], turn) for turn in range(repeats + 1)][1:]
    explorable.close()
    return found


def table_rows(name: str, found: list[Burst]) -> Iterator[dict[str, Any]]:
    what = f"{name}, {MOVEMENTS[name].control or 'start dragged'}"
    yield row(f"{what}: bursts whose last value is not shown", [b.is_missed for b in found], "of 1", 0)
    yield row(f"{what}: finished computations", [len(b.finished) for b in found], "", MAX_FINISHED)
    yield row(f"{what}: started computations", [b.started for b in found], "")
    yield row(f"{what}: from the last movement to idle", [b.idle_ms for b in found], "ms")
    yield row(f"{what}: the burst itself", [b.burst_seconds for b in found], "s")
    yield row(f"{what}: memory growth", [b.growth for b in found], "MB")
    yield row(f"{what}: peak memory growth", [b.peak for b in found], "MB")


def main() -> None:
    options = parse_options(__doc__, 5, EXPLORABLES)
    found = in_new_processes(bursts, options.only, [options.repeats] * len(options.only))
    rows = [line for name, of in zip(options.only, found, strict=True) for line in table_rows(name, of)]
    report(f"{EVENTS} movements in {SECONDS:g} seconds", rows, options.json,
           "memory should not grow from burst to burst")


if __name__ == "__main__":
    main()
