"""The vectors of words as points of a space: neighbours, similarities, projections, arithmetic.

Everything is computed from *centred* vectors: the mean over the words of a vocabulary is subtracted. The vectors of a
text encoder share a large common part, which makes every cosine between raw vectors high (Mu and Viswanath 2018).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np
import xarray as xr

from ..nn.special_tokens import NOT_WORDS
from ..pipeline.encoded_text import EncodedText, EncodeTexts

NEIGHBOURS = 3  # a synonym is found if it is among as many


def with_article(word: str) -> str:
    """Return the shortest text in which a word stands as it would in a caption: "a car", "an automobile"."""
    return f"{'an' if word[:1] in 'aeiou' else 'a'} {word}"


def last_word(encoded: EncodedText) -> int:
    """Return the index of the last token that is a word."""
    return max(k for k, token in enumerate(encoded.tokens) if token not in NOT_WORDS)


@dataclass(frozen=True, eq=False)
class WordSpace:
    """A vocabulary in the space of a text encoder.

    name: of the encoder. layers: names. vectors: the centred vector of each word behind its article, after each layer,
    (layer, word, channel). encode: returns texts with centred vectors.
    """

    name: str
    words: tuple[str, ...]
    layers: tuple[str, ...]
    vectors: np.ndarray
    encode: Callable[[Sequence[str]], list[EncodedText]] = field(repr=False)

    @cached_property
    def similarity(self) -> np.ndarray:
        """The cosine of every pair of words in the last layer, (word, word)."""
        return cosines(self.vectors[-1], self.vectors[-1])

    def vector(self, word: str) -> np.ndarray:
        """Return the vector of a word in the last layer, (channel,), also of one outside of `words`.

        Raises:
            ValueError: the encoder does not know it.
        """
        if word in self.words:
            return self.vectors[-1, self.words.index(word)]
        encoded = self.encode([with_article(word)])[0]
        return encoded.vectors[-1, last_word(encoded)]


def word_space(name: str, encode: EncodeTexts, words: Sequence[str]) -> WordSpace:
    """Return the space of a text encoder, centred on the given words."""
    encoded = encode([with_article(word) for word in words])
    raw = np.stack([text.vectors[:, last_word(text)] for text in encoded], axis=1)  # (layer, word, channel)
    mean = raw.mean(1, keepdims=True)

    def encode_centred(texts: Sequence[str]) -> list[EncodedText]:
        return [EncodedText(text.tokens, text.layers, text.vectors - mean) for text in encode(texts)]

    return WordSpace(name, tuple(words), encoded[0].layers, raw - mean, encode_centred)


def join_spaces(name: str, spaces: Sequence[WordSpace]) -> WordSpace:
    """Join encoders that make the same tokens: their vectors side by side, as in Stable Diffusion XL.

    In each layer an encoder is divided by the mean length of its words' vectors, so that all count as much. Of encoders
    with different numbers of layers, only the embedding and the last layer are joined.
    """
    is_same = len({len(space.layers) for space in spaces}) == 1
    kept = list(range(len(spaces[0].layers))) if is_same else [0, -1]
    scales = [1 / np.linalg.norm(space.vectors[kept], axis=-1).mean(1)[:, None, None] for space in spaces]
    layers = tuple(spaces[0].layers[k] for k in kept)

    def joined(parts: Sequence[np.ndarray]) -> np.ndarray:
        return np.concatenate([part[kept] * scale for part, scale in zip(parts, scales, strict=True)], axis=-1)

    def encode(texts: Sequence[str]) -> list[EncodedText]:
        parts = [space.encode(texts) for space in spaces]
        return [EncodedText(row[0].tokens, layers, joined([text.vectors for text in row]))
                for row in zip(*parts, strict=True)]

    return WordSpace(name, spaces[0].words, layers, joined([space.vectors for space in spaces]), encode)


# ---- similarity and neighbours ---------------------------------------------------------------------------------------


def cosines(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the cosine of every row of a, (n, channel), and every row of b, (m, channel): (n, m).

    The cosine of a zero vector is 0.
    """

    def unit(x: np.ndarray) -> np.ndarray:
        length = np.linalg.norm(x, axis=-1, keepdims=True)
        return x / np.where(length > 0, length, 1)

    return unit(np.asarray(a, float)) @ unit(np.asarray(b, float)).T


def ranked(similarity: np.ndarray, words: Sequence[str], without: Sequence[str] = ()) -> list[tuple[str, float]]:
    """Return the words and their similarity, the most similar first, without some of them. similarity: (word,)."""
    order = np.argsort(-similarity, kind="stable")
    return [(words[k], float(similarity[k])) for k in order if words[k] not in without]


def neighbours(space: WordSpace, word: str, count: int = NEIGHBOURS) -> list[tuple[str, float]]:
    """Return the words nearest to a word in the last layer, by cosine, without itself.

    Raises:
        ValueError: the encoder does not know it.
    """
    row = cosines(space.vector(word)[None], space.vectors[-1])[0]
    return ranked(row, space.words, (word,))[:count]


# ---- how good the space is -------------------------------------------------------------------------------------------


