"""Influence of patches: against finite differences, against what a network cannot see, and distances in closed form."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tiny_pipes import PROMPT, tiny

from explorable.analysis.attention_maps import ranks
from explorable.analysis.caught_value import catch_value
from explorable.analysis.patch_attention import PatchEdits, patch_layout
from explorable.analysis.patch_influence import (
    correlation_with_others,
    mean_distance,
    partial_correlation,
    patch_distances,
    patch_influence,
    share_by_distance,
)
from explorable.diffusion.predictions import to_denoised

GRID, PATCH, STEP = (4, 4), (1, 2), 1


@pytest.fixture(scope="module", params=[("dit", "straight"), ("dit", "linear"), ("unet", "straight")])
def pipe(request):
    return tiny(*request.param)


@pytest.fixture(scope="module")
def run(pipe):
    return pipe(PROMPT, steps=3)


STENCIL = {1: 8 / 12, -1: -8 / 12, 2: -1 / 12, -2: 1 / 12}  # of the first derivative, exact to the fourth order


def finite_differences(pipe, run, width: float = 0.05) -> np.ndarray:
    """The same map, from differences of the estimate around the latent: (rows, columns). The network is in single
    precision, so that the differences are taken over a wide stencil."""
    latent, t = run.latents.values[STEP], float(run.denoised.t[STEP])
    jacobian = np.zeros((latent.size, 4, 4, 4))  # by number of the latent: (channel, y, x) of the patch
    for place, factor in STENCIL.items():
        for some in np.split(np.arange(latent.size), 8):
            moved = np.repeat(latent[None], len(some), 0).reshape(len(some), -1).astype(np.float64)
            moved[np.arange(len(some)), some] += place * width
            x = torch.from_numpy(moved.reshape(-1, *latent.shape))
            prediction = catch_value(pipe, run, STEP, x, "prediction").value.double()
            denoised = to_denoised(pipe.prediction, pipe.path, x, prediction, t).numpy()
            here = denoised[:, :, 4 * PATCH[0] : 4 * PATCH[0] + 4, 4 * PATCH[1] : 4 * PATCH[1] + 4]
            jacobian[some] += factor * here / width
    blocks = np.square(jacobian).sum((1, 2, 3)).reshape(4, 4, 4, 4, 4)
    return np.sqrt(blocks.sum((0, 2, 4)))


def test_it_is_the_finite_difference_jacobian(pipe, run):
    exact = patch_influence(pipe, run, STEP, PATCH, GRID)
    assert exact.shape == GRID and (exact > 0).all()
    np.testing.assert_allclose(finite_differences(pipe, run), exact, rtol=1e-3)


@pytest.fixture(scope="module")
def dit():
    return tiny("dit")


def ignore_words(x: torch.Tensor, context: object) -> torch.Tensor:
    """Words read patches and pass on what they read: let patches attend to patches only."""
    patches = x.clone()
    patches[:, :, :16, 16:] = 0
    return patches / patches.sum(-1, keepdim=True)


def reached(pipe, patch, edits: PatchEdits) -> np.ndarray:
    """Which patches influence one by more than rounding, where words are ignored."""
    layout = patch_layout(pipe.points(optional=False))
    points = {name: [ignore_words, *edits.points(layout).get(name, ())] for name in layout.blocks.values()}
    field = patch_influence(pipe, pipe(PROMPT, steps=3), STEP, patch, GRID, edits.points(layout) | points)
    return field > 1e-6 * field.max()


def test_without_attention_a_patch_is_influenced_by_itself_alone(dit):
    alone = reached(dit, PATCH, PatchEdits(radius=0.0))
    assert alone[PATCH] and alone.sum() == 1
    assert reached(dit, PATCH, PatchEdits()).all()


def test_one_block_of_limited_attention_reaches_its_radius_and_two_reach_twice_as_far(dit):
    one = reached(dit, (0, 0), PatchEdits(radius=1.0, block="1"))
    both = reached(dit, (0, 0), PatchEdits(radius=1.0))
    assert np.array_equal(one, patch_distances(GRID, (0, 0)) <= 1)
    assert np.array_equal(both, np.indices(GRID).sum(0) <= 2)


def test_the_pipeline_is_left_unchanged(pipe, run):
    patch_influence(pipe, run, STEP, PATCH, GRID)
    assert np.array_equal(pipe(PROMPT, steps=3).image, run.image)


def test_two_networks_are_compared_at_one_latent(dit):
    run = dit(PROMPT, steps=3)
    other = patch_influence(tiny("unet"), run, STEP, PATCH, GRID)
    assert other.shape == GRID and not np.allclose(other, patch_influence(dit, run, STEP, PATCH, GRID))


@pytest.mark.parametrize(("step", "patch", "grid", "error"), [
    (3, PATCH, GRID, IndexError), (0, (4, 0), GRID, ValueError), (0, (0, -1), GRID, ValueError),
    (0, PATCH, (5, 4), ValueError)])
def test_steps_and_patches_that_are_not_there_are_refused(dit, step, patch, grid, error):
    with pytest.raises(error):
        patch_influence(dit, dit(PROMPT, steps=3), step, patch, grid)


def test_distances():
    assert patch_distances((2, 3), (0, 0)).tolist() == [[0, 1, 2], [1, np.sqrt(2), np.sqrt(5)]]
    weights = np.zeros((2, 4, 4))
    weights[0, 1, 2], weights[1, 1, 0], weights[1, 1, 3] = 5, 1, 3
    assert mean_distance(weights, (1, 2)).tolist() == [0, (1 * 2 + 3 * 1) / 4]
    assert np.isnan(mean_distance(np.zeros((4, 4)), (1, 2)))
    assert share_by_distance(weights[1], (1, 2)).tolist() == [0, 0.75, 0.25, 0]
    assert share_by_distance(np.ones((8, 8)), (3, 3)).sum() == pytest.approx(1)


def test_the_correlation_leaves_the_patch_itself_out():
    influence = np.arange(16.0).reshape(4, 4)
    attention = influence**2
    attention[1, 2] = 1e6
    assert correlation_with_others(attention, influence, (1, 2)) == pytest.approx(1)
    assert correlation_with_others(-attention, influence, (1, 2)) == pytest.approx(-1)
    assert np.isnan(correlation_with_others(np.ones((4, 4)), influence, (1, 2)))


def test_the_partial_correlation_takes_the_distance_out():
    """It is the correlation of what is left of both ranks after a linear fit on those of the distance."""
    g = np.random.default_rng(0)
    patch, others = (3, 4), np.ones((8, 8), bool)
    others[patch] = False
    distance = patch_distances((8, 8), patch)
    attention, influence = (np.exp(-distance) * g.uniform(0.2, 1, (8, 8)) for _ in range(2))
    a, i, d = (ranks(m[others]) for m in (attention, influence, distance))
    left = [values - np.polyval(np.polyfit(d, values, 1), d) for values in (a, i)]
    found = partial_correlation(attention, influence, patch)
    assert found == pytest.approx(np.corrcoef(*left)[0, 1], abs=1e-9)
    assert abs(found) < 0.4 < 0.6 < correlation_with_others(attention, influence, patch)
