"""A tiny second encoder, of random weights, in place of the one that fills gaps."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from explorable.analysis import encoder_spaces
from explorable.nn.text_t5 import GAPS, T5Config, TextT5Model
from explorable.world import VOCABULARY


@pytest.fixture(autouse=True, scope="package")
def second_encoder() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch, torch.random.fork_rng():
        torch.manual_seed(0)
        model = TextT5Model(T5Config((*VOCABULARY, *GAPS), width=16, layers=3, heads=2)).eval()
        patch.setattr(encoder_spaces, "model_names", lambda: ["text", "text-t5"])
        patch.setattr(encoder_spaces, "load_text_t5", lambda: model)
        for cached in (encoder_spaces.gap_filler, encoder_spaces.shipped_space):
            cached.cache_clear()
        yield
    for cached in (encoder_spaces.gap_filler, encoder_spaces.shipped_space):
        cached.cache_clear()
