"""A known run: the call that would sample it again returns it, and any other call samples."""

from __future__ import annotations

import numpy as np
import pytest
from tiny_pipes import OTHER, PROMPT, same, tiny

import explorable as ex
from explorable.pipeline.progress import ProgressCounter, decode_in_chunks
from explorable.run.known import KnownRun, find_known_run

SETTINGS = {"steps": 3, "guidance": 3.0}


@pytest.fixture(scope="module")
def pipe():
    return tiny()


def kept(run) -> KnownRun:
    known = KnownRun()
    known.keep(run, run.denoised.values, run.previews.values)
    return known


def test_the_same_call_returns_the_run_and_others_sample(pipe):
    run = pipe(PROMPT, **SETTINGS, record="prediction")
    calls = []
    with kept(run).used():
        assert pipe(PROMPT, **SETTINGS, progress=lambda done, total: calls.append((done, total))) is run
        assert pipe(PROMPT, **SETTINGS, record=["prediction"]) is run
        others = [{"prompt": OTHER}, {"seed": 1}, {"guidance": 2.0}, {"sampler": "heun"}, {"negative": OTHER},
                  {"record": "*.skip"}, {"record": "sampler.denoised"}, {"image": run.image}]
        for change in others:
            assert pipe(**{"prompt": PROMPT, **SETTINGS, **change}) is not run, change
        assert tiny()(PROMPT, **SETTINGS) is not run, "another pipeline"
    assert calls == [(1, 3), (2, 3), (3, 3)] and pipe(PROMPT, **SETTINGS) is not run


def test_a_known_run_counts_as_all_its_steps_and_images(pipe):
    run, calls = pipe(PROMPT, **SETTINGS), []
    counter = ProgressCounter(lambda done, total: calls.append((done, total)), total=3 + 3 / 2)
    with kept(run).used():
        assert pipe(PROMPT, **SETTINGS, progress=counter.step) is run
        assert np.array_equal(counter.decode(pipe, run.denoised.values), run.previews.values)
    assert calls == [(1, 5), (2, 5), (3, 5), (4, 5)], "as a run that is sampled and decoded"
    sampled = []
    again = ProgressCounter(lambda done, total: sampled.append((done, total)), total=3 + 3 / 2)
    again.decode(pipe, pipe(PROMPT, **SETTINGS, progress=again.step).denoised.values)
    assert sampled == calls


def test_a_run_is_known_only_under_its_own_edits_and_without_a_recorder(pipe):
    edits = {"up.0.skip": (ex.Scale(0.5), ex.Replace(np.zeros(1), steps=(0, 1)))}
    plain = pipe(PROMPT, **SETTINGS)
    with ex.edit(pipe, edits):
        edited = pipe(PROMPT, **SETTINGS)
    with kept(edited).used():
        assert pipe(PROMPT, **SETTINGS) is not edited
        with ex.edit(pipe, {"up.0.skip": ex.Scale(0.5)}), ex.edit(pipe, {"up.0.skip": edits["up.0.skip"][1]}):
            assert pipe(PROMPT, **SETTINGS) is edited
        with ex.edit(pipe, {"up.0.skip": edits["up.0.skip"][::-1]}):
            assert pipe(PROMPT, **SETTINGS) is not edited
    with kept(plain).used(), ex.record(pipe, "up.0.skip") as recorder:
        assert pipe(PROMPT, **SETTINGS) is not plain and "up.0.skip" in set(recorder.last)


def test_a_branch_and_a_run_from_an_image_are_never_known(pipe):
    run = pipe(PROMPT, **SETTINGS)
    for other in (run.branch(1), pipe(PROMPT, **SETTINGS, image=run.image, strength=1.0)):
        with kept(other).used():
            assert find_known_run(pipe, other.settings) is None and same(pipe(PROMPT, **SETTINGS), run)


def test_images_of_a_known_run_are_not_decoded_again(pipe, monkeypatch):
    run, other = pipe(PROMPT, **SETTINGS), pipe(OTHER, **SETTINGS)
    known, expected, decode, counts = kept(run), pipe.decode(other.denoised.values[:1]), pipe.decode, []
    monkeypatch.setattr(pipe, "decode", lambda latents: counts.append(len(latents)) or decode(latents))
    mixed = np.concatenate([run.denoised.values[:2], other.denoised.values[:1], run.denoised.values[2:]])
    done = []
    with known.used():
        images = decode_in_chunks(pipe, mixed, lambda *numbers: done.append(numbers))
        assert decode_in_chunks(pipe, mixed[:0]).shape == (0, 128, 128, 3)
    assert counts == [1] and done == [(3, 4), (4, 4)]
    assert np.array_equal(images[[0, 1, 3]], run.previews.values) and np.array_equal(images[2], expected[0])
    known.forget()
    with known.used():
        assert pipe(PROMPT, **SETTINGS) is not run and decode_in_chunks(pipe, mixed).shape[0] == 4
    assert counts == [1, 1, 4], "the one of the finished image"
