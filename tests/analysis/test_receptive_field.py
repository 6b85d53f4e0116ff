"""Where a unit looks: against places moved by hand, and against the convolution's own reach."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tiny_pipes import PROMPT, tiny

from explorable.analysis.receptive_field import effective_size, receptive_field
from explorable.analysis.unet_activations import fader_edits, prompt_activations
from explorable.hooks import Ablate, PatchFrom, Replace, UnknownPointError, edit, record


@pytest.fixture(scope="module")
def pipe():
    return tiny()


@pytest.fixture(scope="module")
def run(pipe):
    return pipe(PROMPT, steps=3)


def test_the_first_convolution_has_a_field_of_three_by_three(pipe, run):
    felt = receptive_field(pipe, run, 1, "conv_in", 4, 15)
    assert felt.shape == (16, 16)
    seen = np.zeros((16, 16), bool)
    seen[3:6, 14:16] = True
    assert np.array_equal(felt > 0, seen)


def test_the_field_is_the_finite_difference_jacobian(pipe, run):
    weights = pipe.denoiser.conv_in.weight  # (channel, latent channel, 3, 3): the Jacobian of the first convolution
    exact = weights.square().sum((0, 1)).sqrt().detach().numpy()
    felt = receptive_field(pipe, run, 0, "conv_in", 8, 8, probes=4000)[7:10, 7:10]
    np.testing.assert_allclose(felt, exact, rtol=0.1)


def test_positions_in_the_field_change_the_activation(pipe, run):
    """A small push where it looks most moves it more than one where it looks least."""
    felt = receptive_field(pipe, run, 1, "up.1.0.cross.out", 2, 5, probes=32)

    def moved(y: int, x: int) -> float:
        def push(value, at):
            shifted = value.clone()
            shifted[:, :, y, x] += 1e-2 * (at.step == 1)
            return shifted

        kept = []
        for edits in ({}, {"sampler.latent": push}):
            with edit(pipe, edits), record(pipe, "up.1.0.cross.out") as recorder:
                pipe(PROMPT, steps=3)
            kept.append(prompt_activations(recorder["up.1.0.cross.out"])[1, :, 2, 5])
        return float(np.linalg.norm(kept[1] - kept[0]))

    most, least = (np.unravel_index(f(felt), felt.shape) for f in (np.argmax, np.argmin))
    assert moved(*most) > moved(*least)


def test_without_its_skip_the_up_path_depends_on_the_backbone(pipe, run):
    whole = receptive_field(pipe, run, 1, "up.0.0.res.out", 8, 8)
    blind = receptive_field(pipe, run, 1, "up.0.0.res.out", 8, 8, fader_edits({"up.0.skip": 0.0}))
    assert not np.allclose(whole, blind)
    assert not receptive_field(pipe, run, 1, "up.0.skip", 8, 8, fader_edits({"up.0.skip": 0.0})).any()


@pytest.mark.parametrize("cut", [lambda other: PatchFrom(other), lambda other: Ablate(), lambda other: Replace(1.0)])
def test_the_field_of_what_does_not_depend_on_the_latent_is_empty(pipe, run, cut):
    with record(pipe, "up.0.skip") as other:
        pipe(PROMPT, steps=3, seed=5)
    field = receptive_field(pipe, run, 1, "up.0.skip", 3, 3, {"up.0.skip": cut(other)})
    assert field.shape == run.latents.shape[-2:] and not field.any() and effective_size(field) == 0


def test_it_works_on_weights_loaded_in_inference_mode(run):
    with torch.inference_mode():
        felt = receptive_field(tiny(), run, 1, "middle.cross.out", 1, 1)
    assert felt.any()


def test_the_pipeline_is_left_unchanged(pipe, run):
    receptive_field(pipe, run, 1, "middle.cross.out", 1, 1)
    assert np.array_equal(pipe(PROMPT, steps=3).image, run.image)


@pytest.mark.parametrize(("step", "point", "row", "error"), [
    (3, "conv_in", 0, IndexError), (0, "conv_in", 16, IndexError), (0, "middle.cross.out", 4, IndexError),
    (0, "inlte", 0, UnknownPointError)])
def test_missing_points_and_positions_are_refused(pipe, run, step, point, row, error):
    with pytest.raises(error):
        receptive_field(pipe, run, step, point, row, 0)


def test_places_seen():
    assert effective_size(np.zeros((4, 4))) == 0
    assert effective_size(np.eye(4)) == 4 and effective_size(np.eye(4), 0.5) == 2
    assert effective_size(np.ones((10, 10))) == 90
