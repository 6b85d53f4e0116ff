"""How long from a control's change until the explorable shows a first preview, and the final picture? In the kernel.

    python tests/benchmarks/answers.py [--repeats 10] [--only Studio FlowPaths] [--json]

A time ends when the stage has the recording and is about to send it to the page. The final picture is there with the
first recording whose picture is, byte for byte, the one at rest; "at rest" is when all else (charts, scores, what
other words do) is there too. Every value is new, so that no answer is kept from before; one change is not counted.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from bench import EXPLORABLES, at_rest, opened, options, report, row

FIRST_MS, FINAL_MS = 300, 1000


@dataclass(frozen=True)
class Case:
    """A trait of an explorable, its k-th value, what it is opened with, and the layer that is its picture."""

    explorable: str
    trait: str
    value: Callable[[int], Any]
    picture: str
    opening: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        given = "".join(f" ({name} {value})" for name, value in self.opening.items())
        return f"{self.explorable}{given}, {self.trait}"


def seed(k: int) -> int:
    return 100 + k


def guidance(k: int) -> float:
    return 2 + k / 8


def scale(k: int) -> float:
    return 1.25 + k / 8


def fader(k: int) -> dict[str, float]:
    return {"up.0.skip": 0.9 ** (k + 1)}


def start(k: int) -> tuple[float, float]:
    return float(np.cos(k)), float(np.sin(k))


CASES = (
    Case("Studio", "guidance", guidance, "noisy"),
    Case("Studio", "seed", seed, "noisy"),
    Case("NoiseTrajectory", "guidance", guidance, "noisy"),
    Case("NoiseTrajectory", "seed", seed, "noisy"),
    Case("NoiseTrajectory", "branch_guidance", guidance, "branch noisy"),
    Case("UNetXRay", "guidance", guidance, "image edited"),
    Case("UNetXRay", "seed", seed, "image edited"),
    Case("UNetXRay", "seed", seed, "image edited", {"faders": {"up.0.skip": 0.5}}),
    Case("UNetXRay", "faders", fader, "image edited"),
    Case("TokenAttention", "guidance", guidance, "denoised"),
    Case("TokenAttention", "seed", seed, "denoised"),
    Case("TokenAttention", "scale", scale, "edited"),
    Case("FlowPaths", "seed", seed, "marginal cloud"),
    Case("FlowPaths", "start", start, "your path"),
    Case("FlowPaths", "seed", seed, "unet-flow", {"mode": "pictures"}),
)


def seen(stage: Any, layer: str) -> np.ndarray:
    """The bytes of a layer along its frames, where the reader is on the other axes."""
    spec, data = next((s, b) for s, b in zip(stage.layers, stage.buffers, strict=True) if s["name"] == layer)
    lengths = spec["shape"][: len(spec["axes"])]
    at = tuple(slice(None) if axis == "frame" else stage.selection[axis] for axis in spec["axes"])
    return np.frombuffer(data, np.uint8).reshape(*lengths, -1)[at]


def answered(made: Any, case: Case, value: Any) -> tuple[float, float, float]:
    """Milliseconds from setting the trait to the first recording, to the final picture, and to rest."""
    arrivals: list[tuple[float, np.ndarray]] = []

    def arrived(change: Any) -> None:
        arrivals.append((time.perf_counter(), seen(made.stage, case.picture)))

    made.stage.observe(arrived, names="recording_id")
    began = time.perf_counter()
    setattr(made, case.trait, value)
    at_rest(made)
    rested = time.perf_counter()
    made.stage.unobserve(arrived, names="recording_id")
    if not arrivals:
        raise RuntimeError(f"{case.name} = {value!r} brought nothing onto the stage")
    last = arrivals[-1][1]
    final = next(at for at, picture in arrivals if np.array_equal(picture, last))
    return tuple(1000 * (at - began) for at in (arrivals[0][0], final, rested))  # type: ignore[return-value]


def rows_of(case: Case, repeats: int) -> Iterator[dict[str, Any]]:
    made = opened(case.explorable, **case.opening)
    times = [answered(made, case, case.value(k)) for k in range(repeats + 1)][1:]
    made.close()
    for what, values, target in zip(("first shown", "final picture", "at rest"), zip(*times, strict=True),
                                    (FIRST_MS, FINAL_MS, None), strict=True):
        yield row(f"{case.name}: {what}", values, "ms", target)


def main() -> None:
    asked = options(__doc__, 10, EXPLORABLES)
    rows = [line for case in CASES if case.explorable in asked.only for line in rows_of(case, asked.repeats)]
    report("From a change to the picture, in the kernel", rows, asked.json)


if __name__ == "__main__":
    main()
