"""The text encoders of opened pipelines: all layers, with the pieces of a word averaged."""

from __future__ import annotations

import numpy as np
import pytest
import tiny_pipelines as tp
import torch

import explorable as ex

ENCODERS = {"sd": ["text_encoder"], "sdxl": ["text_encoder", "text_encoder_2"],
            "sd3": ["text_encoder", "text_encoder_2", "text_encoder_3"], "flux": ["text_encoder_2"],
            "pixart": ["text_encoder"], "chroma": ["text_encoder"], "bria": ["text_encoder"],
            "zimage": ["text_encoder"], "klein": ["text_encoder"], "qwen": ["text_encoder"],
            "lumina": ["text_encoder"], "sana": ["text_encoder"],
            "flux2": ["text_encoder"], "ovis": ["text_encoder"]}


@pytest.fixture(params=tp.FAMILIES)
def family(request) -> str:
    return request.param


def test_they_are_the_encoders_whose_context_the_denoiser_reads(family):
    with ex.open(tp.shared(family), **tp.CALL_DEFAULTS[family]) as pipe:
        assert list(pipe.text_encoders) == ENCODERS[family]
        for name, encode in pipe.text_encoders.items():
            model = getattr(tp.shared(family), name)
            text, other = encode([tp.PROMPT, tp.OTHER])
            assert [t for t in text.tokens if t[0] != "<"] == tp.PROMPT.replace(",", " ,").split()
            assert len(text.layers) == len(text.vectors) == model.config.get_text_config().num_hidden_layers + 1
            assert other.vectors.shape[1] == len(other.tokens)


@torch.inference_mode()
def test_the_vector_of_a_word_is_the_mean_of_its_pieces():
    pipeline = tp.shared("sd")
    with ex.open(pipeline) as pipe:
        text = pipe.text_encoders["text_encoder"](["a golden dog"])[0]
    ids = pipeline.tokenizer("a golden dog", padding="max_length", max_length=tp.MAX_TOKENS, return_tensors="pt")
    states = pipeline.text_encoder(ids.input_ids, output_hidden_states=True).hidden_states
    raw = torch.stack(states)[:, 0].numpy()  # start, a, gol, den, dog, end
    assert text.tokens == ("<start>", "a", "golden", "dog", "<end>")
    np.testing.assert_allclose(text.vectors[:, 2], raw[:, 2:4].mean(1), atol=1e-5)
    np.testing.assert_allclose(text.vectors[:, [0, 1, 3, 4]], raw[:, [0, 1, 4, 5]], atol=1e-5)


def test_many_texts_are_encoded_as_each_alone(family):
    with ex.open(tp.shared(family), **tp.CALL_DEFAULTS[family]) as pipe:
        encode = list(pipe.text_encoders.values())[-1]
        texts = [f"a {'golden ' * (k % 3)}dog" for k in range(20)]  # more than a batch
        for text, found in zip(texts, encode(texts), strict=True):
            np.testing.assert_allclose(found.vectors, encode([text])[0].vectors, atol=1e-4)


def test_a_text_that_is_too_long_is_refused():
    with ex.open(tp.shared("sd")) as pipe, pytest.raises(ValueError, match=r"pieces, including start and end"):
        pipe.text_encoders["text_encoder"](["a dog " * 30])
