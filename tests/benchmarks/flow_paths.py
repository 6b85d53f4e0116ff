"""Speed of FlowPaths in the plane, and agreement of its closed forms with automatic differentiation.

    python tests/benchmarks/flow_paths.py [--repeats 30] [--json]

512 particles, 50 steps. A drag computes the user's own path alone; all particles are recomputed when the path, the
solver or the steps change. The fields are compared in float64, at 512 positions, with the gradient of the log density:
the score itself, and for the independent coupling what follows from it by Tweedie's formula and the probability flow
ODE (Song et al. 2021, equation 13). Each value is the largest difference for a distribution, a path and a time.
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from bench import parse_options, report, row

from explorable.diffusion.paths import PATHS
from explorable.diffusion.timesteps import uniform_timesteps
from explorable.flow2d import (
    COUPLINGS,
    DISTRIBUTIONS,
    SOLVERS,
    MixtureField,
    integrate,
    marginal_field,
    sample_distribution,
)
from explorable.widgets.flow_paths.compute import Data, Request, compute_frames, compute_own_path

PARTICLES, STEPS = 512, 50
DRAG_MS, CLOSE = 16, 1e-6
TIMES = (0.05, 0.3, 0.7, 0.97)


def timed(function: Callable[[int], Any], repeats: int) -> list[float]:
    """Milliseconds of each call function(k), the first left out."""
    times = []
    for k in range(repeats + 1):
        began = time.perf_counter()
        function(k)
        times.append(1000 * (time.perf_counter() - began))
    return times[1:]


def speed(repeats: int) -> Iterator[dict[str, Any]]:
    noise = np.random.default_rng(0)
    for coupling, solver in itertools.product(COUPLINGS, SOLVERS):
        what = f"{coupling}, {solver}"
        field = replace(marginal_field(sample_distribution("two moons"), coupling), dtype=np.float32)
        starts = noise.standard_normal((repeats + 1, PARTICLES, 2))
        yield row(f"{what}: all particles", timed(lambda k, f=field, s=solver, starts=starts: integrate(
            f, PATHS["straight"], starts[k], uniform_timesteps(STEPS), s), repeats), "ms", DRAG_MS)
        data = Data("two moons", "", None, PARTICLES, 0)
        requests = [Request(data, coupling, "straight", solver, STEPS, (x, 1.0))
                    for x in np.linspace(-2, 2, repeats + 1).tolist()]
        yield row(f"{what}: own path, on a drag",
                  timed(lambda k, requests=requests: compute_own_path(requests[k]), repeats), "ms", DRAG_MS)
        yield row(f"{what}: everything on the stage, {PARTICLES} points",
                  timed(lambda k, requests=requests: compute_frames.__wrapped__(requests[k]), repeats), "ms")


def differentiated(field: MixtureField, x: np.ndarray, alpha: float, sigma: float) -> np.ndarray:
    """The gradient of the log density (m, 2): a mixture of equal Gaussians by its definition, then autograd."""
    at = torch.tensor(x, requires_grad=True)
    centres = alpha * torch.tensor(field.points) + sigma * torch.tensor(field.noises)
    variance = alpha**2 * field.point_variance + 2 * alpha * sigma * field.covariance + sigma**2 * field.noise_variance
    away = (at[:, None] - centres).square().sum(-1)
    density = torch.logsumexp(-away / (2 * variance), 1) - math.log(2 * math.pi * variance * len(centres))
    return torch.autograd.grad(density.sum(), at)[0].numpy()


def gaps(distribution: str, coupling: str, path: Any, t: float) -> dict[str, float]:
    """The largest difference of each closed form from what differentiation gives."""
    field, a, s = marginal_field(sample_distribution(distribution), coupling), path.alpha(t), path.sigma(t)
    x = np.random.default_rng(1).standard_normal((PARTICLES, 2))
    score = differentiated(field, x, a, s)
    pairs = {"score": (field.score(x, a, s), score)}
    if coupling == "independent":
        da, ds = path.d_alpha(t), path.d_sigma(t)
        pairs |= {"noise": (field.noise(x, a, s), -s * score),
                  "denoised": (field.denoised(x, a, s), (x + s**2 * score) / a),
                  "velocity": (field.velocity(x, a, s, da, ds), da / a * x - s * (ds - s * da / a) * score)}
    return {name: float(np.abs(one - other).max()) for name, (one, other) in pairs.items()}


def exactness() -> Iterator[dict[str, Any]]:
    for coupling in COUPLINGS:
        largest = [gaps(distribution, coupling, path, t)
                   for distribution in DISTRIBUTIONS for path in PATHS.values() for t in TIMES]
        for name in largest[0]:
            yield row(f"{coupling}: {name} against autograd", [gap[name] for gap in largest], "", CLOSE)


def main() -> None:
    arguments = parse_options(__doc__, 30)
    rows = [*speed(arguments.repeats), *exactness()]
    report(f"FlowPaths: {PARTICLES} particles, {STEPS} steps", rows, arguments.json)


if __name__ == "__main__":
    main()
