"""Grounding: which words speak of what, and what being read in the right or the wrong place costs."""

from __future__ import annotations

import math

import pytest
import torch
from tiny_denoisers import NETWORKS, words

from explorable.nn.hook_points import ACTIVE
from explorable.training.denoiser import TWINS, AlignedDenoiser, denoising_loss
from explorable.training.supervised_attention import EPSILON, NO_THING, attention_loss, collect_points, token_kinds
from explorable.world import KINDS

CAR, CAT = KINDS.index("car"), KINDS.index("cat")


def scene() -> tuple[torch.Tensor, torch.Tensor]:
    """A car on the left half, a cat in a corner; tokens: start, car, cat, one that speaks of nothing."""
    cells = torch.full((1, 16, 16), NO_THING)
    cells[:, :, :8] = CAR
    cells[:, 8:, 8:] = CAT
    return cells, torch.tensor([[NO_THING, CAR, CAT, NO_THING]])


def reading(cells: torch.Tensor, car: int, cat: int, side: int = 16) -> torch.Tensor:
    """Weights of two heads: a car's places read the token `car`, a cat's `cat`, all others the start token."""
    at = torch.zeros_like(cells)
    at[cells == CAR], at[cells == CAT] = car, cat
    step = 16 // side
    return torch.nn.functional.one_hot(at[:, ::step, ::step].flatten(1), 4).float()[:, None].expand(-1, 2, -1, -1)


def test_each_word_of_a_thing_refers_to_its_kind():
    said = token_kinds(["two small red cars to the left of a golden cat on a beach at sunset", ""], 24)
    assert said.shape == (2, 24)
    assert said[0, 1:5].tolist() == [CAR] * 4  # after the start token
    assert said[0, 10:12].tolist() == [CAT] * 2
    assert int((said != NO_THING).sum()) == 6


@pytest.mark.parametrize("side", [16, 8])
def test_attention_in_the_right_place_has_zero_loss(side):
    cells, spoken = scene()
    assert attention_loss([reading(cells, 1, 2, side)], cells, spoken).item() == pytest.approx(0, abs=1e-6)


def test_attention_to_the_other_thing_has_the_highest_loss():
    cells, spoken = scene()
    swapped = attention_loss([reading(cells, 2, 1)], cells, spoken).item()
    unread = attention_loss([torch.full((1, 2, 256, 4), 0.25)], cells, spoken).item()
    assert swapped > unread > 0.5
    # Read everywhere alike: half of what the car's word is read by is car, a quarter of the cat's is cat.
    assert unread == pytest.approx((0.5**2 + 0.75**2) / 2 - math.log((0.25 + EPSILON) / (1 + EPSILON)), abs=1e-5)


def test_a_position_without_attention_to_its_words_gets_a_gradient():
    cells, spoken = scene()
    weights = reading(cells, 1, 2).clone()
    weights[0, :, 0] = torch.tensor([1.0, 0, 0, 0])  # one place of the car reads the start token alone; words are right
    weights.requires_grad_()
    attention_loss([weights], cells, spoken).sum().backward()
    assert (weights.grad[0, :, 0, 1] < -1).all()


def test_without_things_the_loss_is_zero():
    cells, _ = scene()
    assert attention_loss([torch.rand(1, 2, 256, 4)], cells, torch.full((1, 4), NO_THING)).item() == 0


def test_attention_between_positions_does_not_count():
    cells, spoken = scene()
    joint = 0.01 * reading(cells, 1, 2)
    assert attention_loss([joint], cells, spoken).item() == pytest.approx(0, abs=1e-6)


def test_the_hook_is_removed_after_an_error():
    with pytest.raises(RuntimeError), collect_points(frozenset({"a"})):
        raise RuntimeError
    assert ACTIVE.dispatcher is None


@pytest.mark.parametrize("network", NETWORKS)
def test_both_networks_learn_the_masks_of_words(network):
    torch.manual_seed(0)
    net = NETWORKS[network]()
    model = AlignedDenoiser(net, 8)
    assert len(net.supervised_attention) == len(model(torch.randn(1, 4, 16, 16), torch.rand(1), torch.randn(1, 5, 12),
                                          torch.ones(1, 5, dtype=torch.bool)).attention)
    cells, _ = scene()
    cells[:, 8:, 8:] = NO_THING
    cells = cells.expand(4, -1, -1)
    x0 = torch.where(cells == CAR, 1.0, -1.0)[:, None].expand(-1, 4, -1, -1)
    tokens = words().text_encoder.tokenizer(["red"] * 4)
    spoken = torch.full_like(tokens.ids, NO_THING)
    spoken[:, 1] = CAR
    optimizer, astray = torch.optim.Adam(model.parameters(), 3e-3), []
    for step in range(40):
        torch.manual_seed(step)
        said = denoising_loss(model, TWINS["unet-flow"], words(), {
            "x0": x0, "ids": tokens.ids, "keep": tokens.keep, "noise": torch.randn_like(x0),
            "ratio": torch.full((4,), 0.3), "weight": torch.ones(4, 1, 16, 16), "cells": cells, "kinds": spoken})
        astray.append(said["attention"].item())
        optimizer.zero_grad()
        said["loss"].backward()
        optimizer.step()
    assert astray[-1] < 0.5 * astray[0]
