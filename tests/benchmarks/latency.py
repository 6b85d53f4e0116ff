"""How long does an explorable take from a changed trait to its first preview, and to the final image?

    python tests/benchmarks/latency.py [--repeats 10] [--only Studio FlowPaths] [--json]

Measured in the kernel, until the stage is about to send the recording to the page. The final image comes with the first
recording that shows, at the frame on the screen, what the last one shows there; "all frames" comes with the first that
has the same frames throughout; "idle" also includes charts, scores and the effects of other words. Every value is new,
so that no result is cached; the first change is not counted.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from bench import EXPLORABLES, open_explorable, parse_options, report, row, wait_until_idle

from explorable.widgets.stage.layers import FRAME
from explorable.widgets.stage.painting import Snapshot

FIRST_MS, FINAL_MS = 300, 1000
QUICK_MS = 700  # of the final image, where nothing but one run is sampled and decoded


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


def radius(k: int) -> float:
    return 0.5 + k / 4


def start(k: int) -> tuple[float, float]:
    return float(np.cos(k)), float(np.sin(k))


CASES = (
    Case("Studio", "guidance", guidance, "noisy", final_ms=QUICK_MS),
    Case("Studio", "seed", seed, "noisy", final_ms=QUICK_MS),
    Case("NoiseTrajectory", "guidance", guidance, "noisy", final_ms=QUICK_MS),
    Case("NoiseTrajectory", "seed", seed, "noisy", final_ms=QUICK_MS),
    Case("NoiseTrajectory", "branch_guidance", guidance, "branch noisy", final_ms=QUICK_MS),
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
    Case("PatchTransformer", "seed", seed, "image edited"),
    Case("PatchTransformer", "radius", radius, "image edited"),
    Case("Learning", "seed", seed, "samples", final_ms=30_000),  # the acceptance of its training
    Case("FlowPaths", "seed", seed, "marginal cloud"),
    Case("FlowPaths", "start", start, "your path"),
    Case("FlowPaths", "seed", seed, "unet-flow", {"mode": "images"}),
)


def latencies(explorable: Any, case: Case, value: Any) -> tuple[float, ...]:
    """Return the milliseconds from setting the trait to the first recording, the final image, all frames, and idle."""
    recordings: list[tuple[float, Snapshot]] = []

    def on_recording(change: Any) -> None:
        recordings.append((time.perf_counter(), Snapshot.of(explorable.stage)))

    explorable.stage.observe(on_recording, names="recording_id")
    began = time.perf_counter()
    setattr(explorable, case.trait, value)
    wait_until_idle(explorable)
    idle = time.perf_counter()
    explorable.stage.unobserve(on_recording, names="recording_id")
    if not recordings:
        raise RuntimeError(f"{case.name} = {value!r} showed no recording")
    last = recordings[-1][1]

    def first_like_last(frames: Sequence[int]) -> float:
        """Return when the first recording came that shows the same images as the last at these frames."""
        def image(shown: Snapshot, frame: int) -> np.ndarray:
            return shown.frame_of(case.image_layer, {**last.position, FRAME: frame})

        return next(time for time, shown in recordings if len(shown.captions) == len(last.captions)
                    and all(np.array_equal(image(shown, k), image(last, k)) for k in frames))

    ends = (recordings[0][0], first_like_last([last.frame]), first_like_last(range(len(last.captions))), idle)
    return tuple(1000 * (end - began) for end in ends)


def table_rows(case: Case, repeats: int) -> Iterator[dict[str, Any]]:
    explorable = open_explorable(case.explorable, **case.settings)
    times = [latencies(explorable, case, case.value(k)) for k in range(repeats + 1)][1:]
    explorable.close()
    for what, values, target in zip(("first preview", "final image", "all frames", "idle"), zip(*times, strict=True),
                                    (case.first_ms, case.final_ms, None, None), strict=True):
        yield row(f"{case.name}: {what}", values, "ms", target)


def main() -> None:
    options = parse_options(__doc__, 10, EXPLORABLES)
    rows = [line for case in CASES if case.explorable in options.only for line in table_rows(case, options.repeats)]
    report("From a changed trait to the image, in the kernel", rows, options.json)


if __name__ == "__main__":
    main()
