"""Train the second text encoder on captions alone: to fill gaps in them.

A text is two captions of the same scene, or one where two do not fit. In captions of this world one thing can stand
where another can, so that single ones do not say that a car is an automobile; two wordings of one scene do, as pairs of
translations do in translation language modelling (Lample and Conneau 2019).
"""

from __future__ import annotations

import random

import numpy as np
import torch
from torch import nn

from ..nn.text import Tokens
from ..nn.text_t5 import GAPS, T5Config, TextT5Model, corrupt
from ..world import VOCABULARY, split_words
from ..world.grammar import MAX_WORDS
from .data import TRAIN_SIZE, captions
from .loop import Batch, Losses, Training, fit
from .plan import Plan

BATCH_SIZE = 64
TRIES = 4  # wordings of a second caption that are tried until one fits


def train(steps: int, depends_on: str = "") -> Training:
    """Train encoder and decoder: cross-entropy of the hidden words. Every text is written and corrupted anew."""
    order = np.random.default_rng(2).permutation(TRAIN_SIZE)

    def batch(step: int) -> Batch:
        indices = [int(order[(step * BATCH_SIZE + k) % TRAIN_SIZE]) for k in range(BATCH_SIZE)]
        pairs = [corrupt(text, random.Random(f"gaps {step} {k}")) for k, text in enumerate(texts(indices, step))]
        tokens = model.text_encoder.tokenizer([pair.text for pair in pairs])
        return {"ids": tokens.ids, "keep": tokens.keep, "target": model.targets([pair.target for pair in pairs])}

    def loss(model: nn.Module, b: Batch) -> Losses:
        assert isinstance(model, TextT5Model)
        return model.loss(Tokens(b["ids"], b["keep"]), b["target"])

    torch.manual_seed(0)
    model = TextT5Model(T5Config((*VOCABULARY, *GAPS)))
    return fit("text-t5", model, batch, loss, Plan(steps, warmup=100), depends_on)


def texts(indices: list[int], step: int, split: str = "train") -> list[list[str]]:
    """Return the words of two captions of each scene in a row, or of one where no second one fits."""
    wordings = [[split_words(caption) for caption in captions(indices, wording, split)]
                for wording in (step, *(-1 - TRIES * step - k for k in range(TRIES)))]
    return [next((one + other for other in others if len(one) + len(other) <= MAX_WORDS), one)
            for one, *others in zip(*wordings, strict=True)]
