"""What TokenAttention shows of a reading: rows for the tables, a sentence and a score."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from ...analysis import attention_maps as mapping
from ...analysis.word_attention import WordAttention, WordWeight
from ...world import Drawing, GrammarError, parse, word_masks

SILENT_ROLES = ("function", "relation", "side")  # words of grammar and arrangement: they speak of no pixels
THIRDS = {f"{name} third": (0.0, k / 3, 1.0, (k + 1) / 3) for k, name in enumerate(("top", "middle", "bottom"))}
BRUSHED = "brushed"
MOST_ROWS = 14
PIXELS = 128

Square = tuple[float, float, float, float]


@dataclass(frozen=True, eq=False)
class Known:
    """A reading, the wish that it answers, how loud a changed word is, and the drawing where the truth is known."""

    wish: Any
    prompt: str
    volume: WordWeight
    reading: WordAttention
    drawing: Drawing | None = None

    @cached_property
    def truths(self) -> list[np.ndarray] | None:
        """The pixels that each word of the prompt speaks of, (128, 128) bool each; None where nobody knows."""
        return None if self.drawing is None else [mask for _, mask in word_masks(self.drawing, self.prompt)]

    @cached_property
    def roles(self) -> list[str]:
        """What each word is in the picture world's grammar; nothing where it cannot read the prompt."""
        try:
            return [word.role for word in parse(self.prompt).words]
        except GrammarError:
            return []

    @cached_property
    def spoken(self) -> list[int]:
        """The labels that are words of the prompt, in order."""
        return [k for k, name in enumerate(self.reading.label_tokens) if not name.startswith("<")]

    @cached_property
    def competing(self) -> list[int]:
        """The labels that compete for regions: words that can speak of pixels; all words where nobody knows."""
        roles = self.roles or [""] * len(self.spoken)
        found = [k for k, role in zip(self.spoken, roles, strict=True) if role not in SILENT_ROLES]
        return found or self.spoken or [0]

    def label(self, word: str) -> str:
        """The word asked for, or in a prompt that does not say it, the last word for a thing, or any."""
        if word in self.reading.labels:
            return word
        things = [k for k, role in zip(self.spoken, self.roles, strict=False) if role == "thing"]
        return self.reading.labels[(things or self.competing)[-1]]

    def true_mask(self, label: int) -> np.ndarray:
        """The pixels that a label speaks of; none for special tokens."""
        own = dict(zip(self.spoken, self.truths or [], strict=False))
        return own.get(label, np.zeros((PIXELS, PIXELS), bool))


