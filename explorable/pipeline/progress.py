"""Computations in several parts: which steps of a run to show, decoding in chunks, and progress over all parts."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from ..run.known import used_known_run
from .protocol import PipelineProtocol

Progress = Callable[[int, int], None]
"""Called as progress(done, total). It may raise to stop the computation."""

DECODE_CHUNK = 4  # images decoded at a time: the fastest on a CPU, and cancellation is checked between two chunks


def no_progress(done: int, total: int) -> None:
    """Ignore progress."""


def shown_steps(steps: int, max_frames: int) -> np.ndarray:
    """Return the steps of a run that get a frame: 0 to `steps`, both included, or `max_frames` evenly spread ones."""
    return np.linspace(0, steps, min(steps + 1, max_frames)).round().astype(int)


def decode_in_chunks(pipe: PipelineProtocol, latents: np.ndarray, progress: Progress = no_progress) -> np.ndarray:
    """Decode latents (n, channel, y, x) to images (n, height, width, 3) uint8, a few at a time. Those of a known run
    (run/known.py) are there already.

    progress: called with the number of images that are there and n: first for those of a known run, then after each
    chunk.
    """
    known = used_known_run()
    found = {k: image for k, latent in enumerate(latents) if known and (image := known.image(pipe, latent)) is not None}
    missing = [k for k in range(len(latents)) if k not in found]
    if found:
        progress(len(found), len(latents))
    for start in range(0, len(missing), DECODE_CHUNK):
        chunk = missing[start : start + DECODE_CHUNK]
        found |= zip(chunk, pipe.decode(latents[chunk]), strict=True)
        progress(len(found), len(latents))
    return np.stack([found[k] for k in range(len(latents))]) if found else np.zeros((0, *pipe.image_size, 3), np.uint8)


class ProgressCounter:
    """Progress over several parts, counted in sampler steps. Decoding an image costs about half a step.

        counter = ProgressCounter(progress, total=20 + 21 / 2)
        run = pipe(prompt, steps=20, progress=counter.step)
        images = counter.decode(pipe, latents)
    """

    def __init__(self, progress: Progress, total: float):
        self._progress, self._total, self._done = progress, math.ceil(total), 0.0

    def step(self, *_: int) -> None:
        """Count one sampler step. Its signature is that of `progress`, so that a pipeline can call it."""
        self.add(1)

    def add(self, steps: float) -> None:
        """Count work that takes as long as this many sampler steps."""
        self._done += steps
        self._progress(min(int(self._done), self._total), self._total)

    def decode(self, pipe: PipelineProtocol, latents: np.ndarray) -> np.ndarray:
        """Decode latents in chunks and count each image as half a step."""
        counted = 0

        def count(decoded: int, total: int) -> None:
            nonlocal counted
            self.add((decoded - counted) / 2)
            counted = decoded

        return decode_in_chunks(pipe, latents, count)
