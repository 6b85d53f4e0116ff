"""What becomes of 500 movements of a control within 5 seconds? Each arrives as the page would send it.

    python tests/benchmarks/bursts.py [--repeats 5] [--only Studio FlowPaths] [--json]

Counted are the computations that were begun, and those that came to their end; those that a newer value overtook stop
at their next step. Memory is resident memory, without what nobody refers to any more, after a burst against before it;
"highest" is the most in between. One burst is not counted: caches of a fixed size fill.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from bench import EXPLORABLES, apart, at_rest, memory, opened, options, report, resident, row

from explorable.widgets.core.layout import descendants
from explorable.widgets.flow_paths.compute import SIDE

EVENTS, SECONDS = 500, 5.0
HANDFUL = 5


@dataclass(frozen=True)
class Hand:
    """What moves an explorable: a control, by what it is called on the page, through these values; or a drag.

    now: the value that the explorable is set to.
    """

    control: str
    low: float
    high: float
    now: Callable[[Any], float]

    def values(self, turn: int) -> list[float]:
        """Those of one burst, none of which another had, or its answer would be there already."""
        span = (self.high - self.low) * 0.99**turn
        return [self.low + span * (k + 1) / EVENTS for k in range(EVENTS)]

    def mover(self, made: Any) -> Callable[[float], None]:
        """What the page's messages do, given a value."""
        if not self.control:
            return lambda v: made.stage.set_state({"pointer": {
                "panel": "marginal", "kind": "drag", "x": (v / SIDE + 1) / 2, "y": 0.25, "done": False}})
        control = next(w for w in descendants(made) if getattr(w, "description", "") == self.control)
        return lambda v: control.set_state({"value": v})


HANDS = {
    "Studio": Hand("guidance", 1, 15, lambda made: made.guidance),
    "NoiseTrajectory": Hand("guidance", 1, 15, lambda made: made.guidance),
    "UNetXRay": Hand("skip 16 × 16", 0, 1.99, lambda made: next(iter(made.faders.values()))),
    "TokenAttention": Hand("attention scale", 0.1, 4, lambda made: made.scale),
    "FlowPaths": Hand("", -3, 3, lambda made: made.start[0]),
}


@dataclass
class Burst:
    """What one burst came to. after: milliseconds from the last movement to rest; memory in MB."""

    begun: int = 0
    ended: list[Any] = field(default_factory=list)  # the wishes that were answered
    took: float = 0.0
    after: float = 0.0
    missed: bool = False
    growth: float = 0.0
    highest: float = 0.0


def burst(made: Any, hand: Hand, turn: int) -> Burst:
    found, compute, move, values = Burst(), type(made).compute, hand.mover(made), hand.values(turn)

    def counted(pipe: Any, asked: Any, progress: Any) -> Any:
        found.begun += 1
        answer = compute(made, pipe, asked, progress)
        found.ended.append(asked)
        return answer

    before = highest = memory()
    made.compute = counted
    began = time.perf_counter()
    for k, value in enumerate(values):
        time.sleep(max(0.0, began + k * SECONDS / EVENTS - time.perf_counter()))
        move(value)
        highest = max(highest, resident())
    moved = time.perf_counter()
    at_rest(made)
    found.took, found.after = moved - began, 1000 * (time.perf_counter() - moved)
    last = math.isclose(hand.now(made), values[-1], abs_tol=1e-3)
    found.missed = not last or made.request() not in found.ended[-1:]
    after = memory()
    found.growth, found.highest = after - before, max(highest, after) - before
    del made.compute  # the class's own again
    return found


def bursts(name: str, repeats: int) -> list[Burst]:
    """In a process of its own: see `bench.apart`."""
    made = opened(name)
    found = [burst(made, HANDS[name], turn) for turn in range(repeats + 1)][1:]
    made.close()
    return found


def rows_of(name: str, found: list[Burst]) -> Iterator[dict[str, Any]]:
    what = f"{name}, {HANDS[name].control or 'start dragged'}"
    yield row(f"{what}: bursts whose last value is not shown", [b.missed for b in found], "of 1", 0)
    yield row(f"{what}: computed to the end", [len(b.ended) for b in found], "answers", HANDFUL)
    yield row(f"{what}: begun", [b.begun for b in found], "answers")
    yield row(f"{what}: from the last movement to rest", [b.after for b in found], "ms")
    yield row(f"{what}: the burst itself", [b.took for b in found], "s")
    yield row(f"{what}: memory, after against before", [b.growth for b in found], "MB")
    yield row(f"{what}: memory, highest against before", [b.highest for b in found], "MB")


def main() -> None:
    asked = options(__doc__, 5, EXPLORABLES)
    found = apart(bursts, asked.only, [asked.repeats] * len(asked.only))
    rows = [line for name, of in zip(asked.only, found, strict=True) for line in rows_of(name, of)]
    report(f"{EVENTS} movements in {SECONDS:g} seconds", rows, asked.json,
           "memory shall be flat: bursts must not add up")


if __name__ == "__main__":
    main()
