"""The token axis of a prompt: the pieces that tokenizers make of it, and the words to which these belong.

A *piece* is one entry of a tokenizer's output ("gol", "den"); a *token* is one entry of the token axis of recordings,
which by default is a whole word ("golden").
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..diffusion.settings import SettingError
from .families import Family, TextInput, call_default

START, END, PAD = "<start>", "<end>", "<pad>"


@dataclass(frozen=True)
class Piece:
    """One entry of a tokenizer's output. word: the index of its word in the prompt; None for start, end and padding."""

    text: str
    word: int | None = None


@dataclass(frozen=True)
class TokenAxis:
    """The token axis of one branch. names: of its tokens. token_of_piece: by piece, the index of its token."""

    names: tuple[str, ...]
    token_of_piece: tuple[int, ...]

    @property
    def pieces(self) -> int:
        return len(self.token_of_piece)

    def assignment(self, tokens: int) -> Tensor:
        """Return the matrix (pieces, tokens) of 0 and 1 that sums weights over pieces to weights over tokens."""
        matrix = torch.zeros(self.pieces, tokens)
        matrix[torch.arange(self.pieces), torch.tensor(self.token_of_piece)] = 1
        return matrix


def token_axis(pipeline: Any, family: Family, text: str, arguments: Mapping[str, Any],
               merge_subwords: bool) -> TokenAxis:
    """Tokenize a text as the pipeline does.

    Args:
        arguments: of the pipeline's call, which may set the length.
        merge_subwords: the pieces of a word are one token, whichever tokenizer made them, and all padding is one.
            False: each piece is a token, with a dot before the later ones of a word.

    Raises:
        SettingError: the text has more pieces than any of the text encoders reads.
    """
    rows = [row for text_input in family.text_inputs if (row := tokenize(pipeline, text_input, text, arguments))]
    if all(row.is_truncated for row in rows if row.needed):
        longest = max(rows, key=lambda row: len(row.pieces))
        raise SettingError(f"the prompt has {longest.needed} pieces, including start and end, but the text encoder "
                           f"reads {len(longest.pieces)} at most: shorten the prompt" +
                           ("" if longest.length_argument is None else f", or raise {longest.length_argument}"))
    if not merge_subwords:
        parts = [piece for row in rows for piece in row.pieces]
        return TokenAxis(tuple(_piece_names(parts)), tuple(range(len(parts))))
    return _merge_subwords([row.pieces for row in rows])


def _piece_names(parts: Sequence[Piece]) -> list[str]:
    """Name each piece, with a dot before pieces that continue a word."""
    continues = [k > 0 and piece.word is not None and parts[k - 1].word == piece.word for k, piece in enumerate(parts)]
    return [f"·{piece.text}" if later else piece.text for piece, later in zip(parts, continues, strict=True)]


def _merge_subwords(rows: list[tuple[Piece, ...]]) -> TokenAxis:
    """Merge the pieces of each word into one token. Rows share tokens if each is a prefix of the longest row."""
    spelled = [_words(row) for row in rows]
    longest = max(spelled, key=len)
    shared = all(_is_prefix(words, longest) for words in spelled)
    offsets = [0 if shared else sum(map(len, spelled[:k])) for k in range(len(rows))]
    names = [START, *(longest if shared else [w for words in spelled for w in words]), END, PAD]
    special = {piece.text for row in rows for piece in row if piece.word is None}
    names = [name for k, name in enumerate(names) if 0 < k < len(names) - 2 or name in special]
    first_word = int(START in special)
    token_of_piece = [names.index(piece.text) if piece.text in (START, END, PAD) and piece.word is None
                      else first_word + offsets[k] + (piece.word or 0) for k, row in enumerate(rows) for piece in row]
    return TokenAxis(tuple(names), tuple(token_of_piece))


def _is_prefix(words: Sequence[str], longest: Sequence[str]) -> bool:
    """Return whether words are the first of `longest`, ignoring case; the last one may have been truncated."""
    ours, theirs = [w.casefold() for w in words], [w.casefold() for w in longest[:len(words)]]
    truncated = len(words) < len(longest) and bool(words) and theirs[-1].startswith(ours[-1])
    return ours == theirs or (truncated and ours[:-1] == theirs[:-1])


def _words(row: Sequence[Piece]) -> list[str]:
    """Join the pieces of each word."""
    words: dict[int, str] = {}
    for piece in row:
        if piece.word is not None:
            words[piece.word] = words.get(piece.word, "") + piece.text
    return list(words.values())


