"""Train a model, and write its weights and card into the zoo. What it measures is added by `measure --card`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
from torch import nn

from ..nn.unet import UNet
from ..zoo import fingerprint, read_card, write_weights
from ..zoo.loading import load_text, load_vae
from . import classifier, decoder, denoiser, examiner, reflow, text, vae
from .data import edition
from .loop import Training

PART = {"vae": "encoder", "text": "", "unet-flow": ""}  # what later models rest on: a finer decoder spoils no latent
WORLD = "64,000 drawings of the picture world (split 'train': scenes and their twins, no held-out pair)"


@dataclass(frozen=True)
class Recipe:
    """How a model is made. `after` names the models that must be in the zoo before; `finish` is its last touch;
    `more` goes onto the card. `file`: whose weight file it becomes, if not its own. `byte`: with one byte
    a weight, as all but the autoencoder are, whose latents rest on its numbers as they stand.
    `grounded`: told in training where the words of things lie, which its card then says."""

    role: str
    stands_for: str
    data: str
    batch: int
    steps: int
    train: Callable[[int, str], Training]
    after: tuple[str, ...] = ()
    finish: Callable[[Any], nn.Module] = lambda model: model
    more: Mapping[str, str | float] = field(default_factory=dict)
    file: str = ""
    byte: bool = True
    grounded: bool = False


RECIPES = {
    "vae": Recipe("autoencoder", "the compression of Stable Diffusion: f8, 4 channels",
                  f"{WORLD}; three batches of crops to one of whole pictures", vae.BATCH, 5_500,
                  vae.train, finish=vae.standardised, byte=False),
    "decoder": Recipe("autoencoder", "the compression of Stable Diffusion: f8, 4 channels",
                      f"{WORLD}; the decoder alone, after the whole", decoder.BATCH, 5_000,
                      lambda steps, of: decoder.train(load_vae(), steps, of), ("vae",), file="vae", byte=False),
    "text": Recipe("text encoder", "CLIP: contrastive, by sentences and by words and regions",
                   f"latents of {WORLD}, captioned anew each time", 2 * text.PAIRS, 2_400,
                   lambda steps, of: text.train(load_vae(), steps, of), ("vae",)),
    "classifier": Recipe("classifier", "the art teacher of classifier guidance, on noisy latents",
                         f"latents of {WORLD}, at all noise levels", classifier.BATCH, 5_000,
                         lambda steps, of: classifier.train(load_vae(), steps, of), ("vae",)),
    "examiner": Recipe("examiner", "scores finished pictures; never guides", f"{WORLD}, half of them blurred",
                       examiner.BATCH, 2_400, examiner.train),
}


def _denoiser(name: str) -> Recipe:
    """The recipe of a twin: the same for all four but for the name."""
    twin = denoiser.TWINS[name]
    network = "U-Net with cross-attention" if twin.network is UNet else "diffusion transformer with joint attention"
    return Recipe("denoiser", f"a {network} on the {twin.path} path, predicting {twin.prediction}",
                  f"latents of {WORLD}, captioned anew each time, a tenth of the captions dropped",
                  denoiser.BATCH, 14_000,
                  lambda steps, of: denoiser.train(name, load_vae(), load_text(), steps, of), ("vae", "text"),
                  lambda aligned: aligned.net,
                  {"network": twin.network.__name__, "path": twin.path, "prediction": twin.prediction},
                  grounded=True)


RECIPES |= {name: _denoiser(name) for name in denoiser.TWINS}
RECIPES["unet-reflow"] = replace(
    RECIPES["unet-flow"], stands_for="one round of reflow: straighter paths for fewer steps; wants guidance 1",
    data=f"{reflow.PAIRS:,} pairs of noise and latent, joined by unet-flow's own sampler", steps=6_000,
    train=reflow.train, more={**RECIPES["unet-flow"].more, "default_guidance": 1.0},  # its pairs were guided
    after=("vae", "text", "unet-flow"))


def train_and_ship(name: str, steps: int | None = None) -> str | None:
    """Train `name` and ship the moving average of its weights. Goes on from where an earlier call was stopped.

    Returns: the name of the weight file, which is another for what trains on a part of a model; None in a process that
    trained beside the one which ships.

    Raises:
        ValueError: no such model, or a state on disk that is of another training.
    """
    if name not in RECIPES:
        raise ValueError(f"no recipe is called {name!r}; there are: {', '.join(RECIPES)}")
    recipe = RECIPES[name]
    before = (f"{other} {fingerprint(other, PART[other])}" for other in recipe.after)
    rests_on = " ".join([f"world {edition()}", *before])
    training = recipe.train(steps or recipe.steps, rests_on)
    return ship(name, training) if training.first else None


def ship(name: str, training: Training) -> str:
    """Write the moving average of a training into the zoo, finished or not: the card says how far it is."""
    recipe = RECIPES[name]
    model = recipe.finish(training.average)
    about = {"role": recipe.role, "stands_for": recipe.stands_for, "data": recipe.data, "depends_on": training.of,
             **recipe.more, "batch": recipe.batch, "precision": training.precision,
             "steps": training.step, "planned_steps": training.plan.steps,
             "minutes": round(training.seconds / 60, 1), "curve": thinned(training.curve)}
    if recipe.grounded:  # whoever scores its attention has to know which was taught
        about["supervised_attention"] = sorted(model.supervised_attention)  # type: ignore[arg-type]
    if recipe.file:  # what it went on from is on the card too
        earlier = read_card(recipe.file)
        entry = {k: earlier[k] for k in ("data", "steps", "minutes", "curve")}
        about["previous_training"] = [*earlier.get("previous_training", []), entry]
    config = {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(model.config).items()}  # type: ignore
    write_weights(recipe.file or name, model, config, about, int8=recipe.byte)
    return recipe.file or name


def thinned(curve: list[dict[str, float]], points: int = 40) -> list[dict[str, float]]:
    """At most `points` rows of a loss curve, evenly spread, to four digits."""
    if not curve:
        return []
    picks = np.unique(np.linspace(0, len(curve) - 1, min(points, len(curve))).round().astype(int))
    return [{k: float(f"{v:.4g}") for k, v in curve[i].items()} for i in picks]
