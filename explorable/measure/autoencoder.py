"""How well does the autoencoder reconstruct drawings that it was not trained on?"""

from __future__ import annotations

import numpy as np
import torch

from ..nn.pixels import to_tensor
from ..training.data import images
from ..zoo.loading import load_vae
from .table import Table


@torch.inference_mode()
def vae(count: int = 1000) -> Table:
    """Measure the PSNR in dB over `count` drawings of the test split: of the pooled error, and per image."""
    model, data = load_vae(), images(count, "test")
    errors = []
    for start in range(0, count, 50):
        x = to_tensor(data[start : start + 50])
        y = ((model.decode(model.encode(x)).clamp(-1, 1) + 1) * 127.5).round() / 127.5 - 1
        errors.append((y - x).square().mean((1, 2, 3)).numpy())
    squared = np.concatenate(errors)
    psnr = 10 * np.log10(4 / squared)
    rows = [{"measure": "PSNR, pooled error", "dB": round(float(10 * np.log10(4 / squared.mean())), 2)},
            {"measure": "PSNR, mean over images", "dB": round(float(psnr.mean()), 2)},
            {"measure": "PSNR, worst image in twenty", "dB": round(float(np.percentile(psnr, 5)), 2)}]
    return Table(f"The autoencoder on {count} drawings of the test split", rows)
