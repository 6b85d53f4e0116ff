"""How static becomes a picture: how far each step is from the end, and up to when the end is open.

Distances are root mean squares over a latent's numbers, which have about unit spread in every model here.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median

import numpy as np
import xarray as xr
from tqdm.auto import tqdm

from ..analysis.verdict import examine, matches_scene
from ..diffusion.paths import Path
from ..diffusion.settings import Settings, check_settings
from ..pipeline import load
from ..run import Run
from .mask_word import cases
from .statistics import bootstrap
from .table import Table, check_counts

NEAR = 0.1  # of its first distance: as near as this, an estimate is called settled
PAIRS = 8
SHARES = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8)  # of the steps, at which a branch leaves its parent


# ---- one run ---------------------------------------------------------------------------------------------------------


def apart(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Root mean square difference of latents (..., channel, y, x): (...)."""
    return np.sqrt(np.square(a - b).mean((-3, -2, -1)))


def distances(run: Run) -> xr.Dataset:
    """How far each step of a run is from its own end.

    latent: x_t from the finished latent, (step,), `steps` + 1 of them. estimate: the denoised estimate from it; there
    is none at the end, which is NaN.
    """
    end = run.latents.values[-1]
    estimate = np.append(apart(run.denoised.values, end), np.nan)
    return xr.Dataset({"latent": ("step", apart(run.latents.values, end)), "estimate": ("step", estimate)},
                      coords={"step": run.latents.step, "t": run.latents.t})


def settled(estimate: np.ndarray, share: float = NEAR) -> int:
    """The step from which on an estimate stays within `share` of its first distance from the end.

    estimate: distances, (steps,) or with the NaN of the end. A sampler's last estimate is its end, so there is one.
    """
    known = estimate[~np.isnan(estimate)]
    far = np.flatnonzero(known > share * known[0])
    return int(far[-1]) + 1 if len(far) else 0


def signal_to_noise(path: Path, t: float) -> float:
    """alpha^2 / sigma^2: power of the picture over power of the noise, of unit spread both. Infinite at t = 0."""
    return path.alpha(t) ** 2 / path.sigma(t) ** 2 if path.sigma(t) else math.inf


def dissolved(path: Path, latent: np.ndarray, noise: np.ndarray, times: np.ndarray) -> np.ndarray:
    """The way from a picture to noise: alpha x0 + sigma noise at each time, (times, 4, 16, 16) float32."""
    return np.stack([path.alpha(t) * latent + path.sigma(t) * noise for t in map(float, times)]).astype(np.float32)


def predicted_noise(path: Path, run: Run) -> np.ndarray:
    """The noise that each step's estimate leaves: (x - alpha x0) / sigma, (steps, 4, 16, 16) float32."""
    pairs = zip(run.latents.values, run.denoised.values, map(float, run.denoised.t.values), strict=False)
    return np.stack([(x - path.alpha(t) * x0) / path.sigma(t) for x, x0, t in pairs]).astype(np.float32)


@dataclass(frozen=True, eq=False)
class Plane:
    """Two directions in the space of latents. share: of the variance of what it was laid through, that each shows."""

    centre: np.ndarray  # (1024,)
    axes: np.ndarray  # (2, 1024), orthonormal
    share: tuple[float, float]

    def at(self, latents: np.ndarray) -> np.ndarray:
        """Where latents (..., 4, 16, 16) fall on it: (..., 2), in units of the latent space."""
        flat = latents.reshape(*latents.shape[:-3], -1)
        return (flat - self.centre) @ self.axes.T


def plane_through(latents: np.ndarray) -> Plane:
    """The plane of the two largest principal components of latents (n, 4, 16, 16), n at least 2.

    A component's sign is open: here the first latent lies to the left, and the one farthest from the middle above.
    """
    flat = latents.reshape(len(latents), -1).astype(np.float64)
    centre = flat.mean(0)
    _, spread, axes = np.linalg.svd(flat - centre, full_matrices=False)
    axes, power = axes[:2], spread**2
    shown = (flat - centre) @ axes.T
    signs = [-1 if shown[0, 0] > 0 else 1, -1 if shown[np.abs(shown[:, 1]).argmax(), 1] < 0 else 1]
    first, second = power[:2] / (power.sum() or 1.0)
    return Plane(centre, axes * np.array(signs)[:, None], (float(first), float(second)))


# ---- many ------------------------------------------------------------------------------------------------------------


def branching(model: str = "unet-flow", pairs: int = PAIRS, steps: int = 20, guidance: float | None = None,
              quick: bool = False) -> Table:
    """When is a picture decided? Runs are rewound to a step, and go on with other words, or with fresh noise.

    Apart: root mean square difference of the finished latents of branch and parent. New words, old words: pictures in
    which the examiner finds all that the new, or the parent's, prompt states. quick: two pairs of prompts.

    Raises:
        ValueError: a model, or a number of pairs or steps that cannot be.
    """
    check_counts(1, pairs=pairs)
    check_counts(2, steps=steps)  # a single step has no middle to branch off in
    pipe = load(model)
    guidance = pipe.default_guidance if guidance is None else guidance
    check_settings(Settings("", steps=steps, guidance=guidance))
    asked = cases(2 * (2 if quick else pairs))
    leaving = sorted({round(share * steps) for share in SHARES})
    words, noise = (np.zeros((len(asked) // 2, len(leaving))) for _ in range(2))
    new, old = (np.zeros(words.shape, bool) for _ in range(2))
    when = []
    for k in tqdm(range(len(words)), desc="branching", leave=False):
        (prompt, said), (other, other_said) = asked[2 * k : 2 * k + 2]
        parent = pipe(prompt, steps=steps, guidance=guidance, seed=k)
        when.append(settled(distances(parent).estimate.values))
        for j, (changed, fresh) in enumerate(_branches(parent, other, leaving)):
            words[k, j], noise[k, j] = _ends(parent, changed), _ends(parent, fresh)
            verdict = examine(changed.image[None])[0]
            new[k, j], old[k, j] = matches_scene(verdict, other_said), matches_scene(verdict, said)
    rows = [{"from step": step, "t": round(float(parent.latents.t[step]), 2)}
            | _apart("words", words[:, j]) | _apart("noise", noise[:, j])
            | {"new words %": round(100 * float(new[:, j].mean())), "old words %": round(100 * float(old[:, j].mean()))}
            for j, step in enumerate(leaving)]
    return Table(f"Branches of {steps} steps by the step they leave at, {model}, guidance {guidance:g}", rows, [
        f"{len(words)} runs, each rewound to every step twice: once to go on with another prompt, once in fresh noise",
        "apart: root mean square difference of the finished latents from the parent's, with its 95% bootstrap interval",
        f"a parent's estimate stays within {NEAR:.0%} of its first distance from step {median(when):g} on (median)"])


def _branches(parent: Run, other: str, leaving: list[int]) -> Iterator[tuple[Run, Run]]:
    """For every step a branch with other words, and one with fresh noise."""
    for step in leaving:
        yield parent.branch(step, prompt=other), parent.branch(step, seed=parent.settings.seed + 1000)


def _ends(one: Run, other: Run) -> float:
    return float(apart(one.latents.values[-1], other.latents.values[-1]))


def _apart(what: str, values: np.ndarray) -> dict[str, object]:
    low, high = bootstrap(values)
    return {f"{what} changed: apart": float(f"{values.mean():.3g}"), f"{what} 95%": f"{low:.2f} to {high:.2f}"}