# ---- one tokenizer's pieces ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class PieceRow:
    """The pieces of one text input. needed: how many the whole text has; length_argument: see TextInput."""

    pieces: tuple[Piece, ...]
    needed: int
    length_argument: str | None

    @property
    def is_truncated(self) -> bool:
        return self.needed > len(self.pieces)


def tokenize(pipeline: Any, text_input: TextInput, text: str, arguments: Mapping[str, Any]) -> PieceRow | None:
    """Return the pieces of a text input; where two tokenizers disagree, a piece is named "one|other".

    Returns None for an optional text encoder that is not loaded and takes no part in the context.
    """
    tokenizers = [t for name in text_input.tokenizers if (t := getattr(pipeline, name, None)) is not None]
    length = max_pieces(pipeline, text_input, arguments)
    if not tokenizers:  # an optional text encoder that was not loaded: the pipeline fills its positions with zeros
        return PieceRow((Piece(PAD),) * length, 0, None) if text_input.length_argument else None
    texts = [_preprocess(pipeline, tokenizer, text, arguments) for tokenizer in tokenizers]
    rows = [_split(tokenizer, t, length) for tokenizer, t in zip(tokenizers, texts, strict=True)]
    needed = max(len(t(x).input_ids) for t, x in zip(tokenizers, texts, strict=True))
    pieces = tuple(Piece(a.text if a.text == b.text else f"{a.text}|{b.text}", a.word)
                   for a, b in zip(rows[0], rows[-1], strict=True))
    return PieceRow(pieces, needed, text_input.length_argument)


def max_pieces(pipeline: Any, text_input: TextInput, arguments: Mapping[str, Any]) -> int:
    """Return the length of a text input in pieces."""
    if text_input.length_argument is None:
        tokenizer = next(t for name in text_input.tokenizers if (t := getattr(pipeline, name, None)) is not None)
        return int(tokenizer.model_max_length)
    return int(arguments.get(text_input.length_argument, call_default(pipeline, text_input.length_argument)))


def _preprocess(pipeline: Any, tokenizer: Any, text: str, arguments: Mapping[str, Any]) -> str:
    """Return a text as the pipeline gives it to a tokenizer."""
    if hasattr(pipeline, "_text_preprocessing"):
        clean = arguments.get("clean_caption", call_default(pipeline, "clean_caption"))
        return pipeline._text_preprocessing(text, clean_caption=clean)[0]
    if hasattr(pipeline, "maybe_convert_prompt"):  # textual inversion: one name may stand for several pieces
        return pipeline.maybe_convert_prompt(text, tokenizer)
    return text


def _split(tokenizer: Any, text: str, length: int) -> list[Piece]:
    """Split a text into pieces. Byte-pair pieces mark the end of a word, SentencePiece's its beginning."""
    ids = tokenizer(text, padding="max_length", max_length=length, truncation=True).input_ids
    unknown = _unknown_text(tokenizer, text, length)
    pieces: list[Piece] = []
    word, starts_word, ended = -1, True, False
    for k, (number, token) in enumerate(zip(ids, tokenizer.convert_ids_to_tokens(ids), strict=True)):
        if ended:
            pieces.append(Piece(PAD))
        elif token == tokenizer.bos_token and not pieces:
            pieces.append(Piece(START))
        elif number == tokenizer.eos_token_id:
            pieces.append(Piece(END))
            ended = True
        else:
            spelled = unknown.get(k) or tokenizer.decode([number]).strip() or token.strip("▁")
            is_sign = bool(spelled) and not any(c.isalnum() for c in spelled)
            after_space = bool(pieces) and pieces[-1].text == ""  # a lone "▁" has begun the word already
            word += not after_space and (starts_word or is_sign or token.startswith("▁"))
            starts_word = token.endswith("</w>") or is_sign
            pieces.append(Piece(spelled, word))
    return pieces


def _unknown_text(tokenizer: Any, text: str, length: int) -> dict[int, str]:
    """Return, by position, the text for which a tokenizer has no piece, which the network gets as "<unk>"."""
    if not getattr(tokenizer, "is_fast", False):
        return {}
    encoded = tokenizer(text, max_length=length, truncation=True, return_offsets_mapping=True)
    return {k: text[a:b].strip() for k, (number, (a, b)) in enumerate(zip(encoded.input_ids, encoded.offset_mapping,
                                                                         strict=True))
            if number == tokenizer.unk_token_id and b > a}
