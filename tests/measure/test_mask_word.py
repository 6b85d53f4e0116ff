"""Masking a colour word: which word is masked, and what is counted."""

from __future__ import annotations

import numpy as np
from tiny_pipes import tiny

from explorable.analysis.verdict import Detection, Verdict
from explorable.measure import mask_word as module
from explorable.measure.prompts import coloured_things
from explorable.world import parse


def test_the_colour_word_is_found_in_every_prompt():
    for prompt, scene in coloured_things(20):
        word = module.colour_word(prompt)
        assert word in prompt.split() and parse(f"a {word} car").scene.groups[0].colour == scene.groups[0].colour


def test_what_is_counted(monkeypatch):
    prompt, scene = coloured_things(1)[0]
    group = scene.groups[0]
    other = "red" if group.colour != "red" else "blue"

    def verdict(colour: str, place: str) -> Verdict:
        return Verdict({group.kind: Detection(1, colour, "left", "alone")}, place, "day", None)

    def outcome(before: Verdict, after: Verdict) -> dict[str, bool]:
        monkeypatch.setattr(module, "examine", lambda images: [before, after])
        return module._outcome(tiny(), prompt, scene, 0, (module.CROSS_ATTENTION,))

    right, place = verdict(str(group.colour), str(scene.place)), str(scene.place)
    assert outcome(right, verdict(other, place)) == {
        "before": True, "colour gone": True, "thing kept": True, "place kept": True, "all three": True}
    assert not outcome(right, right)["colour gone"]
    assert not outcome(verdict(other, place), right)["before"]
    lost = outcome(right, Verdict({}, "nowhere", "day", None))
    assert lost["colour gone"] and not lost["thing kept"] and not lost["place kept"] and not lost["all three"]


def test_the_word_is_masked_in_the_second_image(monkeypatch):
    examined: list[np.ndarray] = []
    verdict = Verdict({}, "nowhere", "day", None)
    monkeypatch.setattr(module, "examine", lambda images: examined.append(images) or [verdict, verdict])
    prompt, scene = coloured_things(1)[0]
    pipe = tiny()
    module._outcome(pipe, prompt, scene, 3, (module.CROSS_ATTENTION,))
    plain, masked = examined[0]
    assert np.array_equal(plain, pipe(prompt, seed=3).image) and not np.array_equal(plain, masked)


def test_only_images_that_were_right_before_are_counted(monkeypatch):
    monkeypatch.setattr(module, "load", lambda name: tiny())
    monkeypatch.setattr(module, "_outcome", lambda pipe, prompt, scene, seed, points: dict.fromkeys(
        ("before", *module.OUTCOMES), len(points) == 2 or seed % 2 == 0))
    rows = module.mask_word(count=10).rows
    assert [row["the colour word is masked"] for row in rows] == list(module.POINTS)
    assert rows[0]["all three %"] == 100 and rows[1]["all three %"] == 100
