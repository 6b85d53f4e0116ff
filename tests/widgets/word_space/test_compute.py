"""What WordSpace computes, on a tiny untrained model: equivalences with the pipeline and the encoder."""

from __future__ import annotations

import numpy as np
import pytest
from tiny_pipes import tiny

from explorable.analysis.word_space import cosines
from explorable.pipeline.progress import no_progress
from explorable.widgets.word_space.compute import (
    MapRequest,
    Sampling,
    SentenceRequest,
    SumRequest,
    SwapRequest,
    compute,
    matched_tokens,
)

SMALL = Sampling(seed=1, steps=3, guidance=2.0)


@pytest.fixture(scope="module")
def pipe():
    return tiny()


def test_each_beginning_of_a_sentence_is_encoded_by_itself(pipe):
    result = compute(pipe, SentenceRequest("text", "a golden dog at night"), no_progress)
    assert [len(text.tokens) for text in result.prefixes] == [3, 4, 5, 6, 7]
    for text in result.prefixes:
        alone = result.space.encode([" ".join(text.tokens[1:-1])])[0]
        assert text.tokens == alone.tokens
        np.testing.assert_allclose(text.vectors, alone.vectors, atol=1e-5)


def test_a_sentence_that_is_not_cut_at_spaces_has_no_beginnings(pipe):
    assert len(compute(pipe, SentenceRequest("text", "a dog, at night"), no_progress).prefixes) == 1
    assert len(compute(pipe, SentenceRequest("text", ""), no_progress).prefixes) == 1


def test_both_images_are_those_that_the_pipeline_paints(pipe):
    result = compute(pipe, SwapRequest("text", "a red car", "a red dog", SMALL), no_progress)
    for image, prompt in zip(result.images[:, -1], ("a red car", "a red dog"), strict=True):
        assert np.array_equal(image, pipe(prompt, seed=1, steps=3, guidance=2.0).image)
    one, other = (text.vectors[-1] for text in result.encoded)
    np.testing.assert_allclose(result.token_cosines[-1], np.diag(cosines(one, other)))
    np.testing.assert_allclose(result.token_cosines[0, [0, 1, 2, 4]], 1, atol=1e-6)  # the same tokens before any layer


def test_the_same_text_twice_differs_in_nothing(pipe):
    result = compute(pipe, SwapRequest("text", "a red car", "a red car", SMALL), no_progress)
    assert result.context_cosine == pytest.approx(1) and not result.image_distance.any()


@pytest.mark.parametrize(("one", "other", "pairs"), [
    ("a b c", "a x c", [(0, 0), (1, 1), (2, 2)]), ("a b c", "a c", [(0, 0), (2, 1)]),
    ("a b", "x y z", [(0, 0)]), ("a", "b a", [(0, 1)])])
def test_tokens_are_matched_by_place_or_else_by_name(one, other, pairs):
    assert list(matched_tokens(tuple(one.split()), tuple(other.split()))) == pairs


def test_a_sum_of_one_word_paints_it(pipe):
    result = compute(pipe, SumRequest("text", "car - car + dog", SMALL), no_progress)
    assert result.ranks.word.values[0] == "dog" and result.nearest not in ("car", "dog")
    expected = pipe("a dog", seed=1, steps=3, guidance=2.0).image
    assert np.abs(result.images[0, -1].astype(int) - expected).max() <= 1
    assert np.array_equal(result.images[1, -1], pipe(f"a {result.nearest}", seed=1, steps=3, guidance=2.0).image) \
        or result.nearest[0] in "aeiou"


def test_other_encoders_are_ranked_and_not_painted(pipe):
    for name in ("text-t5", "both"):
        result = compute(pipe, SumRequest(name, "automobile - car + dog", SMALL), no_progress)
        assert result.images is None and result.ranks.sizes["word"] == 119


def test_the_map_has_every_encoder(pipe):
    result = compute(pipe, MapRequest("both"), no_progress)
    assert list(result.spaces) == ["text", "text-t5", "both"] and result.space is result.spaces["both"]
    widths = [space.vectors.shape[-1] for space in result.spaces.values()]
    assert widths[2] == widths[0] + widths[1]


@pytest.mark.parametrize(("request_", "message"), [
    (SumRequest("text", "car - zebra", SMALL), "zebra"), (SentenceRequest("clip", "a dog"), "choose one of text"),
    (SentenceRequest("text", "a zeppelin"), "zeppelin")])
def test_what_is_unknown_is_refused_by_name(pipe, request_, message):
    with pytest.raises(ValueError, match=message):
        compute(pipe, request_, no_progress)


def test_gaps_are_filled_by_the_encoder_that_was_trained_to(pipe):
    result = compute(pipe, SentenceRequest("text-t5", "two <gap1> at night"), no_progress)
    assert [filling.gap for filling in result.fillings] == ["<gap1>"] and "<gap1>" in result.prefixes[-1].tokens
    assert not compute(pipe, SentenceRequest("text-t5", "two dogs at night"), no_progress).fillings
    with pytest.raises(ValueError, match="<gap1>"):
        compute(pipe, SentenceRequest("text", "two <gap1> at night"), no_progress)
