"""Straightness, where it is known: lines, circles, and the flow of a world with a single picture."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from explorable.diffusion.paths import PATHS
from explorable.diffusion.samplers import SAMPLERS, initial_noise
from explorable.diffusion.timesteps import uniform_timesteps
from explorable.measure.registry import measure
from explorable.measure.straightness import bend, detour, on_straight_path, straightness, walked

SHAPE = (3, 4, 4, 4)  # batch, channel, y, x


def line(times: list[float]) -> torch.Tensor:
    start, end = torch.zeros(SHAPE).double(), torch.arange(192.0).double().view(SHAPE)
    return torch.stack([start + (1 - t) * (end - start) for t in times])


def test_a_straight_path_is_exactly_straight():
    times = uniform_timesteps(8)  # eighths and whole numbers: no rounding
    x = line(times)
    assert bend(x, times).tolist() == [0, 0, 0]
    torch.testing.assert_close(detour(x), torch.ones(3).double(), rtol=1e-15, atol=0)


def test_a_straight_path_at_a_changing_speed_is_no_detour_but_bends():
    """With t^2 of the way left at t: the integral of (1 - 2 t)^2 is 1/3 of the squared displacement."""
    times = uniform_timesteps(1000)
    x = line([t * t for t in times])
    torch.testing.assert_close(detour(x), torch.ones(3).double())
    torch.testing.assert_close(bend(x, times), (x[-1] - x[0]).square().mean((1, 2, 3)) / 3, rtol=1e-4, atol=0)


def test_a_quarter_of_a_circle():
    """Unit radius: pi/2 long, its ends sqrt(2) apart; speed pi/2, so the bend is (pi/2)^2 - 2, over two numbers."""
    times = uniform_timesteps(2000)
    angles = [math.pi / 2 * t for t in times]
    x = torch.tensor([[[math.cos(a), math.sin(a)]] for a in angles]).double()
    assert detour(x).item() == pytest.approx(math.pi / 2 / math.sqrt(2), rel=1e-6)
    assert bend(x, times).item() == pytest.approx(((math.pi / 2) ** 2 - 2) / 2, rel=1e-5)


@pytest.mark.parametrize("path", PATHS.values(), ids=PATHS)
def test_with_one_picture_to_go_to_every_path_is_straight_in_the_straight_coordinates(path):
    only = initial_noise(5, SHAPE)
    records = list(SAMPLERS["ddim"](lambda x, t: only, path, initial_noise(1, SHAPE), uniform_timesteps(20)))
    x, times = torch.stack([*(r.x for r in records), records[-1].next_x]), uniform_timesteps(20)
    there, when = on_straight_path(path, x, times)
    torch.testing.assert_close(bend(there, when), torch.zeros(3).double(), atol=1e-12, rtol=0)
    torch.testing.assert_close(detour(there), torch.ones(3).double())
    if path.name == "straight":
        assert torch.equal(there, x) and when == pytest.approx(times)
    else:
        assert (bend(x, times) > 0.1).all() and (detour(x) > 1.05).all()


def test_a_walk_starts_in_the_seeds_noise_and_has_a_latent_for_every_time(pipe):
    x, times = walked(pipe, ["a cat", "a red car"], 4, 1.0)
    assert x.shape == (5, 2, 4, 16, 16) and times == uniform_timesteps(4)
    assert torch.equal(x[0], torch.stack([initial_noise(seed, (4, 16, 16)) for seed in (0, 1)]))
    alone, _ = walked(pipe, ["a cat"], 4, 1.0)
    np.testing.assert_allclose(alone[:, 0], x[:, 0], rtol=1e-4, atol=1e-5)


def test_the_table_has_every_denoiser_with_and_without_its_guidance(tiny):
    tiny("straightness", "unet-flow", "unet-reflow")
    table = straightness(steps=4, quick=True)
    assert [(r["model"], r["guidance"]) for r in table.rows] == [("unet-flow", 1), ("unet-flow", 4), ("unet-reflow", 1)]
    for row in table.rows:  # on the straight path both coordinates are the same
        assert row["bend"] == row["bend rescaled"] and row["detour"] >= 1


@pytest.mark.parametrize(("options", "said"), [({"steps": 1}, "steps is 1: choose a whole number, 2 or more"),
                                               ({"steps": 5000}, "steps is 5000"), ({"prompts": 0}, "prompts is 0")])
def test_bad_options_are_refused_in_words(options, said):
    with pytest.raises(ValueError, match=said):
        measure("straightness", **options)
