"""The twins: what they share, and what a perfect one would lose."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from tiny_denoisers import CONTEXT, NETWORKS, words

from explorable.diffusion.paths import PATHS
from explorable.diffusion.predictions import check_prediction
from explorable.training.data import NO_THING
from explorable.training.denoiser import (
    DENOISERS,
    SMALL_PAIR,
    TWINS,
    AlignedDenoiser,
    DenoiserOutput,
    denoising_loss,
    position_weights,
)


def losses(model, name: str, x0: torch.Tensor) -> dict[str, torch.Tensor]:
    tokens = words().text_encoder.tokenizer(["red"] * len(x0))  # the first call draws weights by lot
    torch.manual_seed(11)
    return denoising_loss(model, DENOISERS[name], words(), {
        "x0": x0, "ids": tokens.ids, "keep": tokens.keep, "noise": torch.randn_like(x0),
        "ratio": torch.exp(torch.randn(len(x0))), "weight": torch.ones(len(x0), 1, 16, 16)})


class Oracle(torch.nn.Module):
    """Knows that every picture is `x0`, and says so in its twin's own way; notes what it was asked."""

    def __init__(self, name: str, x0: torch.Tensor):
        super().__init__()
        self.twin, self.x0, self.asked = DENOISERS[name], x0, []

    def forward(self, x, t, context, keep):
        path, out = PATHS[self.twin.path], []
        for row, (noisy, time) in enumerate(zip(x, t.tolist(), strict=True)):
            a, s = path.alpha(time), path.sigma(time)
            e = (noisy - a * self.x0[row]) / s
            self.asked.append(s / a)
            velocity = path.d_alpha(time) * self.x0[row] + path.d_sigma(time) * e
            out.append(velocity if self.twin.prediction == "velocity" else a * e - s * self.x0[row])
        return DenoiserOutput(torch.stack(out), words().image_encoder(self.x0)[0], [])


@pytest.mark.parametrize("name", DENOISERS)
def test_an_oracle_has_zero_loss(name):
    x0 = torch.randn(6, 4, 16, 16)
    said = losses(Oracle(name, x0), name, x0)
    assert said["mse"].item() == pytest.approx(0, abs=1e-4)
    assert said["alignment"].item() == pytest.approx(1, abs=1e-5)


def test_all_twins_get_the_same_noise_levels():
    x0, asked = torch.randn(6, 4, 16, 16), {}
    for name in TWINS:
        oracle = Oracle(name, x0)
        losses(oracle, name, x0)
        asked[name] = oracle.asked
    for ratios in asked.values():
        assert ratios == pytest.approx(asked["unet-flow"], rel=1e-3)


def test_every_twin_can_be_sampled_from_and_they_differ_in_one_thing_at_a_time():
    for twin in TWINS.values():
        check_prediction(twin.prediction, PATHS[twin.path])
    made = {(t.network.__name__, t.path) for t in TWINS.values()}
    assert made == {(n, p) for n in ("UNet", "DiT") for p in ("straight", "linear")}


def test_the_small_pair_differs_in_supervision_only():
    supervised, unsupervised = SMALL_PAIR.values()
    assert supervised == replace(unsupervised, supervised=True, checkpoints=())


@pytest.mark.parametrize("name", SMALL_PAIR)
def test_without_supervision_the_attention_loss_is_measured_and_has_no_gradient(name):
    torch.manual_seed(0)
    net = NETWORKS["unet"]()
    torch.nn.init.normal_(net.conv_out.weight)  # which starts at zero: without it nothing before it has a gradient
    ids = words().text_encoder.tokenizer(["red"] * 2)
    batch = {"x0": torch.randn(2, 4, 16, 16), "ids": ids.ids, "keep": ids.keep, "noise": torch.randn(2, 4, 16, 16),
             "ratio": torch.ones(2), "weight": torch.ones(2, 1, 16, 16)}
    truth = {"cells": torch.zeros(2, 16, 16, dtype=torch.long), "kinds": torch.zeros_like(ids.ids)}
    model, twin = AlignedDenoiser(net, 8), SMALL_PAIR[name]
    without, given = denoising_loss(model, twin, words(), batch), denoising_loss(model, twin, words(), batch | truth)
    assert given["attention"].item() > 0
    assert (given["loss"].item() == without["loss"].item()) == (not twin.supervised)


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("name", ["unet-flow", "unet-diffusion"])
def test_both_networks_learn_and_leave_no_hook(network, name):
    torch.manual_seed(0)
    net = NETWORKS[network]()
    model, x0 = AlignedDenoiser(net, 8), torch.randn(4, 4, 16, 16)
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    said = []
    for _ in range(12):
        loss = losses(model, name, x0)
        said.append(loss["loss"].item())
        optimizer.zero_grad()
        loss["loss"].backward()
        optimizer.step()
    assert said[-1] < said[0] - 0.2
    assert not any(m._forward_hooks for m in net.modules())


def test_an_error_in_the_network_leaves_no_hook():
    model = AlignedDenoiser(NETWORKS["unet"](), 8)
    with pytest.raises(RuntimeError):
        model(torch.randn(2, 3, 16, 16), torch.rand(2), torch.ones(2, 5, CONTEXT), torch.ones(2, 5, dtype=torch.bool))
    assert not any(m._forward_hooks for m in model.modules())


def test_things_have_three_times_the_weight_of_the_background():
    cells = np.full((1, 16, 16), NO_THING, np.uint8)
    cells[0, 8, 8] = 3
    weight = position_weights(cells)
    assert weight.mean().item() == pytest.approx(1)
    assert weight[0, 0, 8, 8] / weight[0, 0, 0, 0] == pytest.approx(3)
    assert (weight > 1).sum() == 9, "the thing and what touches it"
