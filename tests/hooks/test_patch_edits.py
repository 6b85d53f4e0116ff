"""LocalAttention and ShufflePositions refuse what they cannot edit; the rest is in analysis/test_patch_attention.py."""

from __future__ import annotations

import pytest
import torch
from tiny_pipes import PROMPT, tiny

from explorable.hooks import EditError, LocalAttention, ShufflePositions, edit


@pytest.mark.parametrize(("edits", "message"), [
    ({"*.cross.weights": LocalAttention(1.0, (4, 4))}, r'use it on "\*.joint.weights"'),
    ({"*.joint.weights": LocalAttention(1.0, (40, 40))}, "1600 patches, and blocks.0.joint.weights has"),
    ({"prediction": ShufflePositions()}, "no positions to shuffle")])
def test_other_points_are_refused(edits, message):
    pipe = tiny("dit")
    with pytest.raises(EditError, match=message), edit(pipe, edits):
        pipe(PROMPT, steps=2)


def test_words_attend_as_before():
    weights = torch.rand(1, 2, 6, 6)

    class Context:
        axes, name, step, branch = ("head", "query", "key"), "blocks.0.joint.weights", 0, ""

    cut = LocalAttention(0.0, (2, 2))(weights, Context())  # four patches, then two words
    assert torch.equal(cut[:, :, 4:], weights[:, :, 4:])
    assert torch.allclose(cut.sum(-1), weights.sum(-1)) and not cut[0, 0, 0, 1:4].any()
