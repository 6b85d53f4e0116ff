"""What a text encoder makes of a text, layer by layer: of the shipped encoders, and of those of opened pipelines."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..nn.hook_points import dispatching_to
from ..nn.special_tokens import PAD
from ..nn.text import TextEncoder


@dataclass(frozen=True, eq=False)
class EncodedText:
    """The vectors of a text before, between and after the layers of a text encoder.

    tokens: without padding. layers: names; the first is the token embedding, the last the context that a denoiser
    receives. vectors: (layer, token, channel) float32.
    """

    tokens: tuple[str, ...]
    layers: tuple[str, ...]
    vectors: np.ndarray


EncodeTexts = Callable[[Sequence[str]], list[EncodedText]]
"""Encodes texts, each for itself."""


class _Collector:
    """A dispatcher that keeps the values of some points."""

    def __init__(self, names: Sequence[str]):
        self.values: dict[str, Tensor] = {}
        self.names = frozenset(names)

    def set_step(self, step: int | None, t: float | None, evaluation: int = 0) -> None: ...

    def set_branches(self, branches: tuple[str, ...]) -> None: ...

    def is_hooked(self, name: str) -> bool:
        return name in self.names

    def is_edited(self, name: str) -> bool:
        return False

    def dispatch(self, name: str, x: Tensor, axes: str) -> Tensor:
        if name in self.names:
            self.values[name] = x
        return x

    def end(self, interrupted: bool) -> None: ...


@torch.inference_mode()
def encode_texts(encoder: TextEncoder, texts: Sequence[str]) -> list[EncodedText]:
    """Encode texts with a shipped text encoder.

    Raises:
        UnknownWordError, PromptTooLongError
    """
    count = len(encoder.layers)
    points = ["text.words", *(f"text.layers.{k}.mlp.out" for k in range(count)), "text.context"]
    layers = ("embedding", *(f"layer {k + 1}" for k in range(count)), "context")
    names = [[name for name in encoder.tokenizer.token_names(text) if name != PAD] for text in texts]
    if not names:
        return []
    collector = _Collector(points)
    with dispatching_to(collector):
        encoder.encode(list(texts))
    stacked = torch.stack([collector.values[point] for point in points], dim=1).float().cpu().numpy()
    return [EncodedText(tuple(tokens), layers, vectors[:, : len(tokens)])  # (layer, token, channel)
            for tokens, vectors in zip(names, stacked, strict=True)]
