"""A teacher's pull: its targets, what counts as shown, and that the table has every combination."""

from __future__ import annotations

import pytest

from explorable.analysis.verdict import Detection, Verdict
from explorable.measure import classifier_guidance as module
from explorable.measure.classifier_guidance import PAINTERS, SAMPLERS, SORTS, best, shows, targets
from explorable.measure.registry import measure
from explorable.world import held_out, parse


def test_targets_are_words_of_every_sort_and_their_prompts_say_them():
    wanted = targets(3)
    assert [t.sort for t in wanted] == [sort for sort in SORTS for _ in range(3)]
    for target in wanted:
        said = parse(target.prompt).scene
        words = {*(g.kind for g in said.groups), *(g.colour for g in said.groups), said.place, said.time}
        assert target.word in words and target.word in SORTS[target.sort] and not held_out(said)
    assert wanted == targets(3)


def test_shown_is_what_the_examiner_sees():
    verdict = Verdict({"car": Detection(1, "red", "left", "alone")}, "beach", "night", None)
    assert all(shows(verdict, word) for word in ("car", "red", "beach", "night"))
    assert not any(shows(verdict, word) for word in ("cat", "blue", "meadow", "day", "left"))


def test_every_painter_sampler_and_pull_has_a_row(tiny):
    tiny("classifier_guidance")
    table = module.classifier_guidance(steps=1, quick=True)
    cells = {(r["painter"], r["sampler"], r["pull"]) for r in table.rows}
    assert len(cells) == len(table.rows) == len(PAINTERS) * len(SAMPLERS) * len(module.PULLS[::2])
    assert len(table.notes) == len(PAINTERS) * len(SAMPLERS) + 1


def test_the_best_pull_is_named_beside_none():
    rows = [{"painter": "p", "sampler": "s", "pull": w, "shown %": shown, "diversity": 1.0}
            for w, shown in ((0.0, 10.0), (3.0, 95.0), (10.0, 95.0), (30.0, 50.0))]
    assert best(rows) == ["p, s: 10 % without a pull, at best 95 % at pull 3; diversity 1 and 1"]


def test_bad_options_are_refused_in_words(tiny):
    tiny("classifier_guidance")
    with pytest.raises(ValueError, match="steps is 0"):
        measure("classifier-guidance", steps=0)
