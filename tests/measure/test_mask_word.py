"""Silencing a colour word: the cases, and what is counted."""

from __future__ import annotations

import numpy as np
from tiny_pipes import tiny

from explorable.analysis.verdict import Detection, Verdict
from explorable.measure import mask_word as module
from explorable.world import held_out, parse


def test_every_case_says_a_colour_of_one_thing_in_a_place():
    for prompt, said in module.cases(20):
        assert len(said.groups) == 1 and said.groups[0].colour and said.place and not held_out(said)
        assert module.colour_word(prompt) in prompt.split() and parse(prompt).scene == said


def test_what_is_counted(monkeypatch):
    prompt, said = module.cases(1)[0]
    group = said.groups[0]
    other = "red" if group.colour != "red" else "blue"

    def verdict(colour: str, place: str) -> Verdict:
        return Verdict({group.kind: Detection(1, colour, "left", "alone")}, place, "day", None)

    def counted(before: Verdict, after: Verdict) -> dict[str, bool]:
        monkeypatch.setattr(module, "examine", lambda images: [before, after])
        return module._drawn(tiny(), prompt, said, 0, (module.READ,))

    right, place = verdict(str(group.colour), str(said.place)), str(said.place)
    assert counted(right, verdict(other, place)) == {
        "before": True, "colour gone": True, "thing kept": True, "place kept": True, "all three": True}
    assert not counted(right, right)["colour gone"]
    assert not counted(verdict(other, place), right)["before"]
    lost = counted(right, Verdict({}, "nowhere", "day", None))
    assert lost["colour gone"] and not lost["thing kept"] and not lost["place kept"] and not lost["all three"]


def test_the_word_is_silent_in_the_second_picture(monkeypatch):
    seen: list[np.ndarray] = []
    verdict = Verdict({}, "nowhere", "day", None)
    monkeypatch.setattr(module, "examine", lambda images: seen.append(images) or [verdict, verdict])
    prompt, said = module.cases(1)[0]
    pipe = tiny()
    module._drawn(pipe, prompt, said, 3, (module.READ,))
    assert np.array_equal(seen[0][0], pipe(prompt, seed=3).image) and not np.array_equal(seen[0][0], seen[0][1])


def test_both_ways_are_told(monkeypatch):
    monkeypatch.setattr(module, "load", lambda name: tiny())
    monkeypatch.setattr(module, "_drawn", lambda pipe, prompt, said, seed, points: dict.fromkeys(
        ("before", "colour gone", "thing kept", "place kept", "all three"), len(points) == 2 or seed % 2 == 0))
    rows = module.mask_word(count=10).rows
    assert [row["the colour word is"] for row in rows] == ["unread", "unread and unheard"]
    assert rows[1]["all three %"] == 100 and rows[0]["all three %"] == 100  # of those that were right before
