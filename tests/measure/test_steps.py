"""The exam against steps: what is compared, and what the notes say."""

from __future__ import annotations

import numpy as np
import pytest

from explorable.measure.registry import measure
from explorable.measure.steps import STEPS, compare, steps


def test_every_denoiser_has_a_row_for_each_number_of_steps(tiny, monkeypatch):
    tiny("steps", "unet-flow", "unet-reflow")
    monkeypatch.setattr("explorable.measure.steps.STEPS", STEPS[:3])
    table = steps(quick=True)
    assert [(r["model"], r["steps"]) for r in table.rows] == [(m, n) for m in ("unet-flow", "unet-reflow")
                                                              for n in STEPS[:3]]
    assert any("unet-reflow at 1 less unet-flow at 1: +0.0 points" in note for note in table.notes)  # the same network
    assert any("left out: unet-diffusion, dit-flow, dit-diffusion" in note for note in table.notes)


def test_only_comparisons_with_both_sides_have_a_note():
    yes, no = np.ones((4, 1), bool), np.zeros((4, 1), bool)
    assert compare({("unet-flow", 20): yes, ("dit-diffusion", 50): no}) == []
    (note,) = compare({("unet-flow", 20): yes, ("unet-diffusion", 50): no})
    assert note == "unet-flow at 20 less unet-diffusion at 50: +100.0 points (95%: +100.0 to +100.0, paired)"


@pytest.mark.parametrize(("options", "message"), [
    ({"prompts": 0}, "prompts is 0: choose a whole number, 1 or more"), ({"sampler": "plms"}, "sampler is 'plms'"),
    ({"model": "vea"}, "did you mean 'vae'"), ({"guidance": 3}, "has no option 'guidance'; it has: model, sampler")])
def test_options_out_of_range_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        measure("steps", **options)
