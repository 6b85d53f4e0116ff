"""Attention of other people's networks, looked at from outside: their own processors run, and what they ask of
scaled_dot_product_attention is listened to.

So whatever a processor does beside (LoRA layers, rotary positions, masks, an IP-Adapter's second attention) is done as
ever, and the answer is the kernel's own: a recorded picture is the unrecorded one. Only where weights are changed is
the answer computed from them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from ..hooks import EditError, Point, PointFinder, PointTable
from ..nn.hook_points import ACTIVE, hook_point, is_edited, is_hooked

ALIKE = {"AttnProcessor", "SlicedAttnProcessor", "XFormersAttnProcessor"}  # other ways to compute the same


class Caught(TorchFunctionMode):
    """Within this, in this thread, the first scaled_dot_product_attention is answered by `answer`.

    The first is the one that reads the words; what comes after it, an IP-Adapter's pictures, is left alone.
    """

    def __init__(self, answer: Callable[..., Tensor]):
        super().__init__()
        self.answer, self.caught = answer, False

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is F.scaled_dot_product_attention and not self.caught:
            self.caught = True
            return self.answer(*args, **(kwargs or {}))
        return func(*args, **(kwargs or {}))


class MetaPointFinder(PointFinder):
    """A survey that also takes down the points which cannot be seen, and whose processor hides them."""

    def __init__(self) -> None:
        super().__init__()
        self.unseen: dict[str, str] = {}


class Seen(PointTable):
    """Points, and the names of those that are there and cannot be seen, with the processors that hide them."""

    def __init__(self, points: Iterable[Point], steps: int, hidden: Mapping[str, str]):
        super().__init__(points, steps)
        self.hidden = hidden

    def match(self, patterns: Iterable[str]) -> list[str]:
        """The names that any of the patterns picks, in order.

        Raises:
            EditError: one of them cannot be seen. UnknownPointError: a pattern that picks nothing.
        """
        patterns = list(patterns)
        for name, kind in self.hidden.items():
            if any(fnmatchcase(name, pattern) for pattern in patterns):
                raise unseen(name, kind)
        return super().match(patterns)


def unseen(name: str, kind: str) -> EditError:
    """What is said of weights that a processor keeps to itself."""
    return EditError(f"the weights of {name} cannot be seen: its processor, {kind}, does not use torch's "
                     "scaled_dot_product_attention; put the default one back with set_default_attn_processor(), or "
                     "leave this point out")


@dataclass
class Words:
    """The token axis of the batch that is in the network. tokens: on the axis; pieces: that the network reads; matrix:
    (batch, 1, pieces, tokens) of 0 and 1 where pieces are gathered, else None. names: of the first prompt's tokens."""

    tokens: int
    pieces: int
    matrix: Tensor | None = None
    names: tuple[str, ...] = ()

    @property
    def axis(self) -> str:
        """What the network's own row of words is called: its pieces are tokens, unless they are gathered."""
        return "token" if self.matrix is None else "piece"

    def gathered(self, weights: Tensor) -> Tensor:
        """(batch, heads, places, pieces) to (…, tokens), on the device: what a word's pieces got, added up."""
        return weights if self.matrix is None else weights @ self.matrix.to(weights)

    def spread(self, weights: Tensor, old: Tensor, new: Tensor) -> Tensor:
        """Weights over pieces whose sums over words were `old` and shall be `new`: in proportion, or evenly where there
        was nothing."""
        if self.matrix is None:
            return new
        matrix = self.matrix.to(weights)
        ratio = torch.where(old > 0, new / old.clamp(min=torch.finfo(old.dtype).tiny), 0)
        even = torch.where(old > 0, 0, new / matrix.sum(2, keepdim=True).clamp(min=1))
        return weights * (ratio @ matrix.mT) + even @ matrix.mT


