"""An opened pipeline samples the images that diffusers samples, and leaves the pipeline unchanged."""

from __future__ import annotations

import sys
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
    """Return the attributes of a pipeline, its scheduler and its modules, with the modules' hooks and processors."""
    attributes: dict[str, Any] = {}
    for name, owner in (("pipeline", pipeline), ("scheduler", pipeline.scheduler)):
        for key, value in vars(owner).items():
            attributes[f"{name}.{key}"] = value.tolist() if isinstance(value, torch.Tensor) else str(value)
    for part, component in pipeline.components.items():
        if isinstance(component, torch.nn.Module):
            for path, module in component.named_modules():
                attributes[f"{part}.{path}"] = sorted(vars(module)), len(module._forward_hooks), len(
                    module._forward_pre_hooks), id(getattr(module, "processor", None)), id(module.forward.__func__)
    return attributes


def test_an_image_is_bit_identical_to_diffusers_image(pipe, pipeline, family):
    image = tp.untouched(pipeline, family, num_inference_steps=STEPS)
    run = pipe(tp.PROMPT, steps=STEPS)
    assert run.image.std() > 1 and np.array_equal(run.image, image)
    assert np.array_equal(run.image, pipe.decode(run.latents.values[-1:])[0])


def test_recording_attention_does_not_change_the_image(pipe, pipeline, family):
    latent = tp.untouched(pipeline, family, num_inference_steps=STEPS, output_type="latent")
    run, unrecorded = (pipe(tp.PROMPT, steps=STEPS, record=record) for record in (["*.weights"], ()))
    assert len(run.recorded) >= 4
    assert np.abs(run.latents.values - unrecorded.latents.values).max() <= 1e-5
    assert np.abs(run.image.astype(int) - unrecorded.image).max() <= 1
    if family not in tp.PACKED:  # diffusers returns its latent packed
        np.testing.assert_allclose(run.latents.values[-1], latent, atol=1e-5)


def test_recording_all_points_does_not_change_the_image(pipe, family):
    names = [point.name for point in pipe.points()]
    run = pipe(tp.PROMPT, steps=2, record=names)
    assert np.array_equal(run.image, pipe(tp.PROMPT, steps=2).image)
    assert set(run.recorded) == set(names) - ({"sampler.difference"} if run.branches == 1 else set())


def test_half_precision_pipelines_can_be_recorded_and_edited(family):
    pipeline = tp.fresh(family, torch_dtype=torch.bfloat16)
    image = tp.untouched(pipeline, family, num_inference_steps=2)
    with ex.open(pipeline, **tp.CALL_DEFAULTS[family]) as pipe:
        run = pipe(tp.PROMPT, steps=2, record="*")
        assert np.array_equal(run.image, image) and np.array_equal(run.branch(1).image, image)
        with ex.edit(pipe, {"*.cross.weights": ex.MaskToken("dog"), "prediction": ex.Scale(0.9)}):
            assert not np.array_equal(pipe(tp.PROMPT, steps=2).image, image)
        assert pipe.inspect(image, tp.PROMPT)["*.cross.weights"].dtype == np.float32


def test_a_run_leaves_the_pipeline_unchanged(pipe, pipeline, family):
    tp.untouched(pipeline, family, num_inference_steps=2)  # diffusers' own first call adds an empty registry of hooks
    before, names = state(pipeline), [point.name for point in pipe.points()]
    with ex.edit(pipe, {"*.cross.weights": ex.Scale(0.5)}):
        pipe(tp.PROMPT, steps=2, record=names)
    assert state(pipeline) == before and ACTIVE.dispatcher is None
    pipe.close()
    assert state(pipeline) == before


