"""Classifier guidance: its targets, when one counts as shown, and that the table has every combination."""

from __future__ import annotations

import numpy as np
import pytest

from explorable.measure import classifier_guidance as module
from explorable.measure.classifier_guidance import (
    PROMPTS,
    QUANTITIES,
    SAMPLERS,
    SCALES,
    TARGETS,
    Sweep,
    best_scales,
    kind_of,
    saved_sweep,
    sweep_of,
    targets,
)
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


def test_every_prompt_sampler_and_scale_has_a_row(tiny):
    tiny("classifier_guidance")
    table = module.classifier_guidance(steps=1, quick=True)
    cells = {(r["prompt"], r["sampler"], r["scale"]) for r in table.rows}
    assert len(cells) == len(table.rows) == len(PROMPTS) * len(SAMPLERS) * len(SCALES[::2])
    assert len(table.notes) == len(PROMPTS) * len(SAMPLERS) + 1


def test_the_numbers_of_the_table_can_be_read_again(tiny):
    tiny("classifier_guidance")
    table = module.classifier_guidance(steps=1, quick=True)
    sweep = sweep_of(table)
    assert sweep.shown.dims == ("prompt", "sampler", "scale", "bound") and set(sweep) == set(QUANTITIES)
    for row in table.rows:
        here = sweep.sel(prompt=row["prompt"], sampler=row["sampler"], scale=row["scale"])
        for name, (column, _, factor) in QUANTITIES.items():
            low, mean, high = (float(here[name].sel(bound=b)) * factor for b in ("low", "mean", "high"))
            spread = 0.006 * factor  # of the rounding of an interval
            assert mean == pytest.approx(row[column]) and low - spread <= mean <= high + spread


def test_an_image_is_adversarial_if_only_the_classifier_is_certain(tiny, monkeypatch):
    """Four targets, two seeds: the classifier is certain of the first seed of each, the examiner finds the second."""
    tiny("classifier_guidance")
    monkeypatch.setattr(module, "classifier_confidence", lambda pipe, images, word: np.array([0.95, 0.5]))
    monkeypatch.setattr(module, "examine", lambda images: [False, True])
    monkeypatch.setattr(module, "shows", lambda verdict, word: verdict)
    row = module.classifier_guidance(steps=1, quick=True).rows[0]
    assert (row["shown %"], row["classifier %"], row["adversarial %"]) == (50.0, 72.5, 50.0)
    monkeypatch.setattr(module, "examine", lambda images: [True, False])
    assert module.classifier_guidance(steps=1, quick=True).rows[0]["adversarial %"] == 0


def test_every_target_has_seeds_of_its_own(tiny, monkeypatch):
    tiny("classifier_guidance")
    used = []

    def source(prompts, seeds):
        used.append(tuple(seeds))
        return np.zeros((len(seeds), 128, 128, 3), np.uint8)

    monkeypatch.setattr(module, "generated_by", lambda *args, **settings: source)
    module.classifier_guidance(steps=1, quick=True)
    assert set(used) == {(0, 1), (2, 3), (4, 5), (6, 7)}


def test_the_sentence_of_a_sweep_names_its_best_scale():
    rows = [{"prompt": "none", "sampler": "ddim", "scale": scale, "shown %": shown, "95%": "0 to 100",
             "classifier %": 99.0, "classifier 95%": "0 to 100", "adversarial %": 100.0 - shown,
             "adversarial 95%": "0 to 100", "diversity": 1.0, "diversity 95%": "1.0 to 1.0"}
            for scale, shown in ((0.0, 10.0), (3.0, 95.0), (30.0, 60.0))]
    sweep = Sweep(sweep_of(module.Table("", rows)), is_current=False)
    assert sweep.sentence("none", "ddim") == (
        "Measured without a prompt, before the weights changed: 10% show the target at scale 0, 95% at 3; 40% of the "
        "images at 30 are adversarial.")


def test_a_word_has_one_kind_or_is_refused():
    assert [kind_of(word) for word in ("lion", "red", "beach", "night")] == list(TARGETS)
    with pytest.raises(ValueError, match=r"target is 'zeppelin': choose one of thing: .*lion.*; time: "):
        kind_of("zeppelin")


def test_a_model_that_was_not_measured_has_no_sweep():
    assert saved_sweep("vae") is None


def test_the_best_scale_is_named_beside_none():
    rows = [{"prompt": "none", "sampler": "ddim", "scale": scale, "shown %": shown, "diversity": 1.0}
            for scale, shown in ((0.0, 10.0), (3.0, 95.0), (10.0, 95.0), (30.0, 50.0))]
    assert best_scales(rows) == ["prompt: none, ddim: 10 % at scale 0, at best 95 % at scale 3; diversity 1 and 1"]


def test_options_out_of_range_are_refused(tiny):
    tiny("classifier_guidance")
    with pytest.raises(ValueError, match="steps is 0"):
        measure("classifier-guidance", steps=0)
