"""What WordSpace computes: a sentence layer by layer, a map of all words, two prompts compared, a sum of words."""

from __future__ import annotations

import difflib
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import xarray as xr

from ...analysis.encoder_spaces import SECOND, encoder_names, gap_filler, space_of
from ...analysis.painted_words import can_paint, painting_sum
from ...analysis.verdict import Verdict, examine
from ...analysis.word_space import Term, WordSpace, arithmetic_ranks, cosines, parse_expression, with_article
from ...nn.special_tokens import NOT_WORDS
from ...nn.text_t5 import GAPS, Filling
from ...pipeline import PipelineProtocol
from ...pipeline.encoded_text import EncodedText
from ...pipeline.progress import Progress, ProgressCounter, shown_steps

MAX_FRAMES = 11  # of a run
MAX_NUMBERS = 2_500_000  # of bar codes that are sent to the page; a sentence with more is shown without its prefixes


@dataclass(frozen=True)
class Sampling:
    """How images are sampled."""

    seed: int
    steps: int
    guidance: float


@dataclass(frozen=True)
class SentenceRequest:
    """A text whose tokens are followed through the layers of an encoder."""

    encoder: str
    prompt: str


@dataclass(frozen=True)
class MapRequest:
    """A map of all words, by every encoder."""

    encoder: str


@dataclass(frozen=True)
class SwapRequest:
    """Two prompts, and the images of both from the same noise."""

    encoder: str
    prompt: str
    other: str
    sampling: Sampling


@dataclass(frozen=True)
class SumRequest:
    """A sum of words, and how it is painted."""

    encoder: str
    expression: str
    sampling: Sampling


AnyRequest = SentenceRequest | MapRequest | SwapRequest | SumRequest


@dataclass(frozen=True, eq=False)
class SentenceResult:
    """The text and its beginnings: each of `prefixes` has one word more, and the last is the text.

    fillings: what the encoder that fills gaps writes into those of the text.
    """

    request: SentenceRequest
    space: WordSpace
    prefixes: tuple[EncodedText, ...]
    fillings: tuple[Filling, ...] = ()


@dataclass(frozen=True, eq=False)
class MapResult:
    """All words, in the space of each encoder that can be chosen, by name."""

    request: MapRequest
    spaces: dict[str, WordSpace]

    @property
    def space(self) -> WordSpace:
        return self.spaces[self.request.encoder]


@dataclass(frozen=True, eq=False)
class SwapResult:
    """Two encoded prompts and their images.

    pairs: the tokens that are compared, as indices into both. images: of both runs at the shown steps,
    (2, frames, y, x, 3) uint8. times: t at these.
    """

    request: SwapRequest
    space: WordSpace
    encoded: tuple[EncodedText, EncodedText]
    pairs: tuple[tuple[int, int], ...]
    images: np.ndarray
    times: np.ndarray

    @cached_property
    def token_cosines(self) -> np.ndarray:
        """The cosine of each compared pair of tokens after each layer, (layer, pair)."""
        one, other = (np.stack([text.vectors[:, pair[k]] for pair in self.pairs], axis=1)
                      for k, text in enumerate(self.encoded))
        return np.stack([np.diag(cosines(a, b)) for a, b in zip(one, other, strict=True)])

    @cached_property
    def context_cosine(self) -> float:
        """The cosine of the two contexts, each the mean vector of its words."""
        means = [text.vectors[-1, [k for k, token in enumerate(text.tokens) if token not in NOT_WORDS]].mean(0)
                 for text in self.encoded]
        return float(cosines(means[0][None], means[1][None])[0, 0])

    @cached_property
    def image_distance(self) -> np.ndarray:
        """The RMS difference of the two images at each shown step, as a share of the full range of a pixel."""
        difference = (self.images[0].astype(float) - self.images[1]) / 255
        return np.sqrt((difference**2).mean((1, 2, 3)))


@dataclass(frozen=True, eq=False)
class SumResult:
    """A sum of words and its ranks among all words.

    ranks: see `arithmetic_ranks`. images: of the painted sum and of the nearest word that is no input,
    (2, frames, y, x, 3) uint8; None where this encoder's vectors cannot be painted. verdicts: the examiner's.
    """

    request: SumRequest
    space: WordSpace
    terms: tuple[Term, ...]
    ranks: xr.Dataset
    images: np.ndarray | None
    times: np.ndarray
    verdicts: tuple[Verdict, ...]

    @property
    def nearest(self) -> str:
        """The nearest word that is no input."""
        return nearest_word(self.ranks)


AnyResult = SentenceResult | MapResult | SwapResult | SumResult


def nearest_word(ranks: xr.Dataset) -> str:
    """Return the nearest word that is no input."""
    return str(ranks.word.values[~ranks.is_input.values][0])


