"""Items about learning."""

from __future__ import annotations

import random

import numpy as np

from ....diffusion.paths import PATHS
from ....diffusion.predictions import PREDICTIONS, error_gain
from ..item import Item, Opens, ask_choice, ask_number, kind
from .sources import tenths

STRAIGHT = PATHS["straight"]


@kind("learning", "the loss by hand", margin=2)
def loss(rng: random.Random) -> Item:
    """gap: see `ask_number`."""
    target, predicted = [tenths(rng, -2, 2) for _ in range(2)], [tenths(rng, -2, 2) for _ in range(2)]
    errors = np.subtract(predicted, target)
    answer = float(np.square(errors).mean())
    return ask_number(f"The target is ({target[0]:g}, {target[1]:g}), the prediction ({predicted[0]:g}, "
                      f"{predicted[1]:g}). What is the "
                      "mean squared "
                      "error?", answer, [2 * answer, answer**0.5, float(np.abs(errors).mean()), float(errors.mean())],
                      f"({errors[0]:.2g})² and ({errors[1]:.2g})², their mean is "
                      f"{answer:.3g}.", Opens("Learning"), low=0, high=10)


@kind("learning", "the loss of predicting 0", margin=2)
def loss_of_zero(rng: random.Random) -> Item:
    """gap: see `ask_number`."""
    std, target = rng.choice((0.5, 1.0, 1.5, 2.0)), rng.choice(("noise", "x0", "velocity"))
    p, q = PREDICTIONS[target](STRAIGHT, 0.5)
    answer = p**2 * std**2 + q**2
    others = {1.0, std**2, 1 + std**2, 1 + std} - {answer}
    return ask_number(f"The data have mean 0 and standard deviation {std:g}, and the noise is standard normal and "
                      "independent. A network "
                      f"that is trained to predict {target} on the straight path predicts 0. What is its mean squared "
                      "error per number?",
                      answer, sorted(others), "It is the variance of the target: "
                      + {"noise": "1 for noise.", "x0": f"{std:g}² = {answer:g}.",
                         "velocity": f"noise - x0 has 1 + {std:g}² = {answer:g}."}[target],
                      Opens("Learning", {"prediction": target}), low=0, high=13)


@kind("learning", "an error of the noise, as an error of x0", margin=2)
def gain(rng: random.Random) -> Item:
    """gap: see `ask_number`."""
    t, error = rng.choice((0.2, 0.5, 0.8, 0.9, 0.95)), rng.choice((0.1, 0.2, 0.5))
    answer = error * error_gain("noise", "x0", STRAIGHT, t)
    return ask_number(f"A noise prediction is wrong by {error:g} at t = {t:g} of the straight path. How wrong is the "
                      "x0 that follows?",
                      answer, [error, error * t, error / (1 - t), error * (1 - t) / t],
                      f"x0 = (x - t noise) / (1 - t), so the error grows by {t:g} / {1 - t:g}: {answer:.3g}.",
                      Opens("Learning", {"prediction": "noise"}), low=0, high=11, within=0.06)


@kind("learning", "the target of v by hand", margin=2)
def v_target(rng: random.Random) -> Item:
    """gap: see `ask_number`."""
    t, x0, noise = tenths(rng, 0.1, 0.9), tenths(rng, -3, 3), tenths(rng, -3, 3)
    p, q = PREDICTIONS["v"](STRAIGHT, t)
    answer = p * x0 + q * noise
    return ask_number(f"A network predicts v = alpha noise - sigma x0. At t = {t:g} of the straight path x0 = {x0:g} "
                      f"and noise = {noise:g}. "
                      "What is its "
                      "target?", answer, [noise - x0, -answer, (1 - t) * x0 - t * noise, t * noise + (1 - t) * x0],
                      f"{1 - t:.1f} · {noise:g} - {t:g} · {x0:g} = "
                      f"{answer:.3g}.", Opens("Learning", {"prediction": "v"}),
                      low=-4.1, high=4.0)


@kind("learning", "which prediction fails at pure noise")
def fails_at_one(rng: random.Random) -> Item:
    """gap: 1; an error gain is infinite or not."""
    gains = {name: error_gain(name, "x0", STRAIGHT, 1.0) for name in PREDICTIONS}
    failing = [name for name, value in gains.items() if not np.isfinite(value)]
    wrong = rng.sample([name for name in gains if name not in failing], 2)
    return ask_choice(rng, "At t = 1 of the straight path x is pure noise. Which prediction leaves x0 undetermined "
                           "there, however good "
                      "it is?", failing[0], wrong, "x0 = (x - sigma noise) / alpha, and alpha is 0. "
                      + "; ".join(f"{name}: an error of x0 is {gains[name]:g} times as large" for name in wrong) + ".",
                      Opens("Learning", {"prediction": "noise"}), gap=float(len(failing) == 1))
