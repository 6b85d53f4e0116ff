"""The text encoder: prompts to token vectors, trained so that a caption matches its image.

Stands for CLIP (Radford et al. 2021). Two encoders: the text encoder, whose token vectors are the context of every
denoiser, and an image encoder on latents, which it is trained against.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .hook_points import hook_point, set_point_names
from .layers import FeedForward, SelfAttention
from .special_tokens import END, PAD, SPECIAL, START

# What a word is. world.grammar has the same rule for its captions: change both (tests/test_words_agree.py).
WORD = re.compile(r"""<\S*|[^\s<.,!?;:"'()]+(?:'[^\s<.,!?;:"'()]+)*""")


class UnknownWordError(ValueError):
    """Words outside the text encoder's vocabulary: all those of a prompt. The message names the nearest known words.

    words: in the order of the prompt. near: for each of them, the nearest known words, of which there may be none.
    """

    def __init__(self, near: Mapping[str, Sequence[str]]):
        quoted, hints = [repr(word) for word in near], {word: ", ".join(some) for word, some in near.items() if some}
        if len(near) == 1:
            text = f"the word {quoted[0]} is not in the text encoder's vocabulary"
            text += "".join(f"; the nearest known words: {hint}" for hint in hints.values())
        else:
            text = f"the words {', '.join(quoted[:-1])} and {quoted[-1]} are not in the text encoder's vocabulary"
            by_word = "; ".join(f"{hint} (for {word!r})" for word, hint in hints.items())
            text += f"; the nearest known words: {by_word}" if hints else ""
        super().__init__(text)
        self.words, self.near = tuple(near), {word: tuple(some) for word, some in near.items()}

    def __reduce__(self):
        return type(self), (self.near,)


def similar_spellings(word: str, known: Sequence[str]) -> list[str]:
    """Return up to three known words of which `word` is a likely misspelling, the most similar first.

    One letter too many, missing or wrong, or two swapped; in words of more than five letters, two of these. In words
    of four letters or fewer a wrong letter usually makes another word ("pig", "big"), so these count as unlike.
    """
    limit, wrong_letter = 1 + (len(word) > 5), 1 + (len(word) <= 4)
    edits = {other: _edits(word, other, wrong_letter) for other in known if abs(len(other) - len(word)) <= limit}
    return sorted((w for w, n in edits.items() if n <= limit < min(len(w), len(word))), key=lambda w: edits[w])[:3]


def _edits(one: str, other: str, wrong_letter: int) -> int:
    """Count the letters to add, drop, swap with the next, or change (`wrong_letter` each) to make one word another."""
    before: list[int] = []
    last = list(range(len(other) + 1))
    for i, a in enumerate(one):
        row = [i + 1]
        for j, b in enumerate(other):
            row.append(min(last[j + 1] + 1, row[j] + 1, last[j] + wrong_letter * (a != b)))
            if i and j and a == other[j - 1] and b == one[i - 1]:
                row[-1] = min(row[-1], before[j - 1] + 1)
        before, last = last, row
    return last[-1]


class PromptTooLongError(ValueError):
    """A prompt with more words than the context has room for. Prompts are never truncated."""

    def __init__(self, words: int, max_words: int, name: str = "the prompt"):
        super().__init__(f"{name} has {words} words; shorten it to {max_words} or fewer, the text encoder's limit")
        self.words, self.max_words, self.name = words, max_words, name

    def __reduce__(self):
        return type(self), (self.words, self.max_words, self.name)


@dataclass(frozen=True)
class EncoderConfig:
    """Sizes of a text encoder.

    vocabulary: every word, without the three special tokens. length: tokens of a context, special ones included.
    """

    vocabulary: tuple[str, ...]
    length: int = 24
    width: int = 160
    layers: int = 3
    heads: int = 5


@dataclass(frozen=True)
class TextConfig(EncoderConfig):
    """Sizes of both encoders. embed_dim: width of the space in which words and images are compared."""

    embed_dim: int = 64
    image_widths: tuple[int, int, int] = (48, 96, 128)


class Tokens(NamedTuple):
    """Tokenized prompts: ids (batch, length) long, keep (batch, length) bool (False on padding)."""

    ids: Tensor
    keep: Tensor


class Context(NamedTuple):
    """Encoded prompts: vectors (batch, tokens, width), keep (batch, tokens) bool (False on padding)."""

    vectors: Tensor
    keep: Tensor


class Tokenizer:
    """One token per word, between a start and an end token; the rest of the row is padding.

    near_words: known words near in meaning to unknown ones, which an error names; a pipeline sets it to its world's.
    """

    def __init__(self, vocabulary: tuple[str, ...], length: int):
        self.vocabulary, self.length = vocabulary, length
        self.near_words: Mapping[str, Sequence[str]] = {}
        self.tokens = (*SPECIAL, *vocabulary)
        self.ids = {token: i for i, token in enumerate(self.tokens)}

    def words(self, prompt: str) -> list[str]:
        """Split a prompt into lower-case words at spaces and punctuation.

        A "<" and the letters behind it stay one word, so that an error quotes it as it was typed.
        """
        return WORD.findall(prompt.lower())

    def token_names(self, prompt: str, name: str = "the prompt") -> list[str]:
        """Return all `length` tokens of a prompt as strings: start, words, end, padding. name: of it, in errors.

        Raises:
            UnknownWordError, PromptTooLongError
        """
        words = self.words(prompt)
        unknown = dict.fromkeys(word for word in words if word not in self.ids or word in SPECIAL)
        if unknown:
            raise UnknownWordError({word: self.near_words.get(word) or similar_spellings(word, self.vocabulary)
                                    for word in unknown})
        if len(words) > self.length - 2:
            raise PromptTooLongError(len(words), self.length - 2, name)
        return [START, *words, END, *[PAD] * (self.length - 2 - len(words))]

    def __call__(self, prompts: list[str]) -> Tokens:
        ids = torch.tensor([[self.ids[token] for token in self.token_names(p)] for p in prompts], device="cpu")
        return Tokens(ids, ids != self.ids[PAD])


class TextBlock(nn.Module):
    """One layer of the text encoder: self-attention in both directions, then an MLP."""

    def __init__(self, c: EncoderConfig):
        super().__init__()
        self.self_attn = SelfAttention(c.width, c.heads)
        self.mlp = FeedForward(c.width, 4)

    def forward(self, x: Tensor, keep: Tensor) -> Tensor:
        return self.mlp(self.self_attn(x, keep))


class TextEncoder(nn.Module):
    """Encode tokens (batch, 24) as a context (batch, 24, width), with a bidirectional transformer.

    A context vector is the transformer's output plus the normalised word embedding. Without the second term, training
    against images blurs the words: four fifths of what separates the vectors of one noun from each other and from
    other nouns' came from neighbouring words, and a denoiser prompted with a lion drew a dog.

    Points beside those of its layers: text.words, text.context (token, channel).
    """

    def __init__(self, config: EncoderConfig):
        super().__init__()
        self.config = c = config
        self.tokenizer = Tokenizer(tuple(c.vocabulary), c.length)
        self.token_embed = nn.Embedding(len(self.tokenizer.tokens), c.width)
        self.pos_embed = nn.Parameter(0.02 * torch.randn(c.length, c.width))
        self.layers = nn.ModuleList(TextBlock(c) for _ in range(c.layers))
        self.norm_out = nn.LayerNorm(c.width)
        nn.init.normal_(self.token_embed.weight, std=0.05)
        set_point_names(self, "text.", position_axis="token")

    def forward(self, tokens: Tokens) -> Context:
        device = self.pos_embed.device
        keep = tokens.keep.to(device)
        x = hook_point("text.words", self.token_embed(tokens.ids.to(device)) + self.pos_embed, "token channel")
        embedded = F.layer_norm(x, x.shape[-1:])
        for layer in self.layers:
            x = layer(x, keep)
        return Context(hook_point("text.context", self.norm_out(x) + embedded, "token channel"), keep)

    def encode(self, prompts: list[str]) -> Context:
        """Encode prompts. An empty prompt, a start and an end token, is the unconditional context."""
        return self(self.tokenizer(prompts))


class ImageEncoder(nn.Module):
    """Encode latents (batch, 4, 16, 16) as 64 region vectors, on an 8 x 8 grid, and one vector of the image."""

    def __init__(self, config: TextConfig):
        super().__init__()
        fine, mid, coarse = config.image_widths
        self.convs = nn.Sequential(
            nn.Conv2d(4, fine, 3, padding=1), nn.SiLU(),
            nn.Conv2d(fine, fine, 3, padding=1), nn.SiLU(),
            nn.Conv2d(fine, mid, 4, stride=2, padding=1), nn.GroupNorm(8, mid), nn.SiLU(),  # 8 x 8
            nn.Conv2d(mid, mid, 3, padding=1), nn.GroupNorm(8, mid), nn.SiLU(),
            nn.Conv2d(mid, coarse, 3, padding=1),
        )
        self.blocks = nn.Sequential(SelfAttention(coarse, 4), FeedForward(coarse, 2), SelfAttention(coarse, 4),
                                    FeedForward(coarse, 2), nn.LayerNorm(coarse))
        self.pos_embed = nn.Parameter(0.02 * torch.randn(64, coarse))
        self.region_proj = nn.Linear(coarse, config.embed_dim)
        self.image_proj = nn.Linear(coarse, config.embed_dim)

    def forward(self, latents: Tensor) -> tuple[Tensor, Tensor]:
        """Return unit vectors of regions (batch, 64, embed_dim) and of the image (batch, embed_dim)."""
        x = self.blocks(self.convs(latents).flatten(2).transpose(1, 2) + self.pos_embed)
        return F.normalize(self.region_proj(x), dim=-1), F.normalize(self.image_proj(x.mean(1)), dim=-1)


class Embeddings(NamedTuple):
    """Unit vectors of texts and images in the shared space.

    words (texts, tokens, embed_dim), sentences (texts, embed_dim), regions (images, 64, embed_dim), images (images,
    embed_dim); keep (texts, tokens) is 0 on padding, else 1.
    """

    words: Tensor
    sentences: Tensor
    keep: Tensor
    regions: Tensor
    images: Tensor


class TextModel(nn.Module):
    """Both encoders and their projections into the shared space."""

    def __init__(self, config: TextConfig):
        super().__init__()
        self.config = config
        self.text_encoder = TextEncoder(config)
        self.image_encoder = ImageEncoder(config)
        self.word_proj = nn.Linear(config.width, config.embed_dim)
        self.sentence_proj = nn.Linear(config.width, config.embed_dim)
        self.logit_scale = nn.Parameter(torch.tensor([2.5, 2.5]))  # its logarithm, as in CLIP

    def embed_text(self, context: Context, tokens: Tokens) -> tuple[Tensor, Tensor]:
        """Return unit vectors of tokens (batch, tokens, embed_dim) and of the sentence, taken at its end token."""
        ids = tokens.ids.to(context.vectors.device)
        end = (ids == self.text_encoder.tokenizer.ids[END]).float().argmax(dim=1)
        sentence = context.vectors[torch.arange(len(end), device=end.device), end]
        return F.normalize(self.word_proj(context.vectors), dim=-1), F.normalize(self.sentence_proj(sentence), dim=-1)

    def embed(self, tokens: Tokens, latents: Tensor) -> Embeddings:
        """Embed texts and images."""
        words, sentences = self.embed_text(self.text_encoder(tokens), tokens)
        regions, images = self.image_encoder(latents)
        return Embeddings(words, sentences, tokens.keep.to(words), regions, images)

    def similarity(self, tokens: Tokens, latents: Tensor) -> tuple[Tensor, Tensor]:
        """Return the similarity of each text and image by sentence and by words, both (texts, images)."""
        return similarities(self.embed(tokens, latents))

    def loss(self, tokens: Tokens, latents: Tensor,
             gather: Callable[[Tensor], Tensor] = lambda x: x) -> dict[str, Tensor]:
        """Return the InfoNCE loss in both directions, of both similarities: text i belongs to image i only.

        gather: concatenates the rows of all processes in distributed training.
        """
        embeddings = Embeddings(*(gather(x) for x in self.embed(tokens, latents)))
        target = torch.arange(len(embeddings.images), device=latents.device)
        total, accuracy = latents.new_zeros(()), []
        for scale, score in zip(self.logit_scale.clamp(max=4.6).exp(), similarities(embeddings), strict=True):
            logits = scale * score
            total = total + (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target)) / 2
            accuracy.append((logits.argmax(1) == target).float().mean())
        return {"loss": total, "by_sentence": accuracy[0], "by_words": accuracy[1]}


def similarities(e: Embeddings) -> tuple[Tensor, Tensor]:
    """Return the similarity of each text and image by sentence and by words, both (texts, images).

    By sentence: cosine of the two global vectors (Radford et al. 2021). By words: each word is matched with its most
    similar region, and the cosines are averaged (FILIP, Yao et al. 2021, equation 5).
    """
    scores = e.words.flatten(0, 1) @ e.regions.flatten(0, 1).T  # (texts * tokens, images * regions)
    best = scores.unflatten(1, e.regions.shape[:2]).max(dim=-1).values.unflatten(0, e.words.shape[:2])
    by_words = (best * e.keep[..., None]).sum(1) / e.keep.sum(1)[:, None]  # (texts, images)
    return e.sentences @ e.images.T, by_words
