"""The trajectory of a run in latent space: distances from its end, predicted noise, and a plane to draw it in.

Distances are root mean squares over a latent's components, which have about unit variance in every model here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import xarray as xr

from ..diffusion.paths import Path
from ..run import Run

SETTLED_SHARE = 0.1  # of its first distance from the end: an estimate that stays this near is settled


def describe_step(step: int, steps: int, t: float) -> str:
    """Return the caption of a step's image: "step 3 of 20, t = 0.85". Says which is the last, and which is finished."""
    if step >= steps:
        return f"finished after {steps} step{'' if steps == 1 else 's'}, t = {t:.2f}"
    return f"step {step} of {steps}{', the last' if step == steps - 1 else ''}, t = {t:.2f}"


def rms_distance(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the root mean square difference of latents (..., channel, y, x): (...)."""
    return np.sqrt(np.square(a - b).mean((-3, -2, -1)))


def distances_to_end(run: Run) -> xr.Dataset:
    """Return the distance of each step of a run from the run's finished latent.

    latent: of x_t, (step,), `steps` + 1 of them. estimate: of the denoised estimate; NaN at the end, where there
    is none.
    """
    end = run.latents.values[-1]
    estimate = np.append(rms_distance(run.denoised.values, end), np.nan)
    return xr.Dataset({"latent": ("step", rms_distance(run.latents.values, end)), "estimate": ("step", estimate)},
                      coords={"step": run.latents.step, "t": run.latents.t})


def settled_step(distances: np.ndarray, share: float = SETTLED_SHARE) -> int:
    """Return the step from which on an estimate stays within `share` of its first distance from the end.

    distances: of the denoised estimates, (steps,), or with the NaN of the end. A sampler's last estimate is its end, so
    that there is such a step.
    """
    valid = distances[~np.isnan(distances)]
    far = np.flatnonzero(valid > share * valid[0])
    return int(far[-1]) + 1 if len(far) else 0


def signal_to_noise(path: Path, t: float) -> float:
    """Return alpha^2 / sigma^2, the power of the image over that of the noise, both of unit variance; infinite at
    t = 0."""
    return path.alpha(t) ** 2 / path.sigma(t) ** 2 if path.sigma(t) else math.inf


def noised_latents(path: Path, latent: np.ndarray, noise: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Return alpha x0 + sigma noise at each time, from an image to noise: (times, 4, 16, 16) float32."""
    return np.stack([path.alpha(t) * latent + path.sigma(t) * noise for t in map(float, times)]).astype(np.float32)


def predicted_noise(path: Path, run: Run) -> np.ndarray:
    """Return the noise that each step's estimate implies, (x - alpha x0) / sigma: (steps, 4, 16, 16) float32."""
    pairs = zip(run.latents.values, run.denoised.values, map(float, run.denoised.t.values), strict=False)
    return np.stack([(x - path.alpha(t) * x0) / path.sigma(t) for x, x0, t in pairs]).astype(np.float32)


@dataclass(frozen=True, eq=False)
class Plane:
    """A plane in latent space. share: of the variance of the latents that it was fitted to, along each axis."""

    centre: np.ndarray  # (1024,)
    axes: np.ndarray  # (2, 1024), orthonormal
    share: tuple[float, float]

    def project(self, latents: np.ndarray) -> np.ndarray:
        """Return the coordinates of latents (..., 4, 16, 16) in the plane: (..., 2)."""
        flat = latents.reshape(*latents.shape[:-3], -1)
        return (flat - self.centre) @ self.axes.T


def principal_plane(latents: np.ndarray) -> Plane:
    """Return the plane of the two largest principal components of latents (n, 4, 16, 16), n at least 2.

    The sign of a component is arbitrary: here the first latent lies on the left, and the one with the largest second
    coordinate above.
    """
    flat = latents.reshape(len(latents), -1).astype(np.float64)
    centre = flat.mean(0)
    _, spread, axes = np.linalg.svd(flat - centre, full_matrices=False)
    axes, power = axes[:2], spread**2
    projected = (flat - centre) @ axes.T
    signs = [-1 if projected[0, 0] > 0 else 1, -1 if projected[np.abs(projected[:, 1]).argmax(), 1] < 0 else 1]
    first, second = power[:2] / (power.sum() or 1.0)
    return Plane(centre, axes * np.array(signs)[:, None], (float(first), float(second)))
