"""The straightness of denoisers: the trajectories that are measured, and the table."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from explorable.diffusion.samplers import initial_noise
from explorable.diffusion.timesteps import uniform_timesteps
from explorable.measure.registry import measure
from explorable.measure.straightness import sample_trajectories, straightness


def test_a_trajectory_starts_in_the_noise_of_its_seed_and_has_a_latent_for_every_time(pipe):
    x, times = sample_trajectories(pipe, ["a cat", "a red car"], 4, 1.0)
    assert x.shape == (5, 2, 4, 16, 16) and times == uniform_timesteps(4)
    assert np.array_equal(x[0], torch.stack([initial_noise(seed, (4, 16, 16)) for seed in (0, 1)]))
    alone, _ = sample_trajectories(pipe, ["a cat"], 4, 1.0)
    np.testing.assert_allclose(alone[:, 0], x[:, 0], rtol=1e-4, atol=1e-5)


def test_the_table_has_every_denoiser_with_and_without_its_guidance(tiny):
    tiny("straightness", "unet-flow", "unet-reflow")
    table = straightness(steps=4, quick=True)
    assert [(r["model"], r["guidance"]) for r in table.rows] == [("unet-flow", 1), ("unet-flow", 4), ("unet-reflow", 1)]
    for row in table.rows:  # on the straight path both coordinates are the same
        assert row["bend"] == row["bend rescaled"] and row["detour"] >= 1


@pytest.mark.parametrize(("options", "message"), [({"steps": 1}, "steps is 1: choose a whole number, 2 or more"),
                                               ({"steps": 5000}, "steps is 5000"), ({"prompts": 0}, "prompts is 0")])
def test_options_out_of_range_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        measure("straightness", **options)
