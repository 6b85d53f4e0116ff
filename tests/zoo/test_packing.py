"""Weights in one byte each: how near they stay, and that a second time changes nothing."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from explorable.nn.vae import VAE, VAEConfig
from explorable.zoo import read, write
from explorable.zoo.packing import LEVELS, packed, unpacked


@given(st.integers(0, 1000), st.floats(-30, 30), st.sampled_from([(5, 7), (3, 2, 3, 3), (1, 1)]))
@settings(deadline=None)
def test_no_weight_is_off_by_more_than_a_step_of_its_row(seed, power, shape):
    weight = torch.randn(shape, generator=torch.Generator().manual_seed(seed)) * 2.0**power
    kept = packed({"w": weight}, byte=True)
    back = unpacked(kept)["w"]
    step = weight.flatten(1).abs().amax(1) / LEVELS
    assert kept["w"].dtype == torch.int8
    assert ((back - weight).flatten(1).abs().amax(1) <= 0.8 * step).all()  # half by rounding, a quarter at the rim
    again = packed({"w": back}, byte=True)
    assert all(torch.equal(again[name], kept[name]) for name in kept)


def test_a_row_of_zeros_stays_one():
    weight = torch.tensor([[0.0, 0.0], [1.0, -0.5]])
    assert unpacked(packed({"w": weight}, byte=True))["w"][0].tolist() == [0, 0]


def test_what_is_no_matrix_keeps_half_precision():
    bias = torch.randn(9)
    kept = packed({"b": bias}, byte=True)
    assert list(kept) == ["b"] and torch.equal(kept["b"], bias.half())


def test_each_row_has_a_step_of_its_own():
    weight = torch.tensor([[1.0, 0.3], [1e-4, 3e-5]])
    back = unpacked(packed({"w": weight}, byte=True))["w"]
    assert torch.allclose(back, weight, rtol=0.02)


@pytest.mark.parametrize("byte", [False, True])
def test_a_file_is_read_as_it_was_meant(byte, tmp_path):
    torch.manual_seed(0)
    vae = VAE(VAEConfig(encoder_widths=(8, 8), decoder_widths=(8, 8)))
    write("vae", vae, {}, {}, tmp_path, byte=byte)
    _, state = read("vae", tmp_path)
    meant = unpacked(packed(vae.state_dict(), byte))
    assert state.keys() == vae.state_dict().keys()
    assert all(torch.equal(state[name], meant[name]) for name in meant)
    vae.load_state_dict(state)


def test_one_byte_takes_about_half_of_two(tmp_path):
    sizes = []
    for byte in (False, True):
        write("vae", VAE(), {}, {}, tmp_path, byte=byte)
        sizes.append((tmp_path / "vae.safetensors").stat().st_size)
    assert 0.45 < sizes[1] / sizes[0] < 0.55
