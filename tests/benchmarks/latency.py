"""How long does an explorable take from a changed trait to its first preview, and to the final image?

    python tests/benchmarks/latency.py [--repeats 10] [--only Studio FlowPaths] [--json]

Measured in the kernel, until the stage is about to send the recording to the page. The final image comes with the first
recording that has the same bytes as the last; "idle" also includes charts, scores and the effects of other words. Every
value is new, so that no result is cached; the first change is not counted.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from bench import EXPLORABLES, open_explorable, parse_options, report, row, wait_until_idle

FIRST_MS, FINAL_MS = 300, 1000


@dataclass(frozen=True)
class Case:
    """A trait of an explorable, its k-th value, the layer with the image, settings to open it with, and targets."""

    explorable: str
    trait: str
    value: Callable[[int], Any]
    image_layer: str
    settings: dict[str, Any] = field(default_factory=dict)
    first_ms: float = FIRST_MS
    final_ms: float = FINAL_MS

    @property
    def name(self) -> str:
        given = "".join(f" ({name} {value})" for name, value in self.settings.items())
        return f"{self.explorable}{given}, {self.trait}"


def seed(k: int) -> int:
    return 100 + k


def guidance(k: int) -> float:
    return 2 + k / 8


def seed_of_another_grid(k: int) -> int:
    return 100 + 4 * k


def classifier_scale(k: int) -> float:
    return 10 + k


def scale(k: int) -> float:
    return 1.25 + k / 8


def fader(k: int) -> dict[str, float]:
    return {"up.0.skip": 0.9 ** (k + 1)}


def channel_scales(k: int) -> tuple[float, ...]:
    return 1.0, 0.9 ** (k + 1), 1.0, 1.0


def cell(k: int) -> tuple[int, int]:
    return k % 16, k // 16


def strength(k: int) -> float:
    return 0.4 + k / 50


def start(k: int) -> tuple[float, float]:
    return float(np.cos(k)), float(np.sin(k))


CASES = (
    Case("Studio", "guidance", guidance, "noisy"),
    Case("Studio", "seed", seed, "noisy"),
    Case("NoiseTrajectory", "guidance", guidance, "noisy"),
    Case("NoiseTrajectory", "seed", seed, "noisy"),
    Case("NoiseTrajectory", "branch_guidance", guidance, "branch noisy"),
    Case("ClassifierGuidance", "classifier_scale", classifier_scale, "guided"),
    Case("ClassifierGuidance", "seed", seed, "guided"),
    Case("ClassifierGuidance", "seed", seed_of_another_grid, "image", {"mode": "scales"}, 1000, 12_000),
    Case("GuidanceScale", "guidance", guidance, "guided"),
    Case("GuidanceScale", "seed", seed, "guided"),
    Case("GuidanceScale", "seed", seed_of_another_grid, "image", {"mode": "grid"}, 1000, 12_000),
    Case("LatentSpace", "scales", channel_scales, "reconstruction"),
    Case("LatentSpace", "cell", cell, "changed", {"mode": "cells"}),
    Case("LatentSpace", "seed", seed, "decoded", {"mode": "noise"}),
    Case("LatentSpace", "seed", seed, "noise", {"mode": "mix"}),
    Case("LatentSpace", "strength", strength, "predicted", {"mode": "image"}),
    Case("UNetXRay", "guidance", guidance, "image edited"),
    Case("UNetXRay", "seed", seed, "image edited"),
    Case("UNetXRay", "seed", seed, "image edited", {"faders": {"up.0.skip": 0.5}}),
    Case("UNetXRay", "faders", fader, "image edited"),
    Case("TokenAttention", "guidance", guidance, "denoised"),
    Case("TokenAttention", "seed", seed, "denoised"),
    Case("TokenAttention", "scale", scale, "edited"),
    Case("Learning", "seed", seed, "samples", final_ms=30_000),  # the acceptance of its training
    Case("FlowPaths", "seed", seed, "marginal cloud"),
    Case("FlowPaths", "start", start, "your path"),
    Case("FlowPaths", "seed", seed, "unet-flow", {"mode": "images"}),
)


def layer_bytes(stage: Any, layer: str) -> np.ndarray:
    """Return the bytes of a layer in all frames, at the current selection of the other axes."""
    spec, data = next((s, b) for s, b in zip(stage.layers, stage.buffers, strict=True) if s["name"] == layer)
    lengths = spec["shape"][: len(spec["axes"])]
    index = tuple(slice(None) if axis == "frame" else stage.selection[axis] for axis in spec["axes"])
    return np.frombuffer(data, np.uint8).reshape(*lengths, -1)[index]


def latencies(explorable: Any, case: Case, value: Any) -> tuple[float, float, float]:
    """Return the milliseconds from setting the trait to the first recording, to the final image, and to idle."""
    recordings: list[tuple[float, np.ndarray]] = []

    def on_recording(change: Any) -> None:
        recordings.append((time.perf_counter(), layer_bytes(explorable.stage, case.image_layer)))

    explorable.stage.observe(on_recording, names="recording_id")
    began = time.perf_counter()
    setattr(explorable, case.trait, value)
    wait_until_idle(explorable)
    idle = time.perf_counter()
    explorable.stage.unobserve(on_recording, names="recording_id")
    if not recordings:
        raise RuntimeError(f"{case.name} = {value!r} showed no recording")
    last = recordings[-1][1]
    final = next(shown for shown, image in recordings if np.array_equal(image, last))
    return tuple(1000 * (end - began) for end in (recordings[0][0], final, idle))  # type: ignore[return-value]


def table_rows(case: Case, repeats: int) -> Iterator[dict[str, Any]]:
    explorable = open_explorable(case.explorable, **case.settings)
    times = [latencies(explorable, case, case.value(k)) for k in range(repeats + 1)][1:]
    explorable.close()
    for what, values, target in zip(("first preview", "final image", "idle"), zip(*times, strict=True),
                                    (case.first_ms, case.final_ms, None), strict=True):
        yield row(f"{case.name}: {what}", values, "ms", target)


def main() -> None:
    options = parse_options(__doc__, 10, EXPLORABLES)
    rows = [line for case in CASES if case.explorable in options.only for line in table_rows(case, options.repeats)]
    report("From a changed trait to the image, in the kernel", rows, options.json)


if __name__ == "__main__":
    main()
