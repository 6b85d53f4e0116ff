"""A step on latents and on pixels: what is counted, not how fast it is."""

from __future__ import annotations

import pytest

from explorable.measure import latent as module
from explorable.measure.latent import attended, latent, step_cost
from explorable.measure.registry import measure
from explorable.nn.unet import UNetConfig

TINY = {"widths": (8, 8, 8), "head_width": 8, "context_width": 8, "time_width": 8}


def test_a_step_has_time_and_memory_in_either_space():
    for channels, side in module.SPACES.values():
        cost = step_cost(channels, side, 1, UNetConfig(channels=channels, **TINY))
        assert cost["seconds"] > 0 and cost["process"] >= cost["step"]


def test_attention_is_over_all_positions_of_its_level():
    """The full size does not count: there the U-Net has no self-attention."""
    assert (attended(16), attended(128)) == (64, 4096)


def test_the_table_compares_pixels_with_latents(monkeypatch):
    costs = {4: {"seconds": 0.01, "step": 2.0, "process": 300.0}, 3: {"seconds": 1.0, "step": 200.0, "process": 500.0}}
    monkeypatch.setattr(module, "in_new_process", lambda channels, side, repeats: costs[channels])
    table = latent()
    assert [r["positions"] for r in table.rows] == [256, 16384]
    assert table.notes[0] == "pixels take 100 times as long, for 64 times the positions"


def test_a_new_process_returns_the_same():
    assert module.in_new_process(4, 16, 1).keys() == {"seconds", "step", "process"}


def test_options_out_of_range_are_refused():
    with pytest.raises(ValueError, match="repeats is 0"):
        measure("latent", repeats=0)
