"""Small transformers of several sizes: the same batches for all, compute counted, and training that lowers the loss."""

from __future__ import annotations

import pytest
import torch
from tiny_denoisers import words

from explorable.nn.dit import DiT
from explorable.training import scaling
from explorable.training.scaling import ScalingData, ScalingRun, train_scaling_run


@pytest.fixture
def data(monkeypatch) -> ScalingData:
    """Eight training latents that are all alike, as are their captions, and four to test with."""
    one = torch.randn(1, 4, 16, 16, generator=torch.Generator().manual_seed(0))
    monkeypatch.setattr(scaling, "latents", lambda vae, split, count: one.half().repeat(count, 1, 1, 1))
    monkeypatch.setattr(scaling, "captions", lambda indices, step, split="train": ["red"] * len(indices))
    monkeypatch.setattr(scaling, "BATCH_SIZE", 4)
    monkeypatch.setattr(scaling, "HEADS", 2)
    monkeypatch.setattr(ScalingRun, "config", property(lambda run: scaling.DiTConfig(
        patch_size=run.patch_size, width=run.width, depth=2, heads=2, context_width=words().config.width)))
    return ScalingData(None, words(), drawings=8, test_drawings=4)


def test_all_sizes_train_on_the_same_batches_which_differ_by_step_and_seed(data):
    first = data.batch(ScalingRun(1, 8, 10), 3)
    for other, same in ((ScalingRun(4, 16, 10), True), (ScalingRun(1, 8, 10, seed=1), False)):
        assert torch.equal(first.noise, data.batch(other, 3).noise) is same
    assert not torch.equal(first.ratio, data.batch(ScalingRun(1, 8, 10), 4).ratio)


def test_training_lowers_the_test_loss_and_can_be_repeated(data):
    run = ScalingRun(4, 32, steps=100)
    found = train_scaling_run(run, data, (1, 100))
    assert found[1] < 0.8 * found[0]
    assert train_scaling_run(run, data, (1, 100)) == found
    assert train_scaling_run(ScalingRun(4, 32, steps=100, seed=1), data, (1, 100)) != found


def test_an_untrained_network_loses_what_predicting_zero_does(data):
    """Its last layer starts at zero: the loss is the mean square of noise - x0."""
    expected = torch.stack([(e.noise - e.x0).square().mean() for e in data.test]).mean().item()
    assert data.test_loss(DiT(ScalingRun(2, 8, 1).config)) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("patch", [1, 2, 4])
def test_counted_operations_are_those_of_the_matrix_products(data, patch):
    """Two operations for each weight and token, and for each pair of tokens and channel in attention."""
    net = DiT(ScalingRun(patch, 16, 1).config)
    config, tokens = net.config, data.test[0].tokens.shape[1]
    w, patches = config.width, (16 // patch) ** 2
    each_token = (3 + 1 + 2 * config.mlp_ratio) * w * w  # qkv, out, MLP
    block = (patches + tokens) * each_token + 2 * (patches + tokens) ** 2 * w + 2 * 6 * w * w  # and modulation
    ends = 2 * patches * w * config.channels * patch**2 + 2 * w * w  # patchify, final layer and its modulation
    in_time = sum(p.numel() for p in net.time_embed.parameters() if p.ndim == 2)
    of_prompt = (tokens + 1) * w * config.context_width
    assert data.forward_flops(net) == 2 * (config.depth * block + ends + in_time + of_prompt)
