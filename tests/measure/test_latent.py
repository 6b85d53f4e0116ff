"""A step in latent space and on pixels: what is counted, not how fast it is."""

from __future__ import annotations

import pytest

from explorable.measure import latent as module
from explorable.measure.latent import attended, held, latent, stepped
from explorable.measure.registry import measure
from explorable.nn.unet import UNetConfig

TINY = {"widths": (8, 8, 8), "head_width": 8, "context_width": 8, "time_width": 8}


def test_a_step_of_the_same_network_on_either_space_is_timed_and_weighed():
    for channels, side in module.SPACES.values():
        told = stepped(channels, side, 1, UNetConfig(channels=channels, **TINY))
        assert told["seconds"] > 0 and told["process"] >= told["step"]


def test_what_is_held_at_most_is_no_less_than_what_is_held():
    assert 0 < held("VmRSS") <= held("VmHWM")


def test_attention_reads_from_all_places_of_its_level():
    """Full size is left out: there the U-Net does not look around."""
    assert (attended(16), attended(128)) == (64, 4096)


def test_the_table_sets_pixels_against_latents(monkeypatch):
    told = {4: {"seconds": 0.01, "step": 2.0, "process": 300.0}, 3: {"seconds": 1.0, "step": 200.0, "process": 500.0}}
    monkeypatch.setattr(module, "in_new_process", lambda channels, side, repeats: told[channels])
    table = latent()
    assert [r["places"] for r in table.rows] == [256, 16384]
    assert table.notes[0] == "pixels take 100 times as long, for 64 times the places"


def test_a_process_of_its_own_tells_as_much():
    assert module.in_new_process(4, 16, 1).keys() == {"seconds", "step", "process"}


def test_bad_options_are_refused_in_words():
    with pytest.raises(ValueError, match="repeats is 0"):
        measure("latent", repeats=0)
