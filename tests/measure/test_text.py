"""The measures of the text encoders, on encoders whose answers are known."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np
import pytest

from explorable.analysis.encoder_spaces import animals_before_cars, synonyms_found
from explorable.analysis.word_space import word_space
from explorable.measure.text import twin_retrieval
from explorable.pipeline.encoded_text import EncodedText
from explorable.world import SYNONYMS, VOCABULARY

MEANING = {word: group[0] for group in SYNONYMS for word in group}


def one_hot(word: str) -> np.ndarray:
    seed = int.from_bytes(hashlib.sha256(word.encode()).digest()[:4], "big")
    return np.random.default_rng(seed).normal(size=256)


def space_of_meanings(knows_synonyms: bool):
    """A space in which every meaning, or every word, has a random direction of its own."""

    def encode(texts):
        rows = [[one_hot(MEANING.get(word, word) if knows_synonyms else word) for word in text.split()]
                for text in texts]
        ends = np.zeros((1, 256))
        return [EncodedText(("<start>", *text.split(), "<end>"), ("context",),
                            np.concatenate([ends, row, ends])[None].astype(np.float32))
                for text, row in zip(texts, rows, strict=True)]

    return word_space("oracle", encode, VOCABULARY)


def test_an_encoder_that_knows_meanings_finds_all_synonyms_and_one_that_does_not_few():
    assert synonyms_found(space_of_meanings(True)) == (86, 86)
    assert synonyms_found(space_of_meanings(False))[0] < 20


def test_cats_dogs_and_cars_are_compared_in_every_combination():
    space = space_of_meanings(True)
    words = space.words
    vectors = space.vectors.copy()
    for word in ("cat", "kitten", "dog", "puppy", "retriever"):
        vectors[:, words.index(word)] = 1.0
    assert animals_before_cars(replace(space, vectors=vectors)) == (12, 12)
    vectors[:, [words.index(word) for word in ("dog", "puppy", "retriever")]] = -1.0
    assert animals_before_cars(replace(space, vectors=vectors))[0] == 0


def test_twins_are_told_apart_by_meaning_and_not_by_noise():
    knows, blind = twin_retrieval(space_of_meanings(True), 200), twin_retrieval(space_of_meanings(False), 200)
    assert knows.shape == (200,) and knows.mean() > blind.mean() > 0.5
    flat = replace(space_of_meanings(True), encode=lambda texts: [
        EncodedText(("<start>", "x", "<end>"), ("context",), np.ones((1, 3, 4), np.float32)) for _ in texts])
    assert twin_retrieval(flat, 50).mean() == pytest.approx(0)  # all are as similar: none is nearer
