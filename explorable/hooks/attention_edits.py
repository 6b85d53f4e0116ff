"""Edits of cross-attention: make a word louder or silent, or keep another prompt's layout.

They go to the points "*.cross.weights", whose axes are (head, place, token):

    with ex.edit(pipe, {"*.cross.weights": ex.Louder("red", 3.0)}):
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

from .dispatcher import At
from .edits import EditError, When, had, patch
from .points import grid


@dataclass(frozen=True, kw_only=True)
class AttentionEdit(When):
    """An edit of cross-attention, in a region alone if one is given: a boolean or soft mask (high, wide) of the
    picture, at any size."""

    region: Any = None

    def __call__(self, x: Tensor, at: At) -> Tensor:
        if at.axes != ("head", "place", "token"):
            raise EditError(f"{type(self).__name__} changes how places read words, and {at.name} has the axes "
                            f"{', '.join(at.axes)}: give it to \"*.cross.weights\"")
        if not self.now(at):
            return x
        new = self.change(x, at)
        if self.region is None:
            return new
        share = shrunk(self.region, x.shape[2]).to(x)  # (places,)
        return torch.lerp(x, new, share[:, None])


@dataclass(frozen=True)
class Louder(AttentionEdit):
    """Read a word `by` times as much (Hertz et al. 2022, re-weighting; section 3.2). 0 silences it, 1 does nothing.

    The other words are read as before: what goes to `word` is not taken from them.
    """

    word: str
    by: float = 2.0

    def change(self, x: Tensor, at: At) -> Tensor:
        return x * self.loudness(at).to(x)

    def loudness(self, at: At) -> Tensor:
        """How much each token is to be read, (tokens,): 1 but for the word, which the branch that the prompt is
        compared with need not say."""
        here = [i for i, name in enumerate(at.tokens) if name == self.word]
        if not at.tokens:
            raise EditError("the prompts of this batch say different things: edit words in one picture at a time")
        if not here and at.branch != "uncond":
            raise EditError(f"the prompt does not say {self.word!r}; it says {', '.join(said(at.tokens))}")
        return torch.ones(len(at.tokens)).index_fill(0, torch.tensor(here, dtype=torch.long), self.by)


@dataclass(frozen=True)
class Silence(Louder):
    """Read a word no more; what it got is shared among the others, in proportion.

    Given to "text.words" too, whose axes are (token, channel), the text encoder does not hear it either: else it mixes
    the word into the vectors of those around it, and the picture reads it there.
    """

    by: float = 0.0

    def __call__(self, x: Tensor, at: At) -> Tensor:
        if at.axes != ("token", "channel"):
            return super().__call__(x, at)
        if self.region is not None:
            raise EditError(f"{at.name} lies before the picture and has no region: silence words there without one")
        return x * self.loudness(at).to(x)[:, None] if self.now(at) else x

    def change(self, x: Tensor, at: At) -> Tensor:
        quiet = super().change(x, at)
        return quiet * (x.sum(-1, keepdim=True) / quiet.sum(-1, keepdim=True).clamp(min=1e-6))


@dataclass(frozen=True)
class PromptToPrompt(AttentionEdit):
    """Keep the layout of another prompt's picture while the words change (Hertz et al. 2022, section 3.2).

    take: that other run, or a tape of it, with "*.cross.weights" recorded over all steps, unreduced; it must have as
    many steps and the same guidance. Tokens that both prompts share, and words replaced one by one, are read where the
    other run read them; new words are read where this run will ("replace" and "refine" in the paper). Usually for the
    first steps.
    """

    take: Any

    def change(self, x: Tensor, at: At) -> Tensor:
        recorded = had(self.take, at)
        label = f"token_{at.branch}" if f"token_{at.branch}" in recorded.coords else "token"
        theirs, other = patch(recorded, x, at), tuple(recorded[label].values.tolist())
        new = x.clone()
        for mine, yours in aligned(at.tokens, other).items():
            new[..., mine] = theirs[..., yours]
        return new


def aligned(tokens: tuple[str, ...], others: tuple[str, ...]) -> dict[int, int]:
    """Which token of the other prompt stands where ours does: the same ones, and those replaced one by one."""
    pairs: dict[int, int] = {}
    for what, a, end, b, other_end in SequenceMatcher(None, tokens, others, autojunk=False).get_opcodes():
        if what == "equal" or (what == "replace" and end - a == other_end - b):
            pairs |= {a + k: b + k for k in range(end - a)}
    return pairs


def said(tokens: tuple[str, ...]) -> list[str]:
    """The words among tokens."""
    return [t for t in tokens if not t.startswith("<")]


def shrunk(region: Any, places: int) -> Tensor:
    """A mask (high, wide) as the share that it covers of each of so many places, in a grid of its shape, (places,)."""
    mask = torch.as_tensor(np.asarray(region), dtype=torch.float32)
    if mask.dim() != 2:
        raise EditError(f"a region of shape {tuple(mask.shape)}: give a mask (high, wide) of the picture")
    high, wide = mask.shape
    return F.adaptive_avg_pool2d(mask[None, None], grid(places, (high, wide))).flatten()
