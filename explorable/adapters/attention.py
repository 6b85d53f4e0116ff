"""Read and change the attention weights of diffusers networks from outside.

The network's own attention processor runs, and its call of scaled_dot_product_attention is intercepted. Whatever else a
processor does (LoRA layers, rotary positions, masks, an IP-Adapter's second attention) happens as always. The result is
still computed by the original kernel, so that a recorded image is bit-identical; only where weights are edited is it
computed from them.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from ..hooks import EditError, PointFinder
from ..nn.hook_points import ACTIVE, hook_point, is_edited, is_hooked
from .patching import InterruptibleMode, temporary_attribute
from .points import EQUIVALENT_PROCESSORS, OpenedPointFinder, hiding_reason

WEIGHT_POINTS = {"self": "self.weights", "cross": "cross.weights", "joint": "joint.weights"}


class InterceptAttention(InterruptibleMode):
    """Within this, in this thread, `replacement` computes the first call of scaled_dot_product_attention.

    The first call attends to the text; later ones, such as an IP-Adapter's attention to an image, stay as they are.
    """

    def __init__(self, replacement: Callable[..., Tensor]):
        super().__init__()
        self.replacement, self.intercepted = replacement, False

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is F.scaled_dot_product_attention and not self.intercepted:
            self.intercepted = True
            return self.replacement(*args, **(kwargs or {}))
        return func(*args, **(kwargs or {}))


@dataclass
class TokenLayout:
    """How the text of a batch becomes the token axis of recordings.

    tokens: length of that axis. pieces: length of the text that the network reads. assignment: (batch, 1, pieces,
    tokens) of 0 and 1, which merges pieces into words; None where each piece is a token. names: of the first prompt's
    tokens. positions: of the image in the sequence of joint attention, where the rest is not all text; 0: all of it.
    lengths: number of pieces of each text, if the network strips padding; else empty. frames: of a video's latent, in
    patches; 0: it is an image. branches: in the current batch.
    by_branch: pieces, assignment and lengths of each branch, where the network is called for one at a time.
    """

    tokens: int
    pieces: int
    assignment: Tensor | None = None
    names: tuple[str, ...] = ()
    positions: int = 0
    lengths: tuple[int, ...] = ()
    frames: int = 0
    branches: tuple[str, ...] = ()
    by_branch: dict[str, tuple[int, Tensor | None, tuple[int, ...]]] = field(default_factory=dict)

    def select(self, branch: str) -> None:
        """Move to the branch that the network is called for next."""
        self.pieces, self.assignment, self.lengths = self.by_branch[branch]

    def image_first(self, x: Tensor, dim: int, inverse: bool = False) -> Tensor:
        """Return joint sequences in which the text comes first with the image before the text; inverse: and back."""
        if len(set(self.lengths)) < 2:
            return x.roll(self.pieces if inverse else -self.pieces, dim)
        length = x.shape[dim]
        image = length - self.pieces
        rows = []
        for row, pieces in zip(x.split(1), self.lengths, strict=True):
            a, b = (image, pieces) if inverse else (pieces, image)
            rows.append(torch.cat([row.narrow(dim, a, b), row.narrow(dim, 0, a),
                                   row.narrow(dim, a + b, length - a - b)], dim))
        return torch.cat(rows)

    def hook_positions(self, name: str, x: Tensor, axes: str) -> Tensor:
        """Pass a value through its hook point; of a video, positions with an axis for frames before them."""
        if not self.frames or "position" not in axes:
            return hook_point(name, x, axes)
        axis = 1 + axes.split().index("position")
        old = x.unflatten(axis, (self.frames, -1))
        new = hook_point(name, old, axes.replace("position", "frame position"))
        return x if new is old else new.flatten(axis, axis + 1)

    def image_part(self, length: int) -> slice:
        """Return where the image is in a joint sequence of this length, before the text."""
        return slice(0, self.positions or length - self.pieces)

    def text_part(self, length: int) -> slice:
        """Return where the text is in a joint sequence of this length, behind the image."""
        return slice(length - self.pieces, length)

    @property
    def text_axis(self) -> str:
        """The name of the axis of the network's own text sequence."""
        return "token" if self.assignment is None else "piece"

    def merge(self, weights: Tensor) -> Tensor:
        """Sum weights (batch, heads, positions, pieces) over the pieces of each token."""
        if self.assignment is not None:
            return weights @ self.assignment.to(weights)
        missing = self.tokens - weights.shape[-1]  # this branch's text is shorter than the other's
        return F.pad(weights, (0, missing)) if missing > 0 else weights

    def distribute(self, weights: Tensor, old: Tensor, new: Tensor) -> Tensor:
        """Change weights over pieces so that their sums over tokens go from `old` to `new`: in proportion, or evenly
        where the sum was 0."""
        if self.assignment is None:
            return new[..., :self.pieces]
        assignment = self.assignment.to(weights)
        ratio = torch.where(old > 0, new / old.clamp(min=torch.finfo(old.dtype).tiny), 0)
        even = torch.where(old > 0, 0, new / assignment.sum(2, keepdim=True).clamp(min=1))
        return weights * (ratio @ assignment.mT) + even @ assignment.mT


