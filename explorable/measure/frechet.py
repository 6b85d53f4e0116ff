"""Frechet distance between generated images and drawings, in the examiner's features."""

from __future__ import annotations

import numpy as np
import torch

from ..analysis.verdict import examiner_features
from ..diffusion.settings import Settings, check_settings
from ..nn.pixels import to_tensor
from ..pipeline import Pipeline, load
from ..training.data import captions
from .denoisers import default_guidance, select_denoisers
from .generation import BATCH_SIZE, drawn, generated_by, images_of
from .table import Table, check_counts

COUNT, QUICK_COUNT = 500, 48  # images


def gaussian_distance(mean_a: np.ndarray, cov_a: np.ndarray, mean_b: np.ndarray, cov_b: np.ndarray) -> float:
    """Return |mean_a - mean_b|^2 + tr(A + B - 2 (A B)^(1/2)) of two Gaussians (Dowson and Landau 1982, eq. 4).

    A B is not symmetric, but it has the eigenvalues of A^(1/2) B A^(1/2), which is.
    """
    values, vectors = np.linalg.eigh(cov_a)
    root = vectors * np.sqrt(values.clip(0)) @ vectors.T
    shared = np.sqrt(np.linalg.eigvalsh(root @ cov_b @ root).clip(0)).sum()  # tr (A B)^(1/2)
    return float(np.square(mean_a - mean_b).sum() + np.trace(cov_a) + np.trace(cov_b) - 2 * shared)


def distance(a: np.ndarray, b: np.ndarray) -> float:
    """Return the Frechet distance of two sets of features (n, width), each fitted by a Gaussian.

    Heusel et al. 2017, eq. 6.
    """
    a, b = a.astype(np.float64), b.astype(np.float64)
    return gaussian_distance(a.mean(0), np.cov(a, rowvar=False), b.mean(0), np.cov(b, rowvar=False))


def frechet(model: str = "all", steps: int = 20, count: int = COUNT, quick: bool = False) -> Table:
    """Compute the Frechet distance of each denoiser's images to `count` drawings of the same captions (test split).

    Distances grow as the number of images falls. Two rows give the scale: other drawings of the same captions (the
    noise floor), and the same after the autoencoder (the best that a denoiser can reach).
    quick: use QUICK_COUNT images and ignore `count`.
    """
    check_counts(2, count=count)
    check_settings(Settings("", steps=steps))
    models, notes = select_denoisers(model)
    count = QUICK_COUNT if quick else count
    prompts = captions(list(range(count)), 0, "test", everything=True)
    seeds, others = list(range(count)), list(range(count, 2 * count))
    reference = examiner_features(images_of(drawn, prompts, seeds, "drawing"))
    again = images_of(drawn, prompts, others, "drawing")
    compared = {"true drawings again (noise floor)": examiner_features(again)}
    for name in models:
        pipe, w = load(name), default_guidance(name)
        if len(compared) == 1:  # every denoiser has the same autoencoder
            compared["the same through the autoencoder"] = examiner_features(reconstructed(pipe, again))
        images = images_of(generated_by(pipe, steps, w), prompts, others, name)
        compared[f"{name}, guidance {w:g}"] = examiner_features(images)
    rows: list[dict] = [{"images": what, "distance": float(f"{distance(found, reference):.3g}")}
                        for what, found in compared.items()]
    return Table(f"Frechet distance to {count} true drawings of the same captions, {steps} steps", rows, [
        f"in the examiner's {reference.shape[1]} pooled features; {count} images a row; distances grow as the "
        "number of images falls: compare with the noise floor", *notes])


@torch.inference_mode()
def reconstructed(pipe: Pipeline, images: np.ndarray) -> np.ndarray:
    """Encode and decode images (n, 128, 128, 3) uint8."""
    latents = [pipe.vae.encode(to_tensor(images[k : k + BATCH_SIZE]).to(pipe.device)).cpu()
               for k in range(0, len(images), BATCH_SIZE)]
    return pipe.decode(torch.cat(latents).numpy())
