"""An opened pipeline paints what the library paints, and leaves everything as it was."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest
import tiny_pipelines as tp
import torch

import explorable as ex
from explorable.nn.hook_points import ACTIVE

STEPS = 3


def state(pipeline: Any) -> dict[str, Any]:
    """All that hangs on a pipeline, its scheduler and its networks' modules: attributes, hooks and processors by id."""
    found: dict[str, Any] = {}
    for name, owner in (("pipeline", pipeline), ("scheduler", pipeline.scheduler)):
        for key, value in vars(owner).items():
            found[f"{name}.{key}"] = value.tolist() if isinstance(value, torch.Tensor) else str(value)
    for part, component in pipeline.components.items():
        if isinstance(component, torch.nn.Module):
            for way, module in component.named_modules():
                found[f"{part}.{way}"] = sorted(vars(module)), len(module._forward_hooks), len(
                    module._forward_pre_hooks), id(getattr(module, "processor", None)), id(module.forward.__func__)
    return found


def test_a_picture_is_the_librarys_own(pipe, pipeline, family):
    picture = tp.untouched(pipeline, family, num_inference_steps=STEPS)
    run = pipe(tp.PROMPT, steps=STEPS)
    assert run.image.std() > 1 and np.array_equal(run.image, picture)
    assert np.array_equal(run.image, pipe.decode(run.latents.values[-1:])[0])


def test_a_picture_whose_attention_is_recorded_is_the_same(pipe, pipeline, family):
    latent = tp.untouched(pipeline, family, num_inference_steps=STEPS, output_type="latent")
    run, quiet = (pipe(tp.PROMPT, steps=STEPS, record=record) for record in (["*.weights"], ()))
    assert len(run.recorded) >= 4
    assert np.abs(run.latents.values - quiet.latents.values).max() <= 1e-5
    assert np.abs(run.image.astype(int) - quiet.image).max() <= 1
    if family != "flux":  # whose latent the library leaves packed
        np.testing.assert_allclose(run.latents.values[-1], latent, atol=1e-5)


def test_recording_everything_changes_nothing(pipe, family):
    everything = [point.name for point in pipe.points()]
    run = pipe(tp.PROMPT, steps=2, record=everything)
    assert np.array_equal(run.image, pipe(tp.PROMPT, steps=2).image)
    assert set(run.recorded) == set(everything) - ({"sampler.difference"} if run.branches == 1 else set())


def test_half_precision_pipelines_are_recorded_and_edited_too(family):
    pipeline = tp.fresh(family, torch_dtype=torch.bfloat16)
    picture = tp.untouched(pipeline, family, num_inference_steps=2)
    with ex.open(pipeline, **tp.ALWAYS[family]) as pipe:
        run = pipe(tp.PROMPT, steps=2, record="*")
        assert np.array_equal(run.image, picture) and np.array_equal(run.branch(1).image, picture)
        with ex.edit(pipe, {"*.cross.weights": ex.MaskToken("dog"), "prediction": ex.Scale(0.9)}):
            assert not np.array_equal(pipe(tp.PROMPT, steps=2).image, picture)
        assert pipe.inspect(picture, tp.PROMPT)["*.cross.weights"].dtype == np.float16


def test_everything_is_put_back_after_a_run(pipe, pipeline):
    before, names = state(pipeline), [point.name for point in pipe.points()]
    with ex.edit(pipe, {"*.cross.weights": ex.Scale(0.5)}):
        pipe(tp.PROMPT, steps=2, record=names)
    assert state(pipeline) == before and ACTIVE.dispatcher is None
    pipe.close()
    assert state(pipeline) == before


