"""Attention of a transformer's patches to each other and to the words, gathered from all blocks and heads.

    layout = patch_layout(pipe.points(optional=False))
    run = pipe("a red car", record=layout.record)
    attention = gather_attention(run, layout)     # .patches (step, block, head, query, y, x), .words (…, token)
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..hooks import Ablate, LocalAttention, Point, ShufflePositions
from .patch_influence import Grid, Patch

MEAN = "mean"  # the label for the mean over blocks, or over heads
KEPT, SHUFFLED, REMOVED = POSITIONS = ("kept", "shuffled", "removed")
_WEIGHTS = re.compile(r"(blocks|single)\.(\d+)\.(joint|self)\.weights")


@dataclass(frozen=True)
class PatchLayout:
    """The patches and blocks of a transformer. blocks: by label ("0", "single 0"), the point of its weights between
    patches. words: the points of its weights between patches and words. points: the names of all points."""

    grid: Grid
    heads: int
    blocks: dict[str, str]
    words: tuple[str, ...]
    points: frozenset[str]

    @property
    def record(self) -> list[str]:
        """The points that `gather_attention` needs."""
        return [*self.blocks.values(), *self.words]

    def prefix(self, block: str) -> str:
        """Return what the names of a block's points begin with, "blocks.3."."""
        return self.blocks[block].removesuffix("weights").removesuffix("joint.").removesuffix("self.")

    @property
    def can_move_positions(self) -> bool:
        """Whether the positional embedding has a point."""
        return "pos_embed" in self.points


def patch_layout(points: Iterable[Point]) -> PatchLayout:
    """Return the layout of a transformer from a pipeline's table of points.

    Raises:
        ValueError: the denoiser has no patches, as a U-Net; says which explorable shows it.
    """
    table = {point.name: point for point in points}
    found: dict[str, str] = {}
    for name in table:
        if match := _WEIGHTS.fullmatch(name):
            label = match[2] if match[1] == "blocks" else f"single {match[2]}"
            if match[3] == "joint" or label not in found:  # some joint blocks have a self-attention too
                found[label] = name
    words = tuple(name for name in table if re.fullmatch(r"(blocks|single)\.\d+\.cross\.weights", name))
    missing = getattr(points, "missing", {}).items()  # of the table of an opened pipeline
    if words and not found and (reason := next((why for name, why in missing if name.endswith("self.weights")), "")):
        raise ValueError(f"attention between patches cannot be shown: {reason}")
    if not found or not words:
        raise ValueError("this pipeline's denoiser has no patches, for it is not a transformer: look into a U-Net with "
                         "UNetXRay")
    size = dict(zip(table[words[0]].axes, table[words[0]].shape, strict=True))
    return PatchLayout((size["y"], size["x"]), size["head"], found, words, frozenset(table))


@dataclass(frozen=True, eq=False)
class PatchAttention:
    """The attention of a run, in the branch with the prompt, float16.

    patches: (step, block, head, query, y, x), from each patch (query = y * columns + x) to all; it sums to less than 1
    where words get the rest. words: (step, block, head, query, token). tokens: their names.
    """

    patches: np.ndarray
    words: np.ndarray
    tokens: tuple[str, ...]

    def of_patch(self, patch: Patch) -> tuple[np.ndarray, np.ndarray]:
        """Return one patch's attention to patches (step, block, head, y, x) and to words (step, block, head, token),
        float32, each with the mean as the first block, and the mean as the first head."""
        query = patch[0] * self.patches.shape[-1] + patch[1]
        return with_means(self.patches[:, :, :, query]), with_means(self.words[:, :, :, query])


def with_means(values: np.ndarray) -> np.ndarray:
    """Return values (step, block, head, ...) with the mean over blocks before them, and the mean over heads."""
    wide = values.astype(np.float32)
    wide = np.concatenate([wide.mean(2, keepdims=True), wide], 2)
    return np.concatenate([wide.mean(1, keepdims=True), wide], 1)


def gather_attention(recorded: Any, layout: PatchLayout) -> PatchAttention:
    """Return the attention of a run in which `layout.record` was recorded over all steps."""
    rows, columns = layout.grid
    patches, words = [], []
    recording = getattr(recorded, "recorded", recorded)
    for name in layout.blocks.values():
        weights = _with_prompt(recording[name])[..., : rows * columns, : rows * columns]
        patches.append(weights.values.astype(np.float16))
    for name in layout.words:
        array = _with_prompt(recording[name]).stack(query=("y", "x")).transpose("step", "head", "query", "token")
        words.append(array.values.astype(np.float16))
    names = tuple(str(token) for token in array.token.values)
    between = np.stack(patches, 1)
    return PatchAttention(between.reshape(*between.shape[:-1], rows, columns), np.stack(words, 1), names)


def _with_prompt(array: Any) -> Any:
    """Return the branch with the prompt, the last one."""
    return array.isel(branch=-1) if "branch" in array.dims else array


# ---- edits ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class PatchEdits:
    """How a transformer is edited. Nothing is, by default.

    radius: to which attention between patches is limited, in patches; None: all patches. block: the label of the block
    that is dropped, "" for none. head: of it the only head that is dropped, counted from 0; None: the whole block.
    positions: "kept", "shuffled" or "removed". steps: first and after the last; None: all.
    """

    radius: float | None = None
    block: str = ""
    head: int | None = None
    positions: str = KEPT
    steps: tuple[int, int] | None = None

    def __bool__(self) -> bool:
        return self.radius is not None or bool(self.block) or self.positions != KEPT

    def points(self, layout: PatchLayout) -> dict[str, list[Any]]:
        """Return the edits by point, as `ex.edit` takes them.

        Raises:
            ValueError: this network has no such block or head, or no point of its positions.
        """
        edits: dict[str, list[Any]] = {}
        if self.positions != KEPT:
            if not layout.can_move_positions:
                raise ValueError("the positions of this network have no hook point: set positions to 'kept'")
            moved = ShufflePositions(steps=self.steps) if self.positions == SHUFFLED else Ablate(steps=self.steps)
            edits["pos_embed"] = [moved]
        if self.radius is not None:
            for name in layout.blocks.values():
                edits[name] = [LocalAttention(self.radius, layout.grid, steps=self.steps)]
        if self.block:
            for name, edit in self._dropped(layout).items():
                edits[name] = [*edits.get(name, ()), edit]
        return edits

    def _dropped(self, layout: PatchLayout) -> dict[str, Ablate]:
        """Return the edits that drop the block or the head: what a block adds becomes 0 where that has a point, and
        otherwise its attention weights."""
        if self.block not in layout.blocks:
            raise ValueError(f"dropped_block is {self.block!r}: choose one of {', '.join(layout.blocks)}")
        weights, prefix = layout.blocks[self.block], layout.prefix(self.block)
        if self.head is not None:
            if not 0 <= self.head < layout.heads:
                raise ValueError(f"dropped_head is {self.head + 1}: choose 1 to {layout.heads}")
            return {weights: Ablate(heads=(self.head,), steps=self.steps)}
        return {f"{prefix}*.added" if self.drops_whole_block(layout) else weights: Ablate(steps=self.steps)}

    def drops_whole_block(self, layout: PatchLayout) -> bool:
        """Whether dropping the block removes its attention and its MLP, and not only its attention."""
        prefix = layout.prefix(self.block)
        return any(name.startswith(prefix) and name.endswith(".added") for name in layout.points)
