"""Silencing a colour word: the cases, and what is counted."""

from __future__ import annotations

import numpy as np
from tiny_pipes import tiny

from explorable.measure import silence as module
from explorable.measure.verdict import Seen, Verdict
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
        return Verdict({group.kind: Seen(1, colour, "left", "alone")}, place, "day", None)

    def counted(before: Verdict, after: Verdict) -> dict[str, bool]:
        monkeypatch.setattr(module, "examine", lambda images: [before, after])
        return module._drawn(tiny(), prompt, said, 0)

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
    module._drawn(pipe, prompt, said, 3)
    assert np.array_equal(seen[0][0], pipe(prompt, seed=3).image) and not np.array_equal(seen[0][0], seen[0][1])
