"""The texts that the gap-filling encoder is trained on, and that it learns from them."""

from __future__ import annotations

import pytest

from explorable.nn.text_t5 import GAPS, T5Config, TextT5Model
from explorable.training import loop, text_t5
from explorable.training.data import captions
from explorable.world import parse, split_words
from explorable.world.grammar import MAX_WORDS


def test_a_text_is_one_caption_or_two_of_the_same_scene():
    indices = list(range(200))
    first = [split_words(caption) for caption in captions(indices, 3)]
    found = text_t5.texts(indices, 3)
    two = [(words, one) for words, one in zip(found, first, strict=True) if words != one]
    assert 0 < len(two) < 200 and max(map(len, found)) <= MAX_WORDS
    for words, one in two:
        assert words[: len(one)] == one
        parse(" ".join(words[len(one) :]))  # the rest is a caption as well
    assert text_t5.texts(indices, 3) == found != text_t5.texts(indices, 4)


def test_a_few_steps_lower_the_loss(monkeypatch, tmp_path):
    monkeypatch.setattr(loop, "cache_folder", lambda: tmp_path)
    monkeypatch.setattr(loop, "LOG_EVERY", 5)
    monkeypatch.setattr(text_t5, "BATCH_SIZE", 8)
    monkeypatch.setattr(text_t5, "T5Config", lambda vocabulary: T5Config(vocabulary, width=32, layers=1, heads=2))
    training = text_t5.train(30)
    assert isinstance(training.model, TextT5Model) and training.curve[-1]["loss"] < training.curve[0]["loss"] - 0.3
    assert set(GAPS) <= set(training.model.config.vocabulary)
    assert training.step == 30 and training.curve[0]["words_right"] == pytest.approx(0, abs=0.5)
