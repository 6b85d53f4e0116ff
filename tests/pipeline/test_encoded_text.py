"""The layers of a text encoder are those that its points record."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import explorable as ex
from explorable.pipeline.encoded_text import encode_texts

PROMPTS = ["a red car", "", "two golden dogs on a beach at sunset"]


def test_the_layers_are_those_that_the_encoder_passes(pipe):
    found = pipe.text_encoders["text"](PROMPTS)
    with torch.inference_mode():
        context = pipe.text.encode(PROMPTS).vectors.numpy()
    for text, prompt, vectors in zip(found, PROMPTS, context, strict=True):
        count = len(prompt.split()) + 2
        assert len(text.tokens) == count and text.tokens[1:-1] == tuple(prompt.split())
        assert text.layers == ("embedding", *(f"layer {k + 1}" for k in range(len(pipe.text.layers))), "context")
        np.testing.assert_array_equal(text.vectors[-1], vectors[:count])
    run = pipe(PROMPTS[0], steps=1, guidance=1.0, record=["text.words", "text.layers.0.mlp.out"])
    for point, layer in (("text.words", 0), ("text.layers.0.mlp.out", 1)):
        recorded = run[point].values.reshape(-1, *run[point].shape[-2:])[0]
        np.testing.assert_allclose(found[0].vectors[layer], recorded[: len(found[0].tokens)], atol=1e-5)


def test_nothing_is_encoded_as_nothing_and_unknown_words_are_refused(pipe):
    assert encode_texts(pipe.text, []) == []
    with pytest.raises(ex.UnknownWordError):
        encode_texts(pipe.text, ["a zeppelin"])
