"""Progress over several parts, shown steps, and decoding in chunks."""

from __future__ import annotations

import numpy as np
import pytest
from tiny_pipes import tiny

from explorable.pipeline.progress import DECODE_CHUNK, ProgressCounter, decode_in_chunks, shown_steps


def test_short_runs_show_every_step_and_long_ones_are_thinned_evenly():
    assert shown_steps(4, 21).tolist() == [0, 1, 2, 3, 4]
    thinned = shown_steps(230, 101)
    assert len(thinned) == 101 and (thinned[0], thinned[-1]) == (0, 230) and set(np.diff(thinned)) == {2, 3}


def test_chunks_are_decoded_as_the_pipeline_decodes_them():
    pipe = tiny("unet")
    latents = np.random.default_rng(0).standard_normal((2 * DECODE_CHUNK + 1, 4, 16, 16)).astype(np.float32)
    calls: list[tuple[int, int]] = []
    images = decode_in_chunks(pipe, latents, lambda done, total: calls.append((done, total)))
    expected = [pipe.decode(latents[k : k + DECODE_CHUNK]) for k in range(0, len(latents), DECODE_CHUNK)]
    assert np.array_equal(images, np.concatenate(expected))
    assert calls == [(DECODE_CHUNK, 9), (2 * DECODE_CHUNK, 9), (9, 9)]
    assert decode_in_chunks(pipe, latents[:0]).shape == (0, *pipe.image_size, 3)


def test_a_counter_adds_up_its_parts_and_never_exceeds_the_total():
    calls: list[tuple[int, int]] = []
    counter = ProgressCounter(lambda done, total: calls.append((done, total)), total=3.5)
    for step in range(3):
        counter.step(step, 20)
    counter.add(0.5)
    counter.add(2)
    assert calls == [(1, 4), (2, 4), (3, 4), (3, 4), (4, 4)]


def test_a_progress_function_that_raises_stops_the_decoding():
    class Stopped(Exception):
        pass

    def stop(done: int, total: int) -> None:
        raise Stopped

    pipe = tiny("unet")
    with pytest.raises(Stopped):
        decode_in_chunks(pipe, np.zeros((8, 4, 16, 16), np.float32), stop)
