"""Prompt to image with tiny networks of random weights: properties that do not depend on training."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tiny_pipes import OTHER, PROMPT, TEXT, same

import explorable as ex
from explorable.diffusion.paths import Straight
from explorable.diffusion.samplers import SAMPLERS, initial_noise
from explorable.diffusion.settings import DEFAULT_GUIDANCE, MAX_STEPS, SettingError, Settings, check_settings
from explorable.diffusion.timesteps import make_timesteps, uniform_timesteps
from explorable.nn.classifier import Classifier, ClassifierConfig, UnknownTargetError
from explorable.nn.special_tokens import END, PAD, START
from explorable.nn.text import PromptTooLongError, UnknownWordError
from explorable.pipeline import Pipeline
from explorable.run import Run

quick = settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])


# ------------------------------------------------------- what the image depends on


@quick
@given(
    seed=st.integers(0, 2**63 - 1),
    sampler=st.sampled_from(tuple(SAMPLERS)),
    steps=st.integers(1, 5),
    guidance=st.floats(0, 20),
)
def test_the_same_settings_give_a_bit_identical_image(pipe, seed, sampler, steps, guidance):
    first = pipe(PROMPT, None, steps, guidance, seed, sampler)
    pipe(OTHER, steps=2, seed=seed // 2)
    torch.manual_seed(seed % 1000)
    assert same(first, pipe(PROMPT, None, steps, guidance, seed, sampler))


def test_every_setting_changes_the_image(pipe, run):
    others = [
        pipe(OTHER, steps=5, guidance=3, seed=1),
        pipe(PROMPT, OTHER, steps=5, guidance=3, seed=1),
        pipe(PROMPT, steps=6, guidance=3, seed=1),
        pipe(PROMPT, steps=5, guidance=4, seed=1),
        pipe(PROMPT, steps=5, guidance=3, seed=2),
        pipe(PROMPT, steps=5, guidance=3, seed=1, sampler="heun"),
    ]
    images = {r.image.tobytes() for r in (run, *others)}
    assert len(images) == 1 + len(others)


@quick
@given(seed=st.integers(0, 999), guidance=st.floats(0, 50))
def test_an_empty_prompt_equals_any_prompt_at_guidance_zero(pipe, seed, guidance):
    unconditional = pipe("", steps=3, guidance=guidance, seed=seed)
    assert same(unconditional, pipe(PROMPT, steps=3, guidance=0, seed=seed))
    assert same(unconditional, pipe(OTHER, steps=3, guidance=0, seed=seed))


@quick
@given(seed=st.integers(0, 999), guidance=st.floats(0, 50))
def test_a_prompt_that_is_its_own_negative_is_sampled_without_guidance(pipe, seed, guidance):
    plain = pipe(PROMPT, steps=3, guidance=1, seed=seed)
    assert same(plain, pipe(PROMPT, PROMPT, steps=3, guidance=guidance, seed=seed))
    assert same(plain, pipe(PROMPT, OTHER, steps=3, guidance=1, seed=seed)), "at guidance 1 there is one branch"


@quick
@given(seed=st.integers(0, 999))
def test_guidance_zero_samples_the_negative_prompt(pipe, seed):
    assert same(
        pipe(PROMPT, OTHER, steps=3, guidance=0, seed=seed), pipe(OTHER, steps=3, guidance=1, seed=seed)
    )


@quick
@given(w=st.floats(0, 20), t=st.floats(0.01, 1), seed=st.integers(0, 99))
def test_guidance_is_uncond_plus_w_times_the_difference(pipe, w, t, seed):
    """Compares both branches in one batch with each branch alone."""
    x = initial_noise(seed, (1, 4, 16, 16))
    with torch.inference_mode():
        uncond, cond, guided = (pipe.guided_denoiser([PROMPT], Settings("", guidance=g))(x, t) for g in (0, 1, w))
    torch.testing.assert_close(guided, uncond + w * (cond - uncond), rtol=1e-4, atol=1e-4)


def test_guidance_is_continuous_at_zero_and_one(pipe):
    """There the number of branches changes from two to one, and the latents must agree."""
    for guidance in (0.0, 1.0):
        one, two = (pipe(PROMPT, steps=4, guidance=g, seed=3) for g in (guidance, guidance + 1e-9))
        np.testing.assert_allclose(one.latents.values, two.latents.values, rtol=1e-4, atol=1e-4)


def test_both_branches_are_evaluated_in_one_batch(pipe, monkeypatch):
    batches: list[int] = []
    forward = pipe.denoiser.forward
    monkeypatch.setattr(
        pipe.denoiser, "forward", lambda x, *rest: batches.append(len(x)) or forward(x, *rest)
    )
    for guidance, batch in ((3, 2), (1, 1), (0, 1)):
        batches.clear()
        pipe(PROMPT, steps=4, guidance=guidance)
        assert batches == [batch] * 4


def test_steps_are_float64_on_the_cpu(pipe):
    with torch.inference_mode():
        denoise = pipe.guided_denoiser([PROMPT], Settings("", guidance=3))
        for step in pipe.sample_steps(denoise, Settings(PROMPT, steps=3), [1]):
            for latent in (step.x, step.denoised, step.next_x):
                assert latent.dtype == torch.float64 and latent.device.type == "cpu"
                assert latent.shape == (1, 4, 16, 16)


def test_the_prompt_is_encoded_once(pipe, monkeypatch):
    calls: list[int] = []
    project_context = pipe.denoiser.project_context
    monkeypatch.setattr(pipe.denoiser, "project_context", lambda *context: calls.append(1) or project_context(*context))
    pipe(PROMPT, steps=6)
    assert len(calls) == 1


# ------------------------------------------------------------------------ batches


@quick
@given(
    seeds=st.lists(st.integers(0, 99), min_size=1, max_size=4),
    guidance=st.sampled_from((0, 1, 3.5)),
    sampler=st.sampled_from(tuple(SAMPLERS)),
    negative=st.sampled_from((None, OTHER)),
)
def test_a_batch_has_the_images_of_single_calls(pipe, seeds, guidance, sampler, negative):
    """Up to one level of 255, because a batch adds in another order."""
    prompts = [(PROMPT, OTHER, "", "a cat")[k % 4] for k in range(len(seeds))]
    batch_settings = Settings("", negative, steps=3, guidance=guidance, sampler=sampler)
    images = pipe.sample_images(prompts, seeds, batch_settings)
    assert images.shape == (len(seeds), 128, 128, 3) and images.dtype == np.uint8
    for image, prompt, seed in zip(images, prompts, seeds, strict=True):
        alone = pipe(prompt, negative, 3, guidance, seed, sampler).image
        assert np.abs(image.astype(int) - alone).max() <= 1


@pytest.mark.parametrize(
    ("prompts", "seeds"), [([], []), ([PROMPT], [1, 2]), ([PROMPT, OTHER], [1]), ([PROMPT], [-1])]
)
def test_a_batch_without_one_seed_for_each_prompt_is_refused(pipe, prompts, seeds):
    with pytest.raises(SettingError):
        pipe.sample_images(prompts, seeds)


def test_a_batch_reports_its_steps_and_can_be_stopped(pipe):
    counted = []
    pipe.sample_images([PROMPT, OTHER], [1, 2], Settings("", steps=3), lambda *done: counted.append(done))
    assert counted == [(1, 3), (2, 3), (3, 3)]
    with pytest.raises(KeyError, match="enough"):
        pipe.sample_images([PROMPT], [1], Settings("", steps=3), lambda *done: {}["enough"])
    with pytest.raises(SettingError, match="progress is 5"):
        pipe.sample_images([PROMPT], [1], progress=5)


# ---------------------------------------------------------------------------- Run


def test_a_runs_arrays_are_labelled(run):
    assert run.latents.dims == run.denoised.dims == ("step", "channel", "y", "x")
    assert run.latents.shape == (6, 4, 16, 16) and run.denoised.shape == (5, 4, 16, 16)
    assert run.latents.dtype == run.denoised.dtype == np.float32
    assert run.latents.step.values.tolist() == list(range(6))
    assert run.latents.t.values.tolist() == uniform_timesteps(5)
    assert run.denoised.t.values.tolist() == uniform_timesteps(5)[:-1]
    assert run.steps == 5
    assert run.settings == Settings(PROMPT, None, 5, 3, 1, "euler") and run.model == "tiny"
    assert run.tokens == (START, *PROMPT.split(), END, *[PAD] * (TEXT.length - 2 - len(PROMPT.split())))
    assert repr(PROMPT) in repr(run) and "seed=1" in repr(run)


def test_decoded_images_are_labelled(run):
    for images, latents in ((run.previews, run.denoised), (run.noisy, run.latents)):
        assert images.dims == ("step", "y", "x", "rgb") and images.dtype == np.uint8
        assert images.shape == (latents.sizes["step"], 128, 128, 3)
        assert images.rgb.values.tolist() == ["r", "g", "b"]
        assert images.t.equals(latents.t)
    assert np.array_equal(run.noisy.values[-1:], run._pipe.decode(run.latents.values)[-1:])
    assert np.abs(run.noisy.values[-1].astype(int) - run.image).max() <= 1


def test_a_run_starts_from_initial_noise_and_takes_euler_steps(run):
    x = run.latents.values.astype(float)
    np.testing.assert_array_equal(x[0], initial_noise(1, (4, 16, 16)).float().numpy())
    t = run.latents.t.values
    for k in range(run.steps):
        velocity = (x[k] - run.denoised.values[k]) / t[k]  # on the straight path
        np.testing.assert_allclose(x[k + 1], x[k] + (t[k + 1] - t[k]) * velocity, rtol=1e-4, atol=1e-5)


def test_the_image_is_the_last_denoised_estimate(run):
    """On the straight path the last step ends at the estimate."""
    np.testing.assert_allclose(run.latents.values[-1], run.denoised.values[-1], rtol=1e-5, atol=1e-5)
    assert run.image.shape == (128, 128, 3) and run.image.dtype == np.uint8
    assert np.abs(run.preview(run.steps - 1).astype(int) - run.image).max() <= 1


def test_previews_are_the_decoded_estimates_of_each_step(run):
    for step in range(run.steps):
        one = run._pipe.decode(run.denoised.values[step : step + 1])[0]
        assert np.abs(run.preview(step).astype(int) - one).max() <= 1


@pytest.mark.parametrize("step", [99, 5, -1])
def test_an_error_about_a_step_gives_the_valid_range(run, step):
    with pytest.raises(IndexError, match=f"step {step}: this run has steps 0 to 4"):
        run.preview(step)


def test_every_stage_is_timed(run):
    assert run.seconds.keys() == {"text encoder", "denoiser", "decoder"}
    assert all(seconds > 0 for seconds in run.seconds.values())


def test_decoded_images_use_the_whole_range_of_uint8(pipe, monkeypatch):
    """-1 is black, 1 is white, values beyond are clipped, and rounding is to the nearest level."""
    levels = torch.tensor([-5.0, -1.0, 0.0, 1.0, 7.0])
    monkeypatch.setattr(pipe.vae, "decode", lambda z: levels.view(-1, 1, 1, 1).expand(-1, 3, 128, 128))
    decoded = pipe.decode(np.zeros((5, 4, 16, 16), np.float32))
    assert decoded[:, 0, 0, 0].tolist() == [0, 0, 128, 255, 255]


def test_guidance_defaults_to_the_models_own(pipe, monkeypatch):
    assert pipe(PROMPT, steps=2).settings.guidance == DEFAULT_GUIDANCE
    monkeypatch.setattr(pipe, "default_guidance", 1.0)
    assert pipe(PROMPT, steps=2).settings.guidance == 1.0
    assert pipe(PROMPT, steps=2, guidance=3).settings.guidance == 3.0
    run = pipe(PROMPT, steps=2)
    for call in (lambda: check_settings(Settings(PROMPT, guidance=None)), lambda: run.branch(1, guidance=None)):
        with pytest.raises(SettingError, match=r"^guidance is None: choose"):  # only pipe() accepts None
            call()


# --------------------------------------------------------------- invalid settings

INVALID = {
    "steps": (0, -1, MAX_STEPS + 1, 10_000, 2.5, "20", None, math.nan),
    "guidance": (math.nan, math.inf, -math.inf, -1, -1e-9, 101, "4"),
    "seed": (-1, 2**63, 1.5, "0", None),
    "sampler": ("", "eulr", "plms", None, "Euler"),
    "spacing": ("", "log", None),
    "interval": ((0.5, 0.2), (0, 2), (-1, 1), 0.5, None, "ab", (0, math.nan), (0, 0.5, 1)),
    "rescale": (-0.1, 1.1, math.nan, None),
    "shift": (0, -1, math.nan, None),
    "eta": (-0.1, 1.1, 0.5),  # the last: euler has no eta
    "target": (3, True),
    "classifier_scale": (1.0, -1, 1001, math.nan),  # the first: without a target
    "classifier_interval": ((0.5, 0.2), (0, 2), 0.5, None, (0, math.nan)),
    "noise_aware": (None, "no", 2),
}
INVALID_SETTINGS = [
    pytest.param(field, value, id=f"{field}={value!r}") for field, values in INVALID.items() for value in values
]


@pytest.mark.parametrize(("field", "value"), INVALID_SETTINGS)
def test_an_invalid_setting_is_named_before_anything_is_computed(pipe, monkeypatch, field, value):
    def never(*args, **kwargs):
        raise AssertionError("the network ran")

    monkeypatch.setattr(pipe.denoiser, "forward", never)
    monkeypatch.setattr(pipe.text, "forward", never)
    with pytest.raises(SettingError, match=rf"^{field} is .*: choose"):
        pipe(PROMPT, **{field: value})


@pytest.mark.parametrize(
    "settings",
    [
        Settings(PROMPT, steps=1),
        Settings(PROMPT, steps=MAX_STEPS),
        Settings(PROMPT, guidance=0),
        Settings(PROMPT, guidance=100),
        Settings(PROMPT, seed=0),
        Settings(PROMPT, seed=2**63 - 1),
        *(Settings(PROMPT, sampler=s) for s in SAMPLERS),
    ],
)
def test_both_ends_of_every_range_are_valid(settings):
    assert check_settings(settings) == settings


@pytest.mark.parametrize(
    "numbers", [{"seed": np.int64(3)}, {"guidance": np.float32(3)}, {"guidance": np.int64(3)}], ids=str
)
def test_settings_may_be_numpy_numbers(pipe, numbers):
    ((field, value),) = numbers.items()
    assert same(pipe(PROMPT, steps=2, **numbers), pipe(PROMPT, steps=2, **{field: int(value)}))


def test_steps_may_be_a_numpy_integer(pipe):
    assert same(pipe(PROMPT, steps=np.int64(3)), pipe(PROMPT, steps=3))


@pytest.mark.parametrize("negative", [False, True], ids=["prompt", "negative"])
def test_an_invalid_prompt_is_refused(pipe, negative):
    def sample(text: str) -> Run:
        return pipe(PROMPT, text, steps=1) if negative else pipe(text, steps=1)

    with pytest.raises(UnknownWordError, match=r"'catt' .*; the nearest known words: cat"):
        sample("a catt")
    with pytest.raises(UnknownWordError, match="'<img'"):
        sample("<img src=x onerror=alert(1)>")
    with pytest.raises(UnknownWordError, match=r"'elephant', 'ocaen' and 'orange' .*: lion, dog \(for 'elephant'\); "
                                               r"golden, red \(for 'orange'\)$"):
        sample("an elephant by the ocaen, orange elephant")
    with pytest.raises(PromptTooLongError, match="23 words"):
        sample("cat " * 23)


def test_an_unknown_word_of_the_prompt_is_named_before_one_of_the_negative_prompt(pipe):
    for call in (lambda: pipe("a zeppelin", "a trombone", steps=1),
                 lambda: pipe.sample_images(["a zeppelin"], [0], Settings("", "a trombone", steps=1))):
        with pytest.raises(UnknownWordError) as error:
            call()
        assert error.value.words == ("zeppelin",)


def test_a_negative_prompt_has_no_effect_at_guidance_one(pipe):
    assert same(pipe(PROMPT, OTHER, steps=2, guidance=1), pipe(PROMPT, steps=2, guidance=1))


@pytest.mark.parametrize(
    ("wrong", "guidance"),
    [
        ("prompt", 3),
        ("prompt", 1),
        ("prompt", 0),
        ("negative", 3),
        ("negative", 0),
        ("negative", 1),
    ],
)
def test_an_unknown_word_is_refused_before_anything_is_computed(pipe, monkeypatch, wrong, guidance):
    def never(*args, **kwargs):
        raise AssertionError("the network ran")

    monkeypatch.setattr(pipe.denoiser, "forward", never)
    with pytest.raises(UnknownWordError, match="zeppelin"):
        pipe(**{"prompt": PROMPT, wrong: "a zeppelin"}, guidance=guidance)


# --------------------------------------------------------------- stopping midway


class Stop(Exception):
    pass


def test_progress_counts_every_step(pipe):
    calls: list[tuple[int, int]] = []
    run = pipe(PROMPT, steps=4)
    assert same(run, pipe(PROMPT, steps=4, progress=lambda done, steps: calls.append((done, steps))))
    assert calls == [(1, 4), (2, 4), (3, 4), (4, 4)]


@pytest.mark.parametrize("after", [1, 3])
def test_an_exception_in_progress_stops_the_run_and_leaves_no_trace(pipe, run, monkeypatch, after):
    calls: list[int] = []
    forward = pipe.denoiser.forward
    monkeypatch.setattr(pipe.denoiser, "forward", lambda *args: calls.append(1) or forward(*args))
    weights = {k: v.clone() for k, v in pipe.denoiser.state_dict().items()}

    def progress(done: int, steps: int) -> None:
        if done == after:
            raise Stop

    with pytest.raises(Stop):
        pipe(PROMPT, steps=5, progress=progress)
    assert len(calls) == after
    assert not torch.is_inference_mode_enabled() and torch.is_grad_enabled()
    assert all(torch.equal(weights[k], v) for k, v in pipe.denoiser.state_dict().items())
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in pipe.denoiser.modules())
    assert same(run, pipe(PROMPT, steps=5, guidance=3, seed=1))


def test_a_failed_call_does_not_affect_the_next(pipe, run):
    for invalid in ({"steps": 0}, {"guidance": math.nan}, {"prompt": "zeppelin"}, {"sampler": "?"}):
        with pytest.raises(ValueError):
            pipe(**{"prompt": PROMPT, **invalid})
    assert same(run, pipe(PROMPT, steps=5, guidance=3, seed=1))


@pytest.mark.gpu
def test_a_gpu_starts_from_the_same_noise_and_ends_close_to_the_cpu(networks, pipe):
    import copy

    parts = {name: copy.deepcopy(network) for name, network in networks.items()}
    on_gpu = Pipeline(
        "tiny", parts["text"].text_encoder, parts["unet-flow"], parts["vae"], Straight(), "velocity",
        torch.device("cuda"))
    a, b = (p(PROMPT, steps=5, guidance=3, seed=1) for p in (pipe, on_gpu))
    assert np.array_equal(a.latents.values[0], b.latents.values[0])
    np.testing.assert_allclose(a.latents.values, b.latents.values, rtol=0.05, atol=0.05)
    assert same(b, on_gpu(PROMPT, steps=5, guidance=3, seed=1))


def test_the_top_level_exports_the_same_objects():
    assert (
        ex.Pipeline is Pipeline
        and ex.SettingError is SettingError
        and ex.Run is Run
        and ex.Settings is Settings
    )
    assert ex.UnknownWordError is UnknownWordError and ex.PromptTooLongError is PromptTooLongError
    assert issubclass(SettingError, ValueError)
    assert replace(Settings("a cat"), seed=3) == Settings("a cat", seed=3)
    with pytest.raises(AttributeError, match="no 'lode'"):
        _ = ex.lode


# ---------------------------------------------------------------------------- more settings


def test_guidance_is_off_outside_of_its_interval(pipe):
    """With the interval (0.5, 1), steps below t = 0.5 equal those at w = 1."""
    with torch.inference_mode():
        x = torch.randn(1, 4, 16, 16, dtype=torch.float64)
        half = pipe.guided_denoiser([PROMPT], Settings("", guidance=5, interval=(0.5, 1.0)))
        full, plain = (pipe.guided_denoiser([PROMPT], Settings("", guidance=g)) for g in (5, 1))
        for t in (1.0, 0.5):
            assert torch.equal(half(x, t), full(x, t))
        torch.testing.assert_close(half(x, 0.4), plain(x, 0.4), rtol=1e-5, atol=1e-5)
        assert not torch.allclose(half(x, 0.9), plain(x, 0.9), atol=1e-3)


def test_rescaled_guidance_has_the_contrast_without_guidance(pipe):
    with torch.inference_mode():
        x = torch.randn(2, 4, 16, 16, dtype=torch.float64)
        std = {}
        for w, share in ((1, 0), (9, 0), (9, 0.5), (9, 1)):
            estimate = pipe.guided_denoiser([PROMPT, OTHER], Settings("", guidance=w, rescale=share))(x, 0.9)
            std[w, share] = estimate.std((1, 2, 3))
        torch.testing.assert_close(std[9, 1], std[1, 0], rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(std[9, 0.5], (std[9, 0] + std[9, 1]) / 2)


def test_spacing_shift_and_eta_reach_the_sampler(pipe):
    plain = pipe(PROMPT, steps=4, sampler="ddim")
    shifted = pipe(PROMPT, steps=4, sampler="ddim", shift=3)
    times = make_timesteps("uniform", 4, pipe.path, 3.0)
    assert shifted.latents.t.values.tolist() == times != plain.latents.t.values.tolist()
    karras = pipe(PROMPT, steps=4, sampler="ddim", spacing="karras")
    assert karras.latents.t.values.tolist() == make_timesteps("karras", 4, pipe.path)
    stochastic = pipe(PROMPT, steps=4, sampler="ddim", eta=1)
    assert not same(stochastic, plain) and same(stochastic, pipe(PROMPT, steps=4, sampler="ddim", eta=1))


def test_sampler_noise_depends_on_the_seed(pipe):
    one, again, other = (pipe(PROMPT, steps=4, sampler="ddpm", seed=s) for s in (1, 1, 2))
    assert same(one, again) and not same(one, other)


# ------------------------------------------------------------ classifier guidance


@pytest.fixture
def with_classifier(pipe):
    torch.manual_seed(5)
    pipe.classifier = Classifier(ClassifierConfig(("cat", "dog"), ("red",), ("beach",), ("night",),
                                                  widths=(8, 16), time_width=16)).eval()
    yield pipe
    del pipe.classifier


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_classifier_guidance_raises_the_targets_log_probability_with_every_sampler(with_classifier, sampler):
    def log_prob(run: Run) -> float:
        x = torch.from_numpy(run.latents.values[-1:])
        classifier = with_classifier.classifier
        return classifier.log_prob(classifier(x, torch.zeros(1)), "cat").item()

    plain, zero, guided = (with_classifier(PROMPT, steps=6, sampler=sampler, **more)
                           for more in ({}, {"target": "cat"}, {"target": "cat", "classifier_scale": 5.0}))
    assert same(plain, zero) and not same(plain, guided)
    assert log_prob(guided) > log_prob(plain)


@pytest.mark.parametrize("sampler", ["ddim", "ddpm"])
def test_the_classifier_guides_only_within_its_interval(with_classifier, sampler):
    guided = {"target": "cat", "classifier_scale": 5.0, "steps": 6, "sampler": sampler}
    plain, never = with_classifier(PROMPT, steps=6, sampler=sampler), with_classifier(
        PROMPT, **guided, classifier_interval=(0.9, 0.95))  # between two timesteps
    assert same(plain, never)
    late = with_classifier(PROMPT, **guided, classifier_interval=(0.0, 0.5))  # t = 1, 5/6, 4/6, 3/6, …
    assert np.array_equal(late.latents[:4], plain.latents[:4]) and not np.array_equal(late.latents[4], plain.latents[4])
    branch = plain.branch(3, target="cat", classifier_scale=5.0)
    assert np.array_equal(late.image, branch.image), "the same as a branch that begins there"


def test_a_classifier_that_is_not_noise_aware_is_told_that_there_is_no_noise(with_classifier):
    with torch.no_grad():  # untrained, it would ignore the noise level
        for p in with_classifier.classifier.parameters():
            p += 0.1 * torch.randn_like(p)
    x = torch.randn(2, 4, 16, 16, generator=torch.Generator().manual_seed(1)).double()
    told, clean = (with_classifier.classifier_gradient(x, 0.6, "cat", aware) for aware in (True, False))
    length = math.hypot(0.4, 0.6)  # of alpha and sigma on the straight path
    expected = with_classifier.classifier.gradient(x / length, 1.0, 0.0, "cat").double() / length
    torch.testing.assert_close(clean, expected, rtol=1e-4, atol=1e-7)
    assert not torch.allclose(told, clean, rtol=0.01)
    at_zero = with_classifier.classifier_gradient(x, 0.0, "cat", False)
    torch.testing.assert_close(at_zero, with_classifier.classifier_gradient(x, 0.0, "cat"))
    runs = [with_classifier(PROMPT, steps=3, target="cat", classifier_scale=5.0, noise_aware=aware)
            for aware in (True, False)]
    assert not same(*runs)


def test_an_unknown_target_is_refused_before_anything_is_computed(with_classifier, monkeypatch):
    monkeypatch.setattr(with_classifier.denoiser, "forward", None)
    with pytest.raises(UnknownTargetError, match=r"'lion'; choose one of: cat, dog, red, beach, night"):
        with_classifier(PROMPT, target="lion", classifier_scale=1.0)


@pytest.mark.parametrize(("arguments", "message"), (
    ({"record": 5}, "record is 5: give the name of a point or a pattern"),
    ({"record": ["*.skip", 5]}, "give the name of a point or a pattern"),
    ({"progress": 5}, "progress is 5: give a function"),
    ({"foo": 1}, "foo is not a setting: choose among negative, steps, guidance"),
    ({"guidence": 3.0}, r"guidence is not a setting: did you mean guidance\?"),
    ({"num_inference_steps": 3}, r"num_inference_steps is not a setting: did you mean steps\?"),
    ({"negative": "a \udfff"}, "negative contains .*which is half of a character"),
))
def test_an_invalid_argument_is_named_with_what_to_do(pipe, arguments, message):
    with pytest.raises(ex.SettingError, match=message):
        pipe("a red car", **{"steps": 2, **arguments})


def test_a_negative_prompt_that_is_too_long_is_called_the_negative_prompt(pipe):
    with pytest.raises(ex.PromptTooLongError, match="the negative prompt has 60 words"):
        pipe("a red car", negative="red " * 60, steps=2)
