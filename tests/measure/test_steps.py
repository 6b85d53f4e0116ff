"""The exam against steps: what is compared, and what the notes make of it."""

from __future__ import annotations

import numpy as np
import pytest

from explorable.measure.registry import measure
from explorable.measure.statistics import paired_difference
from explorable.measure.steps import STEPS, steps, verdicts


def test_every_denoiser_takes_every_number_of_steps(tiny, monkeypatch):
    tiny("steps", "unet-flow", "unet-reflow")
    monkeypatch.setattr("explorable.measure.steps.STEPS", STEPS[:3])
    table = steps(quick=True)
    assert [(r["model"], r["steps"]) for r in table.rows] == [(m, n) for m in ("unet-flow", "unet-reflow")
                                                              for n in STEPS[:3]]
    assert any("unet-reflow at 1 less unet-flow at 1: +0.0 points" in note for note in table.notes)  # the same network
    assert any("left out: unet-diffusion, dit-flow, dit-diffusion" in note for note in table.notes)


def test_a_lead_is_the_difference_of_the_shares_and_certain_where_every_prompt_agrees():
    yes, no = np.ones((10, 2), bool), np.zeros((10, 2), bool)
    assert paired_difference(yes, no) == (100, 100, 100) and paired_difference(no, yes) == (-100, -100, -100)
    assert paired_difference(yes, yes) == (0, 0, 0)
    half = yes.copy()
    half[::2] = False
    points, low, high = paired_difference(yes, half)
    assert low < points < high and points == 50


def test_only_claims_with_both_sides_are_judged():
    yes, no = np.ones((4, 1), bool), np.zeros((4, 1), bool)
    assert verdicts({("unet-flow", 20): yes, ("dit-diffusion", 50): no}) == []
    (note,) = verdicts({("unet-flow", 20): yes, ("unet-diffusion", 50): no})
    assert note == "unet-flow at 20 less unet-diffusion at 50: +100.0 points (95%: +100.0 to +100.0, paired)"


@pytest.mark.parametrize(("options", "said"), [
    ({"prompts": 0}, "prompts is 0: choose a whole number, 1 or more"), ({"sampler": "plms"}, "sampler is 'plms'"),
    ({"model": "vea"}, "did you mean 'vae'"), ({"guidance": 3}, "has no option 'guidance'; it has: model, sampler")])
def test_bad_options_are_refused_in_words(options, said):
    with pytest.raises(ValueError, match=said):
        measure("steps", **options)
