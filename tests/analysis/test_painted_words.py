"""A sum of words that is a single word paints what the prompt paints."""

from __future__ import annotations

import numpy as np
import pytest
from tiny_pipes import tiny

from explorable.analysis.encoder_spaces import encoder_names, second_encoders, space_of
from explorable.analysis.painted_words import can_paint, painting_sum, sum_of_contexts
from explorable.analysis.word_space import parse_expression


@pytest.mark.parametrize("guidance", [1.0, 4.0])
@pytest.mark.parametrize("expression", ["dog", "car - car + dog", "dog + cat - cat"])
def test_a_word_minus_itself_changes_no_image(guidance, expression):
    pipe = tiny()
    plain = pipe("a dog", steps=3, guidance=guidance)
    with painting_sum(pipe, "text", parse_expression(expression)):
        painted = pipe("a car", steps=3, guidance=guidance)
    np.testing.assert_allclose(painted.latents.values, plain.latents.values, atol=2e-4)
    assert not np.allclose(pipe("a car", steps=3, guidance=guidance).latents.values, plain.latents.values, atol=1e-2)


def test_a_sum_moves_by_the_difference_of_its_words():
    pipe = tiny()
    contexts = {word: sum_of_contexts(pipe, "text", parse_expression(word)) for word in ("car", "truck", "dog")}
    np.testing.assert_allclose(sum_of_contexts(pipe, "text", parse_expression("truck - car + dog")),
                               contexts["truck"] - contexts["car"] + contexts["dog"], atol=1e-4)


def test_only_the_vectors_that_the_denoiser_reads_can_be_painted():
    pipe = tiny()
    assert encoder_names(pipe) == ("text", *second_encoders())
    assert can_paint(pipe, "text") and not can_paint(pipe, "text-t5") and not can_paint(pipe, "both")
    with pytest.raises(ValueError, match="choose one of text"):
        space_of(pipe, "clip")
