"""Pictures as bytes, and as the numbers that networks see."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


def to_tensor(images: np.ndarray) -> Tensor:
    """(n, high, wide, 3) uint8 to (n, 3, high, wide) float in [-1, 1]."""
    return torch.from_numpy(np.array(images)).permute(0, 3, 1, 2).float() / 127.5 - 1


def to_images(pictures: Tensor) -> np.ndarray:
    """(n, 3, high, wide), of which what lies beyond [-1, 1] is cut off, to (n, high, wide, 3) uint8."""
    return ((pictures.clamp(-1, 1) + 1) * 127.5).round().byte().permute(0, 2, 3, 1).cpu().numpy()
