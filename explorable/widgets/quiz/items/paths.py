"""Items about flow paths."""

from __future__ import annotations

import functools
import random

import numpy as np

from ....analysis.straightness import path_length_ratio
from ....diffusion.paths import PATHS
from ....diffusion.timesteps import uniform_timesteps
from ....flow2d.distributions import sample_distribution
from ....flow2d.field import MixtureField, ideal_field
from ....flow2d.flow import conditional_paths
from ....flow2d.trajectories import endpoint_errors, integrate
from ..item import Item, Opens, ask_choice, ask_number, kind
from ..material import show_lines
from .sources import LETTERS, tenths

DISTRIBUTIONS = ("two moons", "eight gaussians", "spiral", "checkerboard")
WIDTH = 0.1
STRAIGHT = PATHS["straight"]


@kind("flow paths", "the velocity of a pair", margin=2)
def velocity(rng: random.Random) -> Item:
    """gap: see `ask_number`."""
    x0, noise, t = tenths(rng, -3, 3), tenths(rng, -3, 3), tenths(rng, 0.1, 0.9)
    answer = noise - x0
    return ask_number(f"On the straight path a point {x0:g} is paired with the noise {noise:g}. What is dx/dt at t = "
                      f"{t:g}?", answer,
                      [-answer, t * noise - (1 - t) * x0, (1 - t) * x0 + t * noise],
                      f"x = (1 - t) {x0:g} + t {noise:g}, so dx/dt = {noise:g} - {x0:g} = {answer:.3g} at every "
                      "t.", Opens("FlowPaths"))


@kind("flow paths", "a step of Euler's method", margin=2)
def euler_step(rng: random.Random) -> Item:
    """gap: see `ask_number`."""
    x, v, t, steps = tenths(rng, -2, 2), tenths(rng, -4, 4), 1.0, rng.choice((2, 4, 5, 10))
    answer = x - v / steps
    return ask_number(f"Sampling begins at t = {t:g} with x = {x:g}. The velocity dx/dt there is {v:g}. Where is x "
                      "after the first of "
                      f"{steps} equal Euler steps to t = 0?", answer, [x + v / steps, x - v, x * (1 - 1 / steps)],
                      f"t falls by 1/{steps}: {x:g} - {v:g} / {steps} = {answer:.3g}.",
                      Opens("FlowPaths", {"steps": steps}))


@kind("flow paths", "evaluations of Heun's method", margin=1.9)
def heun_evaluations(rng: random.Random) -> Item:
    """gap: see `ask_number`. The answer is counted."""
    steps = rng.randint(3, 24)
    field = _field("two moons", 0)
    answer = integrate(field, STRAIGHT, np.zeros((1, 2)), uniform_timesteps(steps), "heun").evaluations
    return ask_number("Heun's method evaluates the network at both ends of a step, but in the last step, to t = 0, "
                      "only at its start. "
                      f"How many evaluations are {steps} steps?", answer, [steps, 2 * steps, 2 * steps + 1],
                      f"2 · {steps} - 1 = {answer}: for the same number of evaluations, Euler's method takes {answer} "
                      "steps.",
                      Opens("FlowPaths", {"solver": "heun", "steps": steps}), low=0, high=61, within=0.5)


@functools.lru_cache(maxsize=32)
def _field(distribution: str, seed: int) -> MixtureField:
    return ideal_field(sample_distribution(distribution, 64, seed), WIDTH)


@functools.lru_cache(maxsize=64)
def _errors(distribution: str, seed: int, path: str) -> dict[int, float]:
    """Return the median error of Euler's method over 32 particles, by the number of steps."""
    start = np.random.default_rng(seed).standard_normal((32, 2))
    steps = (4, 8, 16)
    errors = endpoint_errors(_field(distribution, seed), PATHS[path], start, steps=steps)
    return dict(zip(steps, map(float, np.median(errors.distances, axis=1)), strict=True))


@kind("flow paths", "the error of 8 Euler steps", margin=1.5)
def euler_error(rng: random.Random) -> Item:
    """gap: the factor from the answer to the error of 4 steps, which is given and is the middle of the slider; an
    answer is right within 1.3."""
    distribution, seed, path = rng.choice(DISTRIBUTIONS), rng.randrange(8), rng.choice(("straight", "cosine"))
    errors = _errors(distribution, seed, path)
    low, high = errors[4] / 30, errors[4] * 30
    return Item(f"In the plane the exact end of each trajectory is known. On {distribution!r}, along the {path} path, "
                "4 Euler steps end "
                f"{errors[4]:.3f} away from it (median). How far do 8 steps end?",
                {"number": (float(f"{low:.1g}"), float(f"{high:.1g}")), "factor": 1.3}, errors[8],
                f"Measured: {errors[4]:.3f}, {errors[8]:.3f} and {errors[16]:.3f} with 4, 8 and 16 steps. Euler's "
                "method is of order 1: "
                "twice the steps, about half the error, once steps are small.",
                Opens("FlowPaths", {"distribution": distribution, "path": path, "seed": seed, "steps": 8}),
                errors[4] / errors[8])


@kind("flow paths", "which trajectories does a sampler follow", margin=1.02)
def sampler_paths(rng: random.Random) -> Item:
    """gap: path length over distance, the mean of the bent trajectories; straight lines have 1."""
    distribution, seed = rng.choice(DISTRIBUTIONS), rng.randrange(20)
    points = sample_distribution(distribution, 64, seed)
    start = np.random.default_rng(seed).standard_normal((16, 2))
    times = uniform_timesteps(24)
    bent = integrate(_field(distribution, seed), STRAIGHT, start, times).x
    lines = conditional_paths(STRAIGHT, points[:16], start, times)
    ratio = float(np.mean(path_length_ratio(bent)))
    letters = rng.sample(LETTERS[:2], 2)
    return Item("Both charts belong to the straight path, from the same noise (dots: where each ends). One shows "
                "conditional paths, each from one "
                "noise to one point. Which shows what a sampler follows?", {"choices": LETTERS[:2]}, letters[0],
                f"A sampler follows the mean velocity of all pairs: its trajectories bend, and are {ratio:.2f} times "
                "as long as the distance. Conditional paths are straight.",
                Opens("FlowPaths", {"distribution": distribution, "seed": seed}), ratio,
                show_lines(dict(sorted(zip(letters, (bent, lines), strict=True)))))


@kind("flow paths", "where the paths end")
def path_at_one(rng: random.Random) -> Item:
    """gap: 1; alpha(1) is 0 or not."""
    path = rng.choice(("straight", "linear", "cosine"))
    left = PATHS[path].alpha(1.0)
    texts = {True: "nothing: alpha(1) is 0", False: "a trace: alpha(1) is about 0.007"}
    return ask_choice(rng, f"What is left of the image at t = 1 of the {path} path?", texts[left == 0],
                      [texts[left != 0], "half: alpha(1) is "
                                         "0.5"], f"alpha(1) = {left:.4f}.", Opens("FlowPaths", {"path": path}))