@pytest.mark.parametrize("error", [RuntimeError("out of memory"), KeyboardInterrupt()], ids=["error", "interrupt"])
def test_an_interrupted_run_leaves_the_pipeline_unchanged(error, pipe, pipeline, family):
    image, before = tp.untouched(pipeline, family, num_inference_steps=STEPS), state(pipeline)
    weights = [module for name, module in tp.network_of(pipeline).named_modules() if name.endswith("to_q")]
    calls = 2 if family in tp.SEPARATE else 1  # of the network in a step
    assert pipe.points() and pipe.points(prompt=tp.PROMPT)  # their evaluations must not be counted
    count = [0]

    def fail(*_: Any) -> None:
        count[0] += 1
        if count[0] > calls * len(weights):  # in the second step
            raise error

    handles = [module.register_forward_pre_hook(fail) for module in weights]
    recorder = None
    try:
        with pytest.raises(type(error)), ex.record(pipe, "*.weights") as recorder:
            pipe(tp.PROMPT, steps=STEPS)
    finally:
        for handle in handles:
            handle.remove()
    assert recorder.recordings[-1].interrupted_at == "in step 1"
    assert state(pipeline) == before and ACTIVE.dispatcher is None
    assert np.array_equal(tp.untouched(pipeline, family, num_inference_steps=STEPS), image)
    assert np.array_equal(pipe(tp.PROMPT, steps=STEPS).image, image)


def test_an_exception_in_progress_stops_the_run_and_leaves_the_pipeline_unchanged(pipe, pipeline):
    before = state(pipeline)

    def stop(done: int, of: int) -> None:
        if done == 2:
            raise InterruptedError("enough")

    with pytest.raises(InterruptedError):
        pipe(tp.PROMPT, steps=STEPS, record="*.weights", progress=stop)
    assert state(pipeline) == before


def test_a_run_within_the_progress_of_another_does_not_affect_it(pipe, pipeline, family):
    alone, other = pipe(tp.PROMPT, steps=STEPS), pipe(tp.OTHER, steps=2, seed=5)
    inner_runs = []

    def sample_within(done: int, of: int) -> None:
        inner_runs.append((pipe(tp.OTHER, steps=2, seed=5, record="*.cross.weights"),
                                tp.untouched(pipeline, family, num_inference_steps=STEPS)))

    outer = pipe(tp.PROMPT, steps=STEPS, record="*.cross.weights", progress=sample_within)
    assert np.array_equal(outer.image, alone.image) and len(inner_runs) == outer.steps
    for run, image in inner_runs:
        assert np.array_equal(run.image, other.image) and np.array_equal(image, alone.image)


