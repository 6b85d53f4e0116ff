"""What the classifier says of a run: the gradient is the one that guided it, and its shift is what the run moved by."""

from __future__ import annotations

import numpy as np
import pytest
import tiny_pipes
import torch
from tiny_pipes import PROMPT

from explorable.analysis.classifier_readings import (
    applied_shift,
    classifier_confidence,
    classifier_readings,
    label_group,
)
from explorable.diffusion.paths import PATHS
from explorable.diffusion.settings import Settings
from explorable.nn.classifier import Classifier, UnknownTargetError
from explorable.training.classifier import CONFIG
from explorable.world import COLOURS, KINDS, PLACES, TIMES

GUIDED = {"target": "lion", "classifier_scale": 5.0, "steps": 4, "seed": 2}


@pytest.fixture(scope="module", params=["straight", "linear"])
def pipe(request):
    pipe = tiny_pipes.tiny(path=request.param)
    torch.manual_seed(3)
    pipe.classifier = tiny_pipes.shaken(Classifier(CONFIG), 0.1).eval()
    return pipe


@pytest.mark.parametrize("noise_aware", [True, False])
def test_probabilities_and_gradient_are_the_classifiers_at_each_latent(pipe, noise_aware):
    run = pipe(PROMPT, **GUIDED, noise_aware=noise_aware)
    found = classifier_readings(pipe, run, "lion", noise_aware)
    assert found.probability.dims == ("step", "label") and found.sizes["step"] == 5
    for k, t in enumerate(run.latents.t.values.tolist()):
        x = torch.from_numpy(run.latents.values[k : k + 1])
        expected = pipe.classifier_gradient(x, t, "lion", noise_aware).numpy()[0]
        np.testing.assert_allclose(found.gradient.values[k], expected, atol=1e-4 * np.abs(expected).max())
        assert found.gradient_rms.values[k] == pytest.approx(np.sqrt(np.square(expected).mean()), rel=1e-3)
    assert np.abs(found.gradient.values).max() > 0


def test_the_probabilities_are_of_the_targets_kind(pipe):
    run = pipe(PROMPT, steps=2)
    for target, labels in (("lion", KINDS), ("red", tuple(COLOURS)), ("beach", PLACES), ("night", TIMES)):
        assert label_group(pipe.classifier, target) == labels
        p = classifier_readings(pipe, run, target).probability
        assert tuple(p.label.values) == labels and (p.sum("label").values > 0).all()
        if target in ("beach", "night"):
            np.testing.assert_allclose(p.sum("label"), 1, atol=1e-5)
    with pytest.raises(UnknownTargetError, match="no label 'zeppelin'"):
        classifier_readings(pipe, run, "zeppelin")


@pytest.mark.parametrize("sampler", ["ddim", "ddpm"])
def test_the_shift_is_by_how_much_the_run_moved(pipe, sampler):
    """Up to the first step at which the classifier acts, the guided run is the plain one."""
    run, plain = (pipe(PROMPT, sampler=sampler, **given) for given in (GUIDED, {"steps": 4, "seed": 2}))
    found = classifier_readings(pipe, run, "lion")
    first = int(np.flatnonzero(found.shift_rms.values)[0])
    moved = {"ddim": run.denoised.values - plain.denoised.values,
             "ddpm": run.latents.values[1:] - plain.latents.values[1:]}[sampler][first]
    assert found.shift_rms.values[first] == pytest.approx(np.sqrt(np.square(moved.astype(float)).mean()), rel=0.01)
    assert found.shift_rms.values[-1] == 0


def test_where_the_classifier_does_not_act_there_is_no_shift(pipe):
    late = pipe(PROMPT, **GUIDED, classifier_interval=(0.0, 0.6), sampler="ddim")
    shift = classifier_readings(pipe, late, "lion").shift_rms
    assert (shift.values[:2] == 0).all() and (shift.values[2:4] > 0).all()
    assert not classifier_readings(pipe, pipe(PROMPT, steps=4), "lion").shift_rms.values.any()
    pure = applied_shift(PATHS["straight"], Settings("", target="lion", classifier_scale=2.0), [1.0, 0.5, 0.0])
    np.testing.assert_allclose(pure, [0, 2 * 0.25 / 0.5, 0])  # alpha is 0 at t = 1, where nothing is shifted


def test_confidence_is_the_classifiers_in_the_encoded_image(pipe):
    images = np.random.default_rng(0).integers(0, 256, (3, 128, 128, 3), np.uint8)
    found = classifier_confidence(pipe, images, "beach")
    with torch.no_grad():
        logits = pipe.classifier(pipe.encode(images).clone(), torch.zeros(3))
        expected = pipe.classifier.split_logits(logits)[2].softmax(1)[:, PLACES.index("beach")]
    np.testing.assert_allclose(found, expected.numpy(), atol=1e-5)
    with pytest.raises(UnknownTargetError, match="no label 'zeppelin'"):
        classifier_confidence(pipe, images, "zeppelin")
