"""Edits of cross-attention: re-weight or mask a word, or keep the layout of another prompt.

They are for the points "*.cross.weights", whose axes are (head, position, token):

    with ex.edit(pipe, {"*.cross.weights": ex.Reweight("red", 3.0)}):
        pipe("a red car at night")
"""

from __future__ import annotations

from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ..nn.special_tokens import NOT_WORDS
from .dispatcher import HookContext
from .edits import EditError, StepEdit, fit_to, recorded_value
from .points import grid_shape


@dataclass(frozen=True, kw_only=True, eq=False)
class AttentionEdit(StepEdit):
    """Base of edits of cross-attention weights. region: a boolean or soft mask (height, width) of the image, of any
    size, to which the edit is confined, in each frame of a video; None: the whole image."""

    region: Any = None

    def __call__(self, x: Tensor, context: HookContext) -> Tensor:
        if context.axes not in (("head", "position", "token"), ("head", "frame", "position", "token")):
            raise EditError(f"{type(self).__name__} edits cross-attention weights, and {context.name} has the axes "
                            f"{', '.join(context.axes)}: use it on \"*.cross.weights\"")
        if not self.is_active(context):
            return x
        new = self.apply(x, context)
        if self.region is None:
            return new
        share = region_shares(self.region, x.shape[-2]).to(x)  # (positions,)
        return torch.lerp(x, new, share[:, None])


@dataclass(frozen=True, eq=False)
class Reweight(AttentionEdit):
    """Multiply the attention to a word by `scale` (Hertz et al. 2022, attention re-weighting, section 3.2).

    0 removes the word, 1 changes nothing. The weights of the other words stay as they are.
    """

    word: str
    scale: float = 2.0

    def apply(self, x: Tensor, context: HookContext) -> Tensor:
        return x * self.token_scales(context).to(x)

    def token_scales(self, context: HookContext) -> Tensor:
        """Return the factor for each token, (tokens,): `scale` for the word, which the unconditional branch need not
        contain, and 1 for the others."""
        if not context.tokens:
            raise EditError("the prompts of this batch have different words: edit words in one image at a time")
        found = [i for i, name in enumerate(context.tokens) if name == self.word]
        if not found and context.branch != "uncond":
            words = ", ".join(name for name in context.tokens if name not in NOT_WORDS)
            raise EditError(f"the prompt does not contain {self.word!r}; its words are {words}")
        scales = [self.scale if i in found else 1.0 for i in range(len(context.tokens))]
        return torch.tensor(scales, dtype=torch.float32, device="cpu")


@dataclass(frozen=True, eq=False)
class MaskToken(Reweight):
    """Set the attention to a word to 0, and share out its weight among the other tokens in proportion.

    On "text.words", whose axes are (token, channel), it also removes the word from the input of the text encoder, which
    would otherwise mix it into the vectors of the words around it.
    """

    scale: float = 0.0

    def __call__(self, x: Tensor, context: HookContext) -> Tensor:
        if context.axes != ("token", "channel"):
            return super().__call__(x, context)
        if self.region is not None:
            raise EditError(f"{context.name} comes before the image and has no regions: leave out region=")
        return x * self.token_scales(context).to(x)[:, None] if self.is_active(context) else x

    def apply(self, x: Tensor, context: HookContext) -> Tensor:
        masked = super().apply(x, context)
        return masked * (x.sum(-1, keepdim=True) / masked.sum(-1, keepdim=True).clamp(min=1e-6))


@dataclass(frozen=True, eq=False)
class PromptToPrompt(AttentionEdit):
    """Keep the layout of another prompt's image while the words change (Hertz et al. 2022, section 3.2).

    recording: that other run, or a recorder of it, with "*.cross.weights" recorded over all steps without reduce=; it
    must have as many steps and the same guidance. Tokens that both prompts share, and words replaced one by one, get
    the other run's weights; new words get this run's ("replace" and "refine" in the paper). Usually for the first
    steps.
    """

    recording: Any

    def apply(self, x: Tensor, context: HookContext) -> Tensor:
        recorded = recorded_value(self.recording, context)
        label = f"token_{context.branch}" if f"token_{context.branch}" in recorded.coords else "token"
        their_tokens = tuple(recorded[label].values.tolist())
        theirs = fit_to(recorded, x.new_empty((*x.shape[:-1], len(their_tokens))), context)
        new = x.clone()
        for mine, yours in align_tokens(context.tokens, their_tokens).items():
            new[..., mine] = theirs[..., yours]
        return new


def align_tokens(tokens: tuple[str, ...], others: tuple[str, ...]) -> dict[int, int]:
    """Return which token of the other prompt corresponds to ours, by index: equal ones, and those replaced one by
    one."""
    pairs: dict[int, int] = {}
    for kind, a, end, b, other_end in SequenceMatcher(None, tokens, others, autojunk=False).get_opcodes():
        if kind == "equal" or (kind == "replace" and end - a == other_end - b):
            pairs |= {a + k: b + k for k in range(end - a)}
    return pairs


def region_shares(region: Any, positions: int) -> Tensor:
    """Return the share of each position that a mask (height, width) covers, (positions,), in a grid of its shape."""
    mask = torch.as_tensor(np.asarray(region), dtype=torch.float32, device="cpu")
    if mask.dim() != 2:
        raise EditError(f"region has the shape {tuple(mask.shape)}: give a mask (height, width) of the image")
    height, width = mask.shape
    return F.adaptive_avg_pool2d(mask[None, None], grid_shape(positions, (height, width))).flatten()
