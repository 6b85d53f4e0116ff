"""The text encoder: words to numbers, trained so that a caption and its picture agree.

Stands for CLIP (Radford et al. 2021). Two towers: the text encoder, whose token vectors are the
context that every denoiser reads, and a picture encoder over latents that is its teacher.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .hook_points import hook_point, set_point_names
from .layers import FeedForward, SelfAttention

SPECIAL = PAD, START, END = "<pad>", "<start>", "<end>"
# What a word is. world.grammar has the same rule for its captions: change both (tests/test_words_agree.py).
WORD = re.compile(r"""<\S*|[^\s<.,!?;:"'()]+(?:'[^\s<.,!?;:"'()]+)*""")


class UnknownWordError(ValueError):
    """A word that the text encoder never saw. Names it, and the nearest known words."""

    def __init__(self, word: str, known: tuple[str, ...]):
        near = difflib.get_close_matches(word, known, n=3, cutoff=0.5)
        hint = f"; the nearest it knows: {', '.join(near)}" if near else ""
        super().__init__(f"the text encoder never saw the word {word!r}{hint}")
        self.word, self.near = word, near

    def __reduce__(self):  # among its nearest words a word has the same nearest words
        return type(self), (self.word, tuple(self.near))


class PromptTooLongError(ValueError):
    """More words than the context has room for: never cut in silence."""

    def __init__(self, words: int, room: int):
        super().__init__(f"the prompt has {words} words; the text encoder reads {room} at most")
        self.words, self.room = words, room

    def __reduce__(self):
        return type(self), (self.words, self.room)


@dataclass(frozen=True)
class TextConfig:
    """vocabulary: every word, without the three special tokens. length: tokens of a context, all told."""

    vocabulary: tuple[str, ...]
    length: int = 24
    width: int = 160
    layers: int = 3
    heads: int = 5
    shared_width: int = 64  # of the space in which words meet pictures
    picture_widths: tuple[int, int, int] = (48, 96, 128)


class Tokens(NamedTuple):
    """Prompts as numbers: ids (batch, length) long, keep (batch, length) bool (False on padding)."""

    ids: Tensor
    keep: Tensor


class Context(NamedTuple):
    """Encoded prompts: vectors (batch, tokens, width), keep (batch, tokens) bool (False on padding)."""

    vectors: Tensor
    keep: Tensor


class Tokenizer:
    """One token a word, between a start and an end token; the rest of the row is padding."""

    def __init__(self, vocabulary: tuple[str, ...], length: int):
        self.vocabulary, self.length = vocabulary, length
        self.names = (*SPECIAL, *vocabulary)
        self.ids = {name: i for i, name in enumerate(self.names)}

    def words(self, prompt: str) -> list[str]:
        """The words of a prompt as the encoder reads them: lower case, parted by spaces and punctuation.

        A "<" and all that clings to it stays one word, so that an error shows it as it was typed.
        """
        return WORD.findall(prompt.lower())

    def labels(self, prompt: str) -> list[str]:
        """The names of all `length` tokens of a prompt: start, words, end, padding.

        Raises:
            UnknownWordError, PromptTooLongError
        """
        words = self.words(prompt)
        for word in words:
            if word not in self.ids or word in SPECIAL:
                raise UnknownWordError(word, self.vocabulary)
        if len(words) > self.length - 2:
            raise PromptTooLongError(len(words), self.length - 2)
        return [START, *words, END, *[PAD] * (self.length - 2 - len(words))]

    def __call__(self, prompts: list[str]) -> Tokens:
        ids = torch.tensor([[self.ids[name] for name in self.labels(p)] for p in prompts])
        return Tokens(ids, ids != self.ids[PAD])


class TextEncoder(nn.Module):
    """Tokens (batch, 24) to a context (batch, 24, width): a transformer that looks both ways.

    A vector of the context is what the word has become among the others, plus the word itself. Without the second
    part, training against pictures blurs it: of what sets one noun's vectors apart from each other and from other
    nouns', four fifths were its neighbours' doing, and a painter asked for a lion drew a dog.

    Points beside those of its layers: text.words, text.context (token, channel).
    """

    def __init__(self, config: TextConfig):
        super().__init__()
        self.config = c = config
        self.tokenizer = Tokenizer(tuple(c.vocabulary), c.length)
        self.words = nn.Embedding(len(self.tokenizer.names), c.width)
        self.places = nn.Parameter(0.02 * torch.randn(c.length, c.width))
        self.layers = nn.ModuleList(
            nn.ModuleList([SelfAttention(c.width, c.heads), FeedForward(c.width, 4)]) for _ in range(c.layers))
        self.norm = nn.LayerNorm(c.width)
        nn.init.normal_(self.words.weight, std=0.05)
        set_point_names(self, "text.", position_axis="token")

    def forward(self, tokens: Tokens) -> Context:
        device = self.places.device
        keep = tokens.keep.to(device)
        x = hook_point("text.words", self.words(tokens.ids.to(device)) + self.places, "token channel")
        itself = F.layer_norm(x, x.shape[-1:])
        for layer in self.layers:
            attend, think = layer.children()
            x = think(attend(x, keep))
        return Context(hook_point("text.context", self.norm(x) + itself, "token channel"), keep)

    def encode(self, prompts: list[str]) -> Context:
        """Prompts to their context. An empty prompt is a start and an end token: it asks for nothing."""
        return self(self.tokenizer(prompts))


class PictureEncoder(nn.Module):
    """Latents (batch, 4, 16, 16) to 64 region vectors (batch, 64, shared width) on an 8 x 8 grid."""

    def __init__(self, config: TextConfig):
        super().__init__()
        fine, middle, wide = config.picture_widths
        self.net = nn.Sequential(
            nn.Conv2d(4, fine, 3, padding=1), nn.SiLU(),
            nn.Conv2d(fine, fine, 3, padding=1), nn.SiLU(),
            nn.Conv2d(fine, middle, 4, stride=2, padding=1), nn.GroupNorm(8, middle), nn.SiLU(),  # 8 x 8
            nn.Conv2d(middle, middle, 3, padding=1), nn.GroupNorm(8, middle), nn.SiLU(),
            nn.Conv2d(middle, wide, 3, padding=1),
        )
        self.mix = nn.Sequential(SelfAttention(wide, 4), FeedForward(wide, 2), SelfAttention(wide, 4),
                                 FeedForward(wide, 2), nn.LayerNorm(wide))
        self.places = nn.Parameter(0.02 * torch.randn(64, wide))
        self.region = nn.Linear(wide, config.shared_width)
        self.whole = nn.Linear(wide, config.shared_width)

    def forward(self, latents: Tensor) -> tuple[Tensor, Tensor]:
        """Unit vectors: one a region (batch, 64, shared), and one for the whole picture (batch, shared)."""
        x = self.mix(self.net(latents).flatten(2).transpose(1, 2) + self.places)
        return F.normalize(self.region(x), dim=-1), F.normalize(self.whole(x.mean(1)), dim=-1)


class Features(NamedTuple):
    """Unit vectors in the shared space: words (texts, tokens, shared), sentence (texts, shared), regions
    (pictures, 64, shared), whole (pictures, shared); real (texts, tokens) is 0 on padding, else 1."""

    words: Tensor
    sentence: Tensor
    real: Tensor
    regions: Tensor
    whole: Tensor


class TextModel(nn.Module):
    """Both towers and the space between them."""

    def __init__(self, config: TextConfig):
        super().__init__()
        self.config = config
        self.text = TextEncoder(config)
        self.picture = PictureEncoder(config)
        self.word = nn.Linear(config.width, config.shared_width)
        self.sentence = nn.Linear(config.width, config.shared_width)
        self.log_scale = nn.Parameter(torch.tensor([2.5, 2.5]))

    def embed(self, context: Context, tokens: Tokens) -> tuple[Tensor, Tensor]:
        """Unit vectors: one a token (batch, tokens, shared), and one for the sentence, at its end token."""
        ids = tokens.ids.to(context.vectors.device)
        end = (ids == self.text.tokenizer.ids[END]).float().argmax(dim=1)
        sentence = context.vectors[torch.arange(len(end), device=end.device), end]
        return F.normalize(self.word(context.vectors), dim=-1), F.normalize(self.sentence(sentence), dim=-1)

    def features(self, tokens: Tokens, latents: Tensor) -> Features:
        """What texts and pictures are compared by."""
        words, sentence = self.embed(self.text(tokens), tokens)
        regions, whole = self.picture(latents)
        return Features(words, sentence, tokens.keep.to(words), regions, whole)

    def similarity(self, tokens: Tokens, latents: Tensor) -> tuple[Tensor, Tensor]:
        """How well each text fits each picture, twice, each (texts, pictures): see `compare`."""
        return compare(self.features(tokens, latents))

    def loss(self, tokens: Tokens, latents: Tensor,
             gather: Callable[[Tensor], Tensor] = lambda x: x) -> dict[str, Tensor]:
        """InfoNCE both ways, on both similarities: text i belongs to picture i and to no other.

        gather: joins the rows of all processes, where several train together.
        """
        features = Features(*(gather(x) for x in self.features(tokens, latents)))
        target = torch.arange(len(features.whole), device=latents.device)
        total, right = latents.new_zeros(()), []
        for scale, score in zip(self.log_scale.clamp(max=4.6).exp(), compare(features), strict=True):
            logits = scale * score
            total = total + (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target)) / 2
            right.append((logits.argmax(1) == target).float().mean())
        return {"loss": total, "by_sentence": right[0], "by_words": right[1]}


def compare(f: Features) -> tuple[Tensor, Tensor]:
    """How well each text fits each picture, twice, each (texts, pictures).

    By sentence: cosine of the two whole vectors (Radford et al. 2021). By words: every word takes its
    best region, and their mean is the score (FILIP, Yao et al. 2021, equation 5).
    """
    scores = f.words.flatten(0, 1) @ f.regions.flatten(0, 1).T  # (texts * tokens, pictures * regions)
    best = scores.unflatten(1, f.regions.shape[:2]).max(dim=-1).values.unflatten(0, f.words.shape[:2])
    by_words = (best * f.real[..., None]).sum(1) / f.real.sum(1)[:, None]  # (texts, pictures)
    return f.sentence @ f.whole.T, by_words
