"""Items about the noise trajectory, classifier guidance and the guidance scale."""

from __future__ import annotations

import itertools
import math
import random

import numpy as np
import torch

from ....analysis.trajectory import signal_to_noise
from ....diffusion.guidance import classifier_free, shift_denoised
from ....diffusion.paths import PATHS
from ....nn.classifier import noise_level
from ....pipeline import Pipeline
from ..item import Item, Opens, ask_choice, ask_number, kind
from ..material import show_images
from .sources import LETTERS, STEPS, drawing_of, pipeline, random_scene, rms, short_run, tenths

STRAIGHT = PATHS["straight"]


# ---- noise trajectory ------------------------------------------------------------------------------------------------


@kind("noise trajectory", "signal to noise", margin=1.3)
def signal_to_noise_at(rng: random.Random) -> Item:
    """gap: the factor between the answer and the nearest of alpha / sigma, its inverse, and the slider's middle."""
    t = tenths(rng, 0.1, 0.9)
    answer = signal_to_noise(STRAIGHT, t)
    wrong = (math.sqrt(answer), 1 / answer, 1.0)
    gap = min(max(answer / w, w / answer) for w in wrong)
    return Item("On the straight path, x = (1 - t) image + t noise. What is alpha²/sigma², signal to noise, at t = "
                f"{t:g}?",
                {"number": (0.01, 100.0), "factor": 1.1}, answer,
                f"alpha = {1 - t:g} and sigma = {t:g}, so it is ({1 - t:g} / {t:g})² = {answer:.3g}.",
                Opens("NoiseTrajectory", {"steps": 10}), gap)


@kind("noise trajectory", "mixing by hand", margin=2)
def mix(rng: random.Random) -> Item:
    """gap: see `ask_number`."""
    t, x0, noise = tenths(rng, 0.1, 0.9), tenths(rng, -3, 3), tenths(rng, -3, 3)
    x = STRAIGHT.alpha(t) * x0 + STRAIGHT.sigma(t) * noise
    return ask_number(f"A number of the clean latent is {x0:g}, the noise there is {noise:g}. What is the noisy latent "
                      "at "
                      f"t = {t:g} of the straight path?", x, [t * x0 + (1 - t) * noise, x0 + noise, x0 + t * noise],
                      f"(1 - {t:g}) · {x0:g} + {t:g} · {noise:g} = {x:.3g}.", Opens("NoiseTrajectory"), low=-4, high=4)


@kind("noise trajectory", "the clean latent by hand", margin=2)
def unmix(rng: random.Random) -> Item:
    """gap: see `ask_number`."""
    t, x, noise = rng.choice((0.2, 0.5, 0.6, 0.75, 0.8)), tenths(rng, -2, 2), tenths(rng, -2, 2)
    x0 = (x - t * noise) / (1 - t)
    return ask_number(f"The noisy latent is {x:g} at t = {t:g} of the straight path, and the network predicts the "
                      "noise "
                      f"{noise:g}. Which estimate of the clean latent "
                      "follows?", x0, [x - noise, x - t * noise, x / (1 - t)],
                      f"x = (1 - t) x0 + t noise, so x0 = ({x:g} - {t:g} · {noise:g}) / {1 - t:g} = {x0:.3g}.",
                      Opens("NoiseTrajectory"))


@kind("noise trajectory", "predictions in order", margin=6)
def order_predictions(rng: random.Random) -> Item:
    """gap: the smallest RMS difference of neighbouring images, in 8-bit levels; 0 unless each is nearer to the end."""
    _, caption = random_scene(rng)
    seed, steps = rng.randrange(100), (0, 2, 4, 7)
    run = short_run(caption, seed)
    images = run.previews.values[list(steps)]
    distances = [rms(image, run.image) for image in images]
    falling = all(a > b for a, b in itertools.pairwise(distances))
    gap = min(rms(a, b) for a, b in itertools.pairwise(images)) if falling else 0.0
    letters = rng.sample(LETTERS, 4)  # the letter of each image, in the order of steps
    shown = dict(sorted(zip(letters, images, strict=True)))
    times = ", ".join(f"{letter}: t = {float(run.denoised.t[s]):.2f}" for letter, s in zip(letters, steps, strict=True))
    return Item("These are predicted images of one run. Put them in the order of sampling, the noisiest time first.",
                {"order": LETTERS}, tuple(letters), f"{times}. They differ from the final image by "
                f"{', '.join(f'{d:.0f}' for d in distances)} levels.",
                Opens("NoiseTrajectory", {"prompt": caption, "seed": seed, "steps": STEPS}), gap, show_images(shown))