@dataclass(frozen=True, eq=False)
class View:
    """What of a reading is on the screen: word, layer, head, branch and frame.

    squares: regions by name. use_head_weights: whether the table weights the heads, where all are shown and the
    model's card gives their weights.
    """

    known: Known
    word: str
    layer: str
    head: str
    branch: str
    frame: int
    squares: Mapping[str, Square] = field(default_factory=dict)
    use_head_weights: bool = True

    @cached_property
    def k(self) -> int:
        """The number of the word's label."""
        return self.known.reading.labels.index(self.word)

    @cached_property
    def shown(self) -> tuple[str, str]:
        """The layer and head on show: what was asked for, or all, where this reading has no such."""
        maps = self.known.reading.maps(self.branch)
        return (self.layer if self.layer in maps.layer else mapping.ALL_LAYERS,
                self.head if self.head in maps["head"] else mapping.MEAN_HEAD)

    @cached_property
    def heads(self) -> np.ndarray:
        """The maps of every head on show, (token, layers, heads, y, x), NaN where a head is not there."""
        return mapping.select_heads(self.known.reading.maps(self.branch).isel(step=self.frame), *self.shown)

    @cached_property
    def standing(self) -> np.ndarray:
        """How far above its average each label is read, (token, y, x), in spreads."""
        return mapping.relative_attention(self.heads)

    @cached_property
    def trust(self) -> np.ndarray | None:
        """How much each head counts in the table, (layers, heads); None: all alike."""
        if not self.use_head_weights or self.shown != (mapping.ALL_LAYERS, mapping.MEAN_HEAD):
            return None
        return mapping.head_weights_for(self.known.reading.maps(self.branch), self.known.reading.pipe.head_weights)

    @property
    def rule(self) -> str:
        """How heads count in the table, in words."""
        if self.trust is not None:
            return "heads count as they are trusted: as much as made true words rank first on other drawings"
        return "all heads on show count alike"

    @cached_property
    def judged(self) -> np.ndarray:
        """The same as `standing`, with heads as they count in the table."""
        return self.standing if self.trust is None else mapping.relative_attention(self.heads, self.trust)

    @cached_property
    def weight(self) -> np.ndarray:
        """The mean weight of each label over heads, (token, y, x)."""
        there = ~np.isnan(self.heads)
        return np.where(there, self.heads, 0).sum((1, 2)) / np.maximum(there.sum((1, 2)), 1)

    @cached_property
    def effects(self) -> np.ndarray:
        """How far each label's change moves each pixel at this frame, (token, high, wide); NaN: not computed."""
        found = []
        for name in self.known.reading.label_tokens:
            effect = self.known.reading.effect(name, self.known.volume)
            if effect is None:
                effect = np.full(self.known.reading.image.shape[:2], np.nan, np.float32)
            found.append(effect if effect.ndim == 2 else effect[self.frame])
        return np.stack(found)

    @cached_property
    def regions(self) -> dict[str, np.ndarray]:
        """The rows of the table: what is truly there, or thirds of the picture; and the regions asked for."""
        known = self.known
        if known.drawing is None:
            found = {name: mask_of(square) for name, square in THIRDS.items()}
        else:
            named = mapping.named_regions(known.drawing.masks).items()
            found = dict([(n, m) for n, m in named if mapping.ground_truth_words(m, known.truths or [])][:MOST_ROWS])
        return found | {name: mask_of(square_of(square)) for name, square in self.squares.items()}

    @cached_property
    def table(self) -> np.ndarray:
        """(regions, competing words): how far above its average each word is read there."""
        return mapping.mean_by_region(self.judged, self.regions)[:, self.known.competing]

    @cached_property
    def true(self) -> list[list[int]] | None:
        """For each region the columns of the table whose words truly speak of it."""
        known = self.known
        if known.truths is None:
            return None
        columns = {label: c for c, label in enumerate(known.competing)}
        found = [[known.spoken[w] for w in mapping.ground_truth_words(mask, known.truths)]
                 for mask in self.regions.values()]
        return [[columns[label] for label in labels if label in columns] for labels in found]

    @cached_property
    def where(self) -> tuple[str, np.ndarray]:
        """What attention and effect are compared in: the brushed region if there is one, else the picture."""
        if BRUSHED in self.regions:
            return "the brushed region", self.regions[BRUSHED]
        return "the picture", np.ones((PIXELS, PIXELS), bool)

    @cached_property
    def here(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Of each competing word, in `where`: how far above average, with what weight it is read, what it changes."""
        name, mask = self.where
        stands, weighs = (mapping.mean_by_region(maps, {name: mask})[0][self.known.competing]
                          for maps in (self.judged, self.weight))
        moved = np.stack([mapping.coverage(effect, mask.shape) for effect in self.effects[self.known.competing]])
        return stands, weighs, moved[:, mask].mean(1)

    @cached_property
    def agreement(self) -> float:
        """Spearman's rank correlation, over places, of where the word is read and what changing it does; or NaN."""
        effect = self.effects[self.k]
        if not np.isfinite(effect).all():
            return float("nan")
        return mapping.rank_correlation(self.standing[self.k], mapping.coverage(effect, self.standing.shape[1:]))

    def sentence(self) -> str:
        """What is being seen now."""
        known, (high, wide) = self.known, self.standing.shape[1:]
        size = f"{wide}" if high == wide else f"{high} × {wide}"
        if self.branch == "uncond" and self.k in known.spoken:
            return f"The pass without the prompt is not told “{self.word}”, and reads it nowhere."
        line, column = np.unravel_index(self.standing[self.k].argmax(), (high, wide))
        said = (f"“{self.word}” gets {self.weight[self.k].mean():.1%} of the reading, the most at row {line + 1}, "
                f"column {column + 1} of {size} ({known.reading.captions[self.frame]}).")
        effect = self.effects[self.k]
        if not np.isfinite(effect).all():
            return said
        loud = known.volume.scale
        done = f"Reading it {loud:g} times as much" if loud else "Silencing it, for the text encoder too," if (
            known.volume.mask_in_text_encoder) else "Silencing it"
        return f"{said} {done} changes the picture by {effect.mean():.3f} on average, where 1 is black to white."

    def score(self) -> tuple[str, str, str]:
        """What the map is worth: name, value and note. Against the true mask, where there is one."""
        rho = self.agreement
        told = "not measured yet" if np.isnan(rho) else f"{rho:.2f}"
        own = self.known.true_mask(self.k)
        if not own.any():
            return ("attention beside ablation", told, "rank correlation over places of where the word is read and "
                    "what changing it does; 1 if attention told all")
        best, threshold = mapping.best_iou(mapping.resize_maps(self.standing[self.k]), mapping.coarse_mask(own))
        counted = [int(row.argmax()) in mine for row, mine in zip(self.table, self.true or [], strict=True) if mine]
        return ("IoU of its map with its true mask", f"{best:.2f}",
                f"at the best threshold, {threshold:.0%} of the way up. A true word is first in {sum(counted)} of "
                f"{len(counted)} regions. Attention beside ablation, rank correlation over places: {told}")


# ---- regions --------------------------------------------------------------------------------------------------------


def square_of(corners: Any) -> Square:
    """Left, top, right and bottom in parts of the picture, in order, at least a place of the latent wide and high.

    Raises:
        ValueError: no four numbers.
    """
    try:
        x0, y0, x1, y1 = np.clip([float(v) for v in corners], 0, 1).tolist()
        if not np.isfinite(x0 + y0 + x1 + y1):
            raise ValueError("no numbers")
    except (TypeError, ValueError) as error:
        raise ValueError(f"region is {corners!r}: give left, top, right and bottom, from 0 to 1") from error
    (left, right), (top, bottom) = _wide(x0, x1), _wide(y0, y1)
    return left, top, right, bottom


def _wide(one: float, other: float) -> tuple[float, float]:
    """A stretch in order, and at least as wide as a place."""
    low, high = sorted((one, other))
    missing = max(1 / mapping.MAP_SIZE - (high - low), 0.0)
    low = min(max(low - missing / 2, 0.0), 1 - 1 / mapping.MAP_SIZE)
    return low, max(high, low + 1 / mapping.MAP_SIZE)


def mask_of(square: Square) -> np.ndarray:
    """A square of the picture as a mask (128, 128)."""
    left, top, right, bottom = (round(v * PIXELS) for v in square)
    mask = np.zeros((PIXELS, PIXELS), bool)
    mask[top:bottom, left:right] = True
    return mask
