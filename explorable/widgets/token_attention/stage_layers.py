"""What TokenAttention puts on the stage: pictures, maps along words, layers and heads, and the panels they are in."""

from __future__ import annotations

import numpy as np

from ...analysis import attention_maps as mapping
from ...analysis.word_attention import WordAttention, WordWeight, frame_steps
from ..core.layout import SPECIAL_TOKENS
from ..core.preview import PREVIEW_LABEL, PREVIEW_STEPS, nearest_frames, stretch_layers
from ..stage.stage import Axis, Heatmap, Images, Layer, Panel
from .view import Known

UNKNOWN = 128  # grey, where a picture is still to be drawn


def axes_of(known: Known) -> tuple[Axis, ...]:
    """Words, layers and heads, the means first."""
    maps = known.reading.maps(known.reading.branches[-1])
    tips = tuple(SPECIAL_TOKENS.get(name, "") for name in known.reading.label_tokens)
    return (Axis("word", "word", known.reading.labels, tips),
            Axis("layer", "layer", (mapping.ALL_LAYERS, *map(str, maps.layer.values)), thumbnail_layer="read"),
            Axis("head", "head", (mapping.MEAN_HEAD, *map(str, maps["head"].values)), thumbnail_layer="read"))


def tried(reading: WordAttention, few: WordAttention | None, word: str,
          volume: WordWeight) -> tuple[np.ndarray, np.ndarray] | None:
    """The picture with a word changed, and how far that is from the plain one: of the whole, or of a first look at it;
    None: not computed in either."""
    found = next((r for r in (reading, few) if r is not None and not r.is_pending(word, volume)), None)
    if found is None:
        return None
    effect = found.effect(word, volume)
    assert effect is not None
    return found.edit_word(word, volume), effect


def layers_of(known: Known, branch: str, few: WordAttention | None = None) -> list[Layer]:
    """The picture, the maps of one branch, what the changed word does, and the truth where it is known. few: the same
    reading in few steps, which stands in for words that are still to be tried."""
    reading, drawn = known.reading, known.drawing is not None
    spans, lead = (("frame", "word"), 1) if drawn else (("word",), 0)
    grey, nothing = np.full_like(reading.original, UNKNOWN), np.zeros(reading.original.shape[:-1], np.float32)
    pairs = [tried(reading, few, name, known.volume) or (grey, nothing) for name in reading.label_tokens]
    changed, effects = (np.stack(parts, lead) for parts in zip(*pairs, strict=True))
    found = [
        Images("picture", "The picture", reading.image, "as drawn" if drawn else "as painted", axes=()),
        Images("denoised", "What it believes", reading.denoised_images, "the denoised estimate, decoded"),
        Heatmap("read", "Where the word is read",
            mapping.scale_to_max(reading.maps_with_means(branch).values, (0, -2, -1)),
            "weights of cross-attention, as a share of the word's greatest in this layer and head",
            ("frame", "word", "layer", "head"), high=1.0, unit="of its greatest"),
        Images("changed", "With the word changed", changed, "the same noise, one word changed", spans),
        Heatmap("effect", "What that changes", effects,
            "root mean square over the colours", spans, unit="of black to white", colour="guidance")]
    if drawn:
        masks = np.stack([known.true_mask(k) for k in range(len(reading.labels))]).astype(np.float32)
        found.append(
            Heatmap("true", "Where it truly is", masks, "known, for the picture is drawn", ("word",), high=1.0)
        )
    return found


def panels_of(known: Known, first: bool = False) -> tuple[Panel, ...]:
    """What is shown where. first: the changed picture is a first look at it."""
    drawn, loud = known.drawing is not None, known.volume.scale
    what = "Without the word" if loud == 0 else f"The word read {loud:g} times as much"
    return (Panel("read", ("picture" if drawn else "denoised", "read"), "Where the word is read", interaction="brush"),
            *([Panel("true", ("picture", "true"), "Where it truly is")] if drawn else []),
            Panel("changed", ("changed",), f"{what}: {PREVIEW_LABEL}" if first else what),
            Panel("effect", ("denoised" if drawn else "picture", "effect"), "What that changes"))


def first_reading(few: Known, branch: str, steps: int) -> tuple[list[Layer], list[str]]:
    """Layers and captions of a reading in few steps, where one of `steps` is going to be."""
    frame_indices = nearest_frames(frame_steps(steps), steps, PREVIEW_STEPS - 1)
    return stretch_layers(layers_of(few, branch), frame_indices), [
        f"{PREVIEW_LABEL}: {few.reading.captions[k]}" for k in frame_indices
    ]
