"""Classifier guidance: its targets, when one counts as shown, and that the table has every combination."""

from __future__ import annotations

import pytest

from explorable.analysis.verdict import Detection, Verdict
from explorable.measure import classifier_guidance as module
from explorable.measure.classifier_guidance import PROMPTS, SAMPLERS, SCALES, TARGETS, best_scales, shows, targets
from explorable.measure.registry import measure
from explorable.world import held_out, parse


def test_targets_are_words_of_every_kind_and_their_prompts_contain_them():
    wanted = targets(3)
    assert [t.kind for t in wanted] == [kind for kind in TARGETS for _ in range(3)]
    for target in wanted:
        scene = parse(target.prompt).scene
        words = {*(g.kind for g in scene.groups), *(g.colour for g in scene.groups), scene.place, scene.time}
        assert target.word in words and target.word in TARGETS[target.kind] and not held_out(scene)
    assert wanted == targets(3), "the same in every call"


def test_a_target_is_shown_if_the_examiner_finds_it():
    verdict = Verdict({"car": Detection(1, "red", "left", "alone")}, "beach", "night", None)
    assert all(shows(verdict, word) for word in ("car", "red", "beach", "night"))
    assert not any(shows(verdict, word) for word in ("cat", "blue", "meadow", "day", "left"))


def test_every_prompt_sampler_and_scale_has_a_row(tiny):
    tiny("classifier_guidance")
    table = module.classifier_guidance(steps=1, quick=True)
    cells = {(r["prompt"], r["sampler"], r["scale"]) for r in table.rows}
    assert len(cells) == len(table.rows) == len(PROMPTS) * len(SAMPLERS) * len(SCALES[::2])
    assert len(table.notes) == len(PROMPTS) * len(SAMPLERS) + 1


def test_the_best_scale_is_named_beside_none():
    rows = [{"prompt": "none", "sampler": "ddim", "scale": scale, "shown %": shown, "diversity": 1.0}
            for scale, shown in ((0.0, 10.0), (3.0, 95.0), (10.0, 95.0), (30.0, 50.0))]
    assert best_scales(rows) == ["prompt: none, ddim: 10 % at scale 0, at best 95 % at scale 3; diversity 1 and 1"]


def test_options_out_of_range_are_refused(tiny):
    tiny("classifier_guidance")
    with pytest.raises(ValueError, match="steps is 0"):
        measure("classifier-guidance", steps=0)
