"""The token axis of a prompt: the pieces that tokenizers make of it, and the words to which these belong.

A *piece* is one entry of a tokenizer's output ("gol", "den"); a *token* is one entry of the token axis of recordings,
which by default is a whole word ("golden").
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import torch
from torch import Tensor

from ..diffusion.settings import SettingError
from ..nn.special_tokens import END, PAD, START, TEMPLATE
from .call_parameters import call_default
from .families import Family, TextInput
from .templates import FilledTemplate, FillTemplate, unfilled


@dataclass(frozen=True)
class Piece:
    """One entry of a tokenizer's output. word: the index of its word in the prompt; None for start, end, padding,
    and what a chat template puts around the prompt."""

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

    def assignment(self, tokens: int, pieces: int | None = None) -> Tensor:
        """Return the matrix (pieces, tokens) of 0 and 1 that sums weights over pieces to weights over tokens. pieces:
        of the longest text of the batch."""
        matrix = torch.zeros(pieces or self.pieces, tokens)
        matrix[torch.arange(self.pieces), torch.tensor(self.token_of_piece)] = 1
        return matrix


def token_axis(pipeline: Any, family: Family, text: str, arguments: Mapping[str, Any],
               merge_subwords: bool, is_negative: bool = False) -> TokenAxis:
    """Tokenize a text as the pipeline does.

    Args:
        arguments: of the pipeline's call, which may set the length.
        merge_subwords: the pieces of a word are one token, whichever tokenizer made them, and all padding is one.
            False: each piece is a token, with a dot before the later ones of a word.
        is_negative: the text is the negative prompt.

    Raises:
        SettingError: the text has more pieces than any of the text encoders reads.
    """
    rows = [row for text_input in family.text_inputs
            if (row := tokenize(pipeline, text_input, text, arguments, is_negative))]
    if all(row.is_truncated for row in rows if row.needed):
        longest, name = max(rows, key=lambda row: len(row.pieces)), f"the {'negative ' if is_negative else ''}prompt"
        raise SettingError(f"{name} has {longest.needed} pieces, including start and end, but the text encoder "
                           f"reads {len(longest.pieces)} at most: shorten {name}" +
                           ("" if longest.length_argument is None else f", or raise {longest.length_argument}"))
    if not merge_subwords:
        parts = [piece for row in rows for piece in row.pieces]
        return TokenAxis(tuple(_piece_names(parts)), tuple(range(len(parts))))
    return _merge_subwords([row.pieces for row in rows])


def numbered_axis(pieces: int) -> TokenAxis:
    """Return the token axis of embeddings whose text is not known."""
    return TokenAxis(tuple(f"<{k}>" for k in range(pieces)), tuple(range(pieces)))


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
    special = {piece.text for row in rows for piece in row if piece.word is None}
    before, after = ([name for name in names if name in special] for names in ((START, TEMPLATE), (END, PAD)))
    names = [*before, *(longest if shared else [w for words in spelled for w in words]), *after]
    places = {name: k for k, name in enumerate(before)}
    places |= {name: len(names) - k for k, name in enumerate(reversed(after), 1)}
    token_of_piece = [places[piece.text] if piece.word is None else len(before) + offsets[k] + piece.word
                      for k, row in enumerate(rows) for piece in row]
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


def tokenize(pipeline: Any, text_input: TextInput, text: str, arguments: Mapping[str, Any],
             is_negative: bool = False) -> PieceRow | None:
    """Return the pieces of a text input; where two tokenizers disagree, a piece is named "one|other".

    Returns None for an optional text encoder that is not loaded and takes no part in the context.
    """
    tokenizers = [t for name in text_input.tokenizers if (t := find_tokenizer(pipeline, name)) is not None]
    length = max_pieces(pipeline, text_input, arguments)
    if text_input.template is not None:
        filled = fill_template(pipeline, text_input, text, arguments, is_negative)
        return tokenize_in_template(tokenizers[0], text_input, filled, length)
    if not tokenizers:  # an optional text encoder that was not loaded: the pipeline fills its positions with zeros
        return PieceRow((Piece(PAD),) * length, 0, None) if text_input.length_argument else None
    rows = [_split(t, _preprocess(pipeline, text_input, t, text, arguments), length) for t in tokenizers]
    pieces = tuple(Piece(a.text if a.text == b.text else f"{a.text}|{b.text}", a.word)
                   for a, b in zip(rows[0][0], rows[-1][0], strict=True))
    return PieceRow(pieces, max(needed for _, needed in rows), text_input.length_argument)


def find_tokenizer(pipeline: Any, name: str) -> Any:
    """Return a tokenizer of a pipeline, also one within a processor of texts and images; None: there is none."""
    found = getattr(pipeline, name, None)
    return getattr(found, "tokenizer", found)


def max_pieces(pipeline: Any, text_input: TextInput, arguments: Mapping[str, Any]) -> int:
    """Return the length of a text input in pieces."""
    if text_input.length_argument is None:
        tokenizer = next(t for name in text_input.tokenizers if (t := find_tokenizer(pipeline, name)) is not None)
        return int(tokenizer.model_max_length)
    return int(arguments.get(text_input.length_argument, call_default(pipeline, text_input.length_argument)))


def _preprocess(pipeline: Any, text_input: TextInput, tokenizer: Any, text: str, arguments: Mapping[str, Any]) -> str:
    """Return a text as the pipeline gives it to a tokenizer."""
    if hasattr(pipeline, "_text_preprocessing"):
        clean = arguments.get("clean_caption", call_default(pipeline, "clean_caption"))
        return pipeline._text_preprocessing(text, clean_caption=clean)[0]
    if hasattr(pipeline, "maybe_convert_prompt"):  # textual inversion: one name may stand for several pieces
        return pipeline.maybe_convert_prompt(text, tokenizer)
    return import_module(text_input.cleaning_module).prompt_clean(text) if text_input.cleaning_module else text


def _split(tokenizer: Any, text: str, length: int) -> tuple[list[Piece], int]:
    """Split a text into `length` pieces, and return them with the number that the whole text has.

    Byte-pair pieces mark the end of a word, SentencePiece's its beginning. Signs and learned embeddings (textual
    inversion) are words of their own; the further vectors of an embedding, and further bytes of a character, belong to
    the word of the first.
    """
    ids = tokenizer(text, padding="max_length", max_length=length, truncation=True).input_ids
    whole = tokenizer(text, return_offsets_mapping=bool(getattr(tokenizer, "is_fast", False)))
    spans = whole.get("offset_mapping") or [(0, 0)] * len(whole.input_ids)
    last = min(len(whole.input_ids), length) - 1  # the position of the end token
    tokens = tokenizer.convert_ids_to_tokens(ids)
    marks_ends = not any(token.startswith("▁") for token in tokens)
    learned = set(tokenizer.get_added_vocab()) - set(tokenizer.all_special_tokens) if marks_ends else set()
    pieces: list[Piece] = []
    word, starts_word, spelled_to, embedding = -1, True, 0, ""
    for k, token in enumerate(tokens[:last]):
        if token == tokenizer.bos_token and not pieces:
            pieces.append(Piece(START))
            continue
        begin, end = spans[k]
        end = begin if token == "▁" else end  # its span is that of the piece after it
        spelled = _spelling(tokenizer, ids[k], token, text[max(begin, spelled_to):end].strip())
        continues = spelled_to > begin or bool(embedding and re.fullmatch(re.escape(embedding) + r"_\d+", token))
        if continues:
            pieces.append(Piece("" if spelled_to > begin or token in learned else spelled, word))
            continue
        is_own = token in learned or (bool(spelled) and not any(c.isalnum() for c in spelled))
        after_mark = bool(pieces) and pieces[-1].text == ""  # a lone "▁" has begun the word already
        after_space = bool(text[spelled_to:begin].isspace())
        word += not (after_mark and not marks_ends) and (starts_word or is_own or after_space or token.startswith("▁"))
        starts_word = token.endswith("</w>") or is_own
        spelled_to, embedding = end, token if token in learned else ""
        pieces.append(Piece(spelled, word))
    return [*pieces, Piece(END), *[Piece(PAD)] * (length - last - 1)], len(whole.input_ids)


def _spelling(tokenizer: Any, number: int, token: str, own: str) -> str:
    """Return the text of a piece: the user's own where the tokenizer has changed its case, or has none for it (a lone
    "▁", an unknown piece, some of the bytes of a character)."""
    decoded = tokenizer.decode([number]).strip()
    if own and (number == tokenizer.unk_token_id or "\ufffd" in decoded or own.casefold() == decoded.casefold()):
        return own
    return decoded or token.strip("▁")


# ---- a prompt within a template --------------------------------------------------------------------------------------


def fill_template(pipeline: Any, text_input: TextInput, text: str, arguments: Mapping[str, Any],
                  is_negative: bool = False) -> FilledTemplate:
    """Return what the text encoder reads of a text: the template that it is put into, or one with nothing else."""
    fill: FillTemplate = text_input.template or unfilled
    if is_negative and not text_input.in_negative:
        fill = unfilled
    tokenizer = find_tokenizer(pipeline, text_input.tokenizers[0])
    return fill(pipeline, _preprocess(pipeline, text_input, tokenizer, text, arguments), arguments)


def tokenize_in_template(tokenizer: Any, text_input: TextInput, filled: FilledTemplate, length: int) -> PieceRow:
    """Return the pieces that a denoiser gets of a prompt within a template: the prompt's own in words, all others named
    as the template's.

    Raises:
        SettingError: the tokenizer does not tell where its pieces are in the text.
    """
    if not getattr(tokenizer, "is_fast", False):
        raise SettingError(f"the {type(tokenizer).__name__} does not tell which pieces are the prompt's: load the fast "
                           "tokenizer (use_fast=True)")
    spans = tokenizer(str(filled), return_offsets_mapping=True,
                      add_special_tokens=adds_special_tokens(tokenizer, filled)).offset_mapping
    begin, end = len(filled.before), len(filled.before) + len(filled.text)
    own = [(max(a, begin) - begin, min(b, end) - begin) if a < end and b > begin else None for a, b in spans]
    pieces = [piece for k, piece in enumerate(_pieces_of_spans(filled.text, own)) if k not in filled.dropped]
    needed = len(pieces)
    padded_length = length if text_input.multiple_of is None else -(-needed // text_input.multiple_of
                                                                    ) * text_input.multiple_of
    padding = [Piece(PAD)] * max(0, padded_length - needed)
    kept = (*padding, *pieces[:length]) if pads_left(tokenizer, text_input) else (*pieces[:length], *padding)
    return PieceRow(kept, needed, text_input.length_argument)


def adds_special_tokens(tokenizer: Any, filled: FilledTemplate) -> bool:
    """Return whether a tokenizer adds its special tokens to a template: it does not where this begins with one."""
    return not (tokenizer.bos_token and filled.before.startswith(tokenizer.bos_token))


def pads_left(tokenizer: Any, text_input: TextInput) -> bool:
    """Return whether padding comes before a text."""
    return (text_input.padding_side or tokenizer.padding_side) == "left"


def _pieces_of_spans(text: str, spans: Sequence[tuple[int, int] | None]) -> list[Piece]:
    """Return a piece for each span of a text, or of the template around it (None). A word begins after a space, and
    signs are words of their own; further bytes of a character belong to the word of the first."""
    pieces: list[Piece] = []
    word, spelled_to, is_sign = -1, 0, True
    for span in spans:
        if span is None:
            pieces.append(Piece(TEMPLATE))
            continue
        begin, end = max(span[0], spelled_to), span[1]
        own = text[begin:end]
        spelled = own.strip()
        was_sign, is_sign = is_sign, bool(spelled) and not any(c.isalnum() for c in spelled)
        if end > spelled_to or word < 0:
            word += word < 0 or is_sign or was_sign or own[:1].isspace() or text[spelled_to:begin].isspace()
        spelled_to = max(end, spelled_to)
        pieces.append(Piece(spelled, max(word, 0)))
    return pieces
