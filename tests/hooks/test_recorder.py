"""Recordings: they change nothing, see everything once, and are told apart."""

from __future__ import annotations

import re
import threading
from xml.etree import ElementTree

import numpy as np
import pytest
import torch
from tiny_pipes import OTHER, PROMPT, same

import explorable as ex
from explorable import zoo
from explorable.diffusion.samplers import SAMPLERS
from explorable.hooks import HookContext, Point, PointTable, Recording
from explorable.hooks import recorder as recorder_module

# ------------------------------------------------------------- what a recording does to a picture


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("guidance", [0, 1, 3])
def test_recording_leaves_the_image_bit_identical(pipe, sampler, guidance):
    plain = pipe(PROMPT, steps=3, guidance=guidance, seed=2, sampler=sampler)
    assert same(plain, pipe(PROMPT, steps=3, guidance=guidance, seed=2, sampler=sampler, record=["*"]))


def test_recording_any_single_point_leaves_the_image_bit_identical(pipe):
    plain = pipe(PROMPT, steps=2, guidance=3)
    for point in pipe.points(optional=False):
        run = pipe(PROMPT, steps=2, guidance=3, record=[point.name])
        assert same(plain, run), point.name
        assert list(run.recorded) == [point.name]


# ------------------------------------------------------------- what is in it


def test_the_table_of_points_predicts_recordings(pipe):
    run = pipe(PROMPT, steps=4, guidance=3, record=["*"])
    table = pipe.points(4, optional=False)
    assert [p.name for p in table] == list(run.recorded)
    for point in table:
        array = run[point.name]
        assert array.nbytes == point.nbytes(4), point.name
        assert tuple(d for d in array.dims if d not in ("step", "branch")) == point.axes, point.name
        assert ("step" in array.dims, "branch" in array.dims) == (point.each_step, point.branches == 2), point.name
    assert all(p.name in repr(table) and p.name in table._repr_html_() for p in table)


def test_in_a_notebook_the_points_are_a_foldable_tree(pipe):
    table = pipe.points(4)
    page = ElementTree.fromstring(table._repr_html_())
    folds, rows = list(page.iter("details")), [row[0][0].text for row in page.iter("tr") if row[0].tag == "td"]
    assert sorted(rows) == sorted(p.name for p in table)
    assert all(fold[0].tag == "summary" for fold in folds), "what folds is reached by the keyboard"
    assert any(list(fold.iterfind("div/details")) for fold in folds), "branches have branches"
    for fold in folds:
        prefix, within = fold[0][0].text, [row[0][0].text for row in fold.iter("tr") if row[0].tag == "td"]
        assert len(within) > 1 and all(name.startswith(f"{prefix}.") for name in within)
        size = sum(table[name].nbytes(4) for name in within)
        assert fold[0][0].tail == f": {len(within)} points, {size / 1e6:.1f} MB"
    assert "color" not in table._repr_html_() and "background" not in table._repr_html_()  # light and dark


def test_point_names_are_escaped_in_html():
    names = ("net", "net.<b>", "net.<b>.a&b")  # the beginning of another name is a point too
    table = PointTable([Point(name, ("<i>",), (3,), 4, 1, True) for name in names])
    page = ElementTree.fromstring(table._repr_html_())
    assert sorted(row[0][0].text for row in page.iter("tr") if row[0].tag == "td") == sorted(names)


def test_axes_have_labels(pipe):
    run = pipe(PROMPT, OTHER, steps=3, guidance=3, record=["*.cross.weights"])
    weights = run["*.cross.weights"]
    assert weights.dims == ("layer", "step", "branch", "head", "y", "x", "token")
    assert tuple(weights.token.values) == run.tokens
    assert weights.token_uncond.values[1:4].tolist() == ["two", "dogs", "at"]
    assert weights.branch.values.tolist() == ["uncond", "cond"]
    assert np.allclose(weights.t, run.denoised.t)
    assert weights.sel(token="red", branch="cond").mean(["step", "head"]).dims == ("layer", "y", "x")
    assert weights.y.values[0] == 128 / len(weights.y) / 2


