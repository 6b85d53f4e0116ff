"""What do the text encoders know? Captions matched with drawings, gaps filled, synonyms and twins found."""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np
import torch

from ..analysis.encoder_spaces import animals_before_cars, shipped_space, synonyms_found
from ..analysis.word_space import WordSpace, cosines, percentile_of_pair
from ..nn.pixels import to_tensor
from ..nn.text import Tokens
from ..nn.text_t5 import corrupt
from ..training.data import captions, images
from ..world import SYNONYMS, split_words
from ..zoo.loading import load_text, load_text_t5, load_vae
from .statistics import interval_text
from .table import Table, check_counts

PAIRS = (("cat", "dog"), ("cat", "car"), ("car", "truck"))
OTHER_WORDING = 1  # the step of the captions with which the first ones are compared


def text(count: int = 1024, batch: int = 128) -> Table:
    """Measure how many captions are most similar to their own drawing among `batch`, and what the encoder knows of
    words.

    Drawings come in pairs, the second of which differs from the first in one thing that the caption states.
    """
    check_counts(2, count=count, batch=batch)
    rows = [*_image_rows(count, batch), *_word_rows(shipped_space("text"), count)]
    return Table(f"The text encoder on {count} captions of the test split, {batch} drawings to choose from", rows)


def text_t5(count: int = 1024) -> Table:
    """Measure how often the encoder that fills gaps fills them as they were, and what it knows of words."""
    check_counts(2, count=count)
    rows = [*_gap_rows(count), *_word_rows(shipped_space("text-t5"), count)]
    return Table(f"The text encoder that fills gaps, on {count} captions of the test split", rows)


def _row(what: str, hits: Sequence[bool] | np.ndarray) -> dict[str, str]:
    values = np.asarray(hits, float)
    return {"what": what, "value": f"{100 * values.mean():.1f} %", "95%": interval_text(values, 0, 100)}


@torch.inference_mode()
def _image_rows(count: int, batch: int) -> list[dict[str, str]]:
    """Match captions with drawings."""
    model, vae, data = load_text(), load_vae(), images(2000, "test")
    right: dict[str, list[bool]] = {"own drawing by sentences": [], "own drawing by words and regions": [],
                                    "own drawing against the other of its pair": []}
    for start in range(0, count, batch):
        z = torch.cat([vae.encode(to_tensor(data[k : k + 32])) for k in range(start, start + batch, 32)])
        tokens = model.text_encoder.tokenizer(captions(list(range(start, start + batch)), 0, "test", everything=True))
        by_sentence, by_words = model.similarity(tokens, z)
        own = torch.arange(batch)
        both = by_sentence + by_words
        for name, hits in zip(right, (by_sentence.argmax(1) == own, by_words.argmax(1) == own,
                                      both[own, own] > both[own, own ^ 1]), strict=True):
            right[name] += hits.tolist()
    return [_row(what, hits) for what, hits in right.items()]


@torch.inference_mode()
def _gap_rows(count: int) -> list[dict[str, str]]:
    """Predict each hidden word from the gaps' surroundings and the words before it in its gap."""
    model, rng = load_text_t5(), random.Random("gaps test")
    tokenizer = model.text_encoder.tokenizer
    pairs = [corrupt(split_words(caption), rng) for caption in captions(list(range(count)), 0, "test")]
    tokens, target = tokenizer([pair.text for pair in pairs]), model.targets([pair.target for pair in pairs])
    first = model.is_word(target)
    logits = model(Tokens(*tokens), model.written_before(target))
    hits = (logits.argmax(-1) == target)[first]
    words, counts = target[first].unique(return_counts=True)
    most_common = target[first] == words[counts.argmax()]
    return [_row("hidden words predicted", hits.tolist()),
            _row("always the most common word", most_common.tolist())]


def _word_rows(space: WordSpace, count: int) -> list[dict[str, str]]:
    """Synonyms, cat and dog against cat and car, and twins."""
    found, pairs = synonyms_found(space)
    nearer, combinations = animals_before_cars(space)
    rows = [{"what": "synonyms among the first three neighbours", "value": f"{100 * found / pairs:.1f} %",
             "95%": f"{found} of {pairs} pairs in {len(SYNONYMS)} groups"},
            {"what": "cat nearer to dog than to car, every combination of synonyms",
             "value": f"{100 * nearer / combinations:.1f} %", "95%": f"{nearer} of {combinations}"}]
    for a, b in PAIRS:
        cosine, share = percentile_of_pair(space, a, b)
        rows.append({"what": f"cosine {a} and {b}", "value": f"{cosine:.2f}",
                     "95%": f"above {100 * share:.0f} % of all pairs"})
    return [*rows, _row("own other wording against the twin's", twin_retrieval(space, count))]


def twin_retrieval(space: WordSpace, count: int) -> np.ndarray:
    """Return for each caption whether another wording of its scene is more similar than one of the scene's twin.

    Scenes come in pairs that differ in one thing. A caption stands for the mean of its words' vectors. (count,) bool.
    """
    indices = list(range(count - count % 2))
    one, other = (_sentences(space, captions(indices, step, "test", everything=True)) for step in (0, OTHER_WORDING))
    own = np.arange(len(indices))
    similarity = np.concatenate([cosines(one[k : k + 2], other[k : k + 2]) for k in range(0, len(own), 2)])
    return similarity[own, own % 2] > similarity[own, 1 - own % 2]


def _sentences(space: WordSpace, texts: Sequence[str]) -> np.ndarray:
    """Return the mean vector of each text's words in the last layer, (text, channel)."""
    return np.stack([encoded.vectors[-1, 1:-1].mean(0) for encoded in space.encode(texts)])