@dataclass
class Look:
    """How one attention is shown. way: of the module; kind: "cross" (places read words), "self" (places read places) or
    "joint" (both read both). half: weights that are only looked at are shown in half precision."""

    way: str
    kind: str
    words: Words
    text_first: bool = False
    half: bool = True

    @property
    def names(self) -> list[str]:
        return {"cross": [f"{self.way}cross.weights"], "self": [f"{self.way}attend.weights"],
                "joint": [f"{self.way}joint.weights", f"{self.way}cross.weights"]}[self.kind]

    def around(self, module: Any, original: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """An attention's forward, with its weights formed for whoever listens, if anybody does."""
        if not any(is_hooked(name) for name in self.names):
            return original(*args, **kwargs)
        with plain_backend(module), Caught(self.answer) as caught:
            out = original(*args, **kwargs)
        if not caught.caught:
            kind = type(module.processor).__name__
            if isinstance(ACTIVE.dispatcher, MetaPointFinder):
                ACTIVE.dispatcher.unseen |= dict.fromkeys(self.names, kind)
            else:
                raise unseen(self.names[-1], kind)
        return out

    def answer(self, query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None = None, dropout_p: float = 0.0,
               is_causal: bool = False, scale: float | None = None, **more: Any) -> Tensor:
        """What scaled_dot_product_attention gives, (batch, heads, queries, width), its weights shown on the way."""
        ask = Ask(query, key, attn_mask, scale)
        if any(is_edited(name) for name in self.names):
            return self.shown(ask.weights()).to(value.dtype) @ value
        self.seen(ask)
        return F.scaled_dot_product_attention(query, key, value, attn_mask, dropout_p, is_causal, scale=scale, **more)

    def seen(self, ask: Ask) -> None:
        """Show the weights to those who only look. Of a joint attention no more than is asked for is formed."""
        if isinstance(ACTIVE.dispatcher, PointFinder):
            self.surveyed(ask)
        elif self.kind == "joint" and not is_hooked(self.names[0]):
            places = ask.places(self.words.pieces, self.text_first)
            tokens = ask.tokens(self.words.pieces, self.text_first)
            heads = [self.words.gathered(ask.weights(head, places)[..., tokens]) for head in range(ask.heads)]
            self.hear("cross", torch.cat(heads, 1))
        else:
            self.shown(ask.weights())

    def surveyed(self, ask: Ask) -> None:
        """Say how large the weights would be, and form none."""
        rows, queries, keys = ask.query.shape[0], ask.query.shape[2], ask.key.shape[2]
        places = queries - self.words.pieces if self.kind == "joint" else queries
        for kind in ("joint", "cross") if self.kind == "joint" else (self.kind,):
            last = (places, self.words.tokens) if kind == "cross" else (queries, keys)
            self.hear(kind, torch.empty(rows, ask.heads, *last, dtype=ask.precise, device="meta"))

    def shown(self, weights: Tensor) -> Tensor:
        """Weights (batch, heads, queries, keys) as those who listen leave them."""
        if self.kind == "self":
            return self.hear("self", weights)
        if self.kind == "cross":
            return self.across(weights)
        turned = weights if not self.text_first else weights.roll((-self.words.pieces,) * 2, (-2, -1))
        seen = self.hear("joint", turned)
        places = seen.shape[-1] - self.words.pieces
        part = seen[:, :, :places, places:]
        new = self.across(part)
        if new is not part:
            seen = seen.clone()
            seen[:, :, :places, places:] = new
        if seen is turned:
            return weights
        return seen if not self.text_first else seen.roll((self.words.pieces,) * 2, (-2, -1))

    def across(self, weights: Tensor) -> Tensor:
        """The weights of places over pieces, as those leave them who see words."""
        old = self.words.gathered(weights)
        new = self.hear("cross", old)
        return weights if new is old else self.words.spread(weights, old, new)

    def hear(self, kind: str, weights: Tensor) -> Tensor:
        """What comes back of weights that are shown at their point; what is only looked at may be halved."""
        name = f"{self.way}{'attend' if kind == 'self' else kind}.weights"
        axes = "head position token" if kind == "cross" else "head query key"
        if is_edited(name):
            return hook_point(name, weights, axes)
        if is_hooked(name):
            hook_point(name, weights.half() if self.half else weights, axes)
        return weights


@dataclass
class Ask:
    """Queries and keys (batch, heads, rows, width), and what else decides on their weights."""

    query: Tensor
    key: Tensor
    mask: Tensor | None
    scale: float | None

    @property
    def heads(self) -> int:
        return self.query.shape[1]

    @property
    def precise(self) -> torch.dtype:
        """Single precision at least."""
        return torch.promote_types(self.query.dtype, torch.float32)

    def weights(self, head: int | None = None, rows: slice = slice(None)) -> Tensor:
        """softmax(q k^T / sqrt(d) + mask): (batch, heads or 1, rows, keys)."""
        those = slice(None) if head is None else slice(head, head + 1)
        q, k = self.query[:, those, rows].to(self.precise), self.key[:, those].to(self.precise)
        scores = q @ k.transpose(-1, -2) * (1 / math.sqrt(q.shape[-1]) if self.scale is None else self.scale)
        if self.mask is not None:
            mask = self.mask.expand(*self.query.shape[:3], self.key.shape[2])[:, those, rows]
            scores = scores.masked_fill(~mask, -math.inf) if mask.dtype is torch.bool else scores + mask
        return scores.softmax(-1)

    def places(self, pieces: int, text_first: bool) -> slice:
        """Which rows are places of the picture."""
        return slice(pieces, None) if text_first else slice(0, self.query.shape[2] - pieces)

    def tokens(self, pieces: int, text_first: bool) -> slice:
        """Which keys are pieces of the prompt."""
        return slice(0, pieces) if text_first else slice(self.key.shape[2] - pieces, None)


@contextmanager
def plain_backend(attention: Any) -> Iterator[None]:
    """Within this, an attention asks torch's own kernel, whatever backend or equivalent processor it was given."""
    processor = attention.processor
    backend = getattr(processor, "_attention_backend", None)
    try:
        if type(processor).__name__ in ALIKE:
            from diffusers.models.attention_processor import AttnProcessor2_0

            attention.processor = AttnProcessor2_0()
        elif backend is not None:
            processor._attention_backend = None
        yield
    finally:
        attention.processor = processor
        if backend is not None:
            processor._attention_backend = backend
