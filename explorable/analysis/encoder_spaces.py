"""The word spaces of text encoders: of the two shipped ones, and of a pipeline's own. Each is computed once."""

from __future__ import annotations

import functools
import weakref
from typing import Any

from ..nn.text_t5 import TextT5Model
from ..pipeline import PipelineProtocol
from ..pipeline.encoded_text import encode_texts
from ..world import SYNONYMS, VOCABULARY
from ..zoo import model_names
from ..zoo.loading import load_text, load_text_t5
from .word_space import WordSpace, join_spaces, pair_order, synonym_score, word_space

BOTH = "both"
ENCODERS = FIRST, SECOND = "text", "text-t5"
CATS_AND_DOGS, CARS = (("cat", "kitten"), ("dog", "puppy", "retriever")), ("car", "automobile")


@functools.cache
def gap_filler() -> TextT5Model:
    """Return the shipped encoder that fills gaps, with its decoder."""
    return load_text_t5()


@functools.cache
def shipped_space(name: str) -> WordSpace:
    """Return the space of a shipped encoder over the vocabulary of the picture world; "both": side by side.

    Raises:
        ValueError: there is no such encoder.
    """
    if name not in (*ENCODERS, BOTH):
        raise ValueError(f"encoder is {name!r}: choose one of {', '.join((*ENCODERS, BOTH))}")
    if name == BOTH:
        return join_spaces(BOTH, [shipped_space(one) for one in ENCODERS])
    encoder = (gap_filler() if name == SECOND else load_text()).text_encoder
    return word_space(name, functools.partial(encode_texts, encoder), VOCABULARY)


_SPACES: weakref.WeakKeyDictionary[Any, dict[str, WordSpace]] = weakref.WeakKeyDictionary()  # by pipeline


def second_encoders() -> tuple[str, ...]:
    """Return what can be compared with a shipped pipeline's own encoder: the one that fills gaps, if its weights are in
    the zoo (`python -m explorable train text-t5`), and both side by side."""
    return (SECOND, BOTH) if SECOND in model_names() else ()


def encoder_names(pipe: PipelineProtocol) -> tuple[str, ...]:
    """Return the encoders whose spaces can be compared: the pipeline's own, and beside a shipped one the second."""
    return (*pipe.text_encoders, *(second_encoders() if pipe.has_limited_vocabulary else ()))


def space_of(pipe: PipelineProtocol, name: str) -> WordSpace:
    """Return the space of an encoder over the words of the picture world; computed once for a pipeline.

    Raises:
        ValueError: the pipeline has no such encoder.
    """
    names = encoder_names(pipe)
    if name not in names:
        raise ValueError(f"encoder is {name!r}: choose one of {', '.join(names)}")
    spaces = _SPACES.setdefault(pipe, {})
    if name not in spaces:
        if name == BOTH:
            spaces[name] = join_spaces(BOTH, [space_of(pipe, one) for one in names[:-1]])
        elif name == SECOND:
            spaces[name] = shipped_space(SECOND)
        else:
            spaces[name] = word_space(name, pipe.text_encoders[name], VOCABULARY)
    return spaces[name]


def synonyms_found(space: WordSpace) -> tuple[int, int]:
    """Return how many of the ordered pairs of synonyms are found among the first three neighbours, and of how many."""
    score = synonym_score(space, SYNONYMS)
    return score.pairs - len(score.missed), score.pairs


def animals_before_cars(space: WordSpace) -> tuple[int, int]:
    """Return for how many of all combinations of synonyms a cat is nearer to a dog than to a car, and of how many."""
    order = pair_order(space, *CATS_AND_DOGS, CARS)
    return int(order.sum()), order.size