class SynonymScore(NamedTuple):
    """How many ordered pairs of synonyms were looked for, and those of which the second is not near the first."""

    pairs: int
    missed: tuple[tuple[str, str], ...]

    @property
    def share(self) -> float:
        return 1 - len(self.missed) / self.pairs if self.pairs else float("nan")


def synonym_score(space: WordSpace, groups: Sequence[Sequence[str]], count: int = NEIGHBOURS) -> SynonymScore:
    """Return how often a synonym is among the first `count` neighbours. groups: words of one meaning each."""
    pairs = [(a, b) for group in groups for a in group for b in group if a != b]
    near = {a: [word for word, _ in neighbours(space, a, count)] for a in dict.fromkeys(a for a, _ in pairs)}
    return SynonymScore(len(pairs), tuple((a, b) for a, b in pairs if b not in near[a]))


def pair_order(space: WordSpace, one: Sequence[str], near: Sequence[str], far: Sequence[str]) -> np.ndarray:
    """Return whether a word is nearer to one of `near` than to one of `far`, for every combination: (one, near, far).

    pair_order(space, ("cat", "kitten"), ("dog", "puppy"), ("car", "automobile"))
    """
    a, b, c = (np.stack([space.vector(word) for word in some]) for some in (one, near, far))
    return cosines(a, b)[:, :, None] > cosines(a, c)[:, None, :]


def percentile_of_pair(space: WordSpace, a: str, b: str) -> tuple[float, float]:
    """Return the cosine of two words, and the share of all pairs of words in the space that have a lower one."""
    cosine = float(cosines(space.vector(a)[None], space.vector(b)[None])[0, 0])
    rows, columns = np.triu_indices(len(space.words), 1)
    return cosine, float((space.similarity[rows, columns] < cosine).mean())


# ---- maps ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Projection:
    """A map by principal component analysis: the plane, or the space, in which the points spread most.

    positions: (point, dimension). share: of the variance that each dimension keeps, (dimension,). distance_error: by
    which share of the true distance two points are too near on the map, on average; a map never shows them too far.
    """

    positions: np.ndarray
    share: np.ndarray
    distance_error: float


def project(vectors: np.ndarray, dimensions: int = 2) -> Projection:
    """Project vectors (point, channel) on their first principal components (Pearson 1901).

    The sign of each component is such that its largest entry is positive.
    """
    centred = np.asarray(vectors, float) - np.mean(vectors, 0)
    _, sizes, axes = np.linalg.svd(centred, full_matrices=False)
    kept = axes[:dimensions]
    kept = kept * np.sign(kept[np.arange(len(kept)), np.abs(kept).argmax(1)])[:, None]
    positions = centred @ kept.T
    rows, columns = np.triu_indices(len(centred), 1)
    true = np.linalg.norm(centred[rows] - centred[columns], axis=1)
    shown = np.linalg.norm(positions[rows] - positions[columns], axis=1)
    error = 1 - shown[true > 0] / true[true > 0]
    return Projection(positions, sizes[:dimensions] ** 2 / (sizes**2).sum(), float(error.mean()) if len(error) else 0.0)


# ---- arithmetic ------------------------------------------------------------------------------------------------------


class Term(NamedTuple):
    """A word of a sum. sign: 1 or -1."""

    sign: int
    word: str


def parse_expression(text: str) -> tuple[Term, ...]:
    """Read a sum of words: "automobile - car + dog".

    Raises:
        ValueError: it is none; says what is expected.
    """
    terms: list[Term] = []
    sign, is_signed = 1, False
    for part in text.lower().replace("+", " + ").replace("-", " - ").replace("\u2212", " - ").split():
        if part in "+-":
            if is_signed:
                raise ValueError(f"{text!r} has a sign without a word: write words with + or - between them, such as "
                                 "automobile - car + dog")
            sign, is_signed = 1 if part == "+" else -1, True
        elif terms and not is_signed:
            raise ValueError(f"{text!r} has no sign before {part!r}: write + or - between any two words")
        else:
            terms.append(Term(sign, part))
            sign, is_signed = 1, False
    if not terms or is_signed:
        raise ValueError(f"{text!r} is no sum of words: write, for example, automobile - car + dog")
    return tuple(terms)


def combine(space: WordSpace, terms: Sequence[Term]) -> np.ndarray:
    """Return the sum of the terms' vectors in the last layer, (channel,)."""
    return np.sum([term.sign * space.vector(term.word) for term in terms], axis=0)


def arithmetic_ranks(space: WordSpace, terms: Sequence[Term]) -> xr.Dataset:
    """Rank all words by their cosine with a sum of words.

    Returns: `cosine`, `is_input`, `rank` among all words and `rank_without_inputs` (0 for the inputs), by `word`, the
    most similar first. Published examples leave the inputs out, which often are the nearest (Linzen 2016).
    """
    inputs = {term.word for term in terms}
    order = ranked(cosines(combine(space, terms)[None], space.vectors[-1])[0], space.words)
    is_input = np.array([word in inputs for word, _ in order])
    return xr.Dataset(
        {"cosine": ("word", [cosine for _, cosine in order]), "is_input": ("word", is_input),
         "rank": ("word", np.arange(1, len(order) + 1)),
         "rank_without_inputs": ("word", np.where(is_input, 0, np.cumsum(~is_input)))},
        coords={"word": [word for word, _ in order]})