def test_threads_do_not_affect_each_other(pipe, pipeline, family):
    second = ex.open(pipeline, **tp.CALL_DEFAULTS[family])
    expected, images = [pipe(tp.PROMPT, steps=2, seed=k).image for k in range(4)], {}

    def sample(k: int) -> None:
        images[k] = (pipe, second)[k % 2](tp.PROMPT, steps=2, seed=k, record="*.cross.weights" if k < 2 else ()).image

    threads = [threading.Thread(target=sample, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(np.array_equal(images[k], expected[k]) for k in range(4))


def test_progress_counts_every_evaluation(pipe):
    calls: list[tuple[int, int]] = []
    run = pipe(tp.PROMPT, steps=STEPS, progress=lambda done, of: calls.append((done, of)))
    assert calls == [(k + 1, run.steps) for k in range(run.steps)] and run.evaluations == run.steps


def test_points_predict_the_size_of_their_recordings(pipe, family):
    as_long = {"qwen": tp.PROMPT, "lumina": f"{tp.PROMPT} a a a"}  # negative prompts of as many pieces, with template
    if family in as_long:  # texts are not padded, and the shorter of two takes less
        shorter = pipe(tp.PROMPT, steps=STEPS, record=["*"]).recorded
        assert 0.5 * shorter.planned_bytes < shorter.nbytes < shorter.planned_bytes
        pipe.default_negative = as_long[family]
    table = pipe.points(STEPS, tp.PROMPT)
    run = pipe(tp.PROMPT, steps=STEPS, record=["*"])
    assert sum(point.nbytes(table.steps) for point in table) == run.recorded.nbytes == run.recorded.planned_bytes
    for point in table:
        if point.name in run.recorded:
            array = run[point.name]
            sizes = dict(zip(point.axes, point.shape, strict=True))
            kept = array.encoding.get("dtype", array.dtype)  # half precision is read as float32
            assert {axis: array.sizes[axis] for axis in sizes} == sizes
            assert array.size * kept.itemsize == point.nbytes(table.steps)


def test_a_recording_that_does_not_fit_in_memory_is_refused(pipe, monkeypatch):
    from explorable.hooks import recorder

    monkeypatch.setattr(recorder, "MEMORY_SHARE", 1e-9)
    with pytest.raises(ex.MemoryRefusedError, match=r"would take .* MB"):
        pipe(tp.PROMPT, steps=STEPS, record="*.cross.weights")


def test_means_are_computed_in_the_memory_of_one_step(pipe):
    weights = "*.cross.weights"
    with ex.record(pipe, weights) as whole, ex.record(pipe, weights, reduce="mean:head,step") as mean:
        pipe(tp.PROMPT, steps=STEPS)
    for name, array in mean.last.items():
        np.testing.assert_allclose(array, whole.last[name].astype("float32").mean(["head", "step"]), atol=2e-3)
        assert "step" not in array.dims and "head" not in array.dims
    assert mean.last.nbytes < whole.last.nbytes / 2


@pytest.fixture
def frequent_switches():
    """Threads take turns so often that what is not locked goes wrong."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)


def test_eight_threads_may_use_one_opened_pipeline(pipe, frequent_switches):
    alone = {seed: pipe(tp.PROMPT, steps=2, seed=seed).image for seed in range(8)}
    correct: list[bool] = []

    def use(seed: int) -> None:
        for _ in range(3):
            for _ in range(5):
                pipe.points(prompt=tp.OTHER)
            with ex.record(pipe, "prediction") as recorder:
                run = pipe(tp.PROMPT, steps=2, seed=seed)
            correct.append(np.array_equal(run.image, alone[seed]) and recorder["prediction"].sizes["step"] == run.steps)
            correct.append(run.preview(0).shape == run.image.shape)

    threads = [threading.Thread(target=use, args=(seed,)) for seed in alone]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(correct) == 48 and all(correct)


@pytest.mark.parametrize("use", [lambda pipe: pipe.points(), lambda pipe: pipe.points(prompt="a dog"),
                                 lambda pipe: pipe.image_size, lambda pipe: ex.edit(pipe, {}).__enter__()],
                         ids=["points", "points of a prompt", "image_size", "edit"])
def test_what_reads_the_pipeline_waits_for_a_run_in_another_thread(pipe, use):
    """A run wraps methods of the scheduler, which must not change while it is read."""
    pipe(tp.PROMPT, steps=2, record="prediction")
    waited, threads = [], []

    def progress(done: int, of: int) -> None:
        if done == 1:
            threads.append(threading.Thread(target=use, args=(pipe,)))
            threads[0].start()
            threads[0].join(0.1)
            waited.append(threads[0].is_alive())

    pipe(tp.PROMPT, steps=2, progress=progress)
    threads[0].join(20)
    assert waited == [True] and not threads[0].is_alive()


def test_the_diffusers_pipeline_itself_is_refused_within_an_edit(pipe, pipeline, family):
    image, within = tp.untouched(pipeline, family, num_inference_steps=2), []

    def sample_within(x: torch.Tensor, context: Any) -> torch.Tensor:
        if context.step == 1:
            within.append(pipe(tp.OTHER, steps=2).image)
            tp.untouched(pipeline, family, num_inference_steps=2)
        return x

    other = pipe(tp.OTHER, steps=2).image
    with ex.edit(pipe, {"prediction": sample_within}), pytest.raises(ex.SettingError, match="call the opened one"):
        pipe(tp.PROMPT, steps=2)
    assert np.array_equal(within[0], other)
    assert np.array_equal(tp.untouched(pipeline, family, num_inference_steps=2), image)


def test_only_modules_with_a_recorded_point_are_wrapped(pipe, pipeline):
    wrapped: set[str] = set()
    network = tp.network_of(pipeline)
    name = next(p.name for p in pipe.points(prompt=tp.PROMPT) if p.name.endswith("cross.weights"))

    def look(module: torch.nn.Module, _: Any) -> None:
        wrapped.update(path for path, m in network.named_modules() if "forward" in vars(m))

    handle = network.register_forward_pre_hook(look)
    try:
        counts = []
        for record in ((), "prediction", name):
            wrapped.clear()
            pipe(tp.PROMPT, steps=2, record=record)
            counts.append(sorted(wrapped))
    finally:
        handle.remove()
    assert counts[:2] == [[""], [""]] and len(counts[2]) == 2 and "att" in counts[2][1]
