"""What a prompt becomes before a network reads it: pieces, as tokenizers cut it, and the words that they make up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..diffusion.settings import SettingError
from .families import Family, Reader, default_of

START, END, PAD = "<start>", "<end>", "<pad>"


@dataclass(frozen=True)
class Piece:
    """One token. text: as it is read; word: which word of the prompt it is part of, from 0; None for start, end and
    padding, which are no words."""

    text: str
    word: int | None = None


@dataclass(frozen=True)
class Said:
    """What the token axis of a branch says. names: of its tokens. of_piece: for each piece that the network reads, the
    token that it counts among."""

    names: tuple[str, ...]
    of_piece: tuple[int, ...]

    @property
    def pieces(self) -> int:
        return len(self.of_piece)

    def matrix(self, tokens: int) -> Tensor:
        """(pieces, tokens) of 0 and 1: weights over pieces times this are weights over tokens."""
        found = torch.zeros(self.pieces, tokens)
        found[torch.arange(self.pieces), torch.tensor(self.of_piece)] = 1
        return found


def said(pipeline: Any, family: Family, text: str, more: Mapping[str, Any], words: bool) -> Said:
    """The tokens of a text.

    words: pieces that make up a word are one token, whichever tokenizer cut them, and all padding is one; otherwise
    each piece is a token, the later ones of a word marked by a dot.

    Raises:
        SettingError: more pieces than the text encoders read.
    """
    rows = [row for reader in family.readers if (row := pieces(pipeline, reader, text, more))]
    if all(row.cut for row in rows if row.needed):
        longest = max(rows, key=lambda row: len(row.pieces))
        raise SettingError(f"the prompt has {longest.needed} pieces, start and end counted; the text encoder reads "
                           f"{len(longest.pieces)} at most: say less" +
                           ("" if longest.adjustable is None else f", or give a higher {longest.adjustable}"))
    if not words:
        parts = [piece for row in rows for piece in row.pieces]
        return Said(tuple(_marked(parts)), tuple(range(len(parts))))
    return _gathered([row.pieces for row in rows])


def _marked(parts: Sequence[Piece]) -> list[str]:
    """The pieces' own names."""
    inside = [k > 0 and piece.word is not None and parts[k - 1].word == piece.word for k, piece in enumerate(parts)]
    return [f"·{piece.text}" if later else piece.text for piece, later in zip(parts, inside, strict=True)]


def _gathered(rows: list[tuple[Piece, ...]]) -> Said:
    """One token for each word. Tokenizers that cut a text into the same words share them; else each has its own."""
    spelled = [_words(row) for row in rows]
    longest = max(spelled, key=len)
    same = all(_begins(ws, longest) for ws in spelled)
    first = [0 if same else sum(map(len, spelled[:k])) for k in range(len(rows))]
    names = [START, *(longest if same else [w for ws in spelled for w in ws]), END, PAD]
    there = {piece.text for row in rows for piece in row if piece.word is None}
    names = [name for k, name in enumerate(names) if 0 < k < len(names) - 2 or name in there]
    shift = int(START in there)
    of_piece = [names.index(piece.text) if piece.text in (START, END, PAD) and piece.word is None
                else shift + first[k] + (piece.word or 0) for k, row in enumerate(rows) for piece in row]
    return Said(tuple(names), tuple(of_piece))


def _begins(said: Sequence[str], whole: Sequence[str]) -> bool:
    """Are these the whole's words, or as many of them as there was room for, the last perhaps cut?"""
    folded = [word.casefold() for word in said], [word.casefold() for word in whole[:len(said)]]
    cut = len(said) < len(whole) and bool(said) and folded[1][-1].startswith(folded[0][-1])
    return folded[0] == folded[1] or (cut and folded[0][:-1] == folded[1][:-1])


def _words(row: Sequence[Piece]) -> list[str]:
    found: dict[int, str] = {}
    for piece in row:
        if piece.word is not None:
            found[piece.word] = found.get(piece.word, "") + piece.text
    return list(found.values())


