"""What the text encoders of a diffusers pipeline make of a text, layer by layer: pieces averaged to words."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from ..nn.special_tokens import PAD, TEMPLATE
from ..pipeline.encoded_text import EncodedText, EncodeTexts
from .families import Family, TextInput
from .tokens import (
    PieceRow,
    adds_special_tokens,
    fill_template,
    find_tokenizer,
    max_pieces,
    pads_left,
    tokenize,
)

BATCH_SIZE = 16  # texts


def text_encoders_of(pipeline: Any, family: Family, arguments: Mapping[str, Any], lock: Any) -> dict[str, EncodeTexts]:
    """Return the text encoders that are loaded and whose context the denoiser receives, by attribute: "text_encoder".

    lock: held while they are used, as during a call of the pipeline.
    """
    found: dict[str, EncodeTexts] = {}
    for text_input in family.text_inputs:
        for name in text_input.tokenizers:
            encoder = name.replace("tokenizer", "text_encoder")
            if getattr(pipeline, encoder, None) is not None and getattr(pipeline, name, None) is not None:
                own = replace(text_input, tokenizers=(name,))
                found[encoder] = functools.partial(_encode, pipeline, own, encoder, arguments, lock)
    return found


@torch.inference_mode()
def _encode(pipeline: Any, text_input: TextInput, encoder: str, arguments: Mapping[str, Any], lock: Any,
            texts: Sequence[str]) -> list[EncodedText]:
    """Encode texts.

    Raises:
        ValueError: a text has more pieces than the encoder reads.
    """
    if not texts:
        return []
    with lock:
        tokenizer, model = find_tokenizer(pipeline, text_input.tokenizers[0]), getattr(pipeline, encoder)
        rows = [row for text in texts if (row := tokenize(pipeline, text_input, text, arguments))]
        for text, row in zip(texts, rows, strict=True):
            if row.is_truncated:
                raise ValueError(f"{text!r} has {row.needed} pieces, including start and end, but {encoder} reads "
                                 f"{len(row.pieces)} at most: shorten it")
        length = max_pieces(pipeline, text_input, arguments)
        found: list[EncodedText] = []
        for start in range(0, len(texts), BATCH_SIZE):
            part = slice(start, start + BATCH_SIZE)
            read = [fill_template(pipeline, text_input, text, arguments) for text in texts[part]]
            dropped = read[0].dropped
            side = "left" if pads_left(tokenizer, text_input) else "right"
            inputs = tokenizer([str(text) for text in read], padding="max_length", max_length=length + len(dropped),
                               padding_side=side, truncation=True, return_tensors="pt",
                               add_special_tokens=adds_special_tokens(tokenizer, read[0])).to(model.device)
            # CLIP is causal: no word sees the padding behind it.
            mask = {} if "CLIP" in type(model).__name__ else {"attention_mask": inputs.attention_mask}
            states = model(inputs.input_ids, output_hidden_states=True, **mask).hidden_states
            hidden = torch.stack(list(states), dim=1).float().cpu().numpy()  # (text, layer, piece, channel)
            hidden = np.delete(hidden, dropped, axis=2)
            found += [_merge(row, vectors) for row, vectors in zip(rows[part], hidden, strict=True)]
    return found


def _merge(row: PieceRow, vectors: np.ndarray) -> EncodedText:
    """Average the pieces of each word, and leave out padding. vectors: (layer, piece, channel)."""
    names: list[str] = []
    members: list[list[int]] = []
    last: int | None = None
    for k, piece in enumerate(row.pieces):
        if piece.word is None and piece.text == PAD:
            continue
        if piece.text == TEMPLATE and piece.word is None and names[-1:] == [TEMPLATE]:
            members[-1].append(k)
        elif piece.word is not None and piece.word == last:
            names[-1] += piece.text
            members[-1].append(k)
        else:
            names.append(piece.text)
            members.append([k])
        last = piece.word
    merged = np.stack([vectors[:, group].mean(1) for group in members], axis=1)
    return EncodedText(tuple(names), ("embedding", *(f"layer {k}" for k in range(1, len(vectors)))), merged)
