"""Faces: similarity where it is known, and the answer that follows from the intervals."""

from __future__ import annotations

import numpy as np
import pytest

from explorable.measure import faces as module
from explorable.world import held_out, parse


def test_a_portrait_has_a_face():
    shown = module.portraits(8)
    for image, face, caption in shown:
        assert image.shape == (128, 128, 3) and 50 < face.sum() < 2000
        assert parse(caption).scene.groups[0].kind in module.ANIMALS and not held_out(parse(caption).scene)
    assert {parse(c).scene.groups[0].kind for _, _, c in shown} == set(module.ANIMALS)


def test_similarity_of_detail_and_of_the_rest():
    image, face, _ = module.portraits(1)[0]
    assert module.similarity(image, image, face) == pytest.approx((1, 1))
    assert module.similarity(np.full_like(image, 9), image, face) == (0, 0)
    blurred = module.gaussian_filter(image, (2, 2, 0))
    detail, rest = module.similarity(blurred, image, face)
    assert rest > 0.95 and detail < rest
    noise = np.random.default_rng(0).normal(0, 25, image.shape)
    detail, rest = module.similarity((image + noise).clip(0, 255).astype(np.uint8), image, face)
    assert detail < rest and rest > 0.9


def test_the_table_has_each_part_at_0(tiny):
    tiny("faces")
    table = module.faces(count=1)
    assert [row["at 0"] for row in table.rows][:3] == ["the autoencoder alone", "nothing", "skip 16 × 16"]
    assert len(table.rows) == 7 and "detail, t = 0.4" in table.rows[0] and "1 drawn animals" in table.notes[0]
    columns = [f"{band}, t = {t:g}" for band in module.BANDS for t in module.TIMES]
    assert all(-1 <= row[column] <= 1 for row in table.rows for column in columns)
    assert [row["detail kept %"] for row in table.rows[:2]] == [None, 100], "not of the autoencoder"
    assert "eyes and whiskers" in table.notes[-1]


def test_the_share_kept_compares_means_and_its_interval_resamples_pairs():
    full = np.random.default_rng(0).uniform(0.2, 0.8, 20)
    assert module.share_kept(0.7 * full, full) == pytest.approx((70, 70, 70)), "every animal keeps the same share"
    share, low, high = module.share_kept(np.where(np.arange(20) % 2, 0.4, 1.0) * full, full)
    assert 50 < low < share < high < 90


def test_the_answer_follows_from_the_intervals():
    rng = np.random.default_rng(1)
    full = rng.uniform(0.4, 0.9, (40, 2))

    def answer(detail: float, rest: float, spread: float = 0.02) -> str:
        return module.answer(full * (np.array([detail, rest]) + spread * rng.standard_normal((40, 2))), full)

    assert "are lost" in answer(0.1, 0.9) and "more than the rest" in answer(0.1, 0.9)
    assert "not lost: 90%" in answer(0.9, 0.5, 0) and "less than the rest" in answer(0.9, 0.5)
    assert "about as much as the rest" in answer(0.8, 0.8)
    assert "perhaps lost" in answer(0.5, 0.5, 0.3)
