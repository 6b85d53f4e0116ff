"""What TokenAttention shows of a result: the selected maps and their values by region, sentences, and stage layers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from ...analysis import attention_maps as maps
from ...analysis.word_attention import PAD, WordAttention, WordWeight, frame_steps
from ..core.layout import SPECIAL_TOKENS
from ..core.notice import notice
from ..core.preview import PREVIEW_LABEL, PREVIEW_STEPS, nearest_frames, stretch_layers
from ..stage.stage import Axis, Fader, Heatmap, Images, Layer, Panel
from .compute import IMAGE_SIZE, Box, Result, box_mask, to_box

THIRDS = {f"{name} third": (0.0, k / 3, 1.0, (k + 1) / 3) for k, name in enumerate(("top", "middle", "bottom"))}
BRUSHED = "brushed"
MAX_NAMED_REGIONS = 14
COMPUTING = "computing …"
ROWS = "word, its share of the attention, and the factor on it when it alone is edited (0 masks it)"
SHARE = "share of the attention that goes to this word: mean over the image"
TINY = 1e-9  # a map without attention is divided by this


@dataclass(frozen=True, eq=False)
class View:
    """The part of a result that is on the screen: a word, layer, head, branch and frame.

    boxes: further regions by name. use_head_weights: whether the table weights the heads, where all are shown and the
    model's card has their weights.
    """

    result: Result
    word: str
    layer: str
    head: str
    branch: str
    frame: int
    boxes: Mapping[str, Box] = field(default_factory=dict)
    use_head_weights: bool = True

    @cached_property
    def label(self) -> int:
        """The index of the word's label."""
        return self.result.attention.labels.index(self.word)

    @cached_property
    def layer_and_head(self) -> tuple[str, str]:
        """The layer and head on the screen; all of them where this model has no such layer or head."""
        recorded = self.result.attention.maps(self.branch)
        return (self.layer if self.layer in recorded.layer else maps.ALL_LAYERS,
                self.head if self.head in recorded["head"] else maps.MEAN_HEAD)

    @cached_property
    def heads(self) -> np.ndarray:
        """The maps of all heads on the screen, (token, layers, heads, y, x); NaN where a layer has fewer heads."""
        return maps.select_heads(self.result.attention.maps(self.branch).isel(step=self.frame), *self.layer_and_head)

    @cached_property
    def relative_attention(self) -> np.ndarray:
        """The attention to each label relative to its average, (token, y, x), in standard deviations."""
        return maps.relative_attention(self.heads)

    @cached_property
    def head_weights(self) -> np.ndarray | None:
        """The weight of each head in the table, (layers, heads); None: all equal."""
        if not self.use_head_weights or self.layer_and_head != (maps.ALL_LAYERS, maps.MEAN_HEAD):
            return None
        attention = self.result.attention
        return maps.head_weights_for(attention.maps(self.branch), attention.pipe.head_weights)

    @property
    def head_weights_note(self) -> str:
        """How the table weights the heads, in words."""
        if self.head_weights is not None:
            return "heads are weighted by how well they rank the right words first on other drawings"
        return "all heads shown have equal weight"

    @cached_property
    def weighted_attention(self) -> np.ndarray:
        """The same as `relative_attention`, with the heads weighted as in the table."""
        if self.head_weights is None:
            return self.relative_attention
        return maps.relative_attention(self.heads, self.head_weights)

    @cached_property
    def mean_weight(self) -> np.ndarray:
        """The mean attention weight of each label over the heads, (token, y, x)."""
        is_there = ~np.isnan(self.heads)
        return np.where(is_there, self.heads, 0).sum((1, 2)) / np.maximum(is_there.sum((1, 2)), 1)

    @cached_property
    def effects(self) -> np.ndarray:
        """How far editing each label changes each pixel at this frame, (token, row, column); NaN: not computed."""
        attention, found = self.result.attention, []
        for token in attention.label_tokens:
            effect = attention.effect(token, self.result.request.weight(token))
            if effect is None:
                effect = np.full(attention.image.shape[:2], np.nan, np.float32)
            found.append(effect if effect.ndim == 2 else effect[self.frame])
        return np.stack(found)

    @property
    def common_scale(self) -> float | None:
        """The factor on the attention to each compared word; None if they differ."""
        result = self.result
        scales = {result.request.weight(result.attention.label_tokens[k]).scale for k in result.compared_labels}
        return scales.pop() if len(scales) == 1 else None

    @cached_property
    def regions(self) -> dict[str, np.ndarray]:
        """The rows of the table: the parts of a drawing, or thirds of the image; then the boxes."""
        drawing, word_masks = self.result.drawing, self.result.word_masks
        if drawing is None or word_masks is None:
            found = {name: box_mask(box) for name, box in THIRDS.items()}
        else:
            described = [(name, mask) for name, mask in maps.named_regions(drawing.masks).items()
                         if maps.ground_truth_words(mask, word_masks)]
            found = dict(described[:MAX_NAMED_REGIONS])
        return found | {name: box_mask(to_box(box)) for name, box in self.boxes.items()}

    @cached_property
    def table(self) -> np.ndarray:
        """(regions, compared words): the attention to each word there, relative to its average."""
        return maps.mean_by_region(self.weighted_attention, self.regions)[:, self.result.compared_labels]

    @cached_property
    def correct_columns(self) -> list[list[int]] | None:
        """For each region the columns of the table whose words describe it; None without ground truth."""
        result = self.result
        if result.word_masks is None:
            return None
        columns = {label: c for c, label in enumerate(result.compared_labels)}
        labels = [[result.word_labels[w] for w in maps.ground_truth_words(mask, result.word_masks)]
                  for mask in self.regions.values()]
        return [[columns[label] for label in row if label in columns] for row in labels]

    @cached_property
    def compared_region(self) -> tuple[str, np.ndarray]:
        """The region in which attention and effect are compared: the brushed one, or else the whole image."""
        if BRUSHED in self.regions:
            return "the brushed region", self.regions[BRUSHED]
        return "the image", np.ones((IMAGE_SIZE, IMAGE_SIZE), bool)

    @cached_property
    def comparison(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """For each compared word in the compared region: relative attention, mean weight, and effect of its edit."""
        name, mask = self.compared_region
        relative, weight = (maps.mean_by_region(of_tokens, {name: mask})[0][self.result.compared_labels]
                            for of_tokens in (self.weighted_attention, self.mean_weight))
        effects = np.stack([maps.coverage(effect, mask.shape) for effect in self.effects[self.result.compared_labels]])
        return relative, weight, effects[:, mask].mean(1)

    @cached_property
    def correlation(self) -> float:
        """Spearman's rank correlation, over positions, of the word's attention and its edit's effect; or NaN."""
        effect, attention = self.effects[self.label], self.relative_attention[self.label]
        if not np.isfinite(effect).all():
            return float("nan")
        return maps.rank_correlation(attention, maps.coverage(effect, attention.shape))

    def caption(self) -> str:
        """Describe how much attention the word gets, where, the effect of its edit, and the brushed region."""
        return " ".join(filter(None, (self._word_caption(), self._region_caption())))

    def _region_caption(self) -> str:
        if BRUSHED not in self.regions or not self.result.compared_words:
            return ""
        relative = self.comparison[0]
        first = int(relative.argmax())
        return (f"In the brushed region “{self.result.compared_words[first]}” is the farthest above its average: "
                f"{relative[first]:+.1f} standard deviations.")

    def _word_caption(self) -> str:
        result, (height, width) = self.result, self.relative_attention.shape[1:]
        if self.branch == "uncond" and self.label in result.word_labels:
            return f"The pass without the prompt does not receive “{self.word}”: no attention goes to it."
        row, column = np.unravel_index(self.relative_attention[self.label].argmax(), (height, width))
        size = f"{width}" if height == width else f"{height} × {width}"
        attention = (f"“{self.word}” gets {self.mean_weight[self.label].mean():.1%} of the attention, most at row "
                     f"{row + 1}, column {column + 1} of {size}.")
        effect, weight = self.effects[self.label], result.request.weight(result.token(self.word))
        if not np.isfinite(effect).all():
            return attention
        edit = f"Scaling its attention by {weight.scale:g}" if weight.scale else (
            "Masking it, also in the text encoder," if weight.mask_in_text_encoder else "Masking it")
        return f"{attention} {edit} changes the image by {effect.mean():.3f} on average (1: black to white)."

    def score(self) -> tuple[str, str, str]:
        """Return the name, value and note of the score: the map's IoU with the true mask, or else a correlation."""
        correlation = "not computed yet" if np.isnan(self.correlation) else f"{self.correlation:.2f}"
        mask = self.result.ground_truth_mask(self.label)
        if not mask.any():
            return ("Attention and effect", correlation,
                    "rank correlation over positions; 1: attention predicts the effect")
        best, threshold = maps.best_iou(maps.resize_maps(self.relative_attention[self.label]), maps.coarse_mask(mask))
        hits = [int(values.argmax()) in columns
                for values, columns in zip(self.table, self.correct_columns or [], strict=True) if columns]
        return ("IoU of the map with the ground-truth mask", f"{best:.2f}",
                f"at the best threshold, {threshold:.0%} of the range. A correct word ranks first in "
                f"{sum(hits)} of {len(hits)} regions. Rank correlation of attention and effect: {correlation}")


# ---- the stage ------------------------------------------------------------------------------------------------------


def axes_of(result: Result) -> tuple[Axis, ...]:
    """Return the axes of words, each with its share and fader, of layers and of heads, the means first."""
    attention = result.attention
    recorded = attention.maps(attention.branches[-1])
    tooltips = tuple(SPECIAL_TOKENS.get(token, "") for token in attention.label_tokens)
    fader = Fader(tuple("" if token == PAD else token for token in attention.label_tokens), "attention to")
    return (Axis("word", "word", attention.labels, tooltips, share_layer="attention", share_title=SHARE, fader=fader,
                 rows_title=ROWS, ranked=tuple(result.compared_labels)),
            Axis("layer", "layer", (maps.ALL_LAYERS, *map(str, recorded.layer.values)), thumbnail_layer="attention"),
            Axis("head", "head", (maps.MEAN_HEAD, *map(str, recorded["head"].values)), thumbnail_layer="attention",
                 counts_along="layer", counts=(1, *(1 + n for n in maps.head_counts(recorded)))))


def _edited_and_effect(token: str, weight: WordWeight, *candidates: WordAttention | None,
                       ) -> tuple[np.ndarray, np.ndarray] | None:
    """Return the edited image and its effect from the first candidate that has them, or None."""
    for attention in candidates:
        if attention is not None and (effect := attention.effect(token, weight)) is not None:
            return attention.edit_word(token, weight), effect
    return None


def _pending(token: str, shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Return what stands for an edited image (…, height, width, 3) that is not computed yet, and for its effect."""
    text = "is computed\nonce chosen" if token in SPECIAL_TOKENS else COMPUTING
    height, width = shape[-3:-1]
    return np.broadcast_to(notice(text, (height, width)), shape), np.zeros(shape[:-1], np.float32)


def layers_of(result: Result, branch: str, preview: WordAttention | None = None) -> list[Layer]:
    """Return the image, the maps of one branch, the edited images with their effects, and the ground truth if known.

    preview: attention in few steps, used for words whose edit is not computed yet.
    """
    attention, is_drawn, weight = result.attention, result.drawing is not None, result.request.weight
    axes, word_axis = (("frame", "word"), 1) if is_drawn else (("word",), 0)
    pairs = [_edited_and_effect(token, weight(token), attention, preview) or _pending(token, attention.original.shape)
             for token in attention.label_tokens]
    edited, effects = (np.stack(parts, word_axis) for parts in zip(*pairs, strict=True))
    recorded = attention.maps_with_means(branch).values
    peaks = recorded.max((0, -2, -1), keepdims=True)  # (1, word, layer, head, 1, 1)
    layers = [
        Images("image", "Image", attention.image, "as drawn" if is_drawn else "as generated", axes=()),
        Images("denoised", "Predicted image", attention.denoised_images, "the denoised estimate, decoded"),
        Heatmap("attention", "Attention to the word", recorded / np.maximum(peaks, TINY),
                "cross-attention weights, as a share of the word's largest in this layer and head",
                ("frame", "word", "layer", "head"), high=1.0, unit="of its maximum", peaks=peaks[..., 0, 0]),
        Images("edited", "Edited image", edited, "the same noise, with the word edited", axes),
        Heatmap("effect", "Effect of the edit", effects, "root mean square over the colours", axes,
                unit="of black to white", colour="guidance")]
    if is_drawn:
        masks = np.stack([result.ground_truth_mask(k) for k in range(len(attention.labels))]).astype(np.float32)
        layers.append(Heatmap("ground truth", "Ground truth", masks, "the pixels that the word describes", ("word",),
                              high=1.0))
    return layers


def panels_of(result: Result, preview: WordAttention | None = None) -> tuple[Panel, ...]:
    """Return the panels. preview: as in `layers_of`."""
    is_drawn, attention, weight = result.drawing is not None, result.attention, result.request.weight
    original = "denoised" if is_drawn else "image"

    def by_word(title: Callable[[str, str], str]) -> dict[str, Any]:
        titles = (title(label, token) for label, token in zip(attention.labels, attention.label_tokens, strict=True))
        return {"titles": tuple(titles), "titles_along": "word"}

    def edited(label: str, token: str) -> str:
        scale = weight(token).scale
        is_preview = preview is not None and attention.is_pending(token, weight(token)) and (
            not preview.is_pending(token, weight(token)))
        return (f"“{label}” × {scale:g}" if scale else f"without “{label}”") + (
            f" ({PREVIEW_LABEL})" if is_preview else "")

    def effect(label: str, token: str) -> str:
        is_there = _edited_and_effect(token, weight(token), attention, preview) is not None
        return "effect" if is_there or token in SPECIAL_TOKENS else f"effect: {COMPUTING}"

    return (Panel("attention", ("image" if is_drawn else "denoised", "attention"), "attention", interaction="brush",
                  ranks="word", ranking_title="attends to"),
            *([Panel("ground truth", ("image", "ground truth"), "ground truth")] if is_drawn else []),
            Panel("image", (original,), **by_word(lambda label, token: f"with “{label}”")),
            Panel("edited", ("edited",), **by_word(edited)),
            Panel("effect", (original, "effect"), **by_word(effect)))


def preview_layers(preview: Result, branch: str, steps: int) -> tuple[list[Layer], list[str]]:
    """Return the layers and captions of a result in few steps, laid out over the frames of one in `steps`."""
    frames = nearest_frames(frame_steps(steps), steps, PREVIEW_STEPS - 1)
    captions = [f"{PREVIEW_LABEL}: {preview.attention.captions[k]}" for k in frames]
    return stretch_layers(layers_of(preview, branch), frames), captions