# ---- classifier guidance ---------------------------------------------------------------------------------------------


@kind("classifier guidance", "the shift by hand", margin=2)
def shift(rng: random.Random) -> Item:
    """gap: see `ask_number`."""
    t, scale = rng.choice((0.2, 0.5, 0.8)), rng.choice((2, 5, 10))
    estimate, gradient = tenths(rng, -2, 2), rng.choice((-0.4, -0.2, -0.1, 0.1, 0.2, 0.4))
    numbers = [torch.tensor(float(value), dtype=torch.float64) for value in (estimate, gradient)]
    answer = float(shift_denoised(STRAIGHT, numbers[0], numbers[1], scale, t))
    factor = t * t / (1 - t)
    return ask_number(f"The estimate of the clean latent is {estimate:g}, the gradient of log p(lion | x) is "
                      f"{gradient:g}. "
                      f"What is the estimate with classifier guidance of scale {scale} at t = {t:g} of the straight "
                      "path? "
                      "It adds scale · gradient · sigma²/alpha.", answer,
                      [estimate + scale * gradient, estimate - scale * factor * gradient, estimate + factor * gradient],
                      f"{estimate:g} + {scale} · {gradient:g} · {t:g}² / {1 - t:g} = {answer:.3g}.",
                      Opens("ClassifierGuidance", {"classifier_scale": float(scale)}))


@kind("classifier guidance", "two classes on a line", margin=0.12)
def two_classes(rng: random.Random) -> Item:
    """gap: the smallest difference of two choices, as probabilities."""
    m, s, x = rng.choice((1.0, 1.5, 2.0)), rng.choice((1.0, 1.5, 2.0)), rng.choice((-1.0, -0.5, 0.5, 1.0))
    p = 1 / (1 + math.exp(-2 * m * x / s**2))
    choices = sorted({p, 1 - p, 0.5})
    gap = min(b - a for a, b in itertools.pairwise(choices))
    return ask_choice(rng, f"Two classes are as likely: one is normal around {-m:g}, the other around {m:g}, both with "
                      f"standard deviation {s:g}. How likely is the second at x = {x:g}?", f"{p:.2f}",
                      [f"{1 - p:.2f}", "0.50"], f"By Bayes' rule 1 / (1 + exp(-2 · {m:g} · {x:g} / {s:g}²)) = {p:.2f}. "
                      "A classifier's gradient points to where this grows.",
                      Opens("ClassifierGuidance", {"mode": "plane"}), gap)


@kind("classifier guidance", "how the classifier sees noise", margin=0.1)
def confidence_by_noise(rng: random.Random) -> Item:
    """gap: the smallest difference of two of the three probabilities."""
    scene, _ = random_scene(rng)
    target, pipe, times = scene.groups[0].kind, pipeline(), (0.1, 0.6, 0.9)
    latent = pipe.encode(drawing_of(scene).image[None]).double()
    noise = torch.from_numpy(np.random.default_rng(rng.randrange(1000)).standard_normal(latent.shape))
    x = torch.cat([STRAIGHT.alpha(t) * latent + STRAIGHT.sigma(t) * noise for t in times])
    p = [_probability(pipe, x[k : k + 1], t, target) for k, t in enumerate(times)]
    order = sorted(range(3), key=lambda k: -p[k])
    names = [f"t = {t:g}" for t in times]
    gap = min(p[a] - p[b] for a, b in itertools.pairwise(order))
    return Item("The classifier reads the noisy latent of this drawing at three noise times. Where is its probability "
                "of "
                f"{target!r} highest, second and lowest?", {"order": tuple(names)}, tuple(names[k] for k in order),
                "; ".join(f"at {name} it is {value:.2f}" for name, value in zip(names, p, strict=True)) + ".",
                Opens("ClassifierGuidance", {"target": target}), gap, show_images({"the "
                "drawing": drawing_of(scene).image}))


