"""Statistics of images that do not depend on what they show: saturation, clipping, diversity."""

from __future__ import annotations

import numpy as np


def saturation(images: np.ndarray) -> float:
    """Return the mean saturation over all pixels of (..., 3) uint8: (max - min) / max of red, green, blue (Smith 1978).

    0 is grey, 1 a colour with one of the three missing; black counts as grey.
    """
    high, low = images.max(-1).astype(float), images.min(-1).astype(float)
    return float(np.divide(high - low, high, out=np.zeros_like(high), where=high > 0).mean())


def clipped_share(images: np.ndarray) -> float:
    """Return the share of pixels of (..., 3) uint8 with red, green or blue at an end of its range."""
    return float(((images == 0) | (images == 255)).any(-1).mean())


def diversity(features: np.ndarray) -> np.ndarray:
    """Return the mean distance between two seeds of each prompt.

    features (prompts, seeds, width), two seeds or more, to (prompts,).
    """
    seeds = features.shape[1]
    gaps = np.linalg.norm(features[:, :, None] - features[:, None], axis=-1)  # (prompts, seeds, seeds)
    return gaps.sum((1, 2)) / (seeds * (seeds - 1))
