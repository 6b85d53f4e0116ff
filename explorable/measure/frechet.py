"""Frechet distance of a denoiser's pictures to true drawings, in the examiner's features."""

from __future__ import annotations

import numpy as np
import torch

from ..analysis.verdict import examiner_features
from ..diffusion.settings import Settings, check_settings
from ..nn.pixels import to_tensor
from ..pipeline import Pipeline, load
from ..training.text import captions
from .denoisers import default_guidance, select_denoisers
from .exam import BATCH, painted, painter, true_drawings
from .table import Table, check_counts

COUNT, QUICK = 500, 48


def gaussian_distance(mean_a: np.ndarray, cov_a: np.ndarray, mean_b: np.ndarray, cov_b: np.ndarray) -> float:
    """|mean_a - mean_b|^2 + tr(A + B - 2 (A B)^(1/2)) of two normal distributions (Dowson and Landau 1982, eq. 4).

    A B is not symmetric, but has the eigenvalues of A^(1/2) B A^(1/2), which is.
    """
    values, vectors = np.linalg.eigh(cov_a)
    root = vectors * np.sqrt(values.clip(0)) @ vectors.T
    shared = np.sqrt(np.linalg.eigvalsh(root @ cov_b @ root).clip(0)).sum()  # tr (A B)^(1/2)
    return float(np.square(mean_a - mean_b).sum() + np.trace(cov_a) + np.trace(cov_b) - 2 * shared)


def distance(a: np.ndarray, b: np.ndarray) -> float:
    """Frechet distance of two sets of features (n, width), each taken for normal (Heusel et al. 2017, eq. 6)."""
    a, b = a.astype(np.float64), b.astype(np.float64)
    return gaussian_distance(a.mean(0), np.cov(a, rowvar=False), b.mean(0), np.cov(b, rowvar=False))


def frechet(model: str = "all", steps: int = 20, count: int = COUNT, quick: bool = False) -> Table:
    """Every denoiser's pictures against `count` true drawings of the same captions, which training never had.

    Few pictures make any distance larger, so two rows say what to expect of the number alone: other true drawings
    of the same captions (the noise floor), and these through the autoencoder, which no denoiser can better.
    quick: a tenth of the pictures.

    Raises:
        ValueError: a model, or a number of steps or pictures that cannot be.
    """
    check_counts(2, count=count)
    check_settings(Settings("", steps=steps))
    models, notes = select_denoisers(model)
    count = QUICK if quick else count
    prompts = captions(list(range(count)), 0, "test", everything=True)
    seeds, others = list(range(count)), list(range(count, 2 * count))
    measured = examiner_features(painted(prompts, seeds, true_drawings, "drawing"))
    again = painted(prompts, others, true_drawings, "drawing")
    shown = {"true drawings again (noise floor)": examiner_features(again)}
    for name in models:
        pipe, w = load(name), default_guidance(name)
        if len(shown) == 1:  # all have the same autoencoder
            shown["these through the autoencoder"] = examiner_features(coded(pipe, again))
        shown[f"{name}, guidance {w:g}"] = examiner_features(painted(prompts, others, painter(pipe, steps, w), name))
    rows: list[dict] = [{"pictures": what, "distance": float(f"{distance(seen, measured):.3g}")}
                        for what, seen in shown.items()]
    return Table(f"Frechet distance to {count} true drawings of the same captions, {steps} steps", rows, [
        f"in the examiner's {measured.shape[1]} pooled features; {count} pictures a row, and the fewer, the larger "
        "is every distance: compare with the noise floor", *notes])


@torch.inference_mode()
def coded(pipe: Pipeline, images: np.ndarray) -> np.ndarray:
    """Pictures (n, 128, 128, 3) uint8, encoded and decoded."""
    latents = [pipe.vae.encode(to_tensor(images[k : k + BATCH]).to(pipe.device)).cpu()
               for k in range(0, len(images), BATCH)]
    return pipe.decode(torch.cat(latents).numpy())
