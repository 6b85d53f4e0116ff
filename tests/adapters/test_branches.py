"""Branches with every supported scheduler, other arguments of a call, and single evaluations."""

from __future__ import annotations

import functools
from typing import Any

import diffusers
import numpy as np
import pytest
import tiny_pipelines as tp
import torch
from PIL import Image

import explorable as ex
from explorable.adapters.patching import TensorCopies

STEPS = 4
DIFFUSION = ("DDIM", "DDPM", "PNDM", "LCM", "TCD", "DPMSolverMultistep", "DPMSolverSinglestep", "UniPCMultistep",
             "DEISMultistep", "EulerDiscrete", "EulerAncestralDiscrete", "LMSDiscrete", "HeunDiscrete")
FLOW = ("FlowMatchEulerDiscrete", "FlowMatchHeunDiscrete")


def with_scheduler(family: str, name: str, **more: Any) -> Any:
    pipeline = tp.fresh(family)
    kind = getattr(diffusers, f"{name}Scheduler")
    pipeline.scheduler = kind.from_config(pipeline.scheduler.config, **more)
    return pipeline


@pytest.mark.parametrize("name", DIFFUSION + FLOW)
def test_with_every_scheduler_images_and_branches_are_bit_identical(name):
    family = "sd3" if name in FLOW else "sd"
    pipeline = with_scheduler(family, name)
    with ex.open(pipeline, **tp.CALL_DEFAULTS[family]) as pipe:
        run = pipe(tp.PROMPT, steps=STEPS)
        assert np.array_equal(run.image, tp.untouched(pipeline, family, num_inference_steps=STEPS))
        assert pipe.points(STEPS).steps == run.steps  # Heun evaluates twice a step, PNDM once more in all
        for step in range(run.steps):
            again = run.branch(step)
            assert np.array_equal(again.image, run.image), step
            assert np.array_equal(again.latents.values, run.latents.values)
            assert np.array_equal(again.denoised.values, run.denoised.values)
        other = run.branch(run.steps // 2, prompt=tp.OTHER)
        assert not np.array_equal(other.image, run.image)
        assert np.array_equal(other.latents.values[:run.steps // 2 + 1], run.latents.values[:run.steps // 2 + 1])


@pytest.mark.parametrize("name", ("DDIM", "DDPM", "EulerDiscrete", "EulerAncestralDiscrete", "LMSDiscrete"))
@pytest.mark.parametrize("prediction", ("epsilon", "v_prediction"))
def test_denoised_is_the_schedulers_own_estimate(name, prediction, monkeypatch):
    clipped = {"clip_sample": False} if name.startswith("DD") else {}
    pipeline = with_scheduler("sd", name, prediction_type=prediction, **clipped)
    estimates, step = [], pipeline.scheduler.step

    @functools.wraps(step)  # the pipeline inspects its signature
    def recorded_step(*args: Any, **kwargs: Any) -> Any:
        out = step(*args, **kwargs | {"return_dict": True})
        estimates.append(out.pred_original_sample)
        return (out.prev_sample,)

    monkeypatch.setattr(pipeline.scheduler, "step", recorded_step)
    tp.untouched(pipeline, "sd", num_inference_steps=STEPS)
    monkeypatch.undo()
    run = ex.open(pipeline)(tp.PROMPT, steps=STEPS)
    np.testing.assert_allclose(run.denoised.values, torch.cat(estimates).numpy(), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", DIFFUSION)
def test_the_latent_is_alpha_times_the_estimate_plus_sigma_times_the_noise(name):
    """The noise is what the network predicted, so alpha and sigma of the path must be the scheduler's own."""
    pipeline = with_scheduler("sd", name)
    with ex.open(pipeline) as pipe, ex.record(pipe, "prediction") as recorder:
        run = pipe(tp.PROMPT, steps=STEPS, guidance=1)
        noise = recorder["prediction"]
        noise = noise.isel(branch=-1) if "branch" in noise.dims else noise
        for k, t in enumerate(map(float, run.denoised.t)):
            expected = pipe.path.alpha(t) * run.denoised.values[k] + pipe.path.sigma(t) * noise.values[k]
            np.testing.assert_allclose(expected, run.latents.values[k], rtol=2e-3, atol=2e-3)
        assert all(a >= b for a, b in zip(run.latents.t.values, run.latents.t.values[1:], strict=False))


def test_a_branch_with_another_seed_adds_other_noise_to_the_same_estimate(pipe):
    run = pipe(tp.PROMPT, steps=STEPS)
    branch = run.branch(2, seed=9)
    assert branch.parent is run and branch.branched_at == 2 and not np.array_equal(branch.image, run.image)
    step = run.steps_taken[2]
    noise = torch.randn(step.x.shape, generator=torch.Generator().manual_seed(9), dtype=torch.float64)
    expected = step.level.alpha_t * step.denoised + step.level.sigma_t * noise
    np.testing.assert_allclose(branch.latents.values[2], expected[0], atol=1e-5)
    assert np.array_equal(run.branch(2, seed=9).image, branch.image)


def test_a_branch_changes_guidance_and_records_its_tail(pipe):
    run = pipe(tp.PROMPT, steps=STEPS, guidance=3)
    branch = run.branch(2, guidance=8, record="*.cross.weights")
    # of latents, because a network as small as this may change the image by less than one level of a pixel
    assert not np.array_equal(branch.latents.values[-1], run.latents.values[-1])
    first = next(iter(branch.recorded.values()))
    assert first.step.values.tolist() == list(range(2, run.steps))
    with pytest.raises(ex.SettingError, match="cannot change steps"):
        run.branch(1, steps=7)


def test_a_branch_from_step_zero_with_another_prompt_is_that_prompts_run(pipe):
    run = pipe(tp.PROMPT, steps=STEPS)
    other = pipe(tp.OTHER, steps=STEPS)
    assert np.array_equal(run.branch(0, prompt=tp.OTHER).image, other.image)


@pytest.mark.parametrize("family", ("sd", "flux"))
def test_a_run_loaded_from_a_file_is_complete_but_cannot_branch(pipe, tmp_path):
    run = pipe(tp.PROMPT, steps=2, record="*.cross.weights")
    again = ex.Run.open(run.save(tmp_path / "run.nc"), pipe)
    assert np.array_equal(again.image, run.image) and again.tokens == run.tokens
    name = next(iter(run.recorded))
    np.testing.assert_array_equal(again[name], run[name])
    assert np.array_equal(again.preview(1), run.preview(1))
    with pytest.raises(ex.SettingError, match="loaded from a file"):
        again.branch(1)


# ---- other arguments -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("family", "kind"), (
    ("sd", "StableDiffusionImg2ImgPipeline"), ("sdxl", "StableDiffusionXLImg2ImgPipeline"),
    ("sd3", "StableDiffusion3Img2ImgPipeline"), ("flux", "FluxImg2ImgPipeline"),
    ("chroma", "ChromaImg2ImgPipeline"), ("qwen", "QwenImageImg2ImgPipeline")))
def test_image_to_image_pipelines_are_bit_identical_and_branch(family, kind):
    pipeline = getattr(diffusers, kind).from_pretrained(tp.saved(family))
    pipeline.set_progress_bar_config(disable=True)
    start = Image.fromarray(np.random.default_rng(0).integers(0, 255, (16, 16, 3), np.uint8))
    more = {"image": start, "strength": 0.6}
    image = tp.untouched(pipeline, family, num_inference_steps=6, guidance_scale=3.0, **more)
    with ex.open(pipeline, **tp.CALL_DEFAULTS[family]) as pipe:
        run = pipe(tp.PROMPT, steps=6, guidance=3, record="*.cross.weights", **more)
        assert np.array_equal(run.image, image) and 3 <= run.steps <= 5
        assert float(run.latents.t[0]) < 0.9
        again = run.branch(1)
        assert np.array_equal(again.image, run.image)
        with pytest.raises(ex.SettingError, match="num_inference_steps is called steps here"):
            pipe(tp.PROMPT, num_inference_steps=3)


def test_guidance_meaning_describes_what_guidance_does(pipe, family):
    if family in ("flux", "flux2"):
        assert "no comparison is made" in pipe.guidance_meaning and not pipe.uses_cfg
        assert pipe(tp.PROMPT, steps=2).branches == 1
        with pytest.raises(ex.SettingError, match="leave it out"):
            pipe(tp.PROMPT, negative="a cat")
        one, other = (pipe(tp.PROMPT, steps=2, guidance=w).image for w in (1, 90))
        assert not np.array_equal(one, other)  # guidance is an input of the network
        return
    assert "uncond + w (cond - uncond)" in pipe.guidance_meaning
    assert pipe(tp.PROMPT, steps=2, guidance=1).branches == 1 and pipe(tp.PROMPT, steps=2).branches == 2
    with pytest.raises(ex.SettingError, match="from 1 to 100"):
        pipe(tp.PROMPT, guidance=0.5)


def rescaled(prediction: np.ndarray, like: np.ndarray, side: int | None) -> np.ndarray:
    """Return a prediction (channel, y, x) of which each patch, or with side None each row, has another's norm there."""
    rows, columns = (n // (side or 1) for n in like.shape[1:])
    shape, axes = ((-1, rows, side, columns, side), (0, 2, 4)) if side else (like.shape, (2,))
    one, other = (np.asarray(x).reshape(shape) for x in (prediction, like))
    norms = [np.sqrt(np.square(x).sum(axes, keepdims=True)) for x in (other, one)]
    return (one * norms[0] / norms[1]).reshape(like.shape)


def test_the_recorded_difference_is_what_guidance_multiplies(pipe, family):
    if family in ("flux", "flux2"):
        return
    w = 3.0
    run = pipe(tp.PROMPT, steps=2, guidance=w, record=["sampler.difference", "sampler.denoised"])
    cond = pipe(tp.PROMPT, steps=2, guidance=1, record="sampler.denoised")
    # At the first step both runs have the same latent: guided = cond + (w - 1) difference.
    expected = cond["sampler.denoised"].isel(step=0) + (w - 1) * run["sampler.difference"].isel(step=0)
    if family in ("qwen", "lumina"):
        latent = run.latents.isel(step=0)  # at t = 1 the estimate is the latent less the prediction
        velocity = latent - cond["sampler.denoised"].isel(step=0)
        expected = latent - rescaled(latent - expected, velocity, 2 if family == "qwen" else None)
    scale = float(np.abs(expected).max())
    np.testing.assert_allclose(run["sampler.denoised"].isel(step=0), expected, atol=1e-4 * scale)


def test_a_model_without_guidance_says_so():
    pipeline = tp.fresh("flux")
    pipeline.transformer.register_to_config(guidance_embeds=False)  # as in Flux schnell
    assert ex.open(pipeline).guidance_meaning.startswith("none")


def test_inspect_evaluates_the_denoiser_once_on_the_noised_image(pipe, pipeline, family):
    image = pipe(tp.OTHER, steps=2).image
    evaluations = []
    handle = tp.network_of(pipeline).register_forward_hook(lambda *_: evaluations.append(1))
    pipe.points()
    pipe.inspect(image, tp.PROMPT)  # finds the points of a run with one branch
    evaluations.clear()
    points = ("*.cross.weights", "sampler.latent", "sampler.denoised")
    recording = pipe.inspect(image, tp.PROMPT, t=0.4, record=points)
    handle.remove()
    assert evaluations == [1]
    maps = [recording[name] for name in recording if "cross" in name]
    assert maps and all("golden" in m.token and m.sizes["step"] == 1 for m in maps)
    t = float(recording["sampler.latent"].t[0])
    assert abs(t - 0.4) < 1e-3
    z = pipe.encode(image[None]).numpy()
    noise = torch.randn(z.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64).numpy()
    noisy = pipe.path.alpha(t) * z + pipe.path.sigma(t) * noise
    np.testing.assert_allclose(recording["sampler.latent"].values.reshape(z.shape), noisy, atol=1e-4)
    assert pipe.decode(recording["sampler.denoised"].values.reshape(z.shape))[0].shape == image.shape
    with pytest.raises(ex.SettingError, match="choose a noise time"):
        pipe.inspect(image, tp.PROMPT, t=0)
    with pytest.raises(ex.SettingError, match="must be an array"):
        pipe.inspect(image[..., 0], tp.PROMPT)


def test_latents_are_decoded_with_the_autoencoders_shift_and_scale(pipe):
    z = pipe(tp.OTHER, steps=2).latents.values[-1:]
    assert pipe.encode(pipe.decode(z)).shape == z.shape
    vae = pipe.pipeline.vae
    with torch.no_grad():
        if pipe.family.startswith("FLUX.2"):  # batch normalisation in evaluation, backwards; then patches of 2 x 2
            mean, deviation = vae.bn.running_mean, (vae.bn.running_var + vae.bn.eps).sqrt()
            latent = torch.nn.functional.pixel_shuffle(
                torch.from_numpy(z) * deviation.view(1, -1, 1, 1) + mean.view(1, -1, 1, 1), 2)
        elif pipe.family == "Qwen-Image":  # a video of one frame
            mean, deviation = (torch.tensor(vae.config[name]).view(1, -1, 1, 1) for name in ("latents_mean",
                                                                                             "latents_std"))
            latent = (torch.from_numpy(z) * deviation + mean)[:, :, None]
        else:
            latent = torch.from_numpy(z) / vae.config.scaling_factor + (vae.config.get("shift_factor") or 0.0)
        raw = vae.decode(latent).sample
        raw = raw[:, :, 0] if raw.dim() == 5 else raw
    byte = ((raw / 2 + 0.5).clamp(0, 1) * 255).round().byte().permute(0, 2, 3, 1).numpy()
    assert np.abs(byte.astype(int) - pipe.decode(z)).max() <= 1


def test_an_evaluated_step_predicts_what_the_run_predicted(pipe):
    run = pipe(tp.PROMPT, steps=3, record="prediction")
    x = torch.from_numpy(run.latents.values[1][None]).double()
    with ex.record(pipe, "prediction") as recorder:
        pipe.evaluate_step(run, 1, x)
    assert recorder["prediction"].step.values.tolist() == [1]
    again, before = (array.isel(branch=-1).sel(step=1).values for array in (recorder["prediction"], run["prediction"]))
    np.testing.assert_allclose(again, before, atol=1e-4 * np.abs(before).max())


def test_what_a_scheduler_does_not_change_is_copied_once_a_run():
    pipeline = tp.fresh("sd")
    pipeline.scheduler = diffusers.PNDMScheduler.from_config(pipeline.scheduler.config)
    states = [step.scheduler_state for step in ex.open(pipeline)(tp.PROMPT, steps=4).steps_taken]
    constant = [state["alphas_cumprod"] for state in states]
    assert all(copy is constant[0] for copy in constant) and constant[0] is not pipeline.scheduler.alphas_cumprod
    changing = [state["ets"] for state in states]
    assert [len(ets) for ets in changing] == [0, 1, 1, 2, 3][:len(changing)]


def test_a_tensor_that_was_modified_in_place_is_copied_again():
    copies, tensor = TensorCopies(), torch.zeros(2)
    first = copies.copy(tensor)
    copies.begin_round()
    assert copies.copy(tensor) is first
    tensor += 1
    copies.begin_round()
    second = copies.copy(tensor)
    assert first.tolist() == [0, 0] and second.tolist() == [1, 1]
    with torch.inference_mode():
        assert copies.copy(torch.ones(2)).tolist() == [1, 1]
