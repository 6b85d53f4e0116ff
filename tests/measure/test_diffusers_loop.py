"""Our loop beside one of diffusers: that both compute the same, not how fast."""

from __future__ import annotations

import pytest
import torch

from explorable.diffusion.settings import Settings
from explorable.measure import diffusers_loop as module
from explorable.measure.diffusers_loop import (
    MAX_SIZE_DIFFERENCE,
    PROMPT,
    as_diffusers_unet,
    diffusers_loop,
    diffusers_loop_of,
    diffusers_unet,
    parameter_count,
)
from explorable.measure.registry import measure
from explorable.measure.samplers import ScheduledPath
from explorable.nn.unet import UNet
from explorable.pipeline import LATENT_SHAPE, Pipeline

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation")  # in diffusers


def test_the_diffusers_unet_is_as_large_as_the_shipped_one():
    size = parameter_count(UNet())
    assert abs(parameter_count(diffusers_unet(size, 160)) - size) <= MAX_SIZE_DIFFERENCE * size


def test_both_loops_give_the_same_latent(pipe):
    """Our network in both, on the scheduler's path and timesteps: guidance, batch and context agree."""
    from diffusers import DDIMScheduler

    theirs = DDIMScheduler(timestep_spacing="trailing")
    path = ScheduledPath(theirs.alphas_cumprod.double().tolist())
    ours = Pipeline("scheduled", pipe.text, pipe.denoiser, pipe.vae, path, "noise", pipe.device)
    settings = Settings(PROMPT, steps=5, guidance=3.0, sampler="ddim")

    end = diffusers_loop_of(pipe, settings, as_diffusers_unet(pipe.denoiser))(4)
    *_, last = ours.sample_steps(ours.guided_denoiser([PROMPT], settings), settings, [4])
    assert end.shape == (1, *LATENT_SHAPE)
    torch.testing.assert_close(end.double(), last.next_x, rtol=1e-3, atol=1e-3)


def test_the_table_has_three_loops(tiny, monkeypatch, pipe):
    tiny("diffusers_loop")
    monkeypatch.setattr(module, "diffusers_unet", lambda size, width: DiffusersLike(pipe.denoiser))
    table = diffusers_loop(steps=1, repeats=1)
    assert [r["loop, network"] for r in table.rows] == [
        "ours, our network", "diffusers, our network", "diffusers, diffusers network"]


class DiffusersLike(torch.nn.Module):
    """A network of the right size with the interface of diffusers."""

    def __init__(self, net: UNet):
        super().__init__()
        self.net = net

    def forward(self, x, t, encoder_hidden_states, return_dict):
        assert encoder_hidden_states.shape[0] == len(x) == 2 and not return_dict
        return (x,)


@pytest.mark.parametrize(("options", "message"), [({"repeats": 0}, "repeats is 0"), ({"steps": 0}, "steps is 0"),
                                               ({"model": "vae"}, "'vae' is not a denoiser")])
def test_options_out_of_range_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        measure("diffusers-loop", **options)