@torch.inference_mode()
def _probability(pipe: Pipeline, x: torch.Tensor, t: float, target: str) -> float:
    """Return the classifier's probability of a thing at x (1, 4, 16, 16)."""
    level = torch.full((1,), noise_level(STRAIGHT.alpha(t), STRAIGHT.sigma(t)))
    classifier = pipe.classifier
    return float(classifier.log_prob(classifier(x.float(), level), target).exp())


# ---- guidance scale --------------------------------------------------------------------------------------------------


@kind("guidance scale", "u + w (c - u) by hand", margin=2)
def guide(rng: random.Random) -> Item:
    """gap: see `ask_number`."""
    u, c, w = tenths(rng, -1, 1), tenths(rng, -1, 1), rng.choice((2.0, 3.0, 4.0, 5.0, 7.5))
    numbers = [torch.tensor(value, dtype=torch.float64) for value in (u, c)]
    answer = float(classifier_free(numbers[0], numbers[1], w))
    return ask_number(f"Without the prompt the prediction is {u:g}, with it {c:g}. What is the guided one at w = "
                      f"{w:g}?",
                      answer, [c + w * (c - u), w * c, u - w * (c - u), w * (c - u)],
                      f"u + w (c - u) = {u:g} + {w:g} · ({c:g} - {u:g}) = {answer:.3g}.",
                      Opens("GuidanceScale", {"guidance": w}))


@kind("guidance scale", "w from three predictions", margin=4)
def find_scale(rng: random.Random) -> Item:
    """gap: see `ask_number`."""
    u, c, w = tenths(rng, -1, 1), tenths(rng, -1, 1), rng.choice((2.0, 3.0, 4.0, 5.0, 8.0))
    if abs(c - u) < 0.3:
        c = u + 0.5
    guided = u + w * (c - u)
    return ask_number(f"The prediction is {u:.3g} without the prompt, {c:.3g} with it, and {guided:.3g} after "
                      "guidance. What is w?",
                      w, [w - 1, w + 1], f"({guided:.3g} - {u:.3g}) / ({c:.3g} - {u:.3g}) = {w:g}; where w counts from "
                                         "0, "
                      f"it is called {w - 1:g}.", Opens("GuidanceScale", {"guidance": w}), low=0, high=12)


@kind("guidance scale", "which has w = 15", margin=1.15)
def strongest(rng: random.Random) -> Item:
    """gap: the contrast (standard deviation) of the latent at w = 15 over that of the next."""
    _, caption = random_scene(rng)
    seed, scales = rng.randrange(100), (1.0, 4.0, 15.0)
    runs = {w: short_run(caption, seed, w) for w in scales}
    spread = {w: float(run.latents.values[-1].std()) for w, run in runs.items()}
    letters = dict(zip(rng.sample(LETTERS[:3], 3), scales, strict=True))
    answer = next(letter for letter, w in letters.items() if w == 15)
    return Item(f"Three runs of {caption!r} from the same noise, with w = 1, 4 and 15. Which has w = 15?",
                {"choices": LETTERS[:3]}, answer, "Guidance raises the contrast: the standard deviation of the final "
                                                  "latent is "
                + ", ".join(f"{spread[w]:.2f} at w = {w:g}" for w in scales) + ".",
                Opens("GuidanceScale", {"prompt": caption, "seed": seed, "steps": STEPS, "guidance": 15.0}),
                spread[15.0] / max(spread[1.0], spread[4.0]),
                show_images({letter: runs[w].image for letter, w in sorted(letters.items())}))