@dataclass
class AttentionHook:
    """The hook points of one attention layer.

    prefix: of their names. kind: "cross" (image attends to text), "self" (image to image) or "joint" (both to both).
    text_first: in joint attention, text comes before the image. half_precision: weights that are recorded and not
    edited are converted to float16.
    """

    prefix: str
    kind: str
    layout: TokenLayout
    text_first: bool = False
    half_precision: bool = True

    @property
    def point_names(self) -> list[str]:
        return [self.prefix + WEIGHT_POINTS[kind] for kind in self._kinds]

    @property
    def _kinds(self) -> tuple[str, ...]:
        return ("joint", "cross") if self.kind == "joint" else (self.kind,)

    def wrap_forward(self, module: Any, original: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call the module's forward; where its weights are recorded or edited, with its attention intercepted."""
        if not any(is_hooked(name) for name in self.point_names):
            return original(*args, **kwargs)
        with native_attention(module), InterceptAttention(self.attend) as interception:
            out = original(*args, **kwargs)
        if not interception.intercepted:
            reason = hiding_reason(module)
            if not isinstance(ACTIVE.dispatcher, OpenedPointFinder):
                raise EditError(f"{reason}, or leave {self.point_names[-1]} out")
            ACTIVE.dispatcher.hidden |= dict.fromkeys(self.point_names, reason)
        return out

    def attend(self, query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None = None, dropout_p: float = 0.0,
               is_causal: bool = False, scale: float | None = None, **more: Any) -> Tensor:
        """Compute scaled_dot_product_attention, (batch, heads, queries, width), with hooks on its weights."""
        attention = AttentionWeights(self.ordered(query), self.ordered(key), self.ordered_mask(attn_mask), scale)
        if any(is_edited(name) for name in self.point_names):
            out = self.hook_all(attention.weights()).to(value.dtype) @ self.ordered(value)
            return self.layout.image_first(out, 2, inverse=True) if self.is_reordered else out
        self.record(attention)
        return F.scaled_dot_product_attention(query, key, value, attn_mask, dropout_p, is_causal, scale=scale, **more)

    @property
    def is_reordered(self) -> bool:
        """Whether weights are computed in another order than the layer's own: with the image before the text."""
        return self.kind == "joint" and self.text_first

    def ordered(self, x: Tensor) -> Tensor:
        """Return queries, keys or values (batch, heads, sequence, width) in the order of the weights."""
        return self.layout.image_first(x, 2) if self.is_reordered else x

    def ordered_mask(self, mask: Tensor | None) -> Tensor | None:
        """Return a mask (batch, heads, queries, keys), of which an axis may have one entry, in that order."""
        if mask is None or not self.is_reordered:
            return mask
        mask = self.layout.image_first(mask, -1)
        return self.layout.image_first(mask, -2) if mask.dim() > 1 and mask.shape[-2] > 1 else mask

    def record(self, attention: AttentionWeights) -> None:
        """Record the weights. Of joint attention, only the part that is recorded is computed."""
        if isinstance(ACTIVE.dispatcher, PointFinder):
            self.find_points(attention)
        elif self.kind == "joint" and not is_hooked(self.point_names[0]):
            length = attention.query.shape[2]
            image, text = self.layout.image_part(length), self.layout.text_part(length)
            heads = [self.layout.merge(attention.weights(head, image)[..., text]) for head in range(attention.heads)]
            self.hook("cross", torch.cat(heads, 1))
        else:
            self.hook_all(attention.weights())

    def find_points(self, attention: AttentionWeights) -> None:
        """Report the shapes of the attention weights without computing them."""
        batch, queries, keys = attention.query.shape[0], attention.query.shape[2], attention.key.shape[2]
        positions = self.layout.positions or queries - self.layout.pieces if self.kind == "joint" else queries
        for kind in self._kinds:
            shape = (positions, self.layout.tokens) if kind == "cross" else (queries, keys)
            self.hook(kind, torch.empty(batch, attention.heads, *shape, dtype=attention.dtype, device="meta"))

    def hook_all(self, weights: Tensor) -> Tensor:
        """Pass weights (batch, heads, queries, keys) through all points of this layer."""
        if self.kind == "self":
            return self.hook("self", weights)
        if self.kind == "cross":
            return self.hook_cross(weights)
        joint = self.hook("joint", weights)
        image, text = self.layout.image_part(joint.shape[-2]), self.layout.text_part(joint.shape[-1])
        cross = joint[:, :, image, text]
        new = self.hook_cross(cross)
        if new is not cross:
            joint = joint.clone()
            joint[:, :, image, text] = new
        return joint

    def hook_cross(self, weights: Tensor) -> Tensor:
        """Pass weights of positions over pieces through the point for weights over tokens."""
        old = self.layout.merge(weights)
        new = self.hook("cross", old)
        return weights if new is old else self.layout.distribute(weights, old, new)

    def hook(self, kind: str, weights: Tensor) -> Tensor:
        """Pass weights through one point; without edits, what is recorded may be in half precision."""
        name = self.prefix + WEIGHT_POINTS[kind]
        axes = "head position token" if kind == "cross" else "head query key"
        if is_edited(name):
            return self.layout.hook_positions(name, weights, axes)
        if is_hooked(name):
            self.layout.hook_positions(name, weights.half() if self.half_precision else weights, axes)
        return weights


@dataclass
class AttentionWeights:
    """Attention weights that are computed on demand, from queries and keys (batch, heads, sequence, width)."""

    query: Tensor
    key: Tensor
    mask: Tensor | None
    scale: float | None

    @property
    def heads(self) -> int:
        return self.query.shape[1]

    @property
    def dtype(self) -> torch.dtype:
        """Single precision at least."""
        return torch.promote_types(self.query.dtype, torch.float32)

    def weights(self, head: int | None = None, queries: slice = slice(None)) -> Tensor:
        """Return softmax(q k^T / sqrt(d) + mask) of one head or all, (batch, heads or 1, queries, keys)."""
        heads = slice(None) if head is None else slice(head, head + 1)
        q, k = self.query[:, heads, queries].to(self.dtype), self.key[:, heads].to(self.dtype)
        scores = (q @ k.transpose(-1, -2)).mul_(1 / math.sqrt(q.shape[-1]) if self.scale is None else self.scale)
        if self.mask is not None:
            mask = self.mask.expand(*self.query.shape[:3], self.key.shape[2])[:, heads, queries]
            scores = scores.masked_fill(~mask, -math.inf) if mask.dtype is torch.bool else scores + mask
        return scores.softmax(-1)


@contextmanager
def native_attention(attention: Any) -> Iterator[None]:
    """Within this `with`, an attention layer calls torch's own kernel, whatever back end or equivalent processor it has
    been given."""
    processor = attention.processor
    with ExitStack() as stack:
        if equivalent := EQUIVALENT_PROCESSORS.get(type(processor).__name__):
            from diffusers.models import attention_processor

            processor = copy.copy(processor)
            processor.__class__ = getattr(attention_processor, equivalent)
            stack.enter_context(temporary_attribute(attention, "processor", processor))
        if hasattr(processor, "_attention_backend"):  # None would be the one that is active everywhere
            stack.enter_context(temporary_attribute(processor, "_attention_backend", "native"))
        yield