def test_attention_weights_sum_to_one(unet):
    weights = unet(PROMPT, steps=2, guidance=3, record=["*.cross.weights"])["up.0.0.cross.weights"]
    assert np.allclose(weights.sum("token"), 1, atol=1e-5)
    assert float(weights.sel(token="<pad>").max()) == 0


def test_cross_weights_are_a_quadrant_of_joint_attention(dit):
    run = dit(PROMPT, steps=2, guidance=3, record=["blocks.1.*.weights"])
    joint, cross = run["blocks.1.joint.weights"], run["blocks.1.cross.weights"]
    places = cross.sizes["y"] * cross.sizes["x"]
    quadrant = joint.values[..., :places, places:]
    assert np.array_equal(quadrant.reshape(cross.shape), cross.values)
    assert np.allclose(joint.sum("key"), 1, atol=1e-5)


def test_recorded_latents_equal_those_of_the_run(pipe):
    run = pipe(PROMPT, steps=3, guidance=3, record=["sampler.*", "prediction"])
    assert np.array_equal(run["sampler.denoised"].astype("float32"), run.denoised)
    assert np.array_equal(run["sampler.latent"].astype("float32"), run.latents[:-1])
    both = run["prediction"]
    assert both.sizes["branch"] == 2 and not np.array_equal(both.sel(branch="cond"), both.sel(branch="uncond"))


def test_of_the_two_evaluations_of_heun_the_first_is_recorded(unet):
    run = unet(PROMPT, steps=3, sampler="heun", record=["sampler.latent"])
    assert np.array_equal(run["sampler.latent"].astype("float32"), run.latents[:-1])


def test_coarse_maps_are_repeated_and_missing_heads_are_nan(unet):
    run = unet(PROMPT, steps=1, record=["*.cross.weights"])
    weights, coarse = run["*.cross.weights"].sel(layer="middle.cross.weights"), run["middle.cross.weights"]
    assert weights.sizes["y"] == 16 and coarse.sizes["y"] == 4
    assert np.array_equal(weights[:, :, :2, ::4, ::4], coarse)
    fine = run["*.cross.weights"].sel(layer="up.0.0.cross.weights")
    assert fine.isel(head=0).notnull().all() and fine.isel(head=1).isnull().all()


def test_points_with_different_axes_cannot_be_stacked(unet):
    run = unet(PROMPT, steps=1, record=["up.0.skip", "up.0.0.cross.weights"])
    with pytest.raises(ValueError, match=r"different axes.*up\.0\.skip"):
        run["up.*"]


# ------------------------------------------------------------- less of it


def test_steps_can_be_selected(unet):
    with ex.record(unet, "up.0.skip", steps=slice(1, 5, 2)) as recorder:
        run = unet(PROMPT, steps=6, record=["up.0.skip"])
    assert recorder["up.0.skip"].step.values.tolist() == [1, 3]
    assert np.array_equal(recorder["up.0.skip"], run["up.0.skip"].sel(step=[1, 3]))


@pytest.mark.parametrize("reduce", ["mean:head", "mean:step", "mean:head,step", "mean:token, step", "mean:y,x"])
def test_a_running_mean_equals_the_mean_of_all_steps(unet, reduce):
    with ex.record(unet, "*.cross.weights") as whole, ex.record(unet, "*.cross.weights", reduce=reduce) as means:
        unet(PROMPT, steps=5, guidance=3)
    for name in whole.last:
        axes = [a.strip() for a in reduce.removeprefix("mean:").split(",")]
        assert np.allclose(whole[name].mean(axes), means[name], atol=1e-6)
        assert means[name].dims == whole[name].mean(axes).dims


def test_means_over_steps_need_no_more_memory_for_more_steps(unet):
    def values(steps: int) -> int:
        with ex.record(unet, "up.0.skip", reduce="mean:step") as recorder:
            unet(PROMPT, steps=steps)
        return sum(len(k.values) for k in recorder.last.buffers.values())

    assert values(2) == values(9) == 1


