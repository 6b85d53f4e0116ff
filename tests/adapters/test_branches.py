"""Branches with each scheduler that can be read, and what an opened pipeline is asked beside a prompt."""

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
def test_every_scheduler_paints_as_ever_and_branches_bit_for_bit(name):
    family = "sd3" if name in FLOW else "sd"
    pipeline = with_scheduler(family, name)
    with ex.open(pipeline, **tp.ALWAYS[family]) as pipe:
        run = pipe(tp.PROMPT, steps=STEPS)
        assert np.array_equal(run.image, tp.untouched(pipeline, family, num_inference_steps=STEPS))
        assert pipe.points(STEPS).steps == run.steps  # Heun looks twice in a step, PNDM once more in all
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
def test_the_estimate_is_the_one_that_the_scheduler_itself_makes(name, prediction, monkeypatch):
    clipped = {"clip_sample": False} if name.startswith("DD") else {}
    pipeline = with_scheduler("sd", name, prediction_type=prediction, **clipped)
    made, step = [], pipeline.scheduler.step

    @functools.wraps(step)  # a pipeline looks whether there is a generator to be given
    def noted(*args: Any, **kwargs: Any) -> Any:
        out = step(*args, **kwargs | {"return_dict": True})
        made.append(out.pred_original_sample)
        return (out.prev_sample,)

    monkeypatch.setattr(pipeline.scheduler, "step", noted)
    tp.untouched(pipeline, "sd", num_inference_steps=STEPS)
    monkeypatch.undo()
    run = ex.open(pipeline)(tp.PROMPT, steps=STEPS)
    np.testing.assert_allclose(run.denoised.values, torch.cat(made).numpy(), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", DIFFUSION)
def test_the_latent_is_the_estimate_drowned_in_the_noise_that_its_path_says(name):
    """x = alpha x0 + sigma eps, where eps is what the network predicted: so alpha and sigma are the scheduler's own."""
    pipeline = with_scheduler("sd", name)
    with ex.open(pipeline) as pipe, ex.record(pipe, "prediction") as recorder:
        run = pipe(tp.PROMPT, steps=STEPS, guidance=1)
        noise = recorder["prediction"]
        noise = noise.isel(branch=-1) if "branch" in noise.dims else noise
        for k, t in enumerate(map(float, run.denoised.t)):
            made = pipe.path.alpha(t) * run.denoised.values[k] + pipe.path.sigma(t) * noise.values[k]
            np.testing.assert_allclose(made, run.latents.values[k], rtol=2e-3, atol=2e-3)
        assert all(a >= b for a, b in zip(run.latents.t.values, run.latents.t.values[1:], strict=False))


def test_another_seed_drowns_the_same_belief_in_other_static(pipe):
    run = pipe(tp.PROMPT, steps=STEPS)
    branch = run.branch(2, seed=9)
    assert branch.parent is run and branch.branched_at == 2 and not np.array_equal(branch.image, run.image)
    step = run.steps_taken[2]
    dice = torch.Generator().manual_seed(9)
    fresh = torch.randn(step.x.shape, generator=dice, dtype=torch.float64)
    drowned = step.level.alpha_t * step.denoised + step.level.sigma_t * fresh
    np.testing.assert_allclose(branch.latents.values[2], drowned[0], atol=1e-5)
    assert np.array_equal(run.branch(2, seed=9).image, branch.image)


def test_a_branch_changes_guidance_and_records_its_tail(pipe):
    run = pipe(tp.PROMPT, steps=STEPS, guidance=3)
    branch = run.branch(2, guidance=8, record="*.cross.weights")
    # latents, for so small a network may move a picture by less than a pixel's level
    assert not np.array_equal(branch.latents.values[-1], run.latents.values[-1])
    first = next(iter(branch.recorded.values()))
    assert first.step.values.tolist() == list(range(2, run.steps))
    with pytest.raises(ex.SettingError, match="cannot change steps"):
        run.branch(1, steps=7)


def test_a_branch_with_words_of_its_own_goes_on_from_the_latent(pipe):
    run = pipe(tp.PROMPT, steps=STEPS)
    whole = pipe(tp.OTHER, steps=STEPS)
    assert np.array_equal(run.branch(0, prompt=tp.OTHER).image, whole.image)


@pytest.mark.parametrize("family", ("sd", "flux"))
def test_a_saved_run_is_as_it_was_and_says_that_it_cannot_be_branched(pipe, tmp_path):
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
    ("sd3", "StableDiffusion3Img2ImgPipeline"), ("flux", "FluxImg2ImgPipeline")))
def test_a_picture_may_be_where_it_starts(family, kind):
    pipeline = getattr(diffusers, kind).from_pretrained(tp.saved(family))
    pipeline.set_progress_bar_config(disable=True)
    start = Image.fromarray(np.random.default_rng(0).integers(0, 255, (16, 16, 3), np.uint8))
    more = {"image": start, "strength": 0.6}
    picture = tp.untouched(pipeline, family, num_inference_steps=6, guidance_scale=3.0, **more)
    with ex.open(pipeline, **tp.ALWAYS[family]) as pipe:
        run = pipe(tp.PROMPT, steps=6, guidance=3, record="*.cross.weights", **more)
        assert np.array_equal(run.image, picture) and 3 <= run.steps <= 5
        assert float(run.latents.t[0]) < 0.9
        again = run.branch(1)
        assert np.array_equal(again.image, run.image)
        with pytest.raises(ex.SettingError, match="num_inference_steps is called steps here"):
            pipe(tp.PROMPT, num_inference_steps=3)


