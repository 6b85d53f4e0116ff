"""Train a model by its recipe, and write its weights and card into the zoo. `measure --card` adds measurements."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
from torch import nn

from ..nn.unet import UNet
from ..zoo import fingerprint, read_card, write_weights
from ..zoo.loading import load_text, load_vae
from . import classifier, decoder, denoiser, examiner, reflow, text, text_t5, vae
from .data import world_fingerprint
from .loop import Training, checkpoint_tag, read_state

# The part of a model that later ones depend on: a new decoder leaves all latents valid.
SHARED_PART = {"vae": "encoder", "text": "", "unet-flow": ""}
DRAWINGS = "64,000 drawings of the picture world (split 'train': scenes and their near copies, no held-out pair)"


@dataclass(frozen=True)
class Recipe:
    """How a model is trained.

    requires: models that must be in the zoo first. finish: turns the trained module into the shipped one.
    card_entries: further entries of the card. weight_file: whose file it becomes, if not its own. int8: store matrices
    as int8; the autoencoder is exempt, since latents depend on its exact weights. supervised: its attention was trained
    on masks, which the card then says. checkpoints: steps after which the weights become a model of their own.
    """

    role: str
    stands_for: str
    data: str
    batch_size: int
    steps: int
    train: Callable[[int, str], Training]
    requires: tuple[str, ...] = ()
    finish: Callable[[Any], nn.Module] = lambda model: model
    card_entries: Mapping[str, str | float] = field(default_factory=dict)
    weight_file: str = ""
    int8: bool = True
    supervised: bool = False
    checkpoints: tuple[int, ...] = ()


RECIPES = {
    "vae": Recipe("autoencoder", "the compression of Stable Diffusion: f8, 4 channels",
                  f"{DRAWINGS}; three batches of crops to one of whole images", vae.BATCH_SIZE, 5_500,
                  vae.train, finish=vae.standardise, int8=False),
    "decoder": Recipe("autoencoder", "the compression of Stable Diffusion: f8, 4 channels",
                      f"{DRAWINGS}; the decoder alone, after the whole autoencoder", decoder.BATCH_SIZE, 5_000,
                      lambda steps, depends_on: decoder.train(load_vae(), steps, depends_on), ("vae",),
                      weight_file="vae", int8=False),
    "text": Recipe("text encoder", "CLIP: contrastive, by sentences and by words and regions",
                   f"latents of {DRAWINGS}, captioned anew each time", 2 * text.PAIRS, 2_400,
                   lambda steps, depends_on: text.train(load_vae(), steps, depends_on), ("vae",)),
    "text-t5": Recipe("text encoder", "T5: fills gaps in captions; it has never seen an image",
                      "captions of 64,000 scenes of the picture world (split 'train', no held-out pair), two of a "
                      "scene where they fit, written and corrupted anew each time", text_t5.BATCH_SIZE,
                      2_000, text_t5.train),
    "classifier": Recipe("classifier", "the classifier of classifier guidance, on noisy latents",
                         f"latents of {DRAWINGS}, at all noise levels", classifier.BATCH_SIZE, 5_000,
                         lambda steps, depends_on: classifier.train(load_vae(), steps, depends_on), ("vae",)),
    "examiner": Recipe("examiner", "scores finished images; never guides", f"{DRAWINGS}, half of them blurred",
                       examiner.BATCH_SIZE, 2_400, examiner.train),
}


def _denoiser(name: str) -> Recipe:
    """Return the recipe of a denoiser: twins differ in network and path only, the small pair in supervision only."""
    twin = denoiser.DENOISERS[name]
    network = "U-Net with cross-attention" if twin.network is UNet else "diffusion transformer with joint attention"
    stands_for = f"a {network} on the {twin.path} path, predicting {twin.prediction}"
    if name in denoiser.SMALL_PAIR:
        stands_for = f"a smaller {network}, its attention {'' if twin.supervised else 'not '}trained on masks"
    return Recipe("denoiser", stands_for,
                  f"latents of {DRAWINGS}, captioned anew each time, a tenth of the captions dropped",
                  denoiser.BATCH_SIZE, 4_000 if name in denoiser.SMALL_PAIR else 14_000,
                  lambda steps, depends_on: denoiser.train(name, load_vae(), load_text(), steps, depends_on),
                  ("vae", "text"), lambda aligned: aligned.net,
                  {"network": twin.network.__name__, "path": twin.path, "prediction": twin.prediction},
                  supervised=twin.supervised, checkpoints=twin.checkpoints)


RECIPES |= {name: _denoiser(name) for name in denoiser.DENOISERS}
RECIPES["unet-reflow"] = replace(
    RECIPES["unet-flow"], stands_for="one round of reflow: straighter paths for fewer steps; default guidance 1",
    data=f"{reflow.PAIR_COUNT:,} pairs of noise and latent, paired by unet-flow's sampler", steps=6_000,
    train=reflow.train, card_entries={**RECIPES["unet-flow"].card_entries, "default_guidance": 1.0},
    requires=("vae", "text", "unet-flow"))


def train_to_zoo(name: str, steps: int | None = None) -> str | None:
    """Train `name`, or resume its training, and write the moving average of its weights into the zoo.

    Returns: the name of the weight file, which is another model's for the decoder; None in all processes but the main
    one.

    Raises:
        ValueError: an unknown name, or a state on disk of another training.
    """
    if name not in RECIPES:
        raise ValueError(f"no recipe is called {name!r}; choose one of: {', '.join(RECIPES)}")
    recipe = RECIPES[name]
    models = (f"{other} {fingerprint(other, SHARED_PART[other])}" for other in recipe.requires)
    depends_on = " ".join([f"world {world_fingerprint()}", *models])
    training = recipe.train(steps or recipe.steps, depends_on)
    return write_to_zoo(name, training) if training.is_main_process else None


def write_to_zoo(name: str, training: Training) -> str:
    """Write the moving average of a training, finished or not, its card, and its checkpoints. Return the name of the
    weight file."""
    recipe = RECIPES[name]
    model = recipe.finish(training.average)
    card = {"role": recipe.role, "stands_for": recipe.stands_for, "data": recipe.data,
            "depends_on": training.depends_on, **recipe.card_entries,
            "batch": recipe.batch_size, "precision": training.precision,
            "steps": training.step, "planned_steps": training.plan.steps,
            "minutes": round(training.seconds / 60, 1), "curve": thin_curve(training.curve)}
    if recipe.supervised:  # scores of its attention have to be read with this
        card["supervised_attention"] = sorted(model.supervised_attention)  # type: ignore[arg-type]
    if recipe.weight_file:  # keep the record of the training that it continues
        earlier = read_card(recipe.weight_file)
        record = {k: earlier[k] for k in ("data", "steps", "minutes", "curve")}
        card["previous_training"] = [*earlier.get("previous_training", []), record]
    file = recipe.weight_file or name
    write_weights(file, model, _config(model), card, int8=recipe.int8)
    for step in recipe.checkpoints:
        _write_checkpoint(name, training, step)
    return file


def _write_checkpoint(name: str, training: Training, step: int) -> None:
    """Write the moving average that a training kept after a step, as the model NAME-STEP."""
    recipe, state = RECIPES[name], read_state(name, checkpoint_tag(step))
    if state is None or step > training.step or state["depends_on"] != training.depends_on:
        return  # the training ended before this step; a state on disk is of another one
    average = copy.deepcopy(training.average)
    average.load_state_dict(state["average"])
    card = {"role": "checkpoint", "stands_for": f"{name} after {step:,} of {training.plan.steps:,} steps",
            "depends_on": training.depends_on, **recipe.card_entries, "steps": step,
            "planned_steps": training.plan.steps}
    model = recipe.finish(average)
    write_weights(f"{name}-{step}", model, _config(model), card, int8=recipe.int8)


def _config(model: nn.Module) -> dict[str, Any]:
    return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(model.config).items()}  # type: ignore


def thin_curve(curve: list[dict[str, float]], rows: int = 40) -> list[dict[str, float]]:
    """Return at most `rows` evenly spaced rows of a loss curve, rounded to four digits."""
    if not curve:
        return []
    picks = np.unique(np.linspace(0, len(curve) - 1, min(rows, len(curve))).round().astype(int))
    return [{k: float(f"{v:.4g}") for k, v in curve[i].items()} for i in picks]