def free_bytes(monkeypatch, count: int) -> None:
    """Let the machine have so much memory free, whatever is taken of it."""
    monkeypatch.setattr(recorder_module.psutil, "virtual_memory", lambda: type("Memory", (), {"available": count}))


def test_reductions_count_when_memory_is_checked(unet, monkeypatch):
    name = "up.0.0.cross.weights"
    free = 4 * ex.points(unet, 5)[name].nbytes(5, ("y", "x"))
    free_bytes(monkeypatch, free)
    with ex.record(unet, name, reduce="mean:y,x") as recorder:
        unet(PROMPT, steps=5)
    assert recorder[name].nbytes == free / 4
    with pytest.raises(ex.MemoryRefusedError):
        unet(PROMPT, steps=5, record=name)


def test_a_refused_run_leaves_no_recording(unet):
    with ex.record(unet, "up.0.skip") as recorder:
        unet(PROMPT, steps=2)
        with pytest.raises(ex.UnknownPointError):
            unet(PROMPT, steps=3, record=["zzz"])
    assert len(recorder.recordings) == 1 and recorder["up.0.skip"].sizes["step"] == 2


def test_a_recording_that_does_not_fit_is_refused_before_the_run(unet, monkeypatch):
    free_bytes(monkeypatch, ex.points(unet, 10)["up.0.skip"].nbytes(10))  # half of which holds half of it
    monkeypatch.setattr(unet.denoiser, "forward", None)
    with pytest.raises(ex.MemoryRefusedError, match=r"0 MB.*steps=slice\(0, 5\).*mean:step"):
        unet(PROMPT, steps=10, record=["up.0.skip"])


@pytest.mark.parametrize("steps", [None, slice(1, None, 3)], ids=str)
def test_what_the_error_says_would_fit_does_fit(unet, monkeypatch, steps):
    points = ("up.0.skip", "text.context")  # one of them is kept once, however many the steps
    free_bytes(monkeypatch, 9 * sum(ex.points(unet, 1)[name].nbytes(1) for name in points))
    with pytest.raises(ex.MemoryRefusedError) as refused, ex.record(unet, *points, steps=steps):
        unet(PROMPT, steps=40)
    first, last, stride = re.search(r"slice\((\d+), (\d+)(?:, (\d+))?\)", str(refused.value)).groups()
    with ex.record(unet, *points, steps=slice(int(first), int(last), int(stride or 1))) as recorder:
        unet(PROMPT, steps=40)
    with pytest.raises(ex.MemoryRefusedError), ex.record(
            unet, *points, steps=slice(int(first), int(last) + int(stride or 1), int(stride or 1))):
        unet(PROMPT, steps=40)
    assert recorder["up.0.skip"].sizes["step"] > 1


def test_simultaneous_recordings_are_counted_together(unet, monkeypatch):
    each = ex.points(unet, 4)["up.0.skip"].nbytes(4)
    free_bytes(monkeypatch, 5 * each)  # half of which holds two of them
    with ex.record(unet, "up.0.skip"), ex.record(unet, "up.0.skip", before_edits=True) as both:
        unet(PROMPT, steps=4)
        with pytest.raises(ex.MemoryRefusedError, match=r"beside 0 MB of other.*fewer recordings at once"):
            unet(PROMPT, steps=4, record="up.0.skip")
        unet(PROMPT, steps=4)  # what was refused, or is over, is promised no more
    assert len(both.recordings) == 2


def test_recordings_of_other_threads_count_while_they_run(unet, monkeypatch):
    each = ex.points(unet, 4)["up.0.skip"].nbytes(4)
    free_bytes(monkeypatch, 3 * each)  # half of which holds one of them
    midway, go_on = threading.Event(), threading.Event()

    def pause(done, of):
        midway.set()
        go_on.wait(60)

    other = threading.Thread(target=lambda: unet(PROMPT, steps=4, record="up.0.skip", progress=pause))
    other.start()
    assert midway.wait(60)
    with pytest.raises(ex.MemoryRefusedError, match="other recordings"):
        unet(PROMPT, steps=4, record="up.0.skip")
    go_on.set()
    other.join()
    unet(PROMPT, steps=4, record="up.0.skip")


