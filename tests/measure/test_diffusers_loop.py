"""Our loop beside theirs: that they do the same work, not how fast."""

from __future__ import annotations

import pytest
import torch

from explorable.diffusion.settings import Settings
from explorable.measure import diffusers_loop as module
from explorable.measure.diffusers_loop import (
    NEAR,
    PROMPT,
    diffusers_loop,
    forgetful,
    parameters,
    their_loop,
    their_unet,
)
from explorable.measure.registry import measure
from explorable.measure.samplers import Listed
from explorable.nn.unet import UNet
from explorable.pipeline import LATENT_SHAPE, Pipeline

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation")  # theirs


def test_their_unet_is_as_big_as_the_shipped_one():
    size = parameters(UNet())
    assert abs(parameters(their_unet(size, 160)) - size) <= NEAR * size


def test_their_loop_walks_where_ours_does(pipe):
    """Our network in both, on their path and times: guidance, batch, scheduler and context are in order."""
    from diffusers import DDIMScheduler

    theirs = DDIMScheduler(timestep_spacing="trailing")
    path = Listed(theirs.alphas_cumprod.double().tolist())
    ours = Pipeline("listed", pipe.text, pipe.denoiser, pipe.vae, path, "noise", pipe.device)
    settings = Settings(PROMPT, steps=5, guidance=3.0, sampler="ddim")

    end = their_loop(pipe, settings, forgetful(pipe.denoiser))(4)
    *_, last = ours.sample_steps(ours.guided_denoiser([PROMPT], settings), settings, [4])
    assert end.shape == (1, *LATENT_SHAPE)
    torch.testing.assert_close(end.double(), last.next_x, rtol=1e-3, atol=1e-3)


def test_the_table_has_three_sides(tiny, monkeypatch, pipe):
    tiny("diffusers_loop")
    monkeypatch.setattr(module, "their_unet", lambda size, width: Their(pipe.denoiser))
    table = diffusers_loop(steps=1, repeats=1)
    assert [r["loop, network"] for r in table.rows] == ["ours, our network", "theirs, our network",
                                                        "theirs, their network"]


class Their(torch.nn.Module):
    """Of the right size, and called as they are called."""

    def __init__(self, net: UNet):
        super().__init__()
        self.net = net

    def forward(self, x, t, encoder_hidden_states, return_dict):
        assert encoder_hidden_states.shape[0] == len(x) == 2 and not return_dict
        return (x,)


@pytest.mark.parametrize(("options", "said"), [({"repeats": 0}, "repeats is 0"), ({"steps": 0}, "steps is 0"),
                                               ({"model": "vae"}, "draws nothing by itself")])
def test_bad_options_are_refused_in_words(options, said):
    with pytest.raises(ValueError, match=said):
        measure("diffusers-loop", **options)
