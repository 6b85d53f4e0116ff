"""The error of a sampler with noise: how far the ends of many walks are from the data, with an interval over seeds."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import xarray as xr

from ..diffusion.paths import Path
from ..diffusion.timesteps import uniform_timesteps
from .field import MixtureField
from .stochastic import integrate_ddim, make_noise_sampler, sample_field, sliced_distance

SEEDS, WALKS_PER_SEED = 5, 400
T_95 = 2.776  # Student's t for the 95% interval of a mean of SEEDS values
REFERENCE_SAMPLES = 20_000


def walk_errors(field: MixtureField, path: Path, eta: float, step_counts: Sequence[int],
                progress: Callable[[int, int], None] = lambda done, total: None, spread: float = 1.0) -> xr.Dataset:
    """Measure the sampler with a share `eta` of noise beside the deterministic one, from the same starts.

    spread: of the starts; 1 is right, and others show whether a sampler corrects a wrong start.

    Returns:
        `distance` (eta, steps, seed): the sliced distance of WALKS_PER_SEED ends from the distribution. `floor` (seed):
        that of as many exact samples.
    """
    shape = (SEEDS * WALKS_PER_SEED, 2)
    start, reference = spread * make_noise_sampler(11, shape)(), sample_field(field, REFERENCE_SAMPLES, 12)

    def by_seed(x: np.ndarray) -> list[float]:
        return [sliced_distance(part, reference) for part in x.reshape(SEEDS, WALKS_PER_SEED, 2)]

    shares = (0.0, eta)
    distance: list[list[float]] = []
    for share in shares:
        for steps in step_counts:
            progress(1 + len(distance), 2 + len(shares) * len(step_counts))
            walks = integrate_ddim(field, path, start, uniform_timesteps(steps), share, make_noise_sampler(13, shape))
            distance.append(by_seed(walks.x[-1]))
    return xr.Dataset({"distance": (("eta", "steps", "seed"), np.reshape(distance, (2, len(step_counts), SEEDS))),
                       "floor": ("seed", by_seed(sample_field(field, shape[0], 14)))},
                      coords={"eta": list(shares), "steps": list(step_counts)})


def with_interval(values: xr.DataArray) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean over seeds, and half of its 95% interval."""
    return values.mean("seed").values, T_95 * values.std("seed", ddof=1).values / SEEDS**0.5