# ---- one computation for each mode -----------------------------------------------------------------------------------


def compute_sentence(pipe: PipelineProtocol, request: SentenceRequest) -> SentenceResult:
    """Encode a text and its beginnings."""
    space = space_of(pipe, request.encoder)
    whole = space.encode([request.prompt])[0]
    words = [token for token in whole.tokens if token not in NOT_WORDS]
    if whole.vectors.size * max(len(words), 1) > MAX_NUMBERS or " ".join(words) != " ".join(request.prompt.split()):
        return SentenceResult(request, space, (whole,))  # too large, or not cut at spaces
    has_gaps = request.encoder == SECOND and any(word in GAPS for word in words)
    fillings = tuple(gap_filler().fill(request.prompt)) if has_gaps else ()
    beginnings = space.encode([" ".join(words[:k]) for k in range(1, len(words))])
    return SentenceResult(request, space, (*beginnings, whole), fillings)


def compute_map(pipe: PipelineProtocol, request: MapRequest) -> MapResult:
    """Return the spaces of all encoders."""
    return MapResult(request, {name: space_of(pipe, name) for name in encoder_names(pipe)})


def compute_swap(pipe: PipelineProtocol, request: SwapRequest, progress: Progress) -> SwapResult:
    """Encode two prompts and sample both from the same noise."""
    space = space_of(pipe, request.encoder)
    one, other = space.encode([request.prompt, request.other])
    images, times = _sample(pipe, [(request.prompt, nullcontext()), (request.other, nullcontext())], request.sampling,
                            progress)
    return SwapResult(request, space, (one, other), matched_tokens(one.tokens, other.tokens), images, times)


def matched_tokens(one: tuple[str, ...], other: tuple[str, ...]) -> tuple[tuple[int, int], ...]:
    """Return the pairs of tokens to compare: by position where both have as many, else those that are the same."""
    if len(one) == len(other):
        return tuple((k, k) for k in range(len(one)))
    blocks = difflib.SequenceMatcher(None, one, other, autojunk=False).get_matching_blocks()
    return tuple((block.a + k, block.b + k) for block in blocks for k in range(block.size)) or ((0, 0),)


def compute_sum(pipe: PipelineProtocol, request: SumRequest, progress: Progress) -> SumResult:
    """Rank all words by a sum of words, and paint it."""
    space, terms = space_of(pipe, request.encoder), parse_expression(request.expression)
    ranks = arithmetic_ranks(space, terms)
    if not can_paint(pipe, request.encoder):
        return SumResult(request, space, terms, ranks, None, np.zeros(0), ())
    jobs: list[tuple[str, AbstractContextManager[Any]]] = [
        (with_article(terms[0].word), painting_sum(pipe, request.encoder, terms)),
        (with_article(nearest_word(ranks)), nullcontext())]
    images, times = _sample(pipe, jobs, request.sampling, progress)
    verdicts = tuple(examine(images[:, -1])) if pipe.has_examiner else ()
    return SumResult(request, space, terms, ranks, images, times, verdicts)


def _sample(pipe: PipelineProtocol, jobs: list[tuple[str, AbstractContextManager[Any]]], sampling: Sampling,
            progress: Progress) -> tuple[np.ndarray, np.ndarray]:
    """Sample prompts, each within its context, from the same noise. Returns images (job, frames, y, x, 3) and times."""
    frames = len(shown_steps(sampling.steps - 1, MAX_FRAMES))
    counter = ProgressCounter(progress, len(jobs) * (sampling.steps + frames / 2))
    shown: list[np.ndarray] = []
    times = np.zeros(0)
    for prompt, context in jobs:
        with context:
            run = pipe(prompt, seed=sampling.seed, steps=sampling.steps, guidance=sampling.guidance,
                       progress=counter.step)
        steps = shown_steps(run.steps - 1, MAX_FRAMES)
        images = counter.decode(pipe, run.denoised.values[steps])
        images[-1] = run.image
        shown.append(images)
        times = run.denoised.t.values[steps]
    return np.stack(shown), times


def compute(pipe: PipelineProtocol, request: AnyRequest, progress: Progress) -> AnyResult:
    """Compute a request.

    Raises:
        ValueError: an unknown encoder or word, or no sum of words; and what sampling raises.
    """
    if isinstance(request, SentenceRequest):
        return compute_sentence(pipe, request)
    if isinstance(request, MapRequest):
        return compute_map(pipe, request)
    if isinstance(request, SwapRequest):
        return compute_swap(pipe, request, progress)
    return compute_sum(pipe, request, progress)


def in_few_steps(request: AnyRequest, steps: int) -> AnyRequest:
    """Return a request for a preview. Only of those that sample."""
    assert isinstance(request, SwapRequest | SumRequest)
    return replace(request, sampling=replace(request.sampling, steps=steps))
