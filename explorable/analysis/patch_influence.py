"""Influence: how much each patch of the noisy latent changes the denoised estimate at one patch.

    field = patch_influence(pipe, run, step=10, patch=(3, 4), grid=(8, 8))    # (rows, columns)
    mean_distance(field, (3, 4))                                              # in patches

It is a derivative, so it works for every denoiser, whether it has patches or not: attention weights say how much one
patch reads from another in one head, influence says what comes of it in the end.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from ..diffusion.predictions import to_denoised
from ..pipeline import PipelineProtocol
from ..run.run import Run
from .attention_maps import rank_correlation
from .caught_value import catch_value

Patch = tuple[int, int]  # row and column
Grid = tuple[int, int]  # rows and columns of patches


def check_patch(patch: Patch, grid: Grid) -> Patch:
    """Return the patch.

    Raises:
        ValueError: it is outside of the grid; says which rows and columns there are.
    """
    if not all(0 <= k < n for k, n in zip(patch, grid, strict=True)):
        raise ValueError(f"patch {tuple(patch)} is outside the latent: its rows are 0 to {grid[0] - 1}, its columns "
                         f"0 to {grid[1] - 1}")
    return patch


def patch_influence(pipe: PipelineProtocol, run: Run, step: int, patch: Patch, grid: Grid,
                    edits: Mapping[str, Any] | None = None) -> np.ndarray:
    """Return the influence of every patch of the noisy latent on the denoised estimate at one patch, (rows, columns).

    The value at patch j is the Frobenius norm of the block d denoised[patch] / d latent[j] of the Jacobian, computed
    exactly with one backward pass per number in the patch (compare Luo et al. 2016, arXiv 1701.04128, section 2, which
    takes one channel). The estimate is the one with the prompt, without guidance.

    Args:
        run: its latent at `step` is where the derivative is taken. It may be of another pipeline on the same path:
            two networks are then compared at the same noisy latent and the same t.
        grid: rows and columns of patches, which divide the latent's. edits: those of the run, which apply here too.

    Raises:
        IndexError: no such step. ValueError: no such patch, or a grid that does not divide the latent.
    """
    step, (channels, height, width) = run.check_step(step), run.latents.shape[-3:]
    if height % grid[0] or width % grid[1]:
        raise ValueError(f"{grid[0]} x {grid[1]} patches do not divide a latent of {height} x {width}")
    row, column = check_patch(patch, grid)
    h, w = height // grid[0], width // grid[1]
    with torch.inference_mode(False), torch.enable_grad():
        x = torch.from_numpy(run.latents.values[step][None].copy()).requires_grad_()
        prediction = catch_value(pipe, run, step, x, "prediction", edits).value[:, :channels]  # more: its variance
        denoised = to_denoised(pipe.prediction, pipe.path, x.to(prediction), prediction, float(run.denoised.t[step]))
        numbers = denoised[0, :, row * h : (row + 1) * h, column * w : (column + 1) * w].flatten()
        squares = torch.zeros(x.shape[1:], dtype=torch.float64)
        for number in numbers:
            (gradient,) = torch.autograd.grad(number, x, retain_graph=True)
            squares += gradient[0].double().square()
    blocks = squares.numpy().reshape(channels, grid[0], h, grid[1], w)
    return np.sqrt(blocks.sum((0, 2, 4)))


# ---- distances ------------------------------------------------------------------------------------------------------


def patch_distances(grid: Grid, patch: Patch) -> np.ndarray:
    """Return the Euclidean distance of every patch's centre from one patch's, (rows, columns), in patches."""
    rows, columns = np.indices(grid)
    return np.hypot(rows - patch[0], columns - patch[1])


def mean_distance(weights: np.ndarray, patch: Patch) -> np.ndarray:
    """Return the mean distance from a patch, weighted by maps (..., rows, columns), as (...), in patches.

    Of attention weights this is the attention distance (Dosovitskiy et al. 2021, arXiv 2010.11929, figure 7). Maps of
    zeros give NaN.
    """
    maps = np.asarray(weights, np.float64)
    total = maps.sum((-2, -1))
    distance = (maps * patch_distances(maps.shape[-2:], patch)).sum((-2, -1))
    return np.divide(distance, total, out=np.full_like(total, np.nan), where=total > 0)


def share_by_distance(weights: np.ndarray, patch: Patch) -> np.ndarray:
    """Return the share of a map (rows, columns) at each distance from a patch, rounded to whole patches."""
    distance = np.rint(patch_distances(weights.shape, patch)).astype(int)
    shares = np.bincount(distance.ravel(), np.asarray(weights, np.float64).ravel())
    return shares / max(shares.sum(), 1e-30)


def correlation_with_others(attention: np.ndarray, influence: np.ndarray, patch: Patch) -> float:
    """Return Spearman's rank correlation of two maps (rows, columns) over all patches but the chosen one.

    The chosen patch is left out, since the estimate there depends on the latent there past all attention, by residual
    connections and by the conversion of the prediction. NaN where a map is constant.
    """
    others = np.ones(influence.shape, bool)
    others[patch] = False
    return rank_correlation(np.asarray(attention, np.float64)[others], influence[others])


def partial_correlation(attention: np.ndarray, influence: np.ndarray, patch: Patch) -> float:
    """Return the rank correlation of two maps (rows, columns) over the other patches, with distance held constant.

    Both fall with the distance from the patch, which alone makes them correlate. It is the partial correlation of
    ranks, (r_ai - r_ad r_id) / sqrt((1 - r_ad^2) (1 - r_id^2)), with a for attention, i influence, d distance.
    """
    distance = patch_distances(influence.shape, patch)
    both, *with_distance = (correlation_with_others(one, other, patch) for one, other in (
        (attention, influence), (attention, distance), (influence, distance)))
    below = np.prod([1 - r**2 for r in with_distance])
    return float((both - np.prod(with_distance)) / np.sqrt(below)) if below > 0 else float("nan")