@pytest.mark.parametrize(
    ("asked", "says"),
    [({"record": ["up.0.skp"]}, r"'up\.0\.skp'; the nearest are up\.0\.skip"),
     ({"record": ["down.*", "zzz"]}, "'zzz'")],
)
def test_an_unknown_name_is_an_error_that_names_the_nearest(unet, asked, says):
    with pytest.raises(ex.UnknownPointError, match=says):
        unet(PROMPT, steps=1, **asked)


@pytest.mark.parametrize(("reduce", "says"), [("max:head", "mean:head"), ("mean:heat", "head"), (3, "mean")])
def test_an_invalid_reduction_is_refused(unet, reduce, says):
    with (pytest.raises(ValueError, match=says),
          ex.record(unet, "*.cross.weights", reduce=reduce)):
        unet(PROMPT, steps=1)


@pytest.mark.parametrize("steps", [(1, 2, 3, 4), slice(-1, 2), (0.5, 2), 5, "12"])
def test_an_invalid_range_is_refused(unet, steps):
    with pytest.raises(ValueError, match="steps is"), ex.record(unet, "up.0.skip", steps=steps):
        pass


def test_the_error_for_an_unrecorded_point_lists_the_recorded_ones(unet):
    run = unet(PROMPT, steps=1, record=["up.0.skip"])
    with pytest.raises(ex.UnknownPointError, match=r"'middle\.\*'.*up\.0\.skip"):
        run["middle.*"]
    with pytest.raises(LookupError, match="nothing is recorded yet"), ex.record(unet, "up.0.skip") as recorder:
        recorder["up.0.skip"]


# ------------------------------------------------------------- runs that break off


class Oops(Exception):
    pass


@pytest.mark.parametrize("error", [Oops, KeyboardInterrupt])
@pytest.mark.parametrize("where", ["edit", "model", "progress"])
def test_an_interrupted_run_keeps_its_partial_recording(unet, monkeypatch, error, where):
    whole = unet(PROMPT, steps=4, record=["conv_in", "prediction"])

    def fails(*given):
        raise error

    def in_step_2(x, context):
        return fails() if context.step == 2 else x

    edits = {"up.0.skip": in_step_2} if where == "edit" else {}
    with ex.record(unet, "conv_in", "prediction", "vae.*") as recorder:
        with monkeypatch.context() as patch, pytest.raises(error), ex.edit(unet, edits):
            calls, forward = [], unet.denoiser.middle.forward
            if where == "model":
                patch.setattr(unet.denoiser.middle, "forward",
                              lambda *args: calls.append(1) or (fails() if len(calls) == 3 else forward(*args)))
            unet(PROMPT, steps=4, progress=(lambda done, of: done == 3 and fails()) if where == "progress" else None)
        (broken,) = recorder.recordings
        assert broken.interrupted_at == "in step 2" and "interrupted in step 2" in repr(broken)
        assert np.array_equal(broken["conv_in"], whole["conv_in"].sel(step=[0, 1, 2]))
        there = [0, 1, 2] if where == "progress" else [0, 1]  # it never came by the step's last point
        assert broken["prediction"].equals(whole["prediction"].sel(step=there))
        with pytest.raises(ex.UnknownPointError, match="nothing is recorded at 'vae"):
            broken["vae.decoder.0"]
        with pytest.raises(LookupError, match=r"interrupted in step 2.*recorder\.recordings\[-1\]"):
            recorder["conv_in"]
        unet(PROMPT, steps=4)
        assert np.array_equal(recorder["conv_in"], whole["conv_in"]) and recorder.last.interrupted_at is None


def test_an_interruption_outside_of_the_steps_is_reported(unet, monkeypatch):
    points = ("text.context", "conv_in")
    with monkeypatch.context() as patch, pytest.raises(TypeError), ex.record(unet, *points) as recorder:
        patch.setattr(unet.vae, "decode", None)
        unet(PROMPT, steps=2)
    assert recorder.recordings[-1].interrupted_at == "before or after its steps"
    assert recorder.recordings[-1]["conv_in"].sizes["step"] == 2


