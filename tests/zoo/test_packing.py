"""Weights in one byte each: how near they stay, and that a second time changes nothing."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from explorable.nn.vae import VAE, VAEConfig
from explorable.zoo import read_weights, write_weights
from explorable.zoo.packing import MAX_LEVEL, pack, unpack


@given(st.integers(0, 1000), st.floats(-30, 30), st.sampled_from([(5, 7), (3, 2, 3, 3), (1, 1)]))
@settings(deadline=None)
def test_the_error_of_a_weight_is_within_a_quantization_step(seed, power, shape):
    weight = torch.randn(shape, generator=torch.Generator().manual_seed(seed)) * 2.0**power
    kept = pack({"w": weight}, int8=True)
    back = unpack(kept)["w"]
    step = weight.flatten(1).abs().amax(1) / MAX_LEVEL
    assert kept["w"].dtype == torch.int8
    assert ((back - weight).flatten(1).abs().amax(1) <= 0.8 * step).all()  # half by rounding, a quarter at the rim
    again = pack({"w": back}, int8=True)
    assert all(torch.equal(again[name], kept[name]) for name in kept)


def test_a_row_of_zeros_stays_one():
    weight = torch.tensor([[0.0, 0.0], [1.0, -0.5]])
    assert unpack(pack({"w": weight}, int8=True))["w"][0].tolist() == [0, 0]


def test_other_tensors_than_matrices_keep_half_precision():
    bias = torch.randn(9)
    kept = pack({"b": bias}, int8=True)
    assert list(kept) == ["b"] and torch.equal(kept["b"], bias.half())


def test_each_row_has_its_own_quantization_step():
    weight = torch.tensor([[1.0, 0.3], [1e-4, 3e-5]])
    back = unpack(pack({"w": weight}, int8=True))["w"]
    assert torch.allclose(back, weight, rtol=0.02)


@pytest.mark.parametrize("int8", [False, True])
def test_a_file_is_read_by_its_format(int8, tmp_path):
    torch.manual_seed(0)
    vae = VAE(VAEConfig(encoder_widths=(8, 8), decoder_widths=(8, 8)))
    write_weights("vae", vae, {}, {}, tmp_path, int8=int8)
    _, state = read_weights("vae", tmp_path)
    meant = unpack(pack(vae.state_dict(), int8))
    assert state.keys() == vae.state_dict().keys()
    assert all(torch.equal(state[name], meant[name]) for name in meant)
    vae.load_state_dict(state)


def test_one_byte_takes_about_half_of_two(tmp_path):
    sizes = []
    for int8 in (False, True):
        write_weights("vae", VAE(), {}, {}, tmp_path, int8=int8)
        sizes.append((tmp_path / "vae.safetensors").stat().st_size)
    assert 0.45 < sizes[1] / sizes[0] < 0.55
