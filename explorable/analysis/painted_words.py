"""A sum of words as a context, which a pipeline paints in place of a prompt."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
from torch import Tensor

from ..hooks import HookContext, edit
from ..pipeline import PipelineProtocol
from ..world import VOCABULARY
from .word_space import Term, with_article


def can_paint(pipe: PipelineProtocol, encoder: str) -> bool:
    """Return whether the denoiser reads this encoder's vectors, and they can be edited."""
    return pipe.has_text_points and tuple(pipe.text_encoders) == (encoder,)


def sum_of_contexts(pipe: PipelineProtocol, encoder: str, terms: Sequence[Term]) -> np.ndarray:
    """Return the context of a sum of words: of the text "a word", each token's own sum, (token, channel).

    Around the mean context of all words, as vectors are centred everywhere in `word_space`. All tokens take part, since
    the encoder writes what a text is about into its start and end tokens, too.
    """
    words = (*VOCABULARY, *(term.word for term in terms))
    contexts = np.stack([text.vectors[-1] for text in pipe.text_encoders[encoder]([with_article(w) for w in words])])
    mean = contexts[: len(VOCABULARY)].mean(0)  # (token, channel)
    signs = np.array([term.sign for term in terms])
    return mean + np.tensordot(signs, contexts[len(VOCABULARY) :] - mean, 1)


def painting_sum(pipe: PipelineProtocol, encoder: str, terms: Sequence[Term]) -> AbstractContextManager[Any]:
    """Return a context manager in which a pipeline paints a sum of words in place of a prompt such as "a car".

        with painting_sum(pipe, "text", parse_expression("automobile - car + dog")):
            run = pipe("a car", seed=0)
    """
    context = sum_of_contexts(pipe, encoder, terms)

    def write_context(x: Tensor, where: HookContext) -> Tensor:
        if where.branch != "uncond":
            x[:, : len(context)] = x.new_tensor(context)
        return x

    return edit(pipe, {"text.context": write_context})
