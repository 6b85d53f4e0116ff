"""The second text encoder, trained on captions alone: it fills gaps in them.

Stands for T5 (Raffel et al. 2020): an encoder reads a caption in which spans of words were replaced by one gap token
each, and a decoder writes the missing words. The context that it gives to a denoiser is the encoder's, of a prompt
without gaps. The encoder has the size of the contrastive one (`nn.text`).
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .hook_points import dispatching_to
from .layers import CrossAttention, FeedForward, SelfAttention, join_heads, split_heads
from .special_tokens import END, PAD, START
from .text import Context, EncoderConfig, TextEncoder, Tokens

GAPS = tuple(f"<gap{i}>" for i in range(1, 6))
MASKED = 0.3  # share of a caption's words that are hidden; T5 hides 0.15, of much longer texts
MEAN_SPAN = 1.5  # words


@dataclass(frozen=True)
class T5Config(EncoderConfig):
    """Sizes of encoder and decoder. The vocabulary includes the gap tokens.

    max_target: tokens that the decoder writes at most. decoder_layers: each as wide as a layer of the encoder.
    """

    max_target: int = 14
    decoder_layers: int = 2


class Corrupted(NamedTuple):
    """A caption with gaps, and the words to fill in: "a <gap1> car <gap2> night", "<gap1> red <gap2> at"."""

    text: str
    target: str


def corrupt(words: Sequence[str], rng: random.Random) -> Corrupted:
    """Replace random spans of words by gap tokens: at least one word, about `MASKED` of them.

    Raffel et al. 2020, section 3.1.4. Every division of the hidden words into spans, and of the kept words around
    them, is equally likely.
    """
    hidden = max(1, round(MASKED * len(words)))
    kept = len(words) - hidden
    count = max(1, min(round(hidden / MEAN_SPAN), kept + 1, len(GAPS)))
    spans, between = _divide(hidden, count, rng), _divide(kept + 2, count + 1, rng)
    between[0] -= 1  # nothing needs to stand before the first gap or behind the last one
    text: list[str] = []
    target: list[str] = []
    at = 0
    for gap, before, span in zip(GAPS, between, spans, strict=False):
        text += [*words[at : at + before], gap]
        target += [gap, *words[at + before : at + before + span]]
        at += before + span
    return Corrupted(" ".join([*text, *words[at:]]), " ".join(target))


def _divide(total: int, parts: int, rng: random.Random) -> list[int]:
    """Divide `total` into `parts` positive whole numbers, every division equally likely."""
    cuts = sorted(rng.sample(range(1, total), parts - 1))
    return [b - a for a, b in zip([0, *cuts], [*cuts, total], strict=True)]


class CausalSelfAttention(SelfAttention):
    """Self-attention in which a position sees itself and those before it."""

    def forward(self, x: Tensor, keep: Tensor | None = None) -> Tensor:
        q, k, v = (split_heads(part, self.heads) for part in self.to_qkv(self.norm(x)).chunk(3, dim=-1))
        return x + self.to_out(join_heads(F.scaled_dot_product_attention(q, k, v, is_causal=True)))


class DecoderBlock(nn.Module):
    """One layer of the decoder: causal self-attention, cross-attention to the context, an MLP."""

    def __init__(self, c: T5Config):
        super().__init__()
        self.self_attn = CausalSelfAttention(c.width, c.heads)
        self.cross_attn = CrossAttention(c.width, c.heads, c.width)
        self.mlp = FeedForward(c.width, 4)

    def forward(self, x: Tensor, context: Context) -> Tensor:
        x = self.self_attn(x)
        return self.mlp(self.cross_attn(x, self.cross_attn.project_context(*context)))


class Filling(NamedTuple):
    """A gap, the words that the decoder writes into it, and its probabilities of every word as the first of them.

    probabilities: (tokens,), in the order of the tokenizer.
    """

    gap: str
    words: tuple[str, ...]
    probabilities: Tensor


class TextT5Model(nn.Module):
    """Encoder and decoder. The decoder's output is compared with the encoder's word embeddings, as in T5."""

    def __init__(self, config: T5Config):
        super().__init__()
        self.config = c = config
        self.text_encoder = TextEncoder(c)
        self.pos_embed = nn.Parameter(0.02 * torch.randn(c.max_target, c.width))
        self.decoder = nn.ModuleList(DecoderBlock(c) for _ in range(c.decoder_layers))
        self.norm_out = nn.LayerNorm(c.width)

    def forward(self, tokens: Tokens, written: Tensor) -> Tensor:
        """Return the logits of the token behind each written one, (batch, targets, tokens of the vocabulary).

        tokens: prompts with gaps. written (batch, targets) long: the tokens before, from the start token on.
        """
        embed = self.text_encoder.token_embed
        x = embed(written) + self.pos_embed[: written.shape[1]]
        context = self.text_encoder(tokens)
        with dispatching_to(None):  # the points of the encoder are those of the model
            for block in self.decoder:
                x = block(x, context)
        return F.linear(self.norm_out(x), embed.weight)

    def loss(self, tokens: Tokens, target: Tensor) -> dict[str, Tensor]:
        """Return the cross-entropy of the target tokens, and the share of the hidden words that are predicted right.

        target (batch, max_target) long: gaps and words in turn, an end token, padding.
        """
        padding = self.text_encoder.tokenizer.ids[PAD]
        logits = self(tokens, self.written_before(target))
        loss = F.cross_entropy(logits.flatten(0, 1), target.flatten(), ignore_index=padding)
        is_word = self.is_word(target)
        right = (logits.argmax(-1) == target) & is_word
        return {"loss": loss, "words_right": right.sum() / is_word.sum()}

    def written_before(self, target: Tensor) -> Tensor:
        """Return what the decoder has written before each target token: a start token, then the targets."""
        return F.pad(target[:, :-1], (1, 0), value=self.text_encoder.tokenizer.ids[START])

    def is_word(self, ids: Tensor) -> Tensor:
        """Return which tokens are words: no gaps and no special tokens."""
        special = self.text_encoder.tokenizer.ids
        return ~torch.isin(ids, torch.tensor([special[s] for s in (PAD, START, END, *GAPS)], device=ids.device))

    def targets(self, texts: Sequence[str]) -> Tensor:
        """Return the token ids of target texts, (batch, max_target): words, an end token, padding."""
        ids = self.text_encoder.tokenizer.ids
        rows = [[ids[word] for word in text.split()] + [ids[END]] for text in texts]
        return torch.tensor([row + [ids[PAD]] * (self.config.max_target - len(row)) for row in rows])

    @torch.inference_mode()
    def fill(self, prompt: str) -> list[Filling]:
        """Fill the gaps of a prompt, "a red <gap1> at night", with the most probable words, one after the other.

        Raises:
            ValueError: the prompt has no gap, or its gaps are not <gap1>, <gap2> and so on, in this order.
        """
        tokenizer = self.text_encoder.tokenizer
        tokens = tokenizer([prompt])
        gaps = [word for word in tokenizer.words(prompt) if word in GAPS]
        if not gaps or tuple(gaps) != GAPS[: len(gaps)]:
            raise ValueError(f"{prompt!r} has no gaps to fill: write {GAPS[0]} for the first, {GAPS[1]} for the "
                             f"second, up to {GAPS[-1]}")
        written = [tokenizer.ids[START]]
        fillings: list[Filling] = []
        for i, gap in enumerate(gaps):
            written.append(tokenizer.ids[gap])
            stop = tokenizer.ids[(*gaps, END)[i + 1]]
            words: list[str] = []
            first = None
            while len(written) < self.config.max_target - (len(gaps) - i):
                probabilities = self(tokens, torch.tensor([written]))[0, -1].softmax(0)
                first = probabilities if first is None else first
                choice = int(probabilities.argmax())
                if choice == stop or not bool(self.is_word(torch.tensor(choice))):
                    break
                words.append(tokenizer.tokens[choice])
                written.append(choice)
            fillings.append(Filling(gap, tuple(words), probabilities if first is None else first))
        return fillings