@pytest.mark.parametrize("thrown", [RuntimeError("out of memory"), KeyboardInterrupt()], ids=["error", "interrupt"])
def test_everything_is_put_back_where_a_run_breaks_off(thrown, pipe, pipeline, family):
    picture, before = tp.untouched(pipeline, family, num_inference_steps=STEPS), state(pipeline)
    weights = [module for name, module in tp.network_of(pipeline).named_modules() if name.endswith("to_q")]
    pipe.points()  # or its one look would be counted
    count = [0]

    def broken(*_: Any) -> None:
        count[0] += 1
        if count[0] > len(weights):  # in the second step
            raise thrown

    handles = [module.register_forward_pre_hook(broken) for module in weights]
    recorder = None
    try:
        with pytest.raises(type(thrown)), ex.record(pipe, "*.weights") as recorder:
            pipe(tp.PROMPT, steps=STEPS)
    finally:
        for handle in handles:
            handle.remove()
    assert recorder.recordings[-1].interrupted_at == "in step 1"
    assert state(pipeline) == before and ACTIVE.dispatcher is None
    assert np.array_equal(tp.untouched(pipeline, family, num_inference_steps=STEPS), picture)
    assert np.array_equal(pipe(tp.PROMPT, steps=STEPS).image, picture)


def test_an_error_in_progress_stops_the_run_and_leaves_all_as_it_was(pipe, pipeline):
    before = state(pipeline)

    def stop(done: int, of: int) -> None:
        if done == 2:
            raise InterruptedError("enough")

    with pytest.raises(InterruptedError):
        pipe(tp.PROMPT, steps=STEPS, record="*.weights", progress=stop)
    assert state(pipeline) == before


def test_a_run_may_be_drawn_within_another(pipe, pipeline, family):
    alone, other = pipe(tp.PROMPT, steps=STEPS), pipe(tp.OTHER, steps=2, seed=5)
    inner = []

    def meanwhile(done: int, of: int) -> None:
        inner.append((pipe(tp.OTHER, steps=2, seed=5, record="*.cross.weights"),
                      tp.untouched(pipeline, family, num_inference_steps=STEPS)))

    outer = pipe(tp.PROMPT, steps=STEPS, record="*.cross.weights", progress=meanwhile)
    assert np.array_equal(outer.image, alone.image) and len(inner) == outer.steps
    for run, picture in inner:
        assert np.array_equal(run.image, other.image) and np.array_equal(picture, alone.image)


def test_threads_do_not_disturb_each_other(pipe, pipeline, family):
    twin = ex.open(pipeline, **tp.ALWAYS[family])
    alone, found = [pipe(tp.PROMPT, steps=2, seed=k).image for k in range(4)], {}

    def draw(k: int) -> None:
        found[k] = (pipe, twin)[k % 2](tp.PROMPT, steps=2, seed=k, record="*.cross.weights" if k < 2 else ()).image

    threads = [threading.Thread(target=draw, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(np.array_equal(found[k], alone[k]) for k in range(4))


def test_progress_counts_every_look(pipe):
    told: list[tuple[int, int]] = []
    run = pipe(tp.PROMPT, steps=STEPS, progress=lambda done, of: told.append((done, of)))
    assert told == [(k + 1, run.steps) for k in range(run.steps)] and run.evaluations == run.steps


def test_the_size_of_a_recording_is_said_before_it_is_taken(pipe):
    table = pipe.points(STEPS, tp.PROMPT)
    run = pipe(tp.PROMPT, steps=STEPS, record=["*"])
    assert sum(point.nbytes(table.steps) for point in table) == run.recorded.nbytes == run.recorded.planned_bytes
    for point in table:
        if point.name in run.recorded:
            array = run[point.name]
            sizes = dict(zip(point.axes, point.shape, strict=True))
            assert {axis: array.sizes[axis] for axis in sizes} == sizes and array.nbytes == point.nbytes(table.steps)


def test_what_does_not_fit_is_refused_with_its_size(pipe, monkeypatch):
    from explorable.hooks import recorder

    monkeypatch.setattr(recorder, "MEMORY_SHARE", 1e-9)
    with pytest.raises(ex.MemoryRefusedError, match=r"would take .* MB"):
        pipe(tp.PROMPT, steps=STEPS, record="*.cross.weights")


def test_means_are_streamed_in_the_memory_of_one_step(pipe):
    weights = "*.cross.weights"
    with ex.record(pipe, weights) as whole, ex.record(pipe, weights, reduce="mean:head,step") as mean:
        pipe(tp.PROMPT, steps=STEPS)
    for name, array in mean.last.items():
        np.testing.assert_allclose(array, whole.last[name].astype("float32").mean(["head", "step"]), atol=2e-3)
        assert "step" not in array.dims and "head" not in array.dims
    assert mean.last.nbytes < whole.last.nbytes / 2