def test_guidance_is_said_for_what_it_is(pipe, family):
    if family == "flux":
        assert "no comparison is made" in pipe.guidance_meaning and not pipe.uses_cfg
        assert pipe(tp.PROMPT, steps=2).branches == 1
        with pytest.raises(ex.SettingError, match="leave it out"):
            pipe(tp.PROMPT, negative="a cat")
        one, other = (pipe(tp.PROMPT, steps=2, guidance=w).image for w in (1, 90))
        assert not np.array_equal(one, other)  # but it is told to the network
        return
    assert "uncond + w (cond - uncond)" in pipe.guidance_meaning
    assert pipe(tp.PROMPT, steps=2, guidance=1).branches == 1 and pipe(tp.PROMPT, steps=2).branches == 2
    with pytest.raises(ex.SettingError, match="from 1 to 100"):
        pipe(tp.PROMPT, guidance=0.5)


def test_the_difference_is_what_guidance_multiplies(pipe, family):
    if family == "flux":
        return
    w = 3.0
    run = pipe(tp.PROMPT, steps=2, guidance=w, record=["sampler.difference", "sampler.denoised"])
    cond = pipe(tp.PROMPT, steps=2, guidance=1, record="sampler.denoised")
    # At the first step both look at the same noise: guided = cond + (w - 1) difference.
    made = cond["sampler.denoised"].isel(step=0) + (w - 1) * run["sampler.difference"].isel(step=0)
    scale = float(np.abs(made).max())
    np.testing.assert_allclose(run["sampler.denoised"].isel(step=0), made, atol=1e-4 * scale)


def test_a_model_without_guidance_says_so():
    pipeline = tp.fresh("flux")
    pipeline.transformer.register_to_config(guidance_embeds=False)  # as in Flux schnell
    assert ex.open(pipeline).guidance_meaning.startswith("none")


def test_an_existing_picture_is_looked_at_once(pipe, pipeline, family):
    picture = pipe(tp.OTHER, steps=2).image
    looks = []
    handle = tp.network_of(pipeline).register_forward_hook(lambda *_: looks.append(1))
    pipe.points()
    pipe.inspect(picture, tp.PROMPT)  # surveys what one branch comes by
    looks.clear()
    points = ("*.cross.weights", "sampler.latent", "sampler.denoised")
    recording = pipe.inspect(picture, tp.PROMPT, t=0.4, record=points)
    handle.remove()
    assert looks == [1]
    maps = [recording[name] for name in recording if "cross" in name]
    assert maps and all("golden" in m.token and m.sizes["step"] == 1 for m in maps)
    t = float(recording["sampler.latent"].t[0])
    assert abs(t - 0.4) < 1e-3
    z = pipe.encode(picture[None]).numpy()
    fresh = torch.randn(z.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64).numpy()
    drowned = pipe.path.alpha(t) * z + pipe.path.sigma(t) * fresh
    np.testing.assert_allclose(recording["sampler.latent"].values.reshape(z.shape), drowned, atol=1e-4)
    assert pipe.decode(recording["sampler.denoised"].values.reshape(z.shape))[0].shape == picture.shape
    with pytest.raises(ex.SettingError, match="choose a noise time"):
        pipe.inspect(picture, tp.PROMPT, t=0)
    with pytest.raises(ex.SettingError, match="must be an array"):
        pipe.inspect(picture[..., 0], tp.PROMPT)


def test_latents_are_decoded_as_the_autoencoder_asks(pipe):
    """Latents are decoded with the shift and scale that the pipeline's own autoencoder asks for."""
    z = pipe(tp.OTHER, steps=2).latents.values[-1:]
    assert pipe.encode(pipe.decode(z)).shape == z.shape
    scale = pipe.pipeline.vae.config.scaling_factor
    shift = pipe.pipeline.vae.config.shift_factor or 0.0
    with torch.no_grad():
        raw = pipe.pipeline.vae.decode(torch.from_numpy(z) / scale + shift).sample
    byte = ((raw / 2 + 0.5).clamp(0, 1) * 255).round().byte().permute(0, 2, 3, 1).numpy()
    assert np.abs(byte.astype(int) - pipe.decode(z)).max() <= 1


def test_a_step_can_be_looked_at_again(pipe):
    """A step can be looked at once more, and says what it said."""
    run = pipe(tp.PROMPT, steps=3, record="prediction")
    x = torch.from_numpy(run.latents.values[1][None]).double()
    with ex.record(pipe, "prediction") as recorder:
        pipe.evaluate_step(run, 1, x)
    assert recorder["prediction"].step.values.tolist() == [1]
    seen, said = (array.isel(branch=-1).sel(step=1).values for array in (recorder["prediction"], run["prediction"]))
    np.testing.assert_allclose(seen, said, atol=1e-4 * np.abs(said).max())