# ------------------------------------------------------------- several at once


def test_overlapping_recorders_record_separately(unet):
    with ex.record(unet, "up.0.skip") as outer:
        unet(PROMPT, steps=2)
        with ex.record(unet, "up.1.skip", "up.0.skip") as inner:
            unet(OTHER, steps=3)
        unet(PROMPT, steps=2, seed=5)
    assert [len(t["up.0.skip"].step) for t in outer.recordings] == [2, 3, 2]
    assert len(inner.recordings) == 1 and set(inner.last) == {"up.0.skip", "up.1.skip"}
    assert np.array_equal(outer.recordings[1]["up.0.skip"], inner["up.0.skip"])
    assert not np.array_equal(outer.recordings[0]["up.0.skip"], outer.recordings[2]["up.0.skip"])


def test_recorders_may_overlap_without_nesting(unet):
    one, two = ex.record(unet, "up.0.skip"), ex.record(unet, "up.1.skip")
    first, second = one.__enter__(), two.__enter__()
    one.__exit__(None, None, None)
    unet(PROMPT, steps=1)
    two.__exit__(None, None, None)
    unet(PROMPT, steps=1)
    assert len(first.recordings) == 0 and len(second.recordings) == 1


def test_other_pipelines_are_not_affected(unet, dit):
    with ex.record(unet, "sampler.latent") as recorder:
        dit(PROMPT, steps=1)
    assert not recorder.recordings


