"""The gap-filling text encoder: filling the gaps restores a text, and the decoder never looks ahead."""

from __future__ import annotations

import itertools
import random

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from test_layers import shaken

from explorable.nn.text import TextConfig, TextEncoder
from explorable.nn.text_t5 import GAPS, T5Config, TextT5Model, corrupt
from explorable.world import VOCABULARY

CONFIG = T5Config((*VOCABULARY, *GAPS), width=16, layers=2, heads=2)


@pytest.fixture(scope="module")
def model() -> TextT5Model:
    return shaken(TextT5Model(CONFIG)).eval()


def filled(text: str, target: str) -> list[str]:
    """The words of a text in which each gap is replaced by the words behind it in the target."""
    hidden: dict[str, list[str]] = {}
    for word in target.split():
        if word in GAPS:
            hidden[word] = []
        else:
            hidden[list(hidden)[-1]].append(word)
    assert all(hidden.values())
    return [part for word in text.split() for part in hidden.get(word, [word])]


@given(st.lists(st.sampled_from(VOCABULARY), min_size=1, max_size=22), st.integers(0, 10**6))
def test_filling_the_gaps_restores_the_text(words, seed):
    text, target = corrupt(words, random.Random(seed))
    assert filled(text, target) == words
    gaps = [word for word in text.split() if word in GAPS]
    assert gaps == list(GAPS[: len(gaps)]) == [word for word in target.split() if word in GAPS]
    assert len(target.split()) + 1 <= CONFIG.max_target and len(text.split()) <= 22
    assert not any(a in GAPS and b in GAPS for a, b in itertools.pairwise(text.split()))


@given(st.integers(2, 22))
def test_every_word_is_hidden_now_and_then(count):
    words = [VOCABULARY[k] for k in range(count)]
    hidden = {word for seed in range(200) for word in corrupt(words, random.Random(seed)).target.split()}
    assert hidden >= set(words)


def test_the_encoder_has_the_size_of_the_contrastive_one(model):
    other = TextEncoder(TextConfig((*VOCABULARY, *GAPS), width=16, layers=2, heads=2))
    assert [p.shape for p in model.text_encoder.parameters()] == [p.shape for p in other.parameters()]


@torch.inference_mode()
def test_the_decoder_does_not_look_ahead(model):
    tokens = model.text_encoder.tokenizer(["a <gap1> car <gap2>"])
    target = model.targets(["<gap1> red <gap2> at night"])
    written = model.written_before(target)
    logits = model(tokens, written)
    for k in range(1, written.shape[1]):
        changed = written.clone()
        changed[:, k:] = model.text_encoder.tokenizer.ids["lion"]
        torch.testing.assert_close(model(tokens, changed)[:, :k], logits[:, :k])
        assert not torch.equal(model(tokens, changed)[:, k], logits[:, k])


@torch.inference_mode()
def test_the_loss_is_the_mean_over_targets_without_padding(model):
    tokens, texts = model.text_encoder.tokenizer(["a <gap1> car"] * 2), ["<gap1> red", "<gap1> small golden"]
    target = model.targets(texts)
    logits = model(tokens, model.written_before(target)).log_softmax(-1)
    ids = model.text_encoder.tokenizer.ids
    losses = [-logits[row, k, ids[word]] for row, text in enumerate(texts)
              for k, word in enumerate([*text.split(), "<end>"])]
    torch.testing.assert_close(model.loss(tokens, target)["loss"], torch.stack(losses).mean())
    assert model.is_word(target).sum() == 3


def test_a_filling_is_words_and_its_probabilities_sum_to_one(model):
    fillings = model.fill("a <gap1> car at <gap2>")
    assert [f.gap for f in fillings] == ["<gap1>", "<gap2>"]
    for filling in fillings:
        assert set(filling.words) <= set(VOCABULARY)
        assert filling.probabilities.sum().item() == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("prompt", ["a red car", "a <gap2> car", "a <gap1> <gap1>"])
def test_gaps_out_of_order_are_refused(model, prompt):
    with pytest.raises(ValueError, match="write <gap1> for the first"):
        model.fill(prompt)
