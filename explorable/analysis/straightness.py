"""How straight sampling trajectories are: a straight one can be sampled in a single step."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..diffusion.paths import Path


def straightness(x: np.ndarray, times: Sequence[float] | np.ndarray) -> np.ndarray:
    """Return the mean over time of |(x_end - x_start) - dx/dt|^2 for each trajectory, (batch,); 0 if straight.

    S(Z) of Liu et al. 2022, section 2.2, for the polygon through x (steps + 1, batch, ...) at these times, with time
    rescaled to 0 ... 1; its mean over the batch is theirs. A straight path with changing speed counts as not straight.
    A single step is always straight, so measure trajectories of many steps.
    """
    x = x.reshape(*x.shape[:2], -1)
    times = np.asarray(times)
    share = (np.diff(times) / (times[-1] - times[0]))[:, None, None]  # of the total time, for each step
    gap = (x[-1] - x[0]) - np.diff(x, axis=0) / share  # (steps, batch, components)
    return (share * np.square(gap)).sum(axis=(0, 2))


def path_length_ratio(x: np.ndarray) -> np.ndarray:
    """Return the ratio of path length to the distance between the end points, (batch,).

    It is 1 for a straight path, and NaN where the end points coincide.

    x: (steps + 1, batch, ...).
    """
    x = x.reshape(*x.shape[:2], -1)
    length = np.linalg.norm(np.diff(x, axis=0), axis=-1).sum(axis=0)
    distance = np.linalg.norm(x[-1] - x[0], axis=-1)
    return np.divide(length, distance, out=np.full_like(length, np.nan), where=distance > 0)


def to_straight_path(path: Path, x: np.ndarray, times: Sequence[float]) -> tuple[np.ndarray, list[float]]:
    """Return the same trajectories, (steps + 1, batch, ...), in the coordinates and times of the straight path.

    x / (alpha + sigma) = (1 - s) x0 + s noise with s = sigma / (alpha + sigma). This removes the curvature that comes
    only from the path's scaling of latents; what is left is the denoiser's own.
    """
    total = np.array([path.alpha(t) + path.sigma(t) for t in times])
    return (x / total.reshape(-1, *[1] * (x.ndim - 1)),
            [path.sigma(t) / (path.alpha(t) + path.sigma(t)) for t in times])