def test_threads_are_independent(unet):
    gate, seen = threading.Barrier(4), {}

    def draw(seed: int) -> None:
        with ex.record(unet, "sampler.denoised", "up.0.skip") as recorder:
            gate.wait()
            run = unet(PROMPT, steps=4, seed=seed)
        seen[seed] = (recorder, run)

    threads = [threading.Thread(target=draw, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for seed, (recorder, run) in seen.items():
        alone = unet(PROMPT, steps=4, seed=seed, record=["up.0.skip"])
        assert len(recorder.recordings) == 1 and same(run, alone)
        assert np.array_equal(recorder["up.0.skip"], alone["up.0.skip"])


def test_a_batch_is_recorded_with_a_batch_axis(unet):
    with ex.record(unet, "sampler.denoised", "up.0.skip") as recorder:
        unet.sample_images([PROMPT, PROMPT], [1, 2], ex.Settings("", steps=3, guidance=3))
    assert recorder["up.0.skip"].dims == ("step", "branch", "batch", "channel", "y", "x")
    one = unet(PROMPT, steps=3, guidance=3, seed=2, record=["up.0.skip"])
    assert np.allclose(recorder["up.0.skip"].isel(batch=1), one["up.0.skip"], atol=1e-4)
    assert recorder["sampler.denoised"].sizes["batch"] == 2


def test_a_batch_of_different_prompts_has_no_token_labels(unet):
    with ex.record(unet, "up.0.0.cross.weights", "text.context") as recorder:
        unet.sample_images([PROMPT, OTHER], [1, 2], ex.Settings("", steps=2, guidance=3))
    weights = recorder["up.0.0.cross.weights"]
    assert weights.token.values.tolist() == list(range(24)) and weights.sizes["batch"] == 2
    other = unet(OTHER, steps=2, guidance=3, seed=2, record="up.0.0.cross.weights")["up.0.0.cross.weights"]
    assert np.allclose(weights.isel(batch=1), other, atol=1e-4)


@pytest.mark.parametrize("count", [16, 20])
def test_images_decoded_in_chunks_are_all_recorded(unet, count):
    with ex.record(unet, "vae.decoder.0") as recorder:
        unet.sample_images([PROMPT] * count, list(range(count)), ex.Settings("", steps=1))
    assert recorder["vae.decoder.0"].sizes["batch"] == count


def test_runs_inside_a_callback_are_not_recorded(unet):
    old = unet(OTHER, steps=2)
    plain = unet(PROMPT, steps=2, record="vae.decoder.0")

    def peek(done, of):
        old.preview(0)

    with ex.record(unet, "vae.decoder.0") as recorder, ex.edit(unet, {"up.0.skip": lambda x, context: peek(0, 0) or x}):
        unet(PROMPT, steps=2, progress=peek)
    assert np.array_equal(recorder["vae.decoder.0"], plain["vae.decoder.0"])


def at(name: str, axes: str, step: int) -> HookContext:
    return HookContext(step, 1.0, name=name, axes=tuple(axes.split()))


def test_a_recording_is_a_copy():
    recorder = ex.Recorder(("here",))
    recording = Recording(frozenset(["here"]), None, recorder.reduced, {"cond": ("a",)})
    value = torch.ones(1, 2)
    recording(value, at("here", "channel", step=0))
    value.zero_()
    assert recording["here"].values.tolist() == [[1.0, 1.0]]


def test_a_wide_image_has_more_columns_than_rows():
    recording = Recording(frozenset(["coarse", "fine"]), None, (), {"cond": ("a",)}, image_size=(96, 160))
    recording(torch.arange(15.0)[None, :, None], at("coarse", "position token", step=0))
    recording(torch.arange(60.0)[None, :, None], at("fine", "position token", step=0))
    assert recording["coarse"].squeeze().values.tolist() == torch.arange(15.0).view(3, 5).tolist()
    assert recording["coarse"].y.values.tolist() == recording["coarse"].x.values[:3].tolist() == [16, 48, 80]
    both = recording["*"]
    assert (both.sizes["y"], both.sizes["x"]) == (6, 10)
    assert np.array_equal(both.sel(layer="coarse").squeeze(), np.kron(np.arange(15.0).reshape(3, 5), np.ones((2, 2))))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_a_mean_of_half_precision_is_summed_in_single(dtype):
    recording = Recording(frozenset(["here"]), None, ("step",), {"cond": ("a",)})
    values = torch.rand(500, generator=torch.Generator().manual_seed(0)).to(dtype)
    for k, value in enumerate(values):
        recording(value[None, None], at("here", "channel", step=k))
    assert recording["here"].item() == pytest.approx(values.double().mean().item(), rel=1e-5)


def test_the_classifier_is_recorded_only_with_a_target(unet):
    if "classifier" not in zoo.model_names():
        pytest.skip("no classifier is shipped")
    taught = {"target": "lion", "classifier_scale": 3.0, "steps": 2}
    run = unet(PROMPT, record=["classifier.*"], **taught)
    assert run["classifier.logits"].dims == ("step", "label")
    assert same(run, unet(PROMPT, **taught))
    with pytest.raises(ex.UnknownPointError, match=r"pipe\(prompt, target="):
        unet(PROMPT, steps=2, record=["classifier.*"])
    with ex.edit(unet, {"classifier.logits": ex.Ablate()}):
        silent = unet(PROMPT, **taught)
    assert same(silent, unet(PROMPT, steps=2)), "a teacher that says nothing pushes nowhere"


def test_the_encoder_is_recorded_only_by_inspect(unet):
    image = unet(PROMPT, steps=1).image
    names = [p.name for p in unet.points() if p.name.startswith("vae.encoder.")]
    recording = unet.inspect(image, PROMPT, record=["vae.encoder.*", "*.cross.weights"])
    assert recording[names[0]].dims == ("channel", "y", "x") and len(names) == len(unet.vae.encoder)
    mean = recording[names[-1]].values[: unet.vae.config.channels]
    shift, scale = (v.numpy()[0] for v in (unet.vae.shift, unet.vae.scale))
    assert np.allclose((mean - shift) / scale, unet.encode(image[None])[0], atol=1e-5)
    with pytest.raises(ex.UnknownPointError, match=r"pipe\.inspect"):
        unet(PROMPT, steps=1, record=["vae.encoder.*"])


@pytest.mark.parametrize("guidance", [0, 1])
def test_the_guidance_difference_is_refused_without_guidance(unet, guidance):
    with pytest.raises(ex.UnknownPointError, match="other than 0 and 1"):
        unet(PROMPT, steps=1, guidance=guidance, record=["sampler.difference"])
