"""A run that starts from an image: where it starts, which steps it takes, and what it refuses."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from tiny_pipes import OTHER, PROMPT, same, tiny

import explorable as ex
from explorable.diffusion.samplers import SAMPLERS, initial_noise
from explorable.diffusion.settings import Settings, check_strength
from explorable.diffusion.timesteps import make_timesteps
from explorable.pipeline.latent_diffusion import LATENT_SHAPE
from explorable.run import Run

IMAGE = np.random.default_rng(0).integers(0, 256, (128, 128, 3), np.uint8)
CURVED = tiny(path="linear")


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_full_strength_is_the_run_from_noise_bit_for_bit(pipe, sampler):
    """On the straight path nothing of the image is left at t = 1."""
    settings = {"steps": 3, "guidance": 2, "seed": 5, "sampler": sampler}
    assert same(pipe(PROMPT, image=IMAGE, strength=1.0, **settings), pipe(PROMPT, **settings))


@pytest.mark.parametrize("strength", [0.2, 0.35, 0.6, 1.0])
@pytest.mark.parametrize("kind", ["straight", "linear"])
def test_it_starts_at_the_images_latent_with_the_noise_of_its_first_time(pipe, kind, strength):
    p = pipe if kind == "straight" else CURVED
    run = p(PROMPT, image=IMAGE, strength=strength, steps=10, seed=4)
    count = int(10 * strength)
    times = make_timesteps("uniform", 10, p.path)[-count - 1 :]
    assert run.latents.t.values.tolist() == times and run.steps == count == run.settings.sampled_steps
    latent, noise = p.encode(IMAGE[None])[0].double(), initial_noise(4, LATENT_SHAPE)
    expected = p.path.alpha(times[0]) * latent + p.path.sigma(times[0]) * noise
    np.testing.assert_array_equal(run.steps_taken[0].x[0], expected)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_seed_determines_it(pipe, sampler):
    def once(seed):
        return pipe(PROMPT, image=IMAGE, strength=0.6, steps=5, seed=seed, sampler=sampler)

    first = once(1)
    torch.manual_seed(99)
    assert same(first, once(1)) and not np.array_equal(first.image, once(2).image)


def test_the_weaker_the_closer_to_the_image(pipe):
    latent = pipe.encode(IMAGE[None]).numpy()
    gaps = [np.abs(pipe("", image=IMAGE, strength=s, steps=20, guidance=1).latents.values[0] - latent).mean()
            for s in (0.05, 0.3, 0.6, 1.0)]
    assert gaps == sorted(gaps)


def test_an_image_a_pil_image_and_its_latent_start_the_same_run(pipe):
    given = {"strength": 0.5, "steps": 4, "seed": 2}
    run = pipe(PROMPT, image=IMAGE, **given)
    latent = pipe.encode(IMAGE[None])
    for image in (Image.fromarray(IMAGE), latent, latent[0], latent[0].numpy()):
        assert same(run, pipe(PROMPT, image=image, **given))
    assert run.seconds["encoder"] > 0 and "encoder" not in pipe(PROMPT, image=latent, **given).seconds


def test_without_a_strength_it_is_that_of_diffusers(pipe):
    assert pipe(PROMPT, image=IMAGE, steps=5).settings.strength == 0.8
    assert pipe(PROMPT, steps=2).settings.strength == 1.0


def test_the_count_of_steps_is_that_of_diffusers():
    diffusers = pytest.importorskip("diffusers")
    pipeline = object.__new__(diffusers.StableDiffusionImg2ImgPipeline)
    pipeline.scheduler = diffusers.DDIMScheduler()
    for steps in (1, 7, 20, 50):
        pipeline.scheduler.set_timesteps(steps)
        for strength in np.linspace(0.01, 1, 40).round(2).tolist():
            expected = pipeline.get_timesteps(steps, strength, "cpu")[1]
            assert Settings("", steps=steps, strength=strength).sampled_steps == expected


def test_progress_counts_the_steps_that_are_sampled(pipe):
    calls = []
    pipe(PROMPT, image=IMAGE, strength=0.5, steps=6, progress=lambda *args: calls.append(args))
    assert calls == [(1, 3), (2, 3), (3, 3)]


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_it_can_be_branched_and_saved(pipe, tmp_path, sampler):
    run = pipe(PROMPT, image=IMAGE, strength=0.7, steps=6, seed=3, sampler=sampler)
    for step in range(run.steps):
        assert same(run, run.branch(step))
    assert not np.array_equal(run.branch(1, prompt=OTHER).image, run.image)
    again = Run.open(run.save(tmp_path / "run.nc"), pipe)
    assert same(run, again) and again.settings == run.settings
    assert same(run.branch(2, guidance=1.0), again.branch(2, guidance=1.0))
    with pytest.raises(ex.SettingError, match="cannot change strength"):
        run.branch(0, strength=0.5)


def test_its_activations_are_recorded_and_edited_by_its_own_steps(pipe):
    given = {"image": IMAGE, "strength": 0.5, "steps": 6, "guidance": 2}
    plain = pipe(PROMPT, **given)
    run = pipe(PROMPT, record=["up.0.skip", "vae.encoder.*"], **given)
    assert same(plain, run) and run["up.0.skip"].sizes["step"] == 3
    assert "step" not in run["vae.encoder.1"].dims
    with ex.edit(pipe, {"up.0.skip": ex.Ablate(steps=(2, 3))}):
        edited = pipe(PROMPT, **given)
    changed = np.abs(edited.denoised - plain.denoised).max(["channel", "y", "x"]).values > 0
    assert changed.tolist() == [False, False, True]
    with pytest.raises(ex.UnknownPointError, match="image=…"):
        pipe(PROMPT, steps=2, record="vae.encoder.0")


@pytest.mark.parametrize(("given", "message"), [
    ({"strength": 0}, "above 0, up to 1"), ({"strength": 1.01}, "above 0, up to 1"),
    ({"strength": float("nan")}, "above 0, up to 1"), ({"strength": "half"}, "above 0, up to 1"),
    ({"strength": True}, "above 0, up to 1"), ({"strength": 0.04}, "none of the 20 steps.*0.05 or more"),
    ({"image": IMAGE[:64]}, r"\(64, 128, 3\) uint8: give an image \(128, 128, 3\)"),
    ({"image": IMAGE.astype(float)}, "give an image"), ({"image": "cat.png"}, "give an image"),
    ({"image": np.full((4, 16, 16), np.nan)}, "not finite"), ({"image": np.zeros((3, 16, 16))}, "latent")])
def test_what_it_refuses(pipe, given, message):
    with pytest.raises(ex.SettingError, match=message):
        pipe(PROMPT, **{"image": IMAGE, **given})


def test_a_strength_needs_an_image(pipe):
    with pytest.raises(ex.SettingError, match="no image to start from"):
        pipe(PROMPT, strength=0.5)
    with pytest.raises(ex.SettingError, match="no image to start from"):
        pipe.sample_images([PROMPT], [0], replace(Settings(""), strength=0.5))


def test_the_strength_that_an_error_suggests_is_enough():
    for steps in range(1, 1001):
        with pytest.raises(ex.SettingError) as refused:
            check_strength(1e-9, steps)
        suggested = float(str(refused.value).split("strength of ")[1].split()[0])
        assert Settings("", steps=steps, strength=suggested).sampled_steps >= 1
