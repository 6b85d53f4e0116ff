"""The examiner's probability of a target agrees with its verdict."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from explorable.analysis import verdict
from explorable.analysis.verdict import Detection, Verdict, shows, target_probability
from explorable.nn.pixels import to_tensor
from explorable.world import COLOURS, KINDS, PLACES, TIMES

IMAGES = np.random.default_rng(0).integers(0, 256, (5, 128, 128, 3), np.uint8)


def test_a_target_is_shown_if_it_is_in_the_verdict():
    seen = Verdict({"car": Detection(1, "red", "left", "alone")}, "beach", "night", None)
    assert all(shows(seen, word) for word in ("car", "red", "beach", "night"))
    assert not any(shows(seen, word) for word in ("cat", "blue", "meadow", "day", "left"))


def test_places_and_times_add_up_to_one(examiner):
    for words in (PLACES, TIMES):
        total = sum(target_probability(IMAGES, word, examiner) for word in words)
        np.testing.assert_allclose(total, 1, atol=1e-5)
        best = [words[k] for k in np.stack([target_probability(IMAGES, w, examiner) for w in words]).argmax(0)]
        assert all(shows(v, word) for v, word in zip(verdict.examine(IMAGES, examiner), best, strict=True))


def test_a_thing_is_there_unless_its_number_is_zero(examiner):
    with torch.no_grad():
        number = examiner(to_tensor(IMAGES)).number.softmax(-1)
    for k, kind in enumerate(KINDS):
        found = target_probability(IMAGES, kind, examiner)
        np.testing.assert_allclose(found, number[:, k, 1:].sum(-1), atol=1e-5)


def test_a_colour_is_there_if_at_least_one_thing_has_it(examiner):
    """Of two independent things: p = 1 - (1 - p1 c1) (1 - p2 c2)."""
    with torch.no_grad():
        report = examiner(to_tensor(IMAGES[:1]))
    present, colours = 1 - report.number.softmax(-1)[0, :, 0], report.colour.softmax(-1)[0]
    for k, name in enumerate(COLOURS):
        missing = math.prod(1 - float(p) * float(c[k]) for p, c in zip(present, colours, strict=True))
        assert target_probability(IMAGES[:1], name, examiner)[0] == pytest.approx(1 - missing, abs=1e-5)


def test_an_unknown_word_is_refused_and_no_images_have_no_probability(examiner):
    with pytest.raises(ValueError, match=r"the examiner knows no 'zeppelin'; choose one of: .*lion"):
        target_probability(IMAGES, "zeppelin", examiner)
    assert target_probability(IMAGES[:0], "lion", examiner).shape == (0,)
