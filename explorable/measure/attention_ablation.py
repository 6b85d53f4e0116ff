"""Attention beside ablation: is a word attended to where masking it changes the prediction?"""

from __future__ import annotations

import random
from typing import Any

import numpy as np
from tqdm.auto import tqdm

from ..analysis import attention_maps as mapping
from ..analysis.word_attention import WordAttention, WordWeight, attention_in_image
from ..pipeline import load
from ..world import draw, parse, write_caption
from .attention import drawing_count, evaluation_scenes
from .statistics import interval_text
from .table import Table

COUNT = 30  # drawings
TIME = 0.5  # noise time
FIRST_SCENE = 10_000
MASKED = {"in cross-attention": WordWeight(),
          "in cross-attention and text encoder": WordWeight(mask_in_text_encoder=True)}


def attention_ablation(model: str = "unet-flow", count: int = COUNT, quick: bool = False) -> Table:
    """Measure Spearman's rank correlation of attention with the effect of masking the word on the denoised estimate.

    Over positions: of a word's relative attention with the change there. Over the words of a drawing: of the mean
    attention to each with its mean change. count: drawings, of combinations that occurred in training. quick: a tenth.
    """
    count = drawing_count(count, quick)
    pipe, rng = load(model), random.Random("beside")
    found: dict[str, dict[str, list[float]]] = {}
    for scene in tqdm(evaluation_scenes(count, False, FIRST_SCENE), desc="masking", leave=False):
        drawing = draw(scene)
        caption = write_caption(drawing.scene, rng, everything=True)
        roles = [word.role for word in parse(caption).words]
        reading = attention_in_image(pipe, drawing.image, caption, times=(TIME,))
        maps, words = reading.maps("cond").isel(step=0), slice(1, 1 + len(roles))  # token 0 is the start token
        relative = mapping.relative_attention(maps.values)[words]
        mean = np.nanmean(maps.values[words], axis=(1, 2, 3, 4))
        for where, weight in MASKED.items():
            effects = np.stack([_effect(reading, name, weight) for name in reading.label_tokens[words]])
            for role, attended, effect in zip(roles, relative, effects, strict=True):
                rho = mapping.rank_correlation(attended, mapping.coverage(effect, attended.shape[-1]))
                found.setdefault(f"over positions, {role} words", {}).setdefault(where, []).append(rho)
            rho = mapping.rank_correlation(mean, effects.mean((1, 2)))
            found.setdefault("over the words of a drawing", {}).setdefault(where, []).append(rho)
    rows = [{"rank correlation": what} | _cells(values) for what, values in sorted(found.items(), reverse=True)]
    return Table(f"Attention beside ablation, {model}", rows, [
        f"{count} drawings at t {TIME}; the word is masked in every cross-attention, or in the text encoder too",
        "1: attention tells what a word does; 0: it tells nothing; intervals are 95% bootstrap"])


def _effect(reading: WordAttention, name: str, weight: WordWeight) -> np.ndarray:
    """Return the effect of masking a word at a single noise time, (128, 128)."""
    return mapping.pixel_difference(reading.edit_word(name, weight), reading.original)[0]


def _cells(by_place: dict[str, list[float]]) -> dict[str, Any]:
    cells: dict[str, Any] = {}
    for where, values in by_place.items():
        known = np.array([v for v in values if np.isfinite(v)])
        cells |= {"n": len(known), where: round(float(known.mean()), 2) if len(known) else None,
                  f"95% {where}": interval_text(known) if len(known) else ""}
    return cells