# ---- one tokenizer's pieces ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Row:
    """The pieces of one reader. needed: how many the text would fill, cut: whether some of it did not fit;
    adjustable: the argument that makes room."""

    pieces: tuple[Piece, ...]
    needed: int
    adjustable: str | None

    @property
    def cut(self) -> bool:
        return self.needed > len(self.pieces)


def pieces(pipeline: Any, reader: Reader, text: str, more: Mapping[str, Any]) -> Row | None:
    """What stands on one stretch of the tokens; where two tokenizers share it and disagree, "one|other"."""
    tokenizers = [t for name in reader.tokenizers if (t := getattr(pipeline, name, None)) is not None]
    length = room(pipeline, reader, more)
    if not tokenizers:  # a text encoder that was left out: its place is filled with zeros
        return Row((Piece(PAD),) * length, 0, None) if reader.length else None
    texts = [_prepared(pipeline, tokenizer, text, more) for tokenizer in tokenizers]
    cuts = [_cut(tokenizer, t, length) for tokenizer, t in zip(tokenizers, texts, strict=True)]
    needed = max(len(t(x).input_ids) for t, x in zip(tokenizers, texts, strict=True))
    both = tuple(Piece(a.text if a.text == b.text else f"{a.text}|{b.text}", a.word)
                 for a, b in zip(cuts[0], cuts[-1], strict=True))
    return Row(both, needed, reader.length)


def room(pipeline: Any, reader: Reader, more: Mapping[str, Any]) -> int:
    """How many pieces a reader has room for."""
    if reader.length is None:
        tokenizer = next(t for name in reader.tokenizers if (t := getattr(pipeline, name, None)) is not None)
        return int(tokenizer.model_max_length)
    return int(more.get(reader.length, default_of(pipeline, reader.length)))


def _prepared(pipeline: Any, tokenizer: Any, text: str, more: Mapping[str, Any]) -> str:
    """A text as the pipeline itself gives it to a tokenizer."""
    if hasattr(pipeline, "_text_preprocessing"):
        clean = more.get("clean_caption", default_of(pipeline, "clean_caption"))
        return pipeline._text_preprocessing(text, clean_caption=clean)[0]
    if hasattr(pipeline, "maybe_convert_prompt"):  # names of learned embeddings stand for several pieces
        return pipeline.maybe_convert_prompt(text, tokenizer)
    return text


def _cut(tokenizer: Any, text: str, length: int) -> list[Piece]:
    """A text as pieces. A byte-pair piece that ends a word says so; a SentencePiece one that begins a word does."""
    ids = tokenizer(text, padding="max_length", max_length=length, truncation=True).input_ids
    unread = _unread(tokenizer, text, length)
    found: list[Piece] = []
    word, fresh, over = -1, True, False
    for k, (number, token) in enumerate(zip(ids, tokenizer.convert_ids_to_tokens(ids), strict=True)):
        if over:
            found.append(Piece(PAD))
        elif token == tokenizer.bos_token and not found:
            found.append(Piece(START))
        elif number == tokenizer.eos_token_id:
            found.append(Piece(END))
            over = True
        else:
            spelled = unread.get(k) or tokenizer.decode([number]).strip() or token.strip("▁")
            sign = bool(spelled) and not any(c.isalnum() for c in spelled)
            space = bool(found) and found[-1].text == ""  # SentencePiece's mark by itself: the word has begun already
            word += not space and (fresh or sign or token.startswith("▁"))
            fresh = token.endswith("</w>") or sign
            found.append(Piece(spelled, word))
    return found


def _unread(tokenizer: Any, text: str, length: int) -> dict[int, str]:
    """What the text has where a tokenizer knows no piece for it, which is "<unk>" to the network."""
    if not getattr(tokenizer, "is_fast", False):
        return {}
    read = tokenizer(text, max_length=length, truncation=True, return_offsets_mapping=True)
    return {k: text[a:b].strip() for k, (number, (a, b)) in enumerate(zip(read.input_ids, read.offset_mapping,
                                                                         strict=True))
            if number == tokenizer.unk_token_id and b > a}
