"""Pipelines that sample videos: an axis for frames in latents and attention maps, and all frames of a run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import tiny_pipelines as tp
import torch
from attention_oracle import record_attention

import explorable as ex

STEPS = 3
FRAMES, GRID = 3, (4, 6)  # of the latent, in patches; the tiny autoencoder makes 5 frames of 16 x 24 pixels of them
T5 = [0, 1, 1, 2, 3, 4, 5, 6, 7, 8, 8, 9] + [10] * (tp.MAX_TOKENS - 12)  # the token of each piece of tp.PROMPT, by hand
BLANK = [0] + [1] * (tp.MAX_TOKENS - 1)


@pytest.fixture
def pipeline() -> Any:
    return tp.shared("wan")


@pytest.fixture
def pipe(pipeline: Any) -> Iterator[Any]:
    with ex.open(pipeline, half_precision=False, **tp.CALL_DEFAULTS["wan"]) as opened:
        yield opened


def untouched(pipeline: Any, **more: Any) -> np.ndarray:
    """Return the frames that diffusers itself samples, (frame, height, width, 3) uint8."""
    generator = torch.Generator().manual_seed(0)
    output = pipeline(**{"prompt": tp.PROMPT, "generator": generator, "num_inference_steps": STEPS,
                         "output_type": "pil", **tp.CALL_DEFAULTS["wan"], **more})
    return np.stack([np.asarray(frame) for frame in output.frames[0]])


def test_all_frames_are_bit_identical_recorded_or_not(pipe, pipeline, tmp_path):
    frames = untouched(pipeline)
    assert frames.shape == (5, 16, 24, 3) and frames.std() > 1 and not np.array_equal(frames[0], frames[-1])
    for record in ((), "*"):
        run = pipe(tp.PROMPT, steps=STEPS, record=record)
        assert np.array_equal(run.frames, frames) and np.array_equal(run.image, frames[2])
    assert pipe.samples_video and pipe.image_size == (16, 24)
    assert run.latents.dims == ("step", "channel", "frame", "y", "x") and run.latents.shape == (STEPS + 1, 4, 3, 8, 12)
    assert run.previews.shape == (STEPS, 16, 24, 3)  # middle frames
    again = ex.Run.open(run.save(tmp_path / "run.nc"), pipe)
    assert np.array_equal(again.frames, frames) and np.array_equal(again.latents, run.latents)
    assert again["blocks.0.cross.weights"].dims == run["blocks.0.cross.weights"].dims


def test_an_image_has_one_frame():
    with ex.open(tp.shared("sd")) as pipe:
        run = pipe(tp.PROMPT, steps=2)
        assert not pipe.samples_video and np.array_equal(run.frames, run.image[None])


def test_maps_over_frames_are_the_reference_weights(pipe, pipeline):
    with record_attention(pipeline.transformer) as recorded:
        untouched(pipeline)
    names = [f"blocks.{k}.{kind}.weights" for k in (0, 1) for kind in ("self", "cross")]
    run = pipe(tp.PROMPT, steps=STEPS, record="*.weights")
    assert set(run.recorded) == set(names)
    for k, name in enumerate(names):
        calls = torch.stack(recorded[k::len(names)]).numpy()  # the prompt first, then the empty one, at each step
        expected = np.concatenate([calls[1::2], calls[::2]], 1)
        if "cross" in name:
            words = np.zeros((*expected.shape[:-1], 11))
            for branch, pieces in enumerate((BLANK, T5)):
                for piece, token in enumerate(pieces):
                    words[:, branch, ..., token] += expected[:, branch, ..., piece]
            expected = words.reshape(STEPS, 2, 2, FRAMES, *GRID, 11)
            assert run[name].dims == ("step", "branch", "head", "frame", "y", "x", "token")
        assert run[name].values.std() > 1e-3
        np.testing.assert_allclose(run[name], expected, atol=1e-5, rtol=0, err_msg=name)


def test_edits_act_on_all_frames(pipe):
    plain = pipe(tp.PROMPT, steps=STEPS)
    with ex.edit(pipe, {"*.cross.weights": ex.MaskToken("dog")}):
        masked = pipe(tp.PROMPT, steps=STEPS, record="*.cross.weights")
    weights = masked["*.cross.weights"].sel(branch="cond")
    assert float(weights.sel(token="dog").max()) == 0 and float(weights.sel(token="road").min()) >= 0
    assert all(not np.array_equal(one, other) for one, other in zip(plain.frames, masked.frames, strict=True))
    corner = np.zeros((16, 24), bool)
    corner[:8, :12] = True
    with ex.edit(pipe, {"blocks.0.cross.weights": ex.Reweight("dog", 2.0, region=corner)}):
        inside = pipe(tp.PROMPT, steps=1, record="blocks.0.cross.weights")["blocks.0.cross.weights"]
    before = pipe(tp.PROMPT, steps=1, record="blocks.0.cross.weights")["blocks.0.cross.weights"]
    ratio = (inside / before).sel(branch="cond", token="dog").isel(step=0)
    np.testing.assert_allclose(ratio.isel(y=slice(0, 2), x=slice(0, 3)), 2, rtol=1e-5)
    np.testing.assert_allclose(ratio.isel(y=slice(2, 4)), 1, rtol=1e-5)
    source = pipe(tp.PROMPT, steps=STEPS, record="*.cross.weights")
    with ex.edit(pipe, {"*.cross.weights": ex.PromptToPrompt(source)}):
        kept = pipe(tp.PROMPT.replace("dog", "car"), steps=STEPS, record="*.cross.weights")
    np.testing.assert_allclose(kept["*.cross.weights"].sel(branch="cond", token="road"),
                               source["*.cross.weights"].sel(branch="cond", token="road"), atol=1e-6)
    with ex.edit(pipe, {"blocks.1.mlp.added": ex.Scale(0.5), "sampler.latent": ex.Scale(0.9)}):
        assert not np.array_equal(pipe(tp.PROMPT, steps=STEPS).frames, plain.frames)
    assert np.array_equal(pipe(tp.PROMPT, steps=STEPS).frames, plain.frames)


def test_a_video_branches(pipe):
    run = pipe(tp.PROMPT, steps=STEPS)
    for step in range(STEPS):
        assert np.array_equal(run.branch(step).frames, run.frames)
    other = run.branch(1, prompt=tp.OTHER)
    assert not np.array_equal(other.frames, run.frames)
    assert np.array_equal(other.latents.values[:2], run.latents.values[:2])
    assert run.branch(1, seed=5).latents.shape == run.latents.shape


def test_a_batch_has_middle_frames(pipe, pipeline):
    generators = [torch.Generator().manual_seed(seed) for seed in (3, 4)]
    videos = pipeline(prompt=[tp.PROMPT, tp.OTHER], generator=generators, num_inference_steps=2, output_type="pil",
                      **tp.CALL_DEFAULTS["wan"]).frames
    settings = pipe("", steps=2).settings
    images = pipe.sample_images([tp.PROMPT, tp.OTHER], [3, 4], settings)
    assert np.array_equal(images, np.stack([np.asarray(video[2]) for video in videos]))


def test_an_image_is_inspected_as_a_video_of_one_frame(pipe):
    image = pipe(tp.PROMPT, steps=2).image
    latent = pipe.encode(image[None])
    assert latent.shape == (1, 4, 1, 8, 12) and pipe.decode(latent.numpy()).shape == (1, 16, 24, 3)
    maps = pipe.inspect(image, tp.PROMPT, t=0.5)["*.cross.weights"]
    assert maps.sizes["frame"] == 1 and (maps.sizes["y"], maps.sizes["x"]) == GRID
    run = pipe(tp.PROMPT, steps=2, record="prediction")
    with ex.record(pipe, "prediction") as recorder:
        pipe.evaluate_step(run, 1, torch.from_numpy(run.latents.values[1][None]).double())
    again, before = (array.isel(branch=-1).sel(step=1) for array in (recorder["prediction"], run["prediction"]))
    np.testing.assert_allclose(again, before, atol=1e-4 * np.abs(before).max())


@pytest.mark.parametrize("error", [RuntimeError("out of memory"), KeyboardInterrupt()], ids=["error", "interrupt"])
def test_an_interrupted_video_leaves_the_pipeline_unchanged(error, pipe, pipeline):
    frames = untouched(pipeline)

    def stop(done: int, of: int) -> None:
        if done == 2:
            raise error

    modules = [sorted(vars(module)) for module in pipeline.transformer.modules()]
    with pytest.raises(type(error)):
        pipe(tp.PROMPT, steps=STEPS, record="*", progress=stop)
    assert [sorted(vars(module)) for module in pipeline.transformer.modules()] == modules
    assert np.array_equal(untouched(pipeline), frames) and np.array_equal(pipe(tp.PROMPT, steps=STEPS).frames, frames)


def test_a_prompt_is_cleaned_as_the_pipeline_cleans_it(pipe):
    run = pipe("a  golden\n dog &amp; a car", steps=1)
    assert run.tokens[:7] == ("a", "golden", "dog", "&", "a", "car", "<end>")


def test_a_function_in_the_users_module_does_not_change_the_words(monkeypatch):
    """Only Wan cleans prompts, with its own function."""
    monkeypatch.setitem(globals(), "prompt_clean", lambda text: "something else")
    for family in ("sd", "wan"):
        pipeline = tp.fresh(family)
        pipeline.__class__ = type("Mine", (type(pipeline),), {"__module__": __name__})
        with ex.open(pipeline, **tp.CALL_DEFAULTS[family]) as pipe:
            tokens = pipe._branch_tokens("a golden dog", pipe._settings("a golden dog")).names
            assert [token for token in tokens if not token.startswith("<")] == ["a", "golden", "dog"]


def test_a_second_network_is_refused():
    pipeline = tp.fresh("wan")
    pipeline.transformer_2 = pipeline.transformer
    with pytest.raises(ex.SettingError, match=r"it has a second network for the later steps.*pipeline\.transformer_2"):
        ex.open(pipeline)


@pytest.mark.parametrize("name", ("Studio", "NoiseTrajectory", "GuidanceScale", "TokenAttention", "LatentSpace",
                                  "PatchTransformer", "UNetXRay"))
def test_explorables_say_that_they_show_one_image(name, pipe):
    made = getattr(ex, name)(pipe, prompt=tp.PROMPT, steps=2)
    made.wait()
    assert f"{name} shows one image, and {pipe.name} samples videos: look at run.frames" in str(made.error)
    made.close()
    with pytest.raises(ex.SettingError, match=r"ex\.attribute shows one image"):
        ex.attribute(pipe, tp.PROMPT, steps=1)
